"""The end of a persistent query: rows become records of a topic."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.registry import format_named
from ssql.formats.windowed import wrap_keys
from ssql.log.api import RECORD_SCHEMA
from ssql.planner.relation import Relation
from ssql.planner.steps import Sink as SinkStep
from ssql.runtime.changes import last_changes, session_changes
from ssql.runtime.delta import TIME, Delta, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.rejects import Reject
from ssql.runtime.riders import NO_RIDERS
from ssql.schemas.api import SchemaRegistry


class RecordEncoder:
    """Rows of a relation as records: key and value bytes, timestamp."""

    def __init__(self, relation: Relation, schemas: SchemaRegistry | None = None) -> None:
        self._relation = relation
        keys, values = relation.schema.keys, relation.schema.values
        self._keys = [c.name for c in keys]
        self._values = [c.name for c in values]
        key_format = format_named(relation.key_format.name, schemas)
        value_format = format_named(relation.value_format.name, schemas)
        self._key_encoder = key_format.encoder(relation.key_format, keys, is_key=True) if keys else None
        self._value_encoder = value_format.encoder(relation.value_format, values, is_key=False)

    def encode(
        self,
        rows: pa.RecordBatch,
        time: pa.Array,
        live: np.ndarray | None,  # type: ignore[type-arg]
        headers: pa.Array | None = None,
    ) -> tuple[pa.RecordBatch, np.ndarray, list[tuple[int, str]]]:  # type: ignore[type-arg]
        """Records of the rows that can be written, which rows these are, and the others with why.

        `live`: where False the record has no value. `headers` of the records: None where none has any.
        """
        n = rows.num_rows
        bad: dict[int, str] = {}
        keys = pa.nulls(n, pa.binary())
        if self._key_encoder is not None:
            encoded = self._key_encoder.encode(rows.select(self._keys))
            keys = encoded.data
            bad |= {b.index: b.reason for b in encoded.bad}
            if self._relation.window is not None:
                session = self._relation.window.type == "SESSION"
                end = rows.column("WINDOWEND") if session else None
                keys = wrap_keys(keys, rows.column("WINDOWSTART"), end)
        encoded = self._value_encoder.encode(rows.select(self._values))
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
            records = records.filter(pa.array(kept))
        return records, kept, sorted(bad.items())


@runs(SinkStep)
class Sink(Operator):
    """Encodes its input; a table's changes become one upsert or tombstone for each key of the epoch. No state.

    As in ksqlDB, a session that took in a row without its bounds changing goes before it comes again.

    The records of the epoch stand in `records` until it commits.
    """

    step: SinkStep

    def __init__(self, step: SinkStep, context: Context) -> None:
        super().__init__(step, context)
        relation = step.relation
        self._encoder = RecordEncoder(relation, context.schemas)
        self._key = (*relation.key_names, *relation.window_key)
        self._sessions = relation.window is not None and relation.window.type == "SESSION"
        self._timestamp = None
        if step.timestamp is not None:
            out = pa.schema([pa.field(TIME, pa.int64())])
            self._timestamp = context.session.prepare(step.timestamp, {"delta": context.inputs[0]}, out)
        self.records: pa.RecordBatch | None = None
        self.riders = NO_RIDERS

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        live = None
        if self.step.relation.kind == "TABLE":
            change = session_changes if self._sessions else last_changes
            delta, live = change(delta, self._key)
        elif (void := self.riders.is_void(delta)) is not None:
            live = ~void
        time = delta.batch.column(TIME)
        if self._timestamp is not None:
            delta, live, time = self._timed(delta, live)
        records, kept, bad = self._encoder.encode(delta.batch, time, live, self.riders.headers(delta))
        for row, reason in bad:
            self.context.rejects.errors.append(
                Reject(self.context.query_id, f"could not write the row: {reason}", seq=int(delta.seq[row]))
            )
        self.records = records if records.num_rows else None
        return delta.filter(kept) if bad else delta

    def _timed(self, delta: Delta, live: np.ndarray | None) -> tuple[Delta, np.ndarray | None, pa.Array]:  # type: ignore[type-arg]
        """Records take the timestamp that the statement asked for; rows whose timestamp is null or negative go."""
        assert self._timestamp is not None
        time = self._timestamp.run(delta=delta.batch).column(0)
        good = time.is_valid().to_numpy(zero_copy_only=False) & (numbers(time.fill_null(-1)) >= 0)
        if not good.all():
            for seq in delta.seq[~good].tolist():
                self.context.rejects.errors.append(
                    Reject(self.context.query_id, "the row has no valid timestamp", seq=seq)
                )
            delta, time = delta.filter(good), time.filter(pa.array(good))
            live = live[good] if live is not None else None
        return delta, live, time

    def close(self) -> None:
        if self._timestamp is not None:
            self._timestamp.close()
