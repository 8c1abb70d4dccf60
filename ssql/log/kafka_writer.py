"""Writing to Kafka: transactions under a name, and single appends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ssql.errors import InternalError, LogError, LogInDoubt, LogUnavailable
from ssql.log.kafka_errors import fenced, is_fencing, log_error, translated, unavailable
from ssql.log.partitioner import Placement
from ssql.log.records import checked

#: The header that tells the records of a writer; readers take it off.
WRITER_HEADER = "ssql.writer"
#: Kafka's own limit of a message (bytes), less room for its framing.
MESSAGE_BYTES = 1_000_000
#: How long (s) closing may take to abort what is open.
_CLOSE_S = 2.0
#: Deliveries are served once for this many records handed over.
_SERVE_ROWS = 1024

#: How both kinds of producer are set up; the caller's settings come on top.
PRODUCER_CONFIG: Mapping[str, object] = {
    "enable.idempotence": True,
    # A commit flushes at once; until then larger batches cost less.
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "message.max.bytes": 1_048_576,
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 1_048_576,
}

Headers = list[tuple[str, bytes | None]]


class Producing(Protocol):
    """What a writer needs of a transactional producer; errors are `KafkaException`s."""

    #: the first delivery that failed, where the producer tells
    failed: KafkaError | None

    def send(self, topic: str, partition: int, batch: pa.RecordBatch, mark: bytes | None) -> None: ...

    def init_transactions(self, timeout: float) -> None: ...

    def begin_transaction(self) -> None: ...

    def commit_transaction(self, timeout: float) -> None: ...

    def abort_transaction(self, timeout: float) -> None: ...

    def flush(self, timeout: float) -> int: ...

    def close(self) -> object:
        """End it without a word about what was not delivered."""


class Sender(Producer):
    """confluent-kafka's producer, for record batches. It remembers the first delivery that failed."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self.failed: KafkaError | None = None
        super().__init__(
            {
                **PRODUCER_CONFIG,
                **config,
                # Only what failed is of interest, and nothing is called for what went well.
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                "error_cb": self._on_error,
            }
        )

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None and self.failed is None:
            self.failed = error

    def _on_error(self, error: KafkaError) -> None:
        """What is wrong with the client as a whole comes out of the next call; librdkafka has logged it."""

    def send(self, topic: str, partition: int, batch: pa.RecordBatch, mark: bytes | None) -> None:
        """Queue the records of a batch that `checked` returned."""
        columns = (batch.column(n).to_pylist() for n in range(3))
        produce, poll = self.produce, self.poll
        rows = zip(*columns, _headers(batch, mark), strict=False)
        for count, (key, value, timestamp, headers) in enumerate(rows, 1):
            while True:
                try:
                    if headers is None:
                        produce(topic, value, key, partition, timestamp=timestamp)
                    else:
                        produce(topic, value, key, partition, timestamp=timestamp, headers=headers)
                    break
                except BufferError:
                    # The queue is full: wait until some are delivered, or have failed.
                    poll(0.01)
            if count % _SERVE_ROWS == 0:
                poll(0)

    def flush(self, timeout: float = -1) -> int:
        try:
            return int(super().flush(timeout))
        except (KafkaException, SystemError) as raised:
            # Where a fatal error meets a report of delivery, the one is raised while the other is told. What it means
            # for the transaction is for the commit to say.
            cause = raised if isinstance(raised, KafkaException) else raised.__cause__ or raised.__context__
            if not isinstance(cause, KafkaException):
                raise
            self.failed = self.failed or cause.args[0]
            return 0

    def close(self) -> bool:
        # The inherited method would abort and flush, and warns of what cannot be.
        with suppress(KafkaException):
            self.purge()
            self.flush(0)
        return True


