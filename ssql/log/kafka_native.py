"""Kafka by whole batches: messages to columns and columns to messages, over librdkafka's C interface.

No Python object is made for a record. `kafka_loops` has the loops; this module prepares their arrays and owns the
clients. The source and the producer here do what confluent-kafka's do, several times faster.
"""

from __future__ import annotations

import ctypes
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_size_t, c_void_p

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException

from ssql.log.api import FETCH_SCHEMA, HEADERS
from ssql.log.kafka_loops import loops
from ssql.log.kafka_source import Part, Taken
from ssql.log.kafka_writer import WRITER_HEADER
from ssql.log.librdkafka import CONSUMER, PRODUCER, Client, Library, watermarks
from ssql.log.records import no_headers

#: The rows of what `scan` fills: one column a message.
_ERROR, _TOPIC, _PARTITION, _OFFSET, _TIME, _KEY, _KEY_LENGTH, _VALUE, _VALUE_LENGTH, _HEADERS = range(10)
#: A waiting call comes back this often (ms), so that an interrupt is heard.
_SLICE_MS = 100
#: Key or value bytes of one take from which each partition gets arrays of its own (Arrow's limit is 2 GiB).
_JOINT_BYTES = 1 << 30

#: Kinds of rd_kafka_vu_t.
_VU_TOPIC, _VU_PARTITION, _VU_VALUE, _VU_KEY, _VU_FLAGS, _VU_TIME, _VU_HEADER = 2, 3, 4, 5, 7, 8, 9
_VU_WORDS = 9
_COPY = 0x2
_PURGE_QUEUED, _PURGE_ALL = 0x1, 0x3

_MARK = WRITER_HEADER.encode()
#: Something that an empty byte string can point at: to librdkafka a null pointer is a null.
_NOTHING = ctypes.create_string_buffer(8)


