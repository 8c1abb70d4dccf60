"""Cases carried out in processes of their own, so that one that hangs or dies takes no other with it."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tests.conformance.cases import Case
from tests.conformance.verdict import FAILED, LIMIT_S, Verdict, judge

#: Seconds beyond a case's own limit after which its process is ended.
_GRACE_S = 15


def _work(pipe: Connection, seed: int | None) -> None:
    """The life of a process: a case in, its verdict out."""
    logging.disable(logging.CRITICAL)
    while True:
        case = pipe.recv()
        if case is None:
            return
        pipe.send(judge(case, seed))


@dataclass
class _Lane:
    process: BaseProcess
    pipe: Connection
    case: Case | None = None
    since: float = 0.0

    def give(self, case: Case) -> None:
        self.case, self.since = case, time.monotonic()
        self.pipe.send(case)


def _open(seed: int | None) -> _Lane:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, seed), daemon=True)
    process.start()
    theirs.close()
    return _Lane(process, ours)


def run(cases: Sequence[Case], jobs: int, seed: int | None = None) -> Iterator[Verdict]:
    """The verdicts, as they come."""
    waiting = list(reversed(cases))
    lanes = [_open(seed) for _ in range(min(jobs, len(cases)))]
    for lane in lanes:
        lane.give(waiting.pop())
    while any(lane.case for lane in lanes):
        ready = wait([lane.pipe for lane in lanes if lane.case], timeout=1.0)
        for i, lane in enumerate(lanes):
            if lane.case is None:
                continue
            verdict = _taken(lane) if lane.pipe in ready else _overdue(lane)
            if verdict is None:
                continue
            yield verdict
            if not lane.process.is_alive():
                lane.pipe.close()
                lanes[i] = lane = _open(seed)  # noqa: PLW2901
            lane.case = None
            if waiting:
                lane.give(waiting.pop())
    for lane in lanes:
        lane.pipe.send(None)
        lane.process.join(5)


def _taken(lane: _Lane) -> Verdict:
    assert lane.case is not None
    try:
        verdict: Verdict = lane.pipe.recv()
        return verdict
    except EOFError:
        lane.process.join()
        code = lane.process.exitcode
        return Verdict(lane.case.id, FAILED, "crash", f"the process ended with {code}", needs=lane.case.needs)


def _overdue(lane: _Lane) -> Verdict | None:
    assert lane.case is not None
    if time.monotonic() - lane.since < LIMIT_S + _GRACE_S:
        return None
    lane.process.kill()
    lane.process.join()
    return Verdict(lane.case.id, FAILED, "timeout", "the case could not be interrupted", needs=lane.case.needs)
