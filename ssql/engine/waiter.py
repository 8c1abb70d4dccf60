"""Whether somebody still waits for an answer: what computes one for long is told when they leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Waiter:
    """Somebody who waits. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = False
        self._ends: list[Callable[[], None]] = []

    def leave(self) -> None:
        """End what runs for them."""
        with self._lock:  # nothing is ended that is over already, and may be another's by then
            self._left = True
            for end in self._ends:
                end()

    @contextmanager
    def for_them(self, end: Callable[[], None]) -> Iterator[None]:
        """Within it, `end` is called when they leave, or at once where they have left. It must be short."""
        with self._lock:
            self._ends.append(end)
            if self._left:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.remove(end)


#: Who waits for what runs in this context; None: nobody who could leave.
WAITER: ContextVar[Waiter | None] = ContextVar("WAITER", default=None)