class NativeSource:
    """A `Source` over a consumer of its own."""

    def __init__(self, functions: Library, config: Mapping[str, str], on_error: Callable[[KafkaError], None]) -> None:
        self._library = functions
        self._client = Client(functions, CONSUMER, config, on_error)
        functions.poll_set_consumer(self._client.handle)
        self._queue = functions.queue_get_consumer(self._client.handle)
        self._pointers = np.empty(0, np.int64)
        self._scratch = np.zeros(3, np.int64)
        self._addresses = {
            name: functions.address(name)
            for name in ("message_timestamp", "message_headers", "message_destroy", "header_cnt", "header_get_all")
        }

    def assign(self, topic: str, partition: int, offset: int) -> None:
        with self._listed(topic, partition, offset) as listed:
            self._library.check(self._library.incremental_assign(self._client.handle, listed))

    def unassign(self, topic: str, partition: int) -> None:
        with self._listed(topic, partition, 0) as listed:
            self._library.check(self._library.incremental_unassign(self._client.handle, listed))

    @contextmanager
    def _listed(self, topic: str, partition: int, offset: int) -> Iterator[int]:
        listed = self._library.topic_partition_list_new(1)
        try:
            self._library.topic_partition_list_add(listed, topic.encode(), partition).contents.offset = offset
            yield listed
        finally:
            self._library.topic_partition_list_destroy(listed)

    def take(self, rows: int, timeout_s: float, skip: Callable[[str, int], bytes | None]) -> Taken:
        if len(self._pointers) < rows:
            self._pointers = np.empty(rows, np.int64)
        at = self._pointers.ctypes.data
        consume = self._library.consume_batch_queue
        count = consume(self._queue, 0, at, rows)
        if count == 0 and timeout_s > 0:
            # librdkafka would wait for all of `rows`: wait for one, and take what came with it.
            count = consume(self._queue, max(1, min(_SLICE_MS, round(timeout_s * 1000))), at, 1)
            if count == 1 and rows > 1:
                count += max(0, consume(self._queue, 0, at + 8, rows - 1))
        if count <= 0:
            return Taken()
        used = loops(count)
        try:
            fields = np.empty((10, count), np.int64)
            used.scan(
                at,
                count,
                fields.ctypes.data,
                self._addresses["message_timestamp"],
                self._addresses["message_headers"],
                self._scratch.ctypes.data,
            )
            return self._taken(fields, skip)
        finally:
            used.destroy(at, count, self._addresses["message_destroy"])

    def _taken(self, fields: npt.NDArray[np.int64], skip: Callable[[str, int], bytes | None]) -> Taken:
        taken = Taken()
        failed = np.flatnonzero(fields[_ERROR])
        if len(failed):
            for n in failed.tolist():
                self._on_event(n, fields, taken)
            fields = fields[:, fields[_ERROR] == 0]
        if not fields.shape[1]:
            return taken
        fields, cuts = _by_partition(fields)
        joint = max(int(np.maximum(fields[row], 0).sum()) for row in (_KEY_LENGTH, _VALUE_LENGTH)) < _JOINT_BYTES
        whole = self._columns(fields) if joint else None
        for begin, end in itertools.pairwise(cuts):
            topic, partition = self._name(int(fields[_TOPIC, begin])), int(fields[_PARTITION, begin])
            part = np.ascontiguousarray(fields[:, begin:end])
            batch = whole.slice(begin, end - begin) if whole is not None else self._columns(part)
            ours = None
            if part[_HEADERS].any():
                headers, ours = self._headers(part[_HEADERS], skip(topic, partition))
                batch = batch.set_column(3, FETCH_SCHEMA.field(3), headers)
            taken.parts.append(Part(topic, partition, batch, ours))
        return taken

    def _on_event(self, n: int, fields: npt.NDArray[np.int64], taken: Taken) -> None:
        code = int(fields[_ERROR, n])
        topic = self._name(int(fields[_TOPIC, n])) if fields[_TOPIC, n] else ""
        if code == KafkaError._PARTITION_EOF:
            taken.ends[topic, int(fields[_PARTITION, n])] = int(fields[_OFFSET, n])
        else:
            reason = (self._library.message_errstr(int(self._pointers[n])) or b"").decode(errors="replace")
            taken.errors.append((topic, KafkaError(code, reason)))

    def _name(self, topic: int) -> str:
        name: bytes = self._library.topic_name(topic)
        return name.decode()

    def _columns(self, fields: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """FETCH_SCHEMA of messages, with null headers."""
        count = fields.shape[1]
        arrays = [
            _binary(fields[_KEY], fields[_KEY_LENGTH]),
            _binary(fields[_VALUE], fields[_VALUE_LENGTH]),
            pa.array(fields[_TIME]),
            no_headers(count),
            pa.array(fields[_OFFSET]),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=FETCH_SCHEMA)

    def _headers(
        self, lists: npt.NDArray[np.int64], skip: bytes | None
    ) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
        """The headers without the writers' marks, and which messages `skip` marked."""
        count = len(lists)
        marked = np.empty(count, np.uint8)
        others = loops(count).marks(
            lists.ctypes.data,
            count,
            self._addresses["header_cnt"],
            self._addresses["header_get_all"],
            _address(_MARK),
            _address(skip),
            len(skip) if skip is not None else -1,
            marked.ctypes.data,
            self._scratch.ctypes.data,
        )
        ours = marked.view(np.bool_) if skip is not None else None
        if not others:
            return no_headers(count), ours
        return pa.array([self._headers_of(headers) for headers in lists.tolist()], HEADERS), ours

    def _headers_of(self, headers: int) -> list[dict[str, object]] | None:
        """The headers of one message but for marks."""
        if not headers:
            return None
        kept: list[dict[str, object]] = []
        name, value, size = c_char_p(), c_void_p(), c_size_t()
        for n in range(self._library.header_cnt(headers)):
            self._library.header_get_all(headers, n, byref(name), byref(value), byref(size))
            key = (name.value or b"").decode(errors="replace")
            if key != WRITER_HEADER:
                found = None if value.value is None else ctypes.string_at(value.value, size.value)
                kept.append({"key": key, "value": found})
        return kept or None

    def high(self, topic: str, partition: int) -> int:
        return watermarks(self._client, topic, partition)[1]

    def wake(self) -> None:
        if self._queue:
            self._library.queue_yield(self._queue)

    def close(self) -> None:
        if self._queue:
            queue, self._queue = self._queue, None
            self._library.queue_destroy(queue)
            self._client.close()


def _by_partition(fields: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """The fields with the messages of each partition side by side, in their order, and where each partition begins."""
    count = fields.shape[1]
    changes = np.flatnonzero(
        (fields[_TOPIC, 1:] != fields[_TOPIC, :-1]) | (fields[_PARTITION, 1:] != fields[_PARTITION, :-1])
    )
    begins = [0, *(changes + 1).tolist()]
    if len(begins) > 1:
        # They come in runs of one partition; a partition may have several runs.
        codes: dict[tuple[int, int], int] = {}
        code = [codes.setdefault((int(fields[_TOPIC, b]), int(fields[_PARTITION, b])), len(codes)) for b in begins]
        if len(codes) < len(begins):
            each = np.repeat(np.array(code), np.diff([*begins, count]))
            fields = np.ascontiguousarray(fields[:, np.argsort(each, kind="stable")])
            begins = np.searchsorted(np.sort(each), np.arange(len(codes))).tolist()
    return fields, [*begins, count]


def _binary(pointers: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pa.Array:
    """The byte strings at those addresses as an array; a length of -1 is a null."""
    count = len(lengths)
    offsets = np.zeros(count + 1, np.int32)
    there = lengths >= 0
    nulls = count - int(np.count_nonzero(there))
    np.cumsum(np.maximum(lengths, 0) if nulls else lengths, out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    source = np.ascontiguousarray(pointers)
    loops(count).gather(count, source.ctypes.data, offsets.ctypes.data, data.ctypes.data)
    valid = pa.py_buffer(np.packbits(there, bitorder="little")) if nulls else None
    return pa.Array.from_buffers(pa.binary(), count, [valid, pa.py_buffer(offsets), pa.py_buffer(data)], nulls)


class NativeProducer:
    """A transactional producer with the methods of confluent-kafka's that a `KafkaWriter` uses."""

    def __init__(self, functions: Library, config: Mapping[str, str]) -> None:
        self._library = functions
        # What went well is not reported: only what failed waits in the queue of events.
        only_failed = {**config, "delivery.report.only.error": "true"}
        self._client = Client(functions, PRODUCER, only_failed, lambda _: None)
        self._queue = functions.queue_get_main(self._client.handle)
        self.failed: KafkaError | None = None
        self._topics: dict[str, int] = {}
        self._function = functions.address("produceva")

    def send(self, topic: str, partition: int, batch: pa.RecordBatch, mark: bytes | None) -> None:
        """Queue the records of a batch that `checked` returned, each with the mark of that writer.

        Raises:
            KafkaException: when librdkafka does not take them.
        """
        count = batch.num_rows
        slots = np.zeros((6, _VU_WORDS), np.int64)
        slots[:, 0] = (_VU_TOPIC, _VU_PARTITION, _VU_FLAGS, _VU_TIME, _VU_KEY, _VU_VALUE)
        slots[:3, 1] = (self._topic(topic), partition, _COPY)
        if mark is not None:
            slots = np.vstack([slots, _header(_MARK, mark)])
        keys, key_nulls = _addresses(batch.column(0))
        values, value_nulls = _addresses(batch.column(1))
        times = np.ascontiguousarray(batch.column(2).to_numpy())

        def put(slots: npt.NDArray[np.int64], begin: int, end: int) -> None:
            while begin < end:
                begin, error = loops(end - begin).produce(
                    self._client.handle,
                    self._function,
                    slots.ctypes.data,
                    len(slots),
                    begin,
                    end,
                    keys.ctypes.data,
                    key_nulls.ctypes.data if key_nulls is not None else 0,
                    values.ctypes.data,
                    value_nulls.ctypes.data if value_nulls is not None else 0,
                    times.ctypes.data,
                )
                if error:
                    self._wait_for_room(error)

        if batch.num_columns == 3:
            put(slots, 0, count)
        else:
            for n, headers in enumerate(batch.column(3).to_pylist()):
                # librdkafka copies them; until then `texts` keeps them where they are.
                texts = [(h["key"].encode(), h["value"]) for h in headers or ()]
                put(np.vstack([slots, *(_header(key, value) for key, value in texts)]), n, n + 1)
        self._serve(0)

    def _wait_for_room(self, error: int) -> None:
        try:
            self._library.check(error)
        except KafkaException as failed:
            if failed.args[0].code() != KafkaError._QUEUE_FULL:
                raise
            self._serve(10)

    def _topic(self, name: str) -> int:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = self._library.topic_new(self._client.handle, name.encode(), None)
        return found

    def init_transactions(self, timeout_s: float) -> None:
        self._library.check(self._library.init_transactions(self._client.handle, round(timeout_s * 1000)))

    def begin_transaction(self) -> None:
        self._library.check(self._library.begin_transaction(self._client.handle))

    def commit_transaction(self, timeout_s: float) -> None:
        self._library.check(self._library.commit_transaction(self._client.handle, round(timeout_s * 1000)))

    def abort_transaction(self, timeout_s: float) -> None:
        # What was not sent fails now, and librdkafka waits until somebody has heard of it.
        self._library.purge(self._client.handle, _PURGE_QUEUED)
        deadline = time.monotonic() + timeout_s
        while True:
            self._serve(0)
            try:
                self._library.check(self._library.abort_transaction(self._client.handle, _SLICE_MS))
                return
            except KafkaException as failed:
                if not failed.args[0].retriable() or time.monotonic() > deadline:
                    raise

    def flush(self, timeout_s: float) -> int:
        """Wait until all is delivered; how many records are not."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_ms = round(1000 * (deadline - time.monotonic()))
            self._library.flush(self._client.handle, max(0, min(_SLICE_MS, left_ms)))
            self._serve(0)
            left = int(self._library.outq_len(self._client.handle))
            if left == 0 or left_ms <= 0:
                return left

    def _serve(self, timeout_ms: int) -> None:
        """Hear of deliveries that failed."""
        while event := self._library.queue_poll(self._queue, timeout_ms):
            while message := self._library.event_message_next(event):
                if message.contents.err and self.failed is None:
                    self.failed = KafkaError(message.contents.err)
            self._library.event_destroy(event)

    def close(self) -> None:
        """End it without a word about what was not delivered."""
        if not self._client.handle:
            return
        self._library.purge(self._client.handle, _PURGE_ALL)
        self._serve(0)
        self._library.queue_destroy(self._queue)
        for topic in self._topics.values():
            self._library.topic_destroy(topic)
        self._client.close()


def _address(text: bytes | None) -> int:
    """Where a text lies (it ends with a zero there), or 0 for None. Valid while the text is alive."""
    return ctypes.cast(c_char_p(text), c_void_p).value or 0


def _header(key: bytes, value: bytes | None) -> npt.NDArray[np.int64]:
    """An rd_kafka_vu_t of a header; both texts must stay where they are."""
    slot = np.zeros((1, _VU_WORDS), np.int64)
    slot[0, :4] = (_VU_HEADER, _address(key), _address(value), len(value) if value is not None else 0)
    return slot


def _addresses(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8] | None]:
    """Where offsets and data of a binary column lie, and a byte a record, 1 for a null (None where there are none)."""
    _, offsets, data = column.buffers()
    nulls = column.is_null().to_numpy(zero_copy_only=False).view(np.uint8) if column.null_count else None
    at = data.address if data is not None and data.size else ctypes.addressof(_NOTHING)
    return np.array([offsets.address + 4 * column.offset, at], np.int64), nulls
