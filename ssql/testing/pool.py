"""Work done in processes of their own, so that a piece that hangs or dies takes no other with it."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")


def _serve(pipe: Connection, work: Callable[[J], R]) -> None:
    """The life of a process: a piece of work in, its result out."""
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the work
    while True:
        job = pipe.recv()
        if job is None:
            return
        pipe.send(work(job))


@dataclass
class _Lane(Generic[J]):
    process: BaseProcess
    pipe: Connection
    job: J | None = None
    since: float = 0.0

    def give(self, job: J) -> None:
        self.job, self.since = job, time.monotonic()
        self.pipe.send(job)


def _open(work: Callable[[J], R]) -> _Lane[J]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return _Lane(process, ours)


def run(
    jobs: Sequence[J], work: Callable[[J], R], lost: Callable[[J, str], R], *, processes: int, limit_s: float
) -> Iterator[R]:
    """The results, as they come.

    `work` and the pieces must be what another process can be given. `lost`: the result of a piece whose process died,
    or was ended after `limit_s`, with the reason.
    """
    waiting = list(reversed(jobs))
    lanes: list[_Lane[J]] = [_open(work) for _ in range(min(processes, len(jobs)))]
    try:
        for lane in lanes:
            lane.give(waiting.pop())
        while any(lane.job is not None for lane in lanes):
            ready = wait([lane.pipe for lane in lanes if lane.job is not None], timeout=1.0)
            for i, lane in enumerate(lanes):
                if lane.job is None:
                    continue
                result = _taken(lane, lost) if lane.pipe in ready else _overdue(lane, lost, limit_s)
                if result is None:
                    continue
                yield result
                if not lane.process.is_alive():
                    lane.pipe.close()
                    lanes[i] = lane = _open(work)  # noqa: PLW2901
                lane.job = None
                if waiting:
                    lane.give(waiting.pop())
        for lane in lanes:
            lane.pipe.send(None)
            lane.process.join(5)
    finally:
        for lane in lanes:
            if lane.process.is_alive():
                lane.process.kill()


def _taken(lane: _Lane[J], lost: Callable[[J, str], R]) -> R:
    assert lane.job is not None
    try:
        result: R = lane.pipe.recv()
        return result
    except (EOFError, ConnectionResetError):
        lane.process.join()
        return lost(lane.job, f"the process ended with {lane.process.exitcode}")


def _overdue(lane: _Lane[J], lost: Callable[[J, str], R], limit_s: float) -> R | None:
    assert lane.job is not None
    if time.monotonic() - lane.since < limit_s:
        return None
    lane.process.kill()
    lane.process.join()
    return lost(lane.job, f"it took more than {limit_s:g} s")
