"""Grouping by session: rows of a key that follow each other without a longer gap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ssql.planner.steps import SessionAggregate as SessionAggregateStep
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.changes import group_rows
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, Indices, Int64s, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.late import report_late
from ssql.runtime.operators.windowed import BEGINNING
from ssql.runtime.sessions import Clusters, Rows, Sessions, cluster

START, END = "WINDOWSTART", "WINDOWEND"


@runs(SessionAggregateStep)
class SessionAggregate(Operator):
    """Finds the sessions that a delta makes, grows or joins: the old ones at -1, then the new one at +1.

    State: the accumulators of each session until its lifetime is over in stream time. Cost: the delta and the sessions
    of its keys.
    """

    step: SessionAggregateStep

    def __init__(self, step: SessionAggregateStep, context: Context) -> None:
        super().__init__(step, context)
        (delta,) = context.inputs
        keys = [delta.field(k) for k in step.keys]
        bounds = [pa.field(START, pa.int64()), pa.field(END, pa.int64())]
        accumulators = [pa.field(name, kind.arrow) for name, kind in step.accumulators]
        stored = pa.schema([*keys, *bounds, *accumulators, pa.field(TIME, pa.int64())])
        self._sessions = Arrangement(Layout(stored, step.keys, (*step.keys, START, END), expires=END))
        self._bounded = pa.schema([*delta, *bounds])
        self._merged = pa.schema([*stored, pa.field(SEQ, pa.int64())])
        self._changes = pa.schema([*stored, pa.field(DIFF, pa.int8()), pa.field(SEQ, pa.int64())])
        session = context.session
        self._merge = session.prepare(step.merge, {"delta": self._bounded, "state": stored}, self._merged)
        self._combine = session.prepare(step.combine, {"delta": self._merged, "state": self._merged}, self._merged)
        self._result = session.prepare(step.result, {"delta": self._changes}, self.schema)
        self._stream_time = BEGINNING

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        step, before = self.step, self._stream_time
        stream_time = np.maximum(np.maximum.accumulate(delta.time), before)
        self._stream_time = int(stream_time[-1])
        columns = delta.columns(step.keys)
        groups = group_rows(columns, len(delta))
        heads = pa.array(groups.first)
        near = self._sessions.current.gather([c.take(heads) for c in columns], len(heads))
        self._sessions.expire(self._stream_time - step.lifetime_ms)
        rows = Rows(
            groups.ids,
            delta.time,
            closed=stream_time - step.grace_ms - step.gap_ms,
            forgotten=np.append(before, stream_time[:-1]) - step.lifetime_ms,
        )
        sessions = Sessions(near.query, numbers(near.rows.column(START)), numbers(near.rows.column(END)))
        clusters = cluster(rows, sessions, step.gap_ms)
        late = clusters.late
        if late.any():
            shown = [n for n in step.schema.names if n in delta.schema.names]
            bounds = clusters.start[clusters.of_rows[late]], clusters.end[clusters.of_rows[late]]
            report_late(self.context, delta.batch.select(shown).filter(pa.array(late)), delta.seq[late], bounds)
            delta, clusters = delta.filter(~late), clusters.without_late()
        return self._advance(delta, near.rows, clusters) if len(delta) else Delta.empty(self.schema)

    def _advance(self, delta: Delta, near: pa.RecordBatch, clusters: Clusters) -> Delta:
        """What rows make of the sessions `near` them."""
        used = np.flatnonzero(np.isin(clusters.of_sessions, clusters.of_rows))
        used = used[np.lexsort((numbers(near.column(START))[used], clusters.of_sessions[used]))]
        old, of_old = near.take(pa.array(used)), clusters.of_sessions[used]
        new = self._merge.run(delta=self._with_bounds(delta, clusters), state=self._joined(old, of_old, clusters))
        place = np.zeros(len(clusters.start), dtype=np.int64)
        place[clusters.of_rows] = delta.seq  # of several rows the last one's
        self._store(old, new)
        return self._changed(old, place[of_old], new)

    def _with_bounds(self, delta: Delta, clusters: Clusters) -> pa.RecordBatch:
        bounds = [pa.array(side[clusters.of_rows]) for side in (clusters.start, clusters.end)]
        return pa.RecordBatch.from_arrays([*delta.batch.columns, *bounds], schema=self._bounded)

    def _joined(self, old: pa.RecordBatch, of_old: Indices, clusters: Clusters) -> pa.RecordBatch:
        """The sessions of each cluster as one, under the cluster's bounds. `old` is in order of cluster and start."""
        names = self._sessions.layout.schema.names
        # While they are joined, the sessions carry their cluster as `_seq`.
        system = {START: clusters.start[of_old], END: clusters.end[of_old], SEQ: of_old}
        arrays = [pa.array(system[f.name]) if f.name in system else old.column(f.name) for f in self._merged]
        states = pa.RecordBatch.from_arrays(arrays, schema=self._merged)
        turn = np.arange(len(of_old)) - np.searchsorted(of_old, of_old)
        if not turn.any():
            return states.select(names)
        joined = states.filter(pa.array(turn == 0))
        for number in range(1, int(turn.max()) + 1):
            more = np.isin(numbers(joined.column(SEQ)), of_old[turn == number])
            later = states.filter(pa.array(turn == number))
            combined = self._combine.run(delta=later, state=joined.filter(pa.array(more)))
            joined = pa.concat_batches([combined, joined.filter(pa.array(~more))])
        return joined.select(names)

    def _store(self, old: pa.RecordBatch, new: pa.RecordBatch) -> None:
        layout = self._sessions.layout
        states = pa.concat_batches([old, new.select(layout.schema.names)])
        live = np.arange(states.num_rows) >= old.num_rows
        last = group_rows([states.column(n) for n in layout.identity], states.num_rows).last
        self._sessions.apply(states.take(pa.array(last)), live[last])

    def _changed(self, old: pa.RecordBatch, place: Int64s, new: pa.RecordBatch) -> Delta:
        """The step's rows: old sessions at -1, as of their own end, then the new ones at +1."""
        system = {
            TIME: np.concatenate([numbers(old.column(END)), numbers(new.column(TIME))]),
            DIFF: np.repeat(np.array([-1, 1], np.int8), [old.num_rows, new.num_rows]),
            SEQ: np.concatenate([place, numbers(new.column(SEQ))]),
        }
        names = self._sessions.layout.schema.names
        states = pa.concat_batches([old, new.select(names)])
        arrays = [pa.array(system[f.name]) if f.name in system else states.column(f.name) for f in self._changes]
        return Delta(self._result.run(delta=pa.RecordBatch.from_arrays(arrays, schema=self._changes))).sorted()

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"sessions": self._sessions}

    def memo(self) -> Mapping[str, int]:
        return {"stream_time": self._stream_time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        self._stream_time = memo.get("stream_time", BEGINNING)
        self._sessions.expire(self._stream_time - self.step.lifetime_ms)

    def close(self) -> None:
        for prepared in (self._merge, self._combine, self._result):
            prepared.close()