class KafkaWriter:
    """A transactional writer with a name (the transactional id "ssql-" + name).

    When it is there, the last transaction of a former writer of that name has ended, and its records (or none of
    them) are visible. A commit is visible some milliseconds after it returns.
    """

    def __init__(
        self, producer: Producing, name: str, *, partitions_of: Callable[[str], int], timeout_s: float
    ) -> None:
        self._producer = producer
        self._name = name
        self._partitions_of = partitions_of
        self._timeout_s = timeout_s
        self._placement = Placement()
        self._mark = name.encode()
        self._open = False
        #: whether a transaction that failed is still to be aborted
        self._broken = False
        with translated(writer=name):
            self._producer.init_transactions(timeout_s)

    def begin(self) -> None:
        if self._open:
            raise InternalError("begin within a transaction")
        if self._broken:
            self._abort()
        with translated(writer=self._name):
            self._producer.begin_transaction()
        self._producer.failed = None
        self._open = True

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,
        *,
        mark: bool = False,
    ) -> None:
        if not self._open:
            raise InternalError("append outside of a transaction")
        parts = self._placement.split(checked(batch), self._partitions_of(topic), partition)
        check_sizes(topic, batch)
        with translated(topic=topic, writer=self._name):
            for part, records in parts:
                self._producer.send(topic, part, records, self._mark if mark else None)

    def commit(self) -> None:
        if not self._open:
            raise InternalError("commit outside of a transaction")
        self._open = False
        self._broken = True
        deadline = time.monotonic() + self._timeout_s
        # Before the flush is done nothing is decided: a transaction that could not be sent is simply aborted.
        left = self._producer.flush(self._timeout_s)
        if left:
            self._abandon()
            raise unavailable(f"{left} records were not delivered within {self._timeout_s:g} s")
        while True:
            try:
                self._producer.commit_transaction(max(0.1, deadline - time.monotonic()))
            except KafkaException as failed:
                error: KafkaError = failed.args[0]
                if is_fencing(error):
                    raise fenced(self._name) from failed
                if error.txn_requires_abort():
                    self._abandon()
                    raise log_error(self._producer.failed or error, writer=self._name) from failed
                if error.retriable() and time.monotonic() < deadline:
                    continue
                raise LogInDoubt(f"Kafka did not say whether the transaction was committed: {error.str()}") from failed
            self._broken = False
            return

    def _abandon(self) -> None:
        """Abort what could not be committed; where that is not possible now, `begin` tries it again."""
        with suppress(LogUnavailable):
            self._abort()

    def _abort(self) -> None:
        with translated(writer=self._name):
            self._producer.abort_transaction(self._timeout_s)
        self._broken = False

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._broken = True
            self._abort()

    def close(self) -> None:
        """End the producer. A transaction that cannot be aborted now is aborted by the next writer of the name."""
        if self._open or self._broken:
            with suppress(LogError), translated():
                self._producer.abort_transaction(_CLOSE_S)
        self._producer.close()


def check_sizes(topic: str, batch: pa.RecordBatch) -> None:
    """Raise `LogError` when a record is larger than Kafka takes."""
    if batch.nbytes <= MESSAGE_BYTES:
        return
    sizes = sum(_lengths(batch.column(n)) for n in range(2))
    largest = int(np.max(sizes))
    if largest > MESSAGE_BYTES:
        raise LogError(
            f'a record of {largest} bytes is too large for topic "{topic}"',
            hint=f"Kafka takes records of up to {MESSAGE_BYTES} bytes.",
        )


def _lengths(column: pa.Array) -> npt.NDArray[np.int64]:
    bounds = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    lengths: npt.NDArray[np.int64] = np.diff(bounds).astype(np.int64)
    return lengths


def _headers(batch: pa.RecordBatch, mark: bytes | None) -> Iterable[Headers | None]:
    """The headers of each record as librdkafka takes them."""
    marks: Headers = [(WRITER_HEADER, mark)] if mark is not None else []
    if batch.num_columns == 3:
        return repeat(marks or None)
    return ([*((h["key"], h["value"]) for h in heads or ()), *marks] or None for heads in batch.column(3).to_pylist())
