"""Wakes from other threads, brought into the event loop together: one for all that were woken since it last looked."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Doorbell:
    """The bell of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._rung: dict[asyncio.Event, None] = {}

    def ring(self, event: asyncio.Event) -> None:
        """Set an event of the loop. May be called from any thread, at any time."""
        with self._lock:
            first = not self._rung
            self._rung[event] = None
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be woken
                self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        with self._lock:
            rung, self._rung = self._rung, {}
        for event in rung:
            event.set()
