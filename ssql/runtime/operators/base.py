"""What an operator is: one step of a query, run over the deltas of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import duckdb
import numpy as np
import pyarrow as pa

from ssql.errors import InternalError
from ssql.functions.udf import NoValue
from ssql.planner.steps import Step
from ssql.runtime.arrangement import Arrangement
from ssql.runtime.delta import Delta, delta_schema
from ssql.runtime.rejects import Reject, Rejects
from ssql.runtime.statement import Prepared, Session
from ssql.schemas.api import SchemaRegistry


@dataclass(frozen=True)
class Context:
    """What an operator is made with: the query it belongs to, its inputs' delta schemas, and its surroundings.

    `schemas`: the registry that the formats of sinks write with.
    """

    query_id: str
    inputs: tuple[pa.Schema, ...]
    session: Session
    rejects: Rejects
    schemas: SchemaRegistry | None = None


class Operator:
    """Runs one step. Stateless unless it is also `Stateful`."""

    def __init__(self, step: Step, context: Context) -> None:
        self.step = step
        self.context = context
        self.schema = delta_schema(step.schema)
        self.rows_out = 0

    def open(self) -> None:
        """Make ready what needs others than the log, where that is not left until the first rows come."""

    def on_deltas(self, *inputs: Delta) -> Delta:
        """The change of the output that the changes of the inputs make. Not called when all inputs are empty."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what the operator holds outside of Python's memory."""


@runtime_checkable
class Stateful(Protocol):
    """An operator with state: arrangements by name, and small numbers beside them. Both are filed at each commit."""

    def arrangements(self) -> Mapping[str, Arrangement]: ...

    def memo(self) -> Mapping[str, int]: ...

    def restore_memo(self, memo: Mapping[str, int]) -> None: ...


OPERATORS: dict[type[Step], type[Operator]] = {}
OperatorClass = TypeVar("OperatorClass", bound=type[Operator])


def runs(step: type[Step]) -> Callable[[OperatorClass], OperatorClass]:
    """Declare which step an operator runs. A second claim is refused at import."""

    def register(operator: OperatorClass) -> OperatorClass:
        if step in OPERATORS:
            raise ValueError(f"{step.__name__} is run by {OPERATORS[step].__name__} already")
        OPERATORS[step] = operator
        return operator

    return register


def make_operator(step: Step, context: Context) -> Operator:
    """The operator that runs `step`."""
    return OPERATORS[type(step)](step, context)


#: Rows of one batch that are reported with what exactly failed on them; of more, those that may have failed are.
EXAMINED = 256
#: Beyond that, so many rows are looked at together.
TOGETHER = 1024
_MAYBE = "an expression may have failed on this row (one of very many in its batch)"


class Evaluator:
    """Runs a statement over a delta; a row on which an expression fails is reported, and the others go on."""

    def __init__(self, prepared: Prepared, context: Context) -> None:
        self._prepared = prepared
        self._context = context

    def run(self, delta: Delta) -> Delta:
        try:
            return Delta(self._prepared.run(delta=delta.batch))
        except duckdb.Error as failure:
            if not self._prepared.can_be_careful:
                raise InternalError(f"statement failed: {reason_of(failure)}") from failure
            return self._run_carefully(delta)

    def _run_carefully(self, delta: Delta) -> Delta:
        batch, failed = self._prepared.run_careful(delta=delta.batch)
        out = Delta(batch)
        flagged = failed.is_valid().to_numpy(zero_copy_only=False)
        missing = np.isin(delta.seq, out.seq[flagged]) | ~np.isin(delta.seq, out.seq)
        # Where a part of a value failed the rest of it is there: such rows are among the others.
        for rows in (np.flatnonzero(missing), np.flatnonzero(~missing)):
            self._report_failures(delta.take(rows))
        return out

    def _report_failures(self, delta: Delta) -> None:
        """Report the rows (+1) on which the plain form fails, found by halves."""
        left, waiting = EXAMINED, [(0, len(delta))]
        while waiting:
            start, rows = waiting.pop()
            reason = self._reason(delta, start, rows) if rows else None
            if reason is None:
                continue
            if rows == 1:
                left -= 1
                self._report(delta, start, reason)
            elif left > 0 or rows > TOGETHER:
                half = rows // 2
                waiting += [(start + half, rows - half), (start, half)]
            else:
                for row in range(start, start + rows):
                    self._report(
                        delta, row, "an expression may have failed on this row (one of very many in its batch)"
                    )

    def _reason(self, delta: Delta, start: int, rows: int) -> str | None:
        """Why the plain form fails on these rows; None where it does not."""
        try:
            self._prepared.run(delta=delta.batch.slice(start, rows))
        except duckdb.Error as failure:
            return reason_of(failure)
        return None

    def _report(self, delta: Delta, row: int, reason: str) -> None:
        if delta.diff[row] > 0:
            self._context.rejects.errors.append(Reject(self._context.query_id, reason, seq=int(delta.seq[row])))

    def close(self) -> None:
        self._prepared.close()


def reason_of(failure: Exception) -> str:
    """Why an expression failed, in a line, without the name of the engine's error class."""
    line = str(failure).split("\n", 1)[0]
    _, ours, said = line.partition(f" {NoValue.__name__}: ")
    if ours:
        return said
    _, _, message = line.partition("Error: ")
    text = (message or line).rstrip("!. ")
    return text[:1].lower() + text[1:]
