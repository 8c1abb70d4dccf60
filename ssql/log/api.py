"""The Log interface: all that the rest of ssql knows of topics.

A topic has partitions; a partition is a sequence of records with growing offsets (gaps are allowed: control records,
aborted or truncated ones). A record has key, value (either may be null), timestamp (ms) and headers. Batches are
Arrow; no call handles one record at a time.

Visibility: readers see committed records only, in offset order. Durability: when `commit` or `append` returns, the
records survive a kill of the process at any byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

HEADERS = pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())]))

#: What is appended. `timestamp` is ms since the epoch; `headers` may be left out when no record has any.
RECORD_SCHEMA = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("timestamp", pa.int64(), nullable=False),
        pa.field("headers", HEADERS),
    ]
)

#: What is read: the record and its offset.
FETCH_SCHEMA = RECORD_SCHEMA.append(pa.field("offset", pa.int64(), nullable=False))


@dataclass(frozen=True)
class Topic:
    """A topic as it is. `config` holds Kafka's names: `cleanup.policy`, `retention.ms`, ..."""

    name: str
    partitions: int
    replicas: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetch:
    """Records of one partition, in offset order.

    `next_offset` is where reading goes on (past skipped records too); `end_offset` is the partition's committed end
    as known when this was read: `next_offset >= end_offset` means caught up. `batch` may be empty when all records
    in between were skipped.
    """

    topic: str
    partition: int
    batch: pa.RecordBatch  # FETCH_SCHEMA; `headers` is all null where no record has any
    next_offset: int
    end_offset: int


class Reader(Protocol):
    """A continuous read of any number of partitions, each from its own position. Used by one thread."""

    def assign(self, topic: str, partition: int, offset: int, *, skip_writer: str | None = None) -> None:
        """Start (or move) reading one partition at `offset`; records of `skip_writer` are passed over.

        An offset before the beginning starts at the beginning. Raises `TopicNotFound`.
        """

    def unassign(self, topic: str, partition: int) -> None:
        """Stop reading one partition."""

    def poll(self, max_rows: int, timeout_ms: float) -> list[Fetch]:
        """What is there, at most about `max_rows` rows in all, shared fairly between partitions.

        Waits at most `timeout_ms` when nothing is there, and returns as soon as something is (or `wake` is called).
        """

    def wake(self) -> None:
        """Make a waiting `poll` return now. May be called from any thread."""

    def close(self) -> None: ...


class Writer(Protocol):
    """A transactional writer with a name. A second writer of the same name fences the first.

    Not thread-safe. Between `begin` and `commit` nothing is visible; `abort` (or a crash) leaves no trace.
    """

    def begin(self) -> None: ...

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,
        *,
        mark: bool = False,
    ) -> None:
        """Add records (RECORD_SCHEMA) to the transaction, in order.

        `partition`: one for all, one a record, or None: murmur2 of the key as Java producers do it
        (`(murmur2(key) & 0x7fffffff) % partitions`), records without a key spread over the partitions.
        `mark`: let readers tell these records as this writer's, which `skip_writer` needs (costs a header in Kafka).
        """

    def commit(self) -> None:
        """Make all of it durable and visible at once.

        Raises `LogFull`, `LogUnavailable` (the transaction is aborted: it may be tried again) or `LogFenced`.
        """

    def abort(self) -> None: ...

    def close(self) -> None: ...


class Log(Protocol):
    """Topics and what can be done with them. Thread-safe, except for the readers and writers it hands out."""

    #: "embedded" or "kafka"; for messages only: nothing may depend on it.
    kind: str
    #: An id of this log, stable over restarts.
    cluster_id: str

    def topics(self) -> Sequence[Topic]: ...

    def topic(self, name: str) -> Topic | None: ...

    def create_topic(
        self, name: str, partitions: int = 1, *, replicas: int | None = 1, config: Mapping[str, str] | None = None
    ) -> Topic:
        """Create a topic; one that exists already is returned as it is.

        `replicas` None: as many as the brokers make by themselves.
        """

    def delete_topic(self, name: str) -> None:
        """Delete a topic and its records; one that does not exist is nothing."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that can be read, and the committed end (the offset after the last record)."""

    def written(self, topic: str, partition: int) -> int:
        """The offset after the last record, whether its transaction has ended or not.

        A commit that has returned is before it at once; `bounds` may come to that a moment later (Kafka).
        """

    def read(self, topic: str, partition: int, offset: int, max_rows: int) -> Fetch:
        """One read, without waiting."""

    def reader(self) -> Reader: ...

    def writer(self, name: str) -> Writer: ...

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        """Append as a transaction of its own; durable when it returns. May be called from any thread."""

    def truncate(self, topic: str, partition: int, before: int) -> None:
        """Drop the records before that offset (best effort in time: they may be seen a little longer)."""

    def close(self) -> None: ...
