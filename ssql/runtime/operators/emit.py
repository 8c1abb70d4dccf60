"""The end of a push query: its rows go to a listener when their epoch commits."""

from __future__ import annotations

from ssql.planner.steps import Emit as EmitStep
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Operator, runs


@runs(EmitStep)
class Emit(Operator):
    """Passes its input on as it is. No state."""

    def on_deltas(self, *inputs: Delta) -> Delta:
        return inputs[0]
