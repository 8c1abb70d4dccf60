"""Reading Kafka: partitions assigned by hand, positions, and what is known of their ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from confluent_kafka import KafkaError

from ssql.errors import LogError
from ssql.log.api import Fetch
from ssql.log.kafka_errors import NO_TOPIC, log_error, translated, unavailable
from ssql.log.kafka_source import Part, Source, Taken
from ssql.log.records import empty_fetch

#: How both kinds of consumer are set up; the caller's settings come on top.
CONSUMER_CONFIG: Mapping[str, object] = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    # A waiting fetch is answered when records come; this only bounds how long a newly assigned partition waits.
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 500_000,
    "queued.max.messages.kbytes": 131_072,
    "check.crcs": False,
}


@dataclass(slots=True)
class _Position:
    """One assigned partition: the next offset, the end as known, and whose records are passed over."""

    at: int
    end: int
    skip: bytes | None


class KafkaReader:
    """A `Reader` over a consumer that belongs to no group.

    Args:
        make_source: makes the consumer, given what to call with its errors.
    """

    def __init__(
        self, make_source: Callable[[Callable[[KafkaError], None]], Source], partitions_of: Callable[[str], int]
    ) -> None:
        self._partitions_of = partitions_of
        self._positions: dict[tuple[str, int], _Position] = {}
        self._woken = False
        self._down: KafkaError | None = None
        with translated():
            self._source = make_source(self._on_error)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = error

    def assign(self, topic: str, partition: int, offset: int, *, skip_writer: str | None = None) -> None:
        count = self._partitions_of(topic)
        if partition >= count:
            raise LogError(f'topic "{topic}" has {count} partitions: there is no partition {partition}')
        self.unassign(topic, partition)
        skip = skip_writer.encode() if skip_writer is not None else None
        self._positions[topic, partition] = _Position(offset, -1, skip)
        with translated(topic=topic):
            self._source.assign(topic, partition, offset)

    def unassign(self, topic: str, partition: int) -> None:
        if self._positions.pop((topic, partition), None) is not None:
            with translated(topic=topic):
                self._source.unassign(topic, partition)

    def poll(self, max_rows: int, timeout_ms: float) -> list[Fetch]:
        """As `Reader.poll`. Raises `LogUnavailable` when no broker answers; the next poll goes on."""
        deadline = time.monotonic() + timeout_ms / 1000
        left_s = timeout_ms / 1000
        while True:
            with translated():
                fetches = self._fetches(self._source.take(max(1, max_rows), left_s, self._skip))
            if fetches or self._woken:
                self._woken = False
                self._down = None
                return fetches
            if self._down is not None:
                down, self._down = self._down, None
                raise unavailable(down.str())
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return fetches

    def wake(self) -> None:
        self._woken = True
        self._source.wake()

    def close(self) -> None:
        self._source.close()

    def _skip(self, topic: str, partition: int) -> bytes | None:
        position = self._positions.get((topic, partition))
        return position.skip if position is not None else None

    def _fetches(self, taken: Taken) -> list[Fetch]:
        """A fetch for each partition that records or its end came of."""
        for topic, error in taken.errors:
            if error.code() not in NO_TOPIC:  # of a deleted topic nothing more comes
                raise log_error(error, topic=topic)
        fetches: list[Fetch] = []
        for part in taken.parts:
            position = self._positions.get((part.topic, part.partition))
            if position is not None:
                fetches.append(self._fetch(position, part, taken.ends.pop((part.topic, part.partition), None)))
        for key, end in taken.ends.items():
            position = self._positions.get(key)
            if position is not None and (position.at, position.end) != (end, end):
                position.at = position.end = end
                fetches.append(Fetch(*key, empty_fetch(), end, end))
        return fetches

    def _fetch(self, position: _Position, part: Part, end: int | None) -> Fetch:
        batch = part.batch
        past = batch.column(4)[-1].as_py() + 1
        if end is None or end < past:
            # Not at the end yet, or no more: what was taken at one time may be an end and the records that came after
            # it. The broker's high watermark, which counts what is not committed, is never too low.
            position.at = past
            position.end = max(self._source.high(part.topic, part.partition), position.at)
        else:
            position.at = position.end = end
        if part.ours is not None:
            batch = batch.filter(pa.array(~part.ours))
        return Fetch(part.topic, part.partition, batch, position.at, position.end)
