"""Grouping by merging accumulators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ssql.planner.steps import Aggregate as AggregateStep
from ssql.planner.steps import Distinct
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.changes import group_rows
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.windowed import BEGINNING


@runs(AggregateStep)
class Aggregate(Operator):
    """Groups the delta, merges it into the accumulators it touches; the old row at -1, then the new one at +1.

    State: the accumulators of each group, one row a group; for windowed groups until their lifetime is over (in
    stream time), else for ever: a group that lost all its rows stays, as ksqlDB's does, with COUNT 0. Beside it, for
    each distinct argument, how many rows hold each (group, value).
    """

    step: AggregateStep

    def __init__(self, step: AggregateStep, context: Context) -> None:
        super().__init__(step, context)
        (delta,) = context.inputs
        keys = [delta.field(k) for k in step.keys]
        accumulators = [pa.field(name, kind.arrow) for name, kind in step.accumulators]
        stored = pa.schema([*keys, *accumulators, pa.field(TIME, pa.int64())])
        expires = "WINDOWEND" if step.lifetime_ms is not None else None
        self._groups = Arrangement(Layout(stored, step.keys, step.keys, expires))
        self._distinct = {d: Arrangement(_distinct_layout(d, step.keys, delta, expires)) for d in step.distinct}
        flagged = pa.schema([*delta, *(pa.field(d.flag, pa.int8()) for d in step.distinct)])
        merged = pa.schema([*stored, pa.field(SEQ, pa.int64())])
        visible = pa.schema(
            [*keys, *accumulators, pa.field(TIME, pa.int64()), pa.field(DIFF, pa.int8()), merged.field(SEQ)]
        )
        self._merge = context.session.prepare(step.merge, {"delta": flagged, "state": stored}, merged)
        self._result = context.session.prepare(step.result, {"delta": visible}, self.schema)
        self._visible_schema = visible
        self._stream_time = BEGINNING

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        groups = group_rows(delta.columns(self.step.keys), len(delta))
        heads = pa.array(groups.first)
        touched = self._groups.current.gather([c.take(heads) for c in delta.columns(self.step.keys)], len(heads))
        flagged = delta.batch
        for distinct, arrangement in self._distinct.items():
            flagged = flagged.append_column(distinct.flag, pa.array(self._flags(delta, distinct, arrangement)))
        merged = self._merge.run(delta=flagged, state=touched.rows)
        visible = self._visible(merged)
        self._groups.apply(merged.select(self._groups.layout.schema.names))
        self._expire(delta)
        return Delta(self._result.run(delta=visible)).sorted()

    def _visible(self, merged: pa.RecordBatch) -> pa.RecordBatch:
        """Accumulators of the touched groups before (-1) and after (+1), each pair at the place of its last row."""
        before = self._groups.current.gather([merged.column(k) for k in self.step.keys], merged.num_rows)
        time, seq = numbers(merged.column(TIME)), numbers(merged.column(SEQ))
        arrays = []
        for field in self._visible_schema:
            if field.name == DIFF:
                signs = [np.full(len(before.query), -1, np.int8), np.ones(merged.num_rows, np.int8)]
                arrays.append(pa.array(np.concatenate(signs)))
            elif field.name in (TIME, SEQ):
                values = time if field.name == TIME else seq
                arrays.append(pa.array(np.concatenate([values[before.query], values])))
            else:
                arrays.append(pa.concat_arrays([before.rows.column(field.name), merged.column(field.name)]))
        return pa.RecordBatch.from_arrays(arrays, schema=self._visible_schema)

    def _flags(self, delta: Delta, distinct: Distinct, arrangement: Arrangement) -> np.ndarray:  # type: ignore[type-arg]
        """+1 on the row that brings a (group, value) first, -1 on the one that takes its last row away, else 0."""
        names = [*self.step.keys, distinct.column]
        columns = delta.columns(names)
        groups = group_rows(columns, len(delta))
        heads = pa.array(groups.first)
        before = arrangement.current.gather([c.take(heads) for c in columns])
        held = np.zeros(len(groups.first), dtype=np.int64)
        held[before.query] = numbers(before.rows.column("_rows"))
        diff = delta.diff.astype(np.int64)
        after = held + np.bincount(groups.ids, weights=diff, minlength=len(held)).astype(np.int64)
        flags = np.zeros(len(delta), dtype=np.int8)
        flags[groups.last] = (after > 0).astype(np.int8) - (held > 0).astype(np.int8)
        flags[delta.batch.column(distinct.column).is_null().to_numpy(zero_copy_only=False)] = 0
        rows = [c.take(heads) for c in delta.columns([f.name for f in arrangement.layout.schema if f.name != "_rows"])]
        batch = pa.RecordBatch.from_arrays([*rows, pa.array(after)], schema=arrangement.layout.schema)
        arrangement.apply(batch, after > 0)
        return flags

    def _expire(self, delta: Delta) -> None:
        if self.step.lifetime_ms is None:
            return
        self._stream_time = max(self._stream_time, int(delta.time.max()))
        for arrangement in (self._groups, *self._distinct.values()):
            arrangement.expire(self._stream_time - self.step.lifetime_ms)

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"groups": self._groups} | {f"distinct-{d.column}": a for d, a in self._distinct.items()}

    def memo(self) -> Mapping[str, int]:
        return {"stream_time": self._stream_time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        self._stream_time = memo.get("stream_time", BEGINNING)
        if self.step.lifetime_ms is not None:
            for arrangement in (self._groups, *self._distinct.values()):
                arrangement.expire(self._stream_time - self.step.lifetime_ms)

    def close(self) -> None:
        self._merge.close()
        self._result.close()


def _distinct_layout(distinct: Distinct, keys: tuple[str, ...], delta: pa.Schema, expires: str | None) -> Layout:
    identity = (*keys, distinct.column)
    fields = [delta.field(n) for n in identity]
    return Layout(pa.schema([*fields, pa.field("_rows", pa.int64())]), identity, identity, expires)
