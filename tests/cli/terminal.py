"""Drives a program on a pseudo terminal, as a person would."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

LINES, COLUMNS = 40, 120

#: What terminals are told beside text: colours, cursor movements, titles, modes.
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>()][0-9A-B]?)|\r")

#: Makes the terminal the program's own, so that Ctrl-C reaches it, and becomes the program.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A program and what it wrote; `wait_for` reads on until a text is there."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._main, side = pty.openpty()
        termios.tcsetwinsize(side, (LINES, COLUMNS))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *command],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(side)
        self._raw = b""
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    def send(self, text: str) -> None:
        os.write(self._main, text.encode())

    def wait_for(self, text: str, timeout_s: float = 20.0) -> str:
        """What was written since the last wait, up to and with `text`."""
        deadline = time.monotonic() + timeout_s
        while True:
            shown = _CONTROL.sub("", self._raw.decode("utf-8", "replace"))
            at = shown.find(text, self._seen)
            if at >= 0:
                part, self._seen = shown[self._seen : at + len(text)], at + len(text)
                return part
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{text!r} is not in {shown[self._seen :]!r}")

    def wait_until(self, holds: Callable[[list[str]], bool], timeout_s: float = 20.0) -> list[str]:
        """The lines of the screen, as soon as something holds for them."""
        deadline = time.monotonic() + timeout_s
        while not holds(self.screen()):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError("the screen never came to that:\n" + "\n".join(self.screen()))
        return self.screen()

    def screen(self) -> list[str]:
        """The lines that stand on the screen now."""
        return [line.rstrip() for line in self._screen.display]

    def cells(self, lines: int = LINES) -> list[list[pyte.screens.Char]]:
        """The first lines of the screen, cell by cell."""
        return [[self._screen.buffer[y][x] for x in range(COLUMNS)] for y in range(lines)]

    def background(self, line: int) -> str:
        """The colour behind the first character of a line of the screen."""
        return str(self._screen.buffer[line][0].bg)

    def exit_code(self, timeout_s: float = 20.0) -> int:
        """Wait for the end of the program."""
        deadline = time.monotonic() + timeout_s
        while self._read(max(0.0, deadline - time.monotonic())):
            pass
        return self._process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def _read(self, timeout_s: float) -> bool:
        """Read what is there; False at the end, or when nothing came in time."""
        ready, _, _ = select.select([self._main], [], [], timeout_s)
        if not ready:
            return False
        try:
            data = os.read(self._main, 65536)
        except OSError:  # how Linux tells the end of a pseudo terminal
            return False
        self._raw += data
        self._stream.feed(data)
        if b"\x1b[6n" in data:  # "where is the cursor?"
            os.write(self._main, f"\x1b[{self._screen.cursor.y + 1};{self._screen.cursor.x + 1}R".encode())
        return bool(data)
