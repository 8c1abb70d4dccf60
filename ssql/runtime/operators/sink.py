"""The end of a persistent query: rows become records of a topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.api import BadRow, Encoded, FormatSpec
from ssql.formats.losses import any_lost
from ssql.formats.registry import format_named
from ssql.formats.windowed import wrap_keys
from ssql.log.api import RECORD_SCHEMA
from ssql.planner.relation import Relation
from ssql.planner.steps import Sink as SinkStep
from ssql.runtime.arrangement import Arrangement
from ssql.runtime.changes import last_changes, session_changes
from ssql.runtime.delta import DIFF, TIME, Delta, Int64s, Mask, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.windowed import BEGINNING
from ssql.runtime.rejects import Reject
from ssql.runtime.riders import NO_MARKS, NO_RIDERS, Marks, Riders
from ssql.schemas.api import SchemaRegistry
from ssql.types import Column


class _Part:
    """The key or the value of a relation's records, in its format."""

    def __init__(
        self, spec: FormatSpec, columns: tuple[Column, ...], schemas: SchemaRegistry | None, *, is_key: bool
    ) -> None:
        self.names = [c.name for c in columns]
        form = format_named(spec.name, schemas)
        self._encoder = form.encoder(spec, columns, is_key=is_key)
        self._decoder = form.decoder(spec, columns, is_key=is_key) if self._encoder.losses else None

    def encode(self, rows: pa.RecordBatch) -> Encoded:
        return self._encoder.encode(rows.select(self.names))

    def read_back(self, rows: pa.RecordBatch, data: pa.BinaryArray) -> tuple[dict[str, pa.Array], tuple[BadRow, ...]]:
        """The columns that are others when `data`, which was written of the rows, is read; and what cannot be read."""
        if self._decoder is None or not any_lost(self._encoder.losses, rows.select(self.names)):
            return {}, ()
        decoded = self._decoder.decode(data)
        return dict(zip(self.names, decoded.batch.columns, strict=True)), decoded.bad


@dataclass(frozen=True)
class Written:
    """Rows as records. `kept`: which of the rows could be written; the others are `bad`. `keys`, `values`: the bytes
    of those that could, keys without their window."""

    records: pa.RecordBatch
    kept: Mask
    bad: list[tuple[int, str]]
    keys: pa.BinaryArray
    values: pa.BinaryArray


class RecordEncoder:
    """Rows of a relation as records: key and value bytes, timestamp."""

    def __init__(self, relation: Relation, schemas: SchemaRegistry | None = None) -> None:
        self._relation = relation
        keys, values = relation.schema.keys, relation.schema.values
        self._key = _Part(relation.key_format, keys, schemas, is_key=True) if keys else None
        self._value = _Part(relation.value_format, values, schemas, is_key=False)

    def encode(
        self,
        rows: pa.RecordBatch,
        time: pa.Array,
        live: Mask | None,
        headers: pa.Array | None = None,
        keyless: Mask | None = None,
    ) -> Written:
        """Records of the rows that can be written.

        `live`: where False the record has no value. `headers` of the records: None where none has any. `keyless`: where
        True the record has no key, whatever the format makes of nulls.
        """
        n = rows.num_rows
        bad: dict[int, str] = {}
        bare = keys = pa.nulls(n, pa.binary())
        if self._key is not None:
            encoded = self._key.encode(rows)
            bare = encoded.data
            bad |= {b.index: b.reason for b in encoded.bad}
            if keyless is not None:
                bare = pc.if_else(pa.array(keyless), pa.scalar(None, pa.binary()), bare)
            keys = bare
            if self._relation.window is not None:
                session = self._relation.window.type == "SESSION"
                end = rows.column("WINDOWEND") if session else None
                keys = wrap_keys(bare, rows.column("WINDOWSTART"), end)
        encoded = self._value.encode(rows)
        bad |= {b.index: b.reason for b in encoded.bad if live is None or live[b.index]}
        values = encoded.data
        if live is not None and not live.all():
            values = pc.if_else(pa.array(live), values, pa.scalar(None, pa.binary()))
        if headers is None:
            headers = pa.nulls(n, RECORD_SCHEMA.field("headers").type)
        records = pa.RecordBatch.from_arrays([keys, values, time, headers], schema=RECORD_SCHEMA)
        kept = np.ones(n, dtype=np.bool_)
        if bad:
            kept[list(bad)] = False
            picked = pa.array(kept)
            records, bare, values = records.filter(picked), bare.filter(picked), values.filter(picked)
        return Written(records, kept, sorted(bad.items()), bare, values)

    def read_back(self, rows: pa.RecordBatch, written: Written) -> tuple[pa.RecordBatch, dict[int, str]]:
        """The rows that were kept as reading the records gives them, and those that cannot be read, with why."""
        columns: dict[str, pa.Array] = {}
        bad: dict[int, str] = {}
        sides = (("key", self._key, written.keys), ("value", self._value, written.values))
        for side, part, data in sides:
            if part is not None:
                found, misread = part.read_back(rows, data)
                columns |= found
                bad |= {row.index: f"{side}: {row.reason}" for row in misread}
        if columns:
            arrays = [columns.get(name, array) for name, array in zip(rows.schema.names, rows.columns, strict=True)]
            rows = pa.RecordBatch.from_arrays(arrays, schema=rows.schema)
        return rows, bad


