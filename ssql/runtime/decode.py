"""Fetched records -> rows of a relation: the needed columns decoded, ROWTIME found, bad rows turned away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ssql.formats.registry import format_named
from ssql.formats.windowed import unwrap_keys
from ssql.log.api import Fetch
from ssql.planner.relation import Relation
from ssql.planner.steps import Fault, Statement
from ssql.runtime.delta import Indices, Int64s, Mask, numbers
from ssql.runtime.rejects import Position, Reject
from ssql.runtime.statement import Prepared, Session
from ssql.schemas.api import SchemaRegistry
from ssql.types import BIGINT, INTEGER, Column

#: Beside column names, among those needed of a stream: records without a value are needed too.
VOID = "_void"
#: Columns that every relation can be asked for beside its own.
PSEUDO = (Column("ROWTIME", BIGINT), Column("ROWPARTITION", INTEGER), Column("ROWOFFSET", BIGINT))
BOUNDS = (Column("WINDOWSTART", BIGINT), Column("WINDOWEND", BIGINT))


def relation_columns(relation: Relation) -> tuple[Column, ...]:
    """All columns that rows of a relation may have, pseudo columns last."""
    bounds = BOUNDS if relation.window is not None else ()
    return (*relation.schema.columns, *bounds, *PSEUDO)


@dataclass(frozen=True)
class Rows:
    """Rows decoded from one fetch: `record[i]` is the fetch's record that row i came from.

    `live` is False for records without a value: a table's tombstones, and what says nothing in a stream. `time` is each
    row's event time.
    """

    batch: pa.RecordBatch
    record: Indices
    time: Int64s
    live: Mask
    rejects: tuple[Reject, ...]


class _Bad(NamedTuple):
    """Why a record is put aside."""

    reason: str
    fault: Fault | None


class RelationDecoder:
    """Decodes fetches of a relation's topic to the columns named in `needed` (in relation order)."""

    def __init__(
        self,
        relation: Relation,
        needed: frozenset[str],
        time: Statement | None,
        session: Session,
        schemas: SchemaRegistry | None = None,
    ) -> None:
        self.relation = relation
        self.columns = tuple(c for c in relation_columns(relation) if c.name in needed)
        self.schema = pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])
        self._void = VOID in needed
        headers = {h.name: h.header for h in relation.headers}
        self._headers = {n: h for n, h in headers.items() if n in needed}
        wanted = set(needed)
        self._time: Prepared | None = None
        if time is not None and relation.timestamp is not None:
            wanted.add(relation.timestamp.column)
        keys = relation.schema.keys
        values = [c for c in relation.schema.values if c.name not in headers]
        table = relation.kind == "TABLE"
        needed_keys = frozenset(c.name for c in keys if c.name in wanted or table)
        needed_values = frozenset(c.name for c in values if c.name in wanted)
        key_format = format_named(relation.key_format.name, schemas)
        value_format = format_named(relation.value_format.name, schemas)
        self._key = (
            key_format.decoder(relation.key_format, keys, is_key=True, needed=needed_keys) if needed_keys else None
        )
        self._value = (
            value_format.decoder(relation.value_format, values, is_key=False, needed=needed_values)
            if needed_values
            else None
        )
        if time is not None and relation.timestamp is not None:
            column = relation.schema.by_name[relation.timestamp.column]
            source = pa.schema([pa.field(column.name, column.type.arrow)])
            self._time = session.prepare(time, {"delta": source}, pa.schema([pa.field("_time", pa.int64())]))

    def decode(self, fetch: Fetch) -> Rows:
        """The rows of a fetch. A record that is bad, or lacks what the relation needs, is among `rejects`."""
        records = fetch.batch
        n = records.num_rows
        raw_key, raw_value = records.column("key"), records.column("value")
        columns: dict[str, pa.Array] = {}
        bad: dict[int, _Bad] = {}
        if self.relation.window is not None:
            session = self.relation.window.type == "SESSION"
            unwrapped = unwrap_keys(raw_key, session, self.relation.window.size_ms)
            raw_key = unwrapped.keys
            columns |= {"WINDOWSTART": unwrapped.start, "WINDOWEND": unwrapped.end}
            bad |= {b.index: _Bad(f"key: {b.reason}", "unreadable") for b in unwrapped.bad}
        for side, decoder, data in (("key", self._key, raw_key), ("value", self._value, raw_value)):
            if decoder is not None:
                decoded = decoder.decode(data)
                columns |= dict(zip(decoded.batch.schema.names, decoded.batch.columns, strict=True))
                for row in decoded.bad:
                    bad.setdefault(row.index, _Bad(f"{side}: {row.reason}", "unreadable"))
        time = numbers(records.column("timestamp"))
        if self._time is not None and self.relation.timestamp is not None:
            found, late_bad = self._event_times(columns[self.relation.timestamp.column], raw_value)
            time = np.where(raw_value.is_valid().to_numpy(zero_copy_only=False), found, time)
            for index, reason in late_bad:
                bad.setdefault(index, _Bad(reason, "timeless"))
        live = raw_value.is_valid().to_numpy(zero_copy_only=False)
        keep = self._wanted(raw_key, live, bad)
        columns |= self._pseudo(fetch, time)
        columns |= {name: _header(records.column("headers"), header) for name, header in self._headers.items()}
        arrays = [_as(columns[f.name], f.type) for f in self.schema]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema) if arrays else _rows_only(n)
        record = np.arange(n)
        if not keep.all():
            picked = pa.array(keep)
            batch, record, time, live = batch.filter(picked), record[keep], time[keep], live[keep]
        return Rows(batch, record, time, live, self._rejects(fetch, bad))

    def _wanted(self, raw_key: pa.Array, live: Mask, bad: dict[int, _Bad]) -> Mask:
        keep = np.ones(len(live), dtype=np.bool_)
        if self.relation.kind == "TABLE":
            if raw_key.null_count:
                for index in np.flatnonzero(raw_key.is_null().to_numpy(zero_copy_only=False)).tolist():
                    bad.setdefault(index, _Bad("the key is null, and a table needs one", None))
        elif not self._void:
            keep &= live  # a null value says nothing in a stream
        if bad:
            keep[list(bad)] = False
        return keep

    def _event_times(self, column: pa.Array, raw_value: pa.Array) -> tuple[Int64s, list[tuple[int, str]]]:
        assert self._time is not None
        source = pa.RecordBatch.from_arrays([column], names=[self.relation.timestamp.column])  # type: ignore[union-attr]
        times = self._time.run(delta=source).column(0)
        values = numbers(times.fill_null(-1))
        wrong = (values < 0) & raw_value.is_valid().to_numpy(zero_copy_only=False)
        name = self.relation.timestamp.column  # type: ignore[union-attr]
        return values, [(int(i), f"column {name} holds no valid timestamp") for i in np.flatnonzero(wrong)]

    def _pseudo(self, fetch: Fetch, time: Int64s) -> dict[str, pa.Array]:
        return {
            "ROWTIME": pa.array(time, pa.int64()),
            "ROWPARTITION": pa.array(np.full(len(time), fetch.partition, dtype=np.int32)),
            "ROWOFFSET": fetch.batch.column("offset"),
        }

    def _rejects(self, fetch: Fetch, bad: dict[int, _Bad]) -> tuple[Reject, ...]:
        return tuple(
            Reject(
                "",
                found.reason,
                position=position_in(fetch, index),
                relation=self.relation.name,
                fault=found.fault,
            )
            for index, found in sorted(bad.items())
        )

    def close(self) -> None:
        if self._time is not None:
            self._time.close()


def position_in(fetch: Fetch, index: int) -> Position:
    """Where a record of a fetch stands."""
    batch = fetch.batch
    return Position(
        fetch.topic,
        fetch.partition,
        batch.column("offset")[index].as_py(),
        batch.column("timestamp")[index].as_py(),
        batch.column("key")[index].as_py(),
        batch.column("value")[index].as_py(),
    )


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type == kind else array.cast(kind)


def _rows_only(rows: int) -> pa.RecordBatch:
    """A batch without columns that still has rows."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def _header(headers: pa.Array, key: str | None) -> pa.Array:
    """All headers of each record as ARRAY<STRUCT<KEY, VALUE>>, or the last value of one key as BYTES."""
    lists: Sequence[list[dict[str, object]] | None] = headers.to_pylist()
    if key is None:
        kind = pa.list_(pa.struct([pa.field("KEY", pa.string()), pa.field("VALUE", pa.binary())]))
        rows = [[{"KEY": h["key"], "VALUE": h["value"]} for h in one or []] for one in lists]
        return pa.array(rows, kind)
    found = [next((h["value"] for h in reversed(one or []) if h["key"] == key), None) for one in lists]
    return pa.array(found, pa.binary())
