"""What went through the worker since it started: records read, written and failed, by topic and by query.

Counted an epoch at a time, when the epoch is committed, from the sizes of its batches. Nothing of it is stored.
"""

from __future__ import annotations

import time as clock
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import pyarrow as pa

from ssql.formats.columns import binary_parts
from ssql.runtime.api import Throughput, Traffic
from ssql.runtime.dataflow import Query
from ssql.runtime.inputs import EpochInput
from ssql.runtime.rejects import Reject

#: Over how long (s) records a second are counted.
WINDOW_S = 30


class Meter:
    """Counts one kind of record."""

    def __init__(self) -> None:
        self._records = self._bytes = 0
        self._first = self._last = 0.0
        #: whole seconds and the records of each, oldest first
        self._recent: deque[list[int]] = deque()

    def add(self, records: int, size: int, now: float) -> None:
        if records <= 0:
            return
        self._records += records
        self._bytes += size
        self._first = self._first or now
        self._last = now
        if not self._recent or self._recent[-1][0] != int(now):
            self._recent.append([int(now), 0])
        self._recent[-1][1] += records
        while self._recent[0][0] <= now - WINDOW_S:
            self._recent.popleft()

    def reach(self, records: int, now: float) -> None:
        """Count what is missing to a total."""
        self.add(records - self._records, 0, now)

    def at(self, now: float) -> Traffic:
        recent = sum(count for second, count in self._recent if second > now - WINDOW_S)
        elapsed = min(max(now - self._first, 1.0), WINDOW_S)
        return Traffic(self._records, self._bytes, recent / elapsed, int(self._last * 1000))


class _Meters:
    def __init__(self) -> None:
        self.read, self.written, self.failed = Meter(), Meter(), Meter()

    def at(self, now: float) -> Throughput:
        return Throughput(self.read.at(now), self.written.at(now), self.failed.at(now))


class Statistics:
    """The meters of one worker, used by its thread only. Times are seconds since 1970, which a test gives."""

    def __init__(self, now: Callable[[], float] = clock.time) -> None:
        self._now = now
        self._topics: defaultdict[str, _Meters] = defaultdict(_Meters)
        self._queries: defaultdict[str, _Meters] = defaultdict(_Meters)

    def note(
        self,
        epoch: EpochInput | None,
        written: Iterable[tuple[str, pa.RecordBatch]],
        from_memory: Collection[str],
        errors: Sequence[Reject],
        queries: Iterable[Query],
    ) -> None:
        """Take in a committed epoch. `from_memory`: topics whose records are read as they are written."""
        now = self._now()
        for places, fetch, start in epoch.located if epoch is not None else ():
            count = len(places)
            self._topics[fetch.topic].read.add(count, _size(fetch.batch, start, count), now)
        for topic, records in written:
            size = _size(records, 0, records.num_rows)
            self._topics[topic].written.add(records.num_rows, size, now)
            if topic in from_memory:
                self._topics[topic].read.add(records.num_rows, size, now)
        for reject in errors:
            if reject.position is not None:
                self._topics[reject.position.topic].failed.add(1, 0, now)
            for query_id in reject.query_id.split(","):
                self._queries[query_id].failed.add(1, 0, now)
        for query in queries:
            meters = self._queries[query.id]
            meters.read.reach(query.rows_in, now)
            meters.written.reach(query.rows_out, now)

    def forget(self, query_id: str) -> None:
        self._queries.pop(query_id, None)

    def topics(self) -> Mapping[str, Throughput]:
        return {name: meters.at(self._now()) for name, meters in self._topics.items()}

    def query(self, query_id: str) -> Throughput:
        return self._queries[query_id].at(self._now())


def _size(records: pa.RecordBatch, start: int, count: int) -> int:
    """Bytes of keys and values."""
    total = 0
    for name in ("key", "value"):
        offsets, _ = binary_parts(records.column(name))
        total += int(offsets[start + count] - offsets[start])
    return total
