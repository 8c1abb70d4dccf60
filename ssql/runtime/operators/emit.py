"""The end of a push query: rows go to a listener when their epoch commits."""

from __future__ import annotations

import pyarrow as pa

from ssql.planner.steps import Emit as EmitStep
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Context, Operator, runs


@runs(EmitStep)
class Emit(Operator):
    """Keeps the epoch's rows until it commits. No state: what was handed out is gone."""

    step: EmitStep

    def __init__(self, step: EmitStep, context: Context) -> None:
        super().__init__(step, context)
        self.rows: pa.RecordBatch | None = None
        self._left = step.limit

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        if self._left is not None:
            delta = Delta(delta.batch.slice(0, self._left))
        self.rows = delta.batch
        return delta

    def committed(self) -> bool:
        """The rows are handed out; answers whether the limit is reached."""
        if self._left is not None and self.rows is not None:
            self._left -= self.rows.num_rows
        self.rows = None
        return self._left is not None and self._left <= 0
