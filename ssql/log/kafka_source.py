"""What a reader takes from a Kafka client, and the source that takes it by confluent-kafka's messages.

`kafka_native` has the faster source; this one is for clients whose settings need Python (callbacks), and for
installations whose librdkafka cannot be reached.
"""

from __future__ import annotations

import gc
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from ssql.log.api import FETCH_SCHEMA, HEADERS
from ssql.log.kafka_writer import WRITER_HEADER
from ssql.log.records import no_headers

#: How long (s) librdkafka is waited for at a time, so that `wake` is soon heard.
_SLICE_S = 0.005


@dataclass(frozen=True, slots=True)
class Part:
    """Records of one partition, in order; `ours` says which carry the mark that is passed over (None: not any)."""

    topic: str
    partition: int
    batch: pa.RecordBatch  # FETCH_SCHEMA, without the writers' marks
    ours: npt.NDArray[np.bool_] | None


@dataclass(slots=True)
class Taken:
    """What was queued: records, the ends that were reached, and errors of partitions."""

    parts: list[Part] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    errors: list[tuple[str, KafkaError]] = field(default_factory=list)


class Source(Protocol):
    """A consumer whose partitions are assigned by hand. Used by one thread, but for `wake`."""

    def assign(self, topic: str, partition: int, offset: int) -> None: ...

    def unassign(self, topic: str, partition: int) -> None: ...

    def take(self, rows: int, timeout_s: float, skip: Callable[[str, int], bytes | None]) -> Taken:
        """At most `rows` messages; waits a moment, at most `timeout_s`, when nothing is queued.

        `skip`: the writer whose records are passed over in a partition.
        """

    def high(self, topic: str, partition: int) -> int:
        """The end of a partition as last heard, uncommitted records included."""

    def wake(self) -> None:
        """Make a waiting `take` return soon. May be called from any thread."""

    def close(self) -> None: ...


class MessageSource:
    """A source over confluent-kafka's consumer."""

    def __init__(self, config: Mapping[str, Any], on_error: Callable[[KafkaError], None]) -> None:
        self._consumer = Consumer({**config, "error_cb": on_error})

    def assign(self, topic: str, partition: int, offset: int) -> None:
        self._consumer.incremental_assign([TopicPartition(topic, partition, offset)])

    def unassign(self, topic: str, partition: int) -> None:
        self._consumer.incremental_unassign([TopicPartition(topic, partition)])

    def take(self, rows: int, timeout_s: float, skip: Callable[[str, int], bytes | None]) -> Taken:
        with _without_collection():
            messages = self._consumer.consume(rows, 0)
            if not messages:
                # librdkafka would wait for all of `rows`: wait for one, and take what came with it.
                messages = self._consumer.consume(1, max(0.0, min(_SLICE_S, timeout_s)))
                if messages and rows > 1:
                    messages += self._consumer.consume(rows - 1, 0)
            return self._taken(messages, skip) if messages else Taken()

    def _taken(self, messages: list[Message], skip: Callable[[str, int], bytes | None]) -> Taken:
        taken = Taken()
        errors = list(map(Message.error, messages))
        if any(errors):
            for message, error in zip(messages, errors, strict=True):
                if error is None:
                    continue
                topic = message.topic() or ""
                if error.code() == KafkaError._PARTITION_EOF:
                    taken.ends[topic, message.partition() or 0] = message.offset() or 0
                else:
                    taken.errors.append((topic, error))
            messages = [m for m, error in zip(messages, errors, strict=True) if error is None]
        for (topic, partition), some in _by_partition(messages):
            batch, marks = _columns(some)
            skipped = skip(topic, partition)
            ours = None
            if marks is not None and skipped is not None:
                ours = np.array([mark == skipped for mark in marks])
            taken.parts.append(Part(topic, partition, batch, ours))
        return taken

    def high(self, topic: str, partition: int) -> int:
        _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
        return int(high)

    def wake(self) -> None:
        """Waiting is in short slices."""

    def close(self) -> None:
        self._consumer.close()


def _columns(messages: list[Message]) -> tuple[pa.RecordBatch, list[bytes | None] | None]:
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
    keys: list[Any] = list(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True))
    codes: dict[tuple[str, int], int] = {}
    code = np.fromiter((codes.setdefault(key, len(codes)) for key in keys), np.int32, len(keys))
    if len(codes) == 1:
        yield keys[0], messages
        return
    # They come in runs of one partition: cut at the changes, and join the runs of each.
    cuts = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(keys)]
    runs: dict[tuple[str, int], list[Message]] = {}
    for begin, end in itertools.pairwise(cuts):
        runs.setdefault(keys[begin], []).extend(messages[begin:end])
    yield from runs.items()


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
