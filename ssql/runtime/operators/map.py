"""Filters, projections and table functions."""

from __future__ import annotations

from ssql.planner.steps import Map as MapStep
from ssql.runtime.delta import Delta
from ssql.runtime.operators.base import Context, Evaluator, Operator, runs


@runs(MapStep)
class Map(Operator):
    """Runs a stateless chain as one statement over the delta. No state."""

    def __init__(self, step: MapStep, context: Context) -> None:
        super().__init__(step, context)
        prepared = context.session.prepare(step.statement, {"delta": context.inputs[0]}, self.schema)
        self._evaluator = Evaluator(prepared, context)

    def on_deltas(self, *inputs: Delta) -> Delta:
        return self._evaluator.run(inputs[0]).sorted()

    def close(self) -> None:
        self._evaluator.close()
