"""The line below the prompt that tells what is under way: an engine that is opened, queries that catch up.

A thread looks; the prompt only draws what it was given last, so that no key stroke waits. It looks from the moment on
that a prompt appears, for as long as something is under way: nothing is asked of a server while nobody types.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from prompt_toolkit import PromptSession

from ssql.engine.progress import lines
from ssql.errors import SsqlError
from ssql_cli.backend import Backend
from ssql_cli.tables import cut

#: Seconds until the first look: what is done by then is not worth a line.
FIRST_S = 0.4
#: Seconds between two looks.
LOOK_S = 0.3
#: Lines at most.
ROOM = 3


class ProgressBar:
    """The bottom toolbar of a prompt's session."""

    def __init__(self, session: PromptSession[str], backend: Callable[[], Backend]) -> None:
        self._session, self._backend = session, backend
        self._wanted, self._left = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ssql-progress", daemon=True)
        self._text = ""

    def look(self) -> None:
        """A prompt appears: look what is under way."""
        if not self._thread.is_alive():
            self._thread.start()
        self._wanted.set()

    def stop(self) -> None:
        """Look no more: a thread that is still there when the process ends keeps what it looks at from being closed."""
        self._left.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(1.0)  # s: a server that does not answer is not waited for

    def _run(self) -> None:
        while self._wanted.wait() and not self._left.is_set():
            self._wanted.clear()
            self._left.wait(FIRST_S)
            while not self._left.is_set() and self._draw(self._found()):
                self._left.wait(LOOK_S)

    def _found(self) -> list[str]:
        try:
            progress = self._backend().progress()
        except SsqlError:  # a statement will say so
            return []
        found = [] if progress is None else lines(progress)
        return found if len(found) <= ROOM else [*found[: ROOM - 1], f"and {len(found) - ROOM + 1} more"]

    def _draw(self, found: list[str]) -> bool:
        """Have it drawn, if it is not what stands there; whether there is anything."""
        app = self._session.app
        width = app.output.get_size().columns
        text = "\n".join(cut(f" {line}", width) for line in found)
        if text != self._text:
            self._text = text
            self._session.bottom_toolbar = text or None
            app.invalidate()
        return bool(found)
