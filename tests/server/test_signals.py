"""Signals end a server, however much else wakes its loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from ssql.server.signals import ENDING, set_by_signals

from .fake import in_loop

#: Wakes that are more than the pipe by which threads wake a loop holds.
MANY = 20_000


@pytest.mark.parametrize("number", ENDING)
@in_loop
async def test_a_signal_is_not_lost_among_many_wakes(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    before = signal.getsignal(number)
    with set_by_signals(stop):
        for _ in range(MANY):
            loop.call_soon_threadsafe(int)
        os.kill(os.getpid(), number)
        async with asyncio.timeout(20):
            await stop.wait()
    assert signal.getsignal(number) is before
    assert "wakeup" not in capfd.readouterr().err


@in_loop
async def test_many_signals_are_one(capfd: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    with set_by_signals(stop):
        for _ in range(MANY):
            signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await stop.wait()
    assert capfd.readouterr().err == ""


def test_other_threads_have_no_signals() -> None:
    done: list[bool] = []

    async def within() -> None:
        with set_by_signals(asyncio.Event()):
            done.append(True)

    thread = threading.Thread(target=lambda: asyncio.run(within()))
    thread.start()
    thread.join()
    assert done == [True]
