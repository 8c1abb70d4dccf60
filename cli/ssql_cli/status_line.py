"""How far something long is, on stderr: one line that is written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from ssql.engine.progress import Progress, lines
from ssql.errors import SsqlError
from ssql_cli.tables import cut

#: Seconds between two pictures on a terminal, and how long something takes before there is one.
REDRAW_S = 0.2
FIRST_S = 0.5
#: Seconds between two lines elsewhere, and before the first.
PLAIN_S = 10.0


class StatusLine:
    """The line. `now` is a clock (s) that never goes back."""

    def __init__(self, out: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stderr
        self._now = now
        self._terminal = self._out.isatty()
        self._next = now() + (FIRST_S if self._terminal else PLAIN_S)
        self._drawn = False
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether it is time for another one."""
        return self._now() >= self._next

    def show(self, text: str) -> None:
        """Show it, if it is time."""
        with self._lock:
            if not self.due():
                return
            if self._terminal:
                self._next = self._now() + REDRAW_S
                self._out.write("\r\x1b[K" + cut(text, _width() - 1))
                self._drawn = True
            else:
                self._next = self._now() + PLAIN_S
                self._out.write(text + "\n")
            self._out.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            self._clear()
            self._out.write(text + "\n")
            self._out.flush()

    def clear(self) -> None:
        """Leave nothing behind on a terminal."""
        with self._lock:
            self._clear()
            self._out.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._drawn = False


class Watch:
    """Shows what is under way for as long as the body of a `with` runs: `found` is asked in a thread of its own."""

    def __init__(self, found: Callable[[], Progress | None], line: StatusLine | None = None) -> None:
        self.line = line or StatusLine()
        self._found = found
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ssql-watch", daemon=True)

    def __enter__(self) -> StatusLine:
        self._thread.start()
        return self.line

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.line.clear()

    def _run(self) -> None:
        while not self._ended.wait(REDRAW_S):
            if not self.line.due():
                continue
            try:
                progress = self._found()
            except SsqlError:  # whoever waits for it is told
                continue
            found = [] if progress is None else lines(progress)
            if found:
                more = f"  (and {len(found) - 1} more)" if len(found) > 1 else ""
                self.line.show(found[0] + more)
            else:
                self.line.clear()


def _width() -> int:
    return shutil.get_terminal_size().columns