@runs(SinkStep)
class Sink(Operator):
    """Encodes its input; a table's changes become one upsert or tombstone for each key of the epoch.

    As in ksqlDB, a session that took in a row without its bounds changing goes before it comes again, and where the
    statement says which column is the timestamp, a record without a value has the stream time: the only state.

    The records of the epoch stand in `records` until it commits.
    """

    step: SinkStep

    def __init__(self, step: SinkStep, context: Context) -> None:
        super().__init__(step, context)
        relation = step.relation
        self._made: RecordEncoder | None = None
        self._key = (*relation.key_names, *relation.window_key)
        self._sessions = relation.window is not None and relation.window.type == "SESSION"
        self._timestamp = None
        if step.timestamp is not None:
            out = pa.schema([pa.field(TIME, pa.int64())])
            self._timestamp = context.session.prepare(step.timestamp, {"delta": context.inputs[0]}, out)
        self._stream_time = BEGINNING
        self._written: Written | None = None
        self.records: pa.RecordBatch | None = None
        self.riders: Riders = NO_RIDERS
        self.marks: Marks = NO_MARKS

    @property
    def _encoder(self) -> RecordEncoder:
        """Made when it is needed: until then a registry may be away."""
        if self._made is None:
            self._made = RecordEncoder(self.step.relation, self.context.schemas)
        return self._made

    def open(self) -> None:
        """Raises `FormatError` where its formats cannot write the rows, `RegistryUnavailable` where nobody can say."""
        assert self._encoder is not None

    def begin(self, riders: Riders, marks: Marks) -> None:
        """Before an epoch: what the records that its rows come from bring along."""
        self.riders, self.marks = riders, marks
        self.records = self._written = None

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        live = None
        if self.step.relation.kind == "TABLE":
            change = session_changes if self._sessions else last_changes
            delta, live = change(delta, self._key)
        elif (void := self.marks.is_void(delta)) is not None:
            live = ~void
        time = delta.batch.column(TIME)
        if self._timestamp is not None:
            delta, live, time = self._timed(delta, live)
        keyless = self.marks.is_keyless(delta) if self.step.keeps_key else None
        written = self._encoder.encode(delta.batch, time, live, self.riders.headers(delta), keyless)
        for row, reason in written.bad:
            self._reject(f"could not write the row: {reason}", int(delta.seq[row]))
        self._written = written
        self.records = written.records if written.records.num_rows else None
        return delta.filter(written.kept) if written.bad else delta

    def as_read(self, delta: Delta) -> tuple[Delta, Marks]:
        """What `on_deltas` answered as the topic gives it: with what its formats lose, and with its records' marks.

        A row whose record has no value, as a bare null is written, is a deletion of a table, and void in a stream.
        """
        if self._written is None or not len(delta):
            return delta, NO_MARKS
        rows, bad = self._encoder.read_back(delta.batch, self._written)
        delta = Delta(rows)
        void = self._written.values.is_null().to_numpy(zero_copy_only=False)
        if self.step.relation.kind == "TABLE":
            marks = NO_MARKS
            if (void & (delta.diff > 0)).any():
                diff = pa.array(np.where(void, -1, delta.diff), pa.int8())
                delta = Delta(rows.set_column(rows.schema.get_field_index(DIFF), rows.schema.field(DIFF), diff))
        else:
            keyless = self._written.keys.is_null().to_numpy(zero_copy_only=False)
            marks = Marks(delta.seq[void], delta.seq[keyless]) if void.any() or keyless.any() else NO_MARKS
        if bad:
            for row, reason in bad.items():
                self._reject(f"could not read what was written: {reason}", int(delta.seq[row]))
            readable = np.ones(len(delta), dtype=np.bool_)
            readable[list(bad)] = False
            delta = delta.filter(readable)
        return delta, marks

    def _timed(self, delta: Delta, live: Mask | None) -> tuple[Delta, Mask | None, pa.Array]:
        """Records take the timestamp that the statement asked for; rows whose timestamp is null or negative go."""
        assert self._timestamp is not None
        found = self._timestamp.run(delta=delta.batch).column(0)
        time: Int64s = numbers(found.fill_null(-1))
        stream_time = np.maximum(np.maximum.accumulate(delta.time), self._stream_time)
        self._stream_time = int(stream_time[-1])
        if live is not None:
            time = np.where(live, time, stream_time)
        good = time >= 0
        if not good.all():
            for seq in delta.seq[~good].tolist():
                self._reject("the row has no valid timestamp", seq)
            delta, time = delta.filter(good), time[good]
            live = live[good] if live is not None else None
        return delta, live, pa.array(time, pa.int64())

    def _reject(self, reason: str, seq: int) -> None:
        self.context.rejects.errors.append(Reject(self.context.query_id, reason, seq=seq))

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {}

    def memo(self) -> Mapping[str, int]:
        return {} if self._timestamp is None else {"stream_time": self._stream_time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        self._stream_time = memo.get("stream_time", BEGINNING)

    def close(self) -> None:
        if self._timestamp is not None:
            self._timestamp.close()
