"""A backend that is still being opened: the prompt is there before the engine is.

Opening an engine imports much and replays its topic. That is done in a thread while the user reads the banner and
types; the first statement waits for what is left of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ssql_cli.backend import Answer, Backend, Entity, Lines
from ssql_cli.status_line import Watch

if TYPE_CHECKING:
    from ssql.engine.opening import Opening
    from ssql.engine.progress import Progress


class PendingBackend:
    """Stands for a backend until it is open; every call waits for it, and raises what opening it raised."""

    def __init__(self, place: str, opener: Callable[[], Backend], opening: Opening | None = None) -> None:
        self.place = place
        self._told_in = opening
        self._backend: Backend | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._told: Callable[[BaseException], object] | None = None
        self._lock = threading.Lock()
        self._opening = threading.Thread(target=self._open, args=(opener,), name="ssql-open", daemon=True)
        self._started = False

    def start(self) -> None:
        """Begin to open it, once there is something to look at meanwhile. The first call needs no start."""
        with self._lock:
            started, self._started = self._started, True
        if not started:
            self._opening.start()

    def on_failure(self, tell: Callable[[BaseException], object]) -> None:
        """Have `tell` called (in any thread) with the error, should opening fail."""
        with self._lock:
            self._told = tell
            error = self._error
        if error is not None:
            tell(error)

    def opened(self) -> Backend:
        """The backend itself, once it is open."""
        self.start()
        # Below the prompt is no line while a statement waits: there is one instead of the prompt.
        waiting = threading.current_thread() is threading.main_thread() and not self._done.is_set()
        with Watch(self.progress) if waiting else nullcontext():
            # Waited for in steps, so that Ctrl-C is heard on every system.
            while not self._done.wait(0.5):
                pass
        if self._error is not None:
            raise self._error
        assert self._backend is not None
        return self._backend

    @property
    def properties(self) -> Mapping[str, object]:
        return self.opened().properties

    @property
    def variables(self) -> Mapping[str, str]:
        return self.opened().variables

    def execute(self, text: str) -> list[Entity]:
        return self.opened().execute(text)

    def query(self, sql: str) -> Answer:
        return self.opened().query(sql)

    def print_topic(self, sql: str) -> Lines:
        return self.opened().print_topic(sql)

    def progress(self) -> Progress | None:
        """What the opening is at, or the backend once it is there: this call alone does not wait for it."""
        if self._backend is not None:
            return self._backend.progress()
        return None if self._told_in is None or self._done.is_set() else self._told_in.progress()

    def close(self) -> None:
        """Wait for the opening, so that what it took is given back."""
        self.start()
        self._done.wait()
        if self._backend is not None:
            self._backend.close()

    def _open(self, opener: Callable[[], Backend]) -> None:
        try:
            self._backend = opener()
        except BaseException as error:
            with self._lock:
                self._error, told = error, self._told
            if told is not None:
                told(error)
        finally:
            self._done.set()
