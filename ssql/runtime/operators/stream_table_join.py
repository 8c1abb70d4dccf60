"""Rows of a stream with the row that a table has for them at that moment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ssql.planner.steps import StreamTableJoin as StreamTableJoinStep
from ssql.runtime.arrangement import Arrangement, Layout, View
from ssql.runtime.changes import as_of, last_changes
from ssql.runtime.delta import SYSTEM_FIELDS, Delta
from ssql.runtime.operators.base import Context, Operator, runs


@runs(StreamTableJoinStep)
class StreamTableJoin(Operator):
    """As-of join: a row sees the table as it was at the row's place in the merged order, also inside one batch.

    State: the table by its key, as it was before the epoch; within it the table's changes are looked up by place.
    Cost: the stream's rows and the table's changes, whatever the table's size.
    """

    step: StreamTableJoinStep

    def __init__(self, step: StreamTableJoinStep, context: Context) -> None:
        super().__init__(step, context)
        left, right = context.inputs
        self._left_columns = [f.name for f in left if f not in SYSTEM_FIELDS]
        self._right_columns = [f.name for f in right if f not in SYSTEM_FIELDS]
        stored = pa.schema([right.field(n) for n in self._right_columns])
        self._table = Arrangement(Layout(stored, step.right_keys, step.right_keys))

    def on_deltas(self, *inputs: Delta) -> Delta:
        left, right = inputs
        joined = self._join(left, right, self._table.current)
        if len(right):
            last, live = last_changes(right, self.step.right_keys)
            self._table.apply(last.batch.select(self._right_columns), live)
        return joined

    def _join(self, left: Delta, right: Delta, table: View) -> Delta:
        """`table`: the rows before the epoch; `right`: their changes in it."""
        left = self._with_keys(left) if self.step.kind == "INNER" else left
        if not len(left):
            return Delta.empty(self.schema)
        keys = left.columns(self.step.left_keys)
        n = len(left)
        # The rows that may match: those of the table before, then this epoch's changes.
        before = table.gather(keys)
        pick = np.full(n, -1, dtype=np.int64)
        pick[before.query] = np.arange(len(before.query))
        candidates = [before.rows]
        if len(right):
            change = as_of(keys, left.seq, right.columns(self.step.right_keys), right.seq)
            changed = change >= 0
            there = right.diff[np.maximum(change, 0)] > 0
            pick = np.where(changed, np.where(there, len(before.query) + change, -1), pick)
            candidates.append(right.batch.select(self._right_columns))
        if any(k.null_count for k in keys):
            for key in keys:
                pick[key.is_null().to_numpy(zero_copy_only=False)] = -1
        if self.step.kind == "INNER" and (pick < 0).any():
            matched = pick >= 0
            left, pick = left.filter(matched), pick[matched]
        rows = candidates[0] if len(candidates) == 1 else pa.concat_batches(candidates)
        taken = rows.take(pa.array(pick, mask=pick < 0))
        arrays = [*left.columns(self._left_columns), *taken.columns]
        return Delta.of(arrays, self.schema, left.time, left.diff, left.seq)

    def _with_keys(self, left: Delta) -> Delta:
        keys = left.columns(self.step.left_keys)
        if not any(k.null_count for k in keys):
            return left
        complete = np.ones(len(left), dtype=np.bool_)
        for key in keys:
            complete &= key.is_valid().to_numpy(zero_copy_only=False)
        return left.filter(complete)

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"table": self._table}

    def memo(self) -> Mapping[str, int]:
        return {}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        """Nothing beside the arrangement."""
