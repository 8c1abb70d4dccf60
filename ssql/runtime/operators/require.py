"""Rows that lack what the next step needs are turned away, with the reason."""

from __future__ import annotations

import numpy as np

from ssql.planner.steps import Require as RequireStep
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Operator, runs
from ssql.runtime.rejects import Reject


@runs(RequireStep)
class Require(Operator):
    """Passes rows whose required columns are all there; the others go to the errors stream. No state."""

    step: RequireStep

    def on_deltas(self, *inputs: Delta) -> Delta:
        (delta,) = inputs
        columns = delta.columns(self.step.columns)
        if not any(c.null_count for c in columns):
            return delta
        complete = np.ones(len(delta), dtype=np.bool_)
        for column in columns:
            complete &= column.is_valid().to_numpy(zero_copy_only=False)
        for seq in delta.seq[~complete & (delta.diff > 0)].tolist():
            self.context.rejects.errors.append(Reject(self.context.query_id, self.step.reason, seq=seq))
        return delta.filter(complete)
