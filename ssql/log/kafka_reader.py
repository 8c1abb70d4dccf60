"""Reading Kafka: partitions assigned by hand, committed records only, messages turned into columns."""

from __future__ import annotations

import gc
import itertools
import operator
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ssql.errors import LogError
from ssql.log.api import FETCH_SCHEMA, HEADERS, Fetch
from ssql.log.kafka_errors import NO_TOPIC, log_error, translated, unavailable
from ssql.log.kafka_writer import WRITER_HEADER
from ssql.log.records import empty_fetch, no_headers

#: How long (s) librdkafka is waited for at a time, so that `wake` is soon heard.
_SLICE_S = 0.005

_CONSUMER = {
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

    topic: str
    partition: int
    at: int
    end: int
    skip: bytes | None


class KafkaReader:
    """A `Reader` over a consumer that belongs to no group."""

    def __init__(self, config: Mapping[str, object], partitions_of: Callable[[str], int]) -> None:
        self._partitions_of = partitions_of
        self._positions: dict[tuple[str, int], _Position] = {}
        self._woken = False
        self._down: KafkaError | None = None
        with translated():
            self._consumer = Consumer(
                {**_CONSUMER, **config, "group.id": f"ssql-reader-{uuid.uuid4().hex}", "error_cb": self._on_error}
            )

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = error

    def assign(self, topic: str, partition: int, offset: int, *, skip_writer: str | None = None) -> None:
        count = self._partitions_of(topic)
        if partition >= count:
            raise LogError(f'topic "{topic}" has {count} partitions: there is no partition {partition}')
        self.unassign(topic, partition)
        skip = skip_writer.encode() if skip_writer is not None else None
        self._positions[topic, partition] = _Position(topic, partition, offset, -1, skip)
        with translated(topic=topic):
            self._consumer.incremental_assign([TopicPartition(topic, partition, offset)])

    def unassign(self, topic: str, partition: int) -> None:
        if self._positions.pop((topic, partition), None) is not None:
            with translated(topic=topic):
                self._consumer.incremental_unassign([TopicPartition(topic, partition)])

    def poll(self, max_rows: int, timeout_ms: float) -> list[Fetch]:
        """As `Reader.poll`. Raises `LogUnavailable` when no broker answers; the next poll goes on."""
        deadline = time.monotonic() + timeout_ms / 1000
        with _without_collection(), translated():
            while True:
                fetches = self._fetches(self._consume(max(1, max_rows), deadline))
                if fetches or self._woken:
                    self._woken = False
                    self._down = None
                    return fetches
                if self._down is not None:
                    down, self._down = self._down, None
                    raise unavailable(down.str())
                if time.monotonic() >= deadline:
                    return fetches

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        self._consumer.close()

    def _consume(self, rows: int, deadline: float) -> list[Message]:
        """What is queued; when nothing is, the first that comes within the next moment, and what came with it."""
        messages = self._consumer.consume(rows, 0)
        if messages:
            return messages
        messages = self._consumer.consume(1, max(0.0, min(_SLICE_S, deadline - time.monotonic())))
        if messages and rows > 1:
            messages += self._consumer.consume(rows - 1, 0)
        return messages

    def _fetches(self, messages: list[Message]) -> list[Fetch]:
        """A fetch for each partition that records or its end came of."""
        if not messages:
            return []
        fetches: list[Fetch] = []
        ended: dict[tuple[str, int], int] = {}
        errors = list(map(Message.error, messages))
        if any(errors):
            for message, error in zip(messages, errors, strict=True):
                if error is not None:
                    self._on_event(message, error, ended)
            messages = [m for m, error in zip(messages, errors, strict=True) if error is None]
        for (topic, partition), rows in _by_partition(messages):
            position = self._positions.get((topic, partition))
            if position is not None:
                fetches.append(self._fetch(position, rows, ended.pop((topic, partition), None)))
        for key, end in ended.items():
            position = self._positions.get(key)
            if position is not None and (position.at, position.end) != (end, end):
                position.at = position.end = end
                fetches.append(Fetch(*key, empty_fetch(), end, end))
        return fetches

    def _on_event(self, message: Message, error: KafkaError, ended: dict[tuple[str, int], int]) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:
            if topic is not None and partition is not None and offset is not None:
                ended[topic, partition] = offset
        elif error.code() not in NO_TOPIC:  # of a deleted topic nothing more comes
            raise log_error(error, topic=topic)

    def _fetch(self, position: _Position, messages: list[Message], end: int | None) -> Fetch:
        batch, marks = columns(messages)
        if end is None:
            # Not at the end yet: the broker's high watermark, which counts what is not committed, is never too low.
            position.at = messages[-1].offset() + 1  # type: ignore[operator]
            _, high = self._consumer.get_watermark_offsets(
                TopicPartition(position.topic, position.partition), cached=True
            )
            position.end = max(high, position.at)
        else:
            position.at = position.end = end
        if position.skip is not None and marks is not None:
            batch = batch.filter(pa.array(np.array([mark != position.skip for mark in marks])))
        return Fetch(position.topic, position.partition, batch, position.at, position.end)


def columns(messages: list[Message]) -> tuple[pa.RecordBatch, list[bytes | None] | None]:
    """FETCH_SCHEMA of messages, and for each the writer that marked it (None where none is marked at all)."""
    count = len(messages)
    heads = list(map(Message.headers, messages))
    marks: list[bytes | None] | None = None
    headers = no_headers(count)
    if any(heads):
        headers, marks = _headers(heads)
    times = np.fromiter(map(_second, map(Message.timestamp, messages)), np.int64, count)
    arrays = [
        pa.array(list(map(Message.key, messages)), pa.binary()),
        pa.array(list(map(Message.value, messages)), pa.binary()),
        pa.array(times),
        headers,
        pa.array(np.fromiter(map(Message.offset, messages), np.int64, count)),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=FETCH_SCHEMA), marks


_second = operator.itemgetter(1)


def _headers(heads: list[Any]) -> tuple[pa.Array, list[bytes | None]]:
    """The headers without the writers' marks, and the marks."""
    marks: list[bytes | None] = [None] * len(heads)
    rows: list[list[dict[str, object]] | None] = [None] * len(heads)
    for n, given in enumerate(heads):
        if given:
            kept = [{"key": key, "value": value} for key, value in given if key != WRITER_HEADER]
            rows[n] = kept or None
            if len(kept) < len(given):
                marks[n] = next(value for key, value in given if key == WRITER_HEADER)
    return pa.array(rows, HEADERS), marks


def _by_partition(messages: list[Message]) -> Iterator[tuple[tuple[str, int], list[Message]]]:
    """The messages of each partition, in their order."""
    if not messages:
        return
    keys = list(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True))
    codes: dict[tuple[str | None, int | None], int] = {}
    code = np.fromiter((codes.setdefault(key, len(codes)) for key in keys), np.int32, len(keys))
    if len(codes) == 1:
        yield keys[0], messages  # type: ignore[misc]
        return
    # They come in runs of one partition: cut at the changes, and join the runs of each.
    cuts = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(keys)]
    runs: dict[tuple[str | None, int | None], list[Message]] = {}
    for begin, end in itertools.pairwise(cuts):
        runs.setdefault(keys[begin], []).extend(messages[begin:end])
    yield from runs.items()  # type: ignore[misc]


@contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection while many messages are alive: it would walk all of them again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
