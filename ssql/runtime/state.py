"""Filing arrangements in the log: each commit appends the runs of its epoch to the state's topic.

A record of a state topic is an Arrow IPC stream: rows of the arrangement and `_live`. Its key says whether a new full
run begins with it. When what was appended outweighs the last full run, the whole arrangement is written as one
run and, once that is committed, the topic is truncated before it. Restoring is reading Arrow back.
"""

from __future__ import annotations

import logging
import re
import time as clock
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from ssql.errors import LogError, LogUnavailable
from ssql.log.api import RECORD_SCHEMA, Log, Writer
from ssql.planner.system_streams import internal_topic
from ssql.runtime.arrangement import Arrangement, Run, make_run
from ssql.runtime.delta import concat
from ssql.runtime.progress import Restoring

LOGGER = logging.getLogger("ssql.worker")

#: A record stays below what Kafka brokers take by default (1 MB).
MAX_RECORD_BYTES = 900_000
#: A state topic is not rewritten for less than this.
MIN_REWRITE_BYTES = 4 << 20
#: Restoring reads this many records at a time, and gives up after so long (s) without any.
RESTORE_RECORDS = 64
RESTORE_S = 60.0


class _Head(msgspec.Struct):
    """The key of a state record: `full` begins a new full run; `version` is the layout of the record."""

    full: bool
    version: int = 1


def state_topic(service_id: str, state_id: str) -> str:
    """The topic of a state: letters, digits, `.`, `_` and `-` only, as Kafka demands."""
    return internal_topic(service_id, "state_" + re.sub(r"[^A-Za-z0-9._-]", "-", state_id))


@dataclass
class StateFile:
    """One arrangement and its topic."""

    log: Log
    topic: str
    arrangement: Arrangement
    full_bytes: int = 0
    appended_bytes: int = 0
    #: columns of the arrangement that rows were filed without: they have NULL there
    missing: frozenset[str] = frozenset()
    #: what these two become, and what may be cut off, once the transaction at hand is committed
    _written: tuple[int, int] = (0, 0)
    _truncate_before: int | None = None
    _rewrite: bool = False

    def take(self, records: pa.RecordBatch) -> tuple[int, int]:
        """Put in records of the topic, read in order; the rows and bytes in them."""
        rows = size = 0
        for key, value in zip(records.column("key").to_pylist(), records.column("value"), strict=True):
            head = msgspec.json.decode(key, type=_Head)
            if head.full:
                self.arrangement.clear()
                self.full_bytes, self.appended_bytes = 0, 0
            body = value.as_buffer()
            self.appended_bytes += body.size
            run, missing = _read_run(self.arrangement, body)
            self.missing |= missing
            self.arrangement.restore(run)
            rows, size = rows + len(run), size + body.size
        return rows, size

    def rewrite(self) -> None:
        """Write the whole arrangement at the next commit."""
        self._rewrite = True

    @property
    def dirty(self) -> bool:
        return self._rewrite or bool(self.arrangement.pending)

    def write(self, writer: Writer) -> None:
        """Add what changed since the last commit to the transaction; it may fail, and be tried again."""
        if not self.dirty:
            return
        if self.log.topic(self.topic) is None:
            self.log.create_topic(self.topic, replicas=None, config={"cleanup.policy": "delete", "retention.ms": "-1"})
        pending = sum(r.nbytes for r in self.arrangement.pending)
        full = self._rewrite or self.appended_bytes + pending > max(self.full_bytes, MIN_REWRITE_BYTES)
        if full:
            self._truncate_before = self.log.bounds(self.topic, 0)[1]
            written = _append(writer, self.topic, [self.arrangement.compact()], full=True)
            self._written = written, 0
        else:
            self._truncate_before = None
            appended = _append(writer, self.topic, self.arrangement.pending, full=False)
            self._written = self.full_bytes, self.appended_bytes + appended

    def committed(self) -> None:
        """The transaction is durable: what lies before the full run is not needed any more."""
        self.arrangement.commit()
        self._rewrite = False
        self.full_bytes, self.appended_bytes = self._written
        if self._truncate_before is not None:
            try:
                self.log.truncate(self.topic, 0, self._truncate_before)
            except LogError as trouble:  # what is too much is no harm, and goes with the next full run
                LOGGER.warning("could not truncate %s: %s", self.topic, trouble.message)
            self._truncate_before = None


