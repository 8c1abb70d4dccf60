"""Columns picked and renamed."""

from __future__ import annotations

import pyarrow as pa

from ssql.planner.steps import Pick as PickStep
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta
from ssql.runtime.operators.base import Operator, runs


@runs(PickStep)
class Pick(Operator):
    """Passes the picked columns on under their new names; nothing is copied. No state."""

    step: PickStep

    def on_deltas(self, *inputs: Delta) -> Delta:
        arrays = inputs[0].columns((*self.step.columns, TIME, DIFF, SEQ))
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
