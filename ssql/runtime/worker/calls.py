"""Calls of other threads, carried out by the worker between epochs; and those who wait for it to get somewhere."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ssql.errors import SsqlError
from ssql.runtime.api import MAIN, Offsets
from ssql.runtime.inputs import TopicPartition
from ssql.runtime.progress import Course, Subject
from ssql.runtime.worker.flows import Flows

T = TypeVar("T")


@dataclass(frozen=True)
class Committed:
    """What is committed: the queries that are catching up, and the next offsets of each running dataflow.

    `settled`: whether there is no dataflow but the main one. `courses`: how far each dataflow is, the paused ones too;
    `of`: the dataflows' names by the queries' ids.
    """

    settled: bool = True
    behind: frozenset[str] = frozenset()
    positions: Mapping[str, Mapping[TopicPartition, int]] = field(default_factory=dict)
    courses: Mapping[str, Course] = field(default_factory=dict)
    of: Mapping[str, str] = field(default_factory=dict)
    subjects: Mapping[str, Subject] = field(default_factory=dict)

    def seen(self, offsets: Offsets) -> bool:
        return all(_reaches(positions, offsets) for positions in self.positions.values())

    def shown(self, offsets: Offsets, query_ids: Collection[str]) -> bool:
        return self.behind.isdisjoint(query_ids) and _reaches(self.positions.get(MAIN, {}), offsets)


def _reaches(positions: Mapping[TopicPartition, int], offsets: Offsets) -> bool:
    return all(at >= offsets.get(tp, at) for tp, at in positions.items())


class Calls:
    """What waits for the worker's thread, `worker`."""

    def __init__(self, flows: Flows, worker: threading.Thread) -> None:
        self._flows = flows
        self._worker = worker
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._lock = threading.Lock()
        self._moved = threading.Condition()
        self._over = False
        self.committed = Committed()
        #: why the worker has stopped for good
        self.failed: SsqlError | None = None

    # --- other threads -----------------------------------------------------------

    @property
    def waiting(self) -> bool:
        return bool(self._calls)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the worker's thread, between epochs, and answer what it answers."""
        future: Future[T] = Future()
        with self._lock:
            if waits := self._worker.is_alive() and not self._over:
                self._calls.append((function, future))
        if not waits:
            if self.failed is not None:
                raise self.failed
            return function()
        self.wake()
        return future.result()

    def wake(self) -> None:
        self._flows.main.dataflow.inputs.wake()

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on what is committed holds; False when it does not in time."""
        deadline = clock.monotonic() + timeout_s
        with self._moved:
            while not condition():
                left = deadline - clock.monotonic()
                if left <= 0 or self.failed is not None:
                    return False
                self._moved.wait(left)
        return True

    # --- the worker's thread -------------------------------------------------------

    def note(self) -> None:
        """Tell waiting threads how far all is: in one note, as dataflows may be half-way joined at any other time."""
        self._flows.watch()
        flows = [f for f in self._flows.all.values() if not f.paused]
        aside = [f for f in flows if f.name != MAIN]
        committed = Committed(
            not aside,
            frozenset(query_id for f in aside for query_id in f.dataflow.queries),
            {f.name: f.seen for f in flows if f.trouble is None},
            {name: flow.course() for name, flow in self._flows.all.items()},
            dict(self._flows.of),
            dict(self._flows.subjects),
        )
        with self._moved:
            self.committed = committed
            self._moved.notify_all()

    def ends(self) -> dict[TopicPartition, int]:
        """Where what running dataflows read ends."""
        self.note()
        running = [f for f in self._flows.all.values() if not f.paused and f.trouble is None]
        read = {tp for f in running for tp in f.dataflow.inputs.positions()}
        return {tp: self._flows.log.bounds(*tp)[1] for tp in read}

    def run(self) -> None:
        """Carry out what waits."""
        while True:
            with self._lock:
                if not self._calls:
                    return
                function, future = self._calls.pop(0)
            try:
                answer = function()
            except Exception as failure:
                future.set_exception(failure)
                continue
            # Whoever called waits for what is so after the call, not for what was so before.
            self.note()
            future.set_result(answer)

    def end(self) -> None:
        """Carry out what waits, for the last time: later calls are carried out where they are made."""
        while not self._over:
            self.run()
            with self._lock:
                self._over = not self._calls

    def fail(self, failure: SsqlError) -> None:
        """The worker has stopped for good: all who wait are told."""
        self.failed = failure
        self.note()

    def refuse(self, failure: SsqlError) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
        for _, future in calls:
            future.set_exception(failure)
