"""The end of a query that is there for the table that it reads."""

from __future__ import annotations

from ssql.planner.steps import Keep as KeepStep
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Operator, runs


@runs(KeepStep)
class Keep(Operator):
    """Does nothing. No state: the rows are those of the table's node."""

    def on_deltas(self, *inputs: Delta) -> Delta:
        return inputs[0]
