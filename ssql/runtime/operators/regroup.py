"""Groups that are computed again: for what cannot be merged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ssql.planner.steps import Regroup as RegroupStep
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.changes import group_rows, last_changes
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, numbers
from ssql.runtime.operators.base import Context, Operator, runs


@runs(RegroupStep)
class Regroup(Operator):
    """Gathers all rows of the groups that a delta touches, computes their answers again, and yields the difference.

    State: every row of the input, by group, and the answers given. Cost: the rows of the touched groups.
    """

    step: RegroupStep

    def __init__(self, step: RegroupStep, context: Context) -> None:
        super().__init__(step, context)
        (delta,) = context.inputs
        rows = pa.schema([f for f in delta if f.name != DIFF])
        identity = tuple(n for n in step.row_identity if n not in step.keys)
        self._rows = Arrangement(Layout(rows, step.keys, (*step.keys, *identity)))
        answers = pa.schema([f for f in self.schema if f.name not in (DIFF, SEQ)])
        unique = tuple(n for n in step.unique if n not in step.keys)
        self._answers = Arrangement(Layout(answers, step.keys, (*step.keys, *unique)))
        self._compute = context.session.prepare(step.statement, {"delta": delta}, self.schema)
        self._input = delta

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        last, live = last_changes(delta, self._rows.layout.identity)
        self._rows.apply(last.batch.select(self._rows.layout.schema.names), live)
        groups = group_rows(delta.columns(self.step.keys), len(delta))
        heads = pa.array(groups.first)
        keys = [c.take(heads) for c in delta.columns(self.step.keys)]
        place, time = delta.seq[groups.last], delta.time[groups.last]

        now = self._rows.current.gather(keys, len(heads))
        ones = pa.array(np.ones(now.rows.num_rows, np.int8))
        arrays = [ones if f.name == DIFF else now.rows.column(f.name) for f in self._input]
        new = Delta(self._compute.run(delta=pa.RecordBatch.from_arrays(arrays, schema=self._input)))
        old = self._answers.current.gather(keys, len(heads))

        old_delta = self._stamped(old.rows, np.int8(-1), place[old.query], time[old.query])
        # Answers come in the statement's order: find each one's group to give it the place of the group's last change.
        of_group = self._group_of(keys, new.batch)
        new_delta = self._stamped(new.batch, np.int8(1), place[of_group], numbers(new.batch.column(TIME)))
        self._apply(old.rows, new.batch)
        return Delta(pa.concat_batches([old_delta, new_delta])).sorted()

    def _group_of(self, keys: list[pa.Array], rows: pa.RecordBatch) -> np.ndarray:  # type: ignore[type-arg]
        if not self.step.keys:
            return np.zeros(rows.num_rows, dtype=np.int64)
        n = len(keys[0])
        columns = [pa.concat_arrays([k, rows.column(name)]) for k, name in zip(keys, self.step.keys, strict=True)]
        ids = group_rows(columns, n + rows.num_rows).ids
        position = np.zeros(ids.max(initial=0) + 1, dtype=np.int64)
        position[ids[:n]] = np.arange(n)
        return position[ids[n:]]

    def _stamped(self, rows: pa.RecordBatch, diff: np.int8, seq: np.ndarray, time: np.ndarray) -> pa.RecordBatch:  # type: ignore[type-arg]
        system = {
            TIME: pa.array(time, pa.int64()),
            DIFF: pa.array(np.full(rows.num_rows, diff, np.int8)),
            SEQ: pa.array(seq, pa.int64()),
        }
        arrays = [system[f.name] if f.name in system else rows.column(f.name) for f in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _apply(self, old: pa.RecordBatch, new: pa.RecordBatch) -> None:
        names = self._answers.layout.schema.names
        both = pa.concat_batches([old.select(names), new.select(names)])
        live = np.concatenate([np.zeros(old.num_rows, np.bool_), np.ones(new.num_rows, np.bool_)])
        groups = group_rows([both.column(n) for n in self._answers.layout.identity], both.num_rows)
        self._answers.apply(both.take(pa.array(groups.last)), live[groups.last])

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"rows": self._rows, "answers": self._answers}

    def memo(self) -> Mapping[str, int]:
        return {}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        """Nothing beside the arrangements."""

    def close(self) -> None:
        self._compute.close()
