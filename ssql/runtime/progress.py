"""How far long work is: what is read back of the state, and what queries have still to read.

One thread writes, any may read: what changes is replaced whole, so a reader takes it once and needs no lock, and never
waits for an epoch. Rates are taken from a few samples of the last seconds, which the worker keeps between epochs.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ssql.runtime.api import Offsets

#: Rates are taken over so long (s), from samples that are at least so far (s) apart.
WINDOW_S = 5.0
STEP_S = 0.25

T = TypeVar("T")


class QueryState(Enum):
    CATCHING_UP = "CATCHING_UP"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"


#: The states of queries that read nothing.
STILL = (QueryState.PAUSED, QueryState.ERROR)


@dataclass(frozen=True)
class PartitionLag:
    """Where a query stands in a partition: the next record is `offset`, and the last one is before `end`."""

    topic: str
    partition: int
    offset: int
    end: int

    @property
    def lag(self) -> int:
        """Records that it has still to read."""
        return self.end - self.offset


@dataclass(frozen=True)
class QueryProgress:
    """How far a query has read what its topics hold. Records are counted by their offsets.

    `name`: the stream or table that it makes. `records` of `records_total` are read since it began to catch up;
    `lag` are left, `seconds_left` at the rate of the last seconds (None without a rate, 0 where nothing is left).
    `lag_ms`: how long ago, by the records' times, was what it has read of a partition that it lags behind in; None
    where these are not known. `state` is CATCHING_UP while it reads a backlog.
    """

    query_id: str
    name: str
    state: QueryState
    records: int
    records_total: int
    records_per_second: float
    seconds_left: float | None
    lag: int
    lag_ms: int | None
    partitions: tuple[PartitionLag, ...]


@dataclass(frozen=True)
class RestoreProgress:
    """How much of the state is read back: whole tables (arrangements, those of operators too), records of state, and
    the rows and bytes in these. `seconds_left` is None without a rate, and 0 at the end."""

    tables: int = 0
    tables_total: int = 0
    records: int = 0
    records_total: int = 0
    rows: int = 0
    bytes: int = 0
    rows_per_second: float = 0.0
    seconds_left: float | None = None


class Trail(Generic[T]):
    """What was so at a few moments of the last seconds, oldest first; `now` is a clock (s) that never goes back."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self.now = now
        self.samples: tuple[tuple[float, T], ...] = ()

    def add(self, value: T) -> None:
        now, kept = self.now(), self.samples
        if len(kept) > 1 and now - kept[-2][0] < STEP_S:
            kept = kept[:-1]
        while len(kept) > 1 and now - kept[1][0] >= WINDOW_S:
            kept = kept[1:]
        self.samples = (*kept, (now, value))

    def rate(self, measure: Callable[[T], float]) -> float:
        """How much of it came a second, up to now; 0 where that cannot be told yet."""
        return rate(self.samples, measure, self.now())


def rate(samples: Iterable[tuple[float, T]], measure: Callable[[T], float], now: float) -> float:
    """See `Trail.rate`.

    Time before anything came does not count: a query may have waited for another. Nor does the time since the last
    came, while that is no longer than before: much comes at once, and a rate that sinks until then would be no rate.
    """
    moves: list[tuple[float, float]] = []
    for at, value in samples:
        amount = measure(value)
        if len(moves) == 1 and moves[0][1] == amount:
            moves = []
        if not moves or moves[-1][1] != amount:
            moves.append((at, amount))
    if len(moves) < 2:
        return 0.0
    longest = max(after - before for (before, _), (after, _) in pairwise(moves))
    until = moves[-1][0] if now - moves[-1][0] <= longest else now
    took = until - moves[0][0]
    return max(0.0, moves[-1][1] - moves[0][1]) / took if took >= STEP_S else 0.0


def time_left(left: float, per_second: float) -> float | None:
    """Seconds until nothing is left; None without a rate."""
    if left <= 0:
        return 0.0
    return left / per_second if per_second > 0 else None


