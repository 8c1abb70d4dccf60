"""Shows what is longer than the screen in a pager, and writes what is not as it is."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from types import TracebackType
from typing import Self

from ssql_cli.output import Out
from ssql_cli.tables import display_width

#: Names another pager; empty: none.
PAGER_VARIABLE = "PAGER"


class PagerClosed(Exception):
    """The user has left the pager: nobody reads what is still to come."""


class Paged:
    """Text for a terminal, held back until it is more than a screen: then `$PAGER` (default: less) gets it."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._held: list[str] = []
        self._lines = 0
        self._size = shutil.get_terminal_size()
        self._pager: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if self._pager is None:
            self._give_out()
        else:
            assert self._pager.stdin is not None
            with contextlib.suppress(OSError):
                self._pager.stdin.close()
            # Ctrl-C in a pager is the pager's.
            while True:
                with contextlib.suppress(KeyboardInterrupt):
                    self._pager.wait()
                    break
        return kind is PagerClosed

    def write(self, text: str, /) -> None:
        if self._pager is not None:
            self._feed(text)
            return
        self._held.append(text)
        self._lines += sum(1 + max(0, display_width(line) - 1) // self._size.columns for line in text.splitlines())
        if self._lines < self._size.lines:
            return
        command = pager_command()
        if command:
            with contextlib.suppress(OSError):
                environment = {"LESS": "-FRSX", **os.environ}
                self._pager = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment)
        if self._pager is None:
            self._give_out()
            self._lines = 0
            return
        held, self._held = self._held, []
        self._feed("".join(held))

    def flush(self) -> None:
        """What is held back stays so."""

    def _give_out(self) -> None:
        self._out.write("".join(self._held))
        self._out.flush()
        self._held = []

    def _feed(self, text: str) -> None:
        assert self._pager is not None
        assert self._pager.stdin is not None
        try:
            self._pager.stdin.write(text)
        except OSError:
            raise PagerClosed from None


def pager_command() -> list[str]:
    """The words of the pager's command; none where there is no pager."""
    named = os.environ.get(PAGER_VARIABLE)
    if named is not None:
        return shlex.split(named)
    found = shutil.which("less") or shutil.which("more")
    return [found] if found else []
