"""DuckDB statements for pull queries and INSERT VALUES: sessions that are free, each with what it has prepared.

A pull query that comes again (the same SQL over the same columns) is not planned by DuckDB again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from ssql.errors import EvaluationFailed
from ssql.planner.steps import Statement
from ssql.runtime.statement import Prepared, Session

LOGGER = logging.getLogger("ssql.engine")

#: What DuckDB raises for values, rather than for a statement that we made wrong.
_OF_THE_VALUES = (duckdb.DataError, duckdb.InvalidInputException)
#: Statements that one session keeps prepared.
_PREPARED = 64


@dataclass
class _Lane:
    """A session and its prepared statements, the one used last at the end. One thread at a time."""

    session: Session = field(default_factory=Session)
    prepared: OrderedDict[tuple[str, str], Prepared] = field(default_factory=OrderedDict)

    def get(self, statement: Statement, inputs: dict[str, pa.Schema], output: pa.Schema) -> Prepared:
        key = (statement.sql, repr([(name, schema.to_string()) for name, schema in inputs.items()]))
        found = self.prepared.pop(key, None)
        if found is None:
            found = self.session.prepare(statement, inputs, output)
            if len(self.prepared) >= _PREPARED:
                self.prepared.popitem(last=False)[1].close()
        self.prepared[key] = found
        return found

    def close(self) -> None:
        for prepared in self.prepared.values():
            prepared.close()
        self.session.close()


class StatementPool:
    """Runs statements from any thread; a session is made when all are busy, and kept."""

    def __init__(self) -> None:
        self._idle: list[_Lane] = []
        self._lock = threading.Lock()

    @contextmanager
    def _lane(self) -> Iterator[_Lane]:
        with self._lock:
            lane = self._idle.pop() if self._idle else None
        lane = lane or _Lane()
        try:
            yield lane
        finally:
            with self._lock:
                self._idle.append(lane)

    def run(
        self, statement: Statement, output: pa.Schema, arguments: str = "", /, **inputs: pa.RecordBatch
    ) -> pa.RecordBatch:
        """The statement's rows, with the columns of `output`; `arguments`: of its parameters, as EXECUTE takes them.

        Where an expression fails on some row and the statement has a careful form, that column is NULL there; without
        one it is an `EvaluationFailed`.
        """
        with self._lane() as lane:
            try:
                # Constants are computed as the statement is prepared.
                prepared = lane.get(statement, {name: batch.schema for name, batch in inputs.items()}, output)
                try:
                    return prepared.run(arguments, **inputs)
                except duckdb.Error:
                    if not prepared.can_be_careful:
                        raise
                    return prepared.run_careful(arguments, **inputs)[0]
            except _OF_THE_VALUES as failed:
                LOGGER.info("statement failed: %s", failed)
                raise EvaluationFailed from failed

    def close(self) -> None:
        with self._lock:
            lanes, self._idle = self._idle, []
        for lane in lanes:
            lane.close()


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table's rows as one batch."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if len(batches) == 1 else pa.RecordBatch.from_pylist([], schema=table.schema)