class Restoring:
    """What is read back of the state when a worker starts."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._expected: Mapping[str, tuple[int, int]] = {}
        self._done: set[str] = set()
        #: records of state topics, rows and bytes in them
        self._read = (0, 0, 0)
        self._trail: Trail[tuple[int, int, int]] = Trail(now)
        self._over = False
        #: the last rates, once all is there
        self._speeds: tuple[float, float] | None = None

    def expect(self, bounds: Mapping[str, tuple[int, int]]) -> None:
        """There are these topics of state, with these bounds."""
        self._expected = dict(bounds)
        self._trail.add(self._read)

    def bounds(self, topic: str) -> tuple[int, int] | None:
        """The bounds of a topic; None where they are not known, or may have moved since."""
        return None if self._over else self._expected.get(topic)

    def read(self, records: int, rows: int, size: int) -> None:
        """So many more records of state came, with so many rows and bytes in them."""
        before = self._read
        self._read = before[0] + records, before[1] + rows, before[2] + size
        self._trail.add(self._read)

    def whole(self, topic: str) -> None:
        """All of a topic is there."""
        self._done.add(topic)

    def over(self) -> None:
        """All is there that is wanted; what else there is belongs to queries that are no more."""
        self._over = True
        self._speeds = self._speeds or self._rates()

    def _rates(self) -> tuple[float, float]:
        """Records and rows a second."""
        return self._trail.rate(lambda read: read[0]), self._trail.rate(lambda read: read[1])

    def progress(self) -> RestoreProgress:
        records, rows, size = self._read
        expected = sum(end - begin for begin, end in self._expected.values())
        total = records if self._over else max(expected, records)
        done = len(self._done)
        records_per_second, rows_per_second = self._speeds or self._rates()
        return RestoreProgress(
            tables=done,
            tables_total=done if self._over else max(len(self._expected), done),
            records=records,
            records_total=total,
            rows=rows,
            bytes=size,
            rows_per_second=rows_per_second,
            seconds_left=time_left(total - records, records_per_second),
        )


@dataclass(frozen=True)
class Subject:
    """A query of which it is told how far it is: what it makes, what it reads, and where its catching up began."""

    name: str
    topics: frozenset[str]
    begun: Offsets
    durable: bool


@dataclass(frozen=True)
class Course:
    """How far a dataflow is: the next offsets, where its topics end, and the greatest times (ms) processed.

    `behind`: whether what it has to read is more than what comes all the time.
    """

    state: QueryState
    seen: Offsets
    ends: Offsets
    reached: Offsets
    behind: bool
    samples: tuple[tuple[float, Offsets], ...]

    @cached_property
    def partitions(self) -> Mapping[str, list[tuple[str, int]]]:
        """The partitions by topic."""
        found: dict[str, list[tuple[str, int]]] = {}
        for tp in self.seen:
            found.setdefault(tp[0], []).append(tp)
        return found

    def of(self, topics: Collection[str]) -> list[tuple[str, int]]:
        """The partitions of topics."""
        return [tp for topic in topics for tp in self.partitions.get(topic, ())]

    def speed(self, topics: Collection[str], now: float) -> float:
        """Records a second that are read of topics."""
        if self.state in STILL:
            return 0.0
        mine = self.of(topics)
        return rate(self.samples, lambda seen: sum(seen.get(tp, 0) for tp in mine), now)


def of_query(query_id: str, subject: Subject, course: Course, *, idle: int, speed: float, now_ms: int) -> QueryProgress:
    """How far a query is. `idle`: so many records are no backlog; `speed`: how many of its topics' come a second."""
    mine = course.of(subject.topics)
    places = tuple(
        PartitionLag(topic, partition, course.seen[topic, partition], _end(course, (topic, partition)))
        for topic, partition in sorted(mine)
    )
    lag = sum(place.lag for place in places)
    read = sum(max(0, course.seen[tp] - subject.begun.get(tp, course.seen[tp])) for tp in mine)
    state = course.state
    if state is QueryState.RUNNING and course.behind and lag > idle:
        state = QueryState.CATCHING_UP
    late = [course.reached[p.topic, p.partition] for p in places if p.lag and (p.topic, p.partition) in course.reached]
    return QueryProgress(
        query_id=query_id,
        name=subject.name,
        state=state,
        records=read,
        records_total=read + lag,
        records_per_second=speed,
        seconds_left=time_left(lag, speed),
        lag=lag,
        lag_ms=max(0, now_ms - min(late)) if late else None if lag else 0,
        partitions=places,
    )


def _end(course: Course, tp: tuple[str, int]) -> int:
    return max(course.ends.get(tp, 0), course.seen[tp])