def expect(log: Log, service_id: str, restoring: Restoring) -> None:
    """Note what state there is."""
    prefix = state_topic(service_id, "")
    bounds = {}
    for topic in log.topics():
        if topic.name.startswith(prefix):
            # One that is just being deleted is nobody's; whoever needs one asks the log again.
            with suppress(LogError):
                bounds[topic.name] = log.bounds(topic.name, 0)
    restoring.expect(bounds)


def restore(log: Log, files: Sequence[StateFile], restoring: Restoring) -> None:
    """Read arrangements back, all at once. Cost: the bytes of their topics, not those of the inputs.

    Raises:
        LogUnavailable: nothing comes although something is there.
    """
    left: dict[str, tuple[StateFile, int]] = {}
    with closing(log.reader()) as reader:
        for file in files:
            bounds = restoring.bounds(file.topic)
            if bounds is None:
                if log.topic(file.topic) is None:
                    continue
                bounds = log.bounds(file.topic, 0)
            begin, end = bounds
            if begin < end:
                reader.assign(file.topic, 0, begin)
                left[file.topic] = file, end
            else:
                restoring.whole(file.topic)
        deadline = clock.monotonic() + RESTORE_S
        while left:
            for fetch in reader.poll(RESTORE_RECORDS, 1000):
                deadline = clock.monotonic() + RESTORE_S
                file, end = left[fetch.topic]
                restoring.read(fetch.batch.num_rows, *file.take(fetch.batch))
                if fetch.next_offset >= end:
                    reader.unassign(fetch.topic, 0)
                    del left[fetch.topic]
                    restoring.whole(fetch.topic)
            if clock.monotonic() > deadline:
                raise LogUnavailable(f'nothing came of topic "{next(iter(left))}" for {RESTORE_S:.0f} s')


def _append(writer: Writer, topic: str, runs: list[Run], *, full: bool) -> int:
    values: list[bytes] = []
    for run in runs:
        rows = len(run)
        step = max(1, rows * MAX_RECORD_BYTES // max(run.nbytes, 1)) if rows else 1
        for start in range(0, max(rows, 1), step):
            values.append(_run_bytes(run, start, step))
    heads = [msgspec.json.encode(_Head(full and i == 0)) for i in range(len(values))]
    now = int(clock.time() * 1000)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(heads, pa.binary()),
            pa.array(values, pa.binary()),
            pa.array([now] * len(values), pa.int64()),
            pa.nulls(len(values), RECORD_SCHEMA.field("headers").type),
        ],
        schema=RECORD_SCHEMA,
    )
    writer.append(topic, batch, 0)
    return sum(len(v) for v in values)


def _run_bytes(run: Run, start: int, rows: int) -> bytes:
    batch = run.batch.slice(start, rows).append_column("_live", pa.array(run.live[start : start + rows]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _read_run(arrangement: Arrangement, body: pa.Buffer) -> tuple[Run, frozenset[str]]:
    """The run, and the columns that it was filed without."""
    with pa.ipc.open_stream(body) as stream:
        batch = concat(list(stream))
    live = batch.column("_live").to_numpy(zero_copy_only=False)
    schema = arrangement.layout.schema
    missing = frozenset(schema.names) - frozenset(batch.schema.names)
    columns = [pa.nulls(batch.num_rows, f.type) if f.name in missing else batch.column(f.name) for f in schema]
    return make_run(arrangement.layout, pa.RecordBatch.from_arrays(columns, schema=schema), live), missing
