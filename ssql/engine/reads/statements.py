"""SELECTs with parameters, bound once by the DuckDB of reads and carried out again and again.

A statement has cursors of its own; on each its relations are registered as sources whose content is swapped before a
run. A value is an argument of EXECUTE, so that DuckDB plans with it as with a literal: a LIMIT is a number, a pattern
of LIKE is known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from ssql.engine.reads.answers import as_declared, columns_of, conversion, sql_type
from ssql.engine.reads.database import Answer, Failed, ReadDatabase, bound, interrupted
from ssql.sql.parameters import with_nulls

#: Cursors that a statement keeps for when it is carried out again; more are closed after use.
_IDLE = 4


class _Source:
    """A relation whose content can be swapped."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.rows.__arrow_c_stream__(requested_schema)

    def clear(self) -> None:
        self.rows = self.rows.schema.empty_table()


class _Lane:
    """A cursor with the statement prepared on it. One thread at a time."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, text: str, relations: Mapping[str, pa.Table]) -> None:
        self.cursor = cursor
        self.schemas = {name: rows.schema for name, rows in relations.items()}
        self.sources = {name: _Source(rows) for name, rows in relations.items()}
        for name, source in self.sources.items():
            cursor.register(name, source)
        found = bound(cursor, with_nulls(text))
        types = [sql_type(of) for of in found.types]
        self.columns = columns_of(found.columns, types)
        converted = [conversion(n, of, t) for n, (of, t) in enumerate(zip(found.types, types, strict=True), 1)]
        if any(expression.startswith("CAST") for expression in converted):
            text = f"SELECT {', '.join(converted)} FROM ({text}\n)"
        cursor.execute(f"PREPARE asked AS {text}")

    def run(self, relations: Mapping[str, pa.Table], arguments: str, timeout_s: float | None) -> Answer:
        for name, rows in relations.items():
            self.sources[name].rows = rows
        try:
            with interrupted(self.cursor, timeout_s):
                rows = self.cursor.execute(f"EXECUTE asked{arguments}").to_arrow_table()
        finally:
            for source in self.sources.values():
                source.clear()
        return Answer(self.columns, as_declared(rows, self.columns))


class ReadStatement:
    """A SELECT whose parameters stand as `CAST($p AS type)`. Thread-safe."""

    def __init__(self, database: ReadDatabase, text: str) -> None:
        self._database = database
        self._text = text
        #: whether DuckDB has bound it
        self.bound = False
        self._idle: list[_Lane] = []
        self._lock = threading.Lock()

    def run(self, relations: Mapping[str, pa.Table], arguments: str, timeout_s: float | None) -> Answer:
        """The rows over relations; `arguments`: those of EXECUTE, in parentheses.

        Raises:
            Failed: as DuckDB says it.
        """
        try:
            lane = self._lane(relations)
            try:
                return lane.run(relations, arguments, timeout_s)
            finally:
                self._back(lane)
        except duckdb.Error as error:
            raise Failed(error, placed=False) from None

    def _lane(self, relations: Mapping[str, pa.Table]) -> _Lane:
        with self._lock:
            lane = self._idle.pop() if self._idle else None
        if lane is not None:
            if all(lane.schemas[name].equals(rows.schema) for name, rows in relations.items()):
                return lane
            lane.cursor.close()
        cursor = self._database.cursor()
        try:
            lane = _Lane(cursor, self._text, relations)
        except BaseException:
            cursor.close()
            raise
        self.bound = True
        return lane

    def _back(self, lane: _Lane) -> None:
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(lane)
                return
        lane.cursor.close()
