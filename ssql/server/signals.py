"""Signals that end a server, by a pipe of their own.

asyncio writes the number of a signal into the pipe by which threads wake its loop. Where thousands of connections end,
that pipe is full of their wakes: the number is lost then, and Python complains of it. In a pipe that only signals are
written to, there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

ENDING = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def set_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Within it SIGTERM and SIGINT set an event of the running loop. Signals come to the main thread alone: in others
    this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    reading, writing = socket.socketpair()

    def take() -> None:
        reading.recv(4096)
        stop.set()

    with reading, writing:
        for end in (reading, writing):
            end.setblocking(False)
        # A pipe full of signals has one in it: more of them say nothing new.
        woken = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, _noted) for number in ENDING}
        loop.add_reader(reading, take)
        try:
            yield
        finally:
            loop.remove_reader(reading)
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(woken)


def _noted(*_: object) -> None:
    """Without a handler in Python the pipe would not be written to."""
