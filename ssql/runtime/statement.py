"""DuckDB statements that are prepared once and run over the Arrow batches of each epoch.

A statement has a cursor of its own, on which its relations (`delta`, `state`) are registered as sources whose
content is swapped before each run; so no statement is planned twice and no name clashes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from ssql.functions.udf import install
from ssql.planner.steps import Statement
from ssql.runtime.delta import batch_of

# Prepared statements over the DB-API are the fast way for small batches; DuckDB recommends the relation API, which
# plans again at each call.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


class Source:
    """A registered relation whose content can be swapped."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.batch: pa.RecordBatch | None = None
        self._nested = any(pa.types.is_nested(f.type) for f in schema)

    def fill(self, batch: pa.RecordBatch) -> None:
        """Swap the content. DuckDB takes no struct that begins inside its buffers, as slices do: these are copied."""
        if self._nested and batch.num_rows and any(c.offset for c in batch.columns):
            batch = batch.take(pa.array(np.arange(batch.num_rows)))
        self.batch = batch

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        batches = [] if self.batch is None else [self.batch]
        return pa.RecordBatchReader.from_batches(self.schema, batches).__arrow_c_stream__(requested_schema)


class Session:
    """A DuckDB database in memory for one worker. One thread at a time."""

    def __init__(self) -> None:
        # One thread: at the sizes of an epoch a second one costs more in hand-over than it brings.
        self._connection = duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})

    def prepare(self, statement: Statement, inputs: Mapping[str, pa.Schema], output: pa.Schema) -> Prepared:
        install(self._connection, statement.udfs)
        return Prepared(self._connection.cursor(), statement, inputs, output)

    def close(self) -> None:
        self._connection.close()


class Prepared:
    """One statement, prepared over its inputs; yields batches of `output`."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        statement: Statement,
        inputs: Mapping[str, pa.Schema],
        output: pa.Schema,
    ) -> None:
        self._cursor = cursor
        self._output = output
        self._careful_sql = statement.careful
        self._careful_ready = False
        self._sources = {name: Source(schema) for name, schema in inputs.items()}
        for name, source in self._sources.items():
            cursor.register(name, source)
        self._unprepared: duckdb.Error | None = None
        try:
            cursor.execute(f"PREPARE plain AS {statement.sql}")
        except duckdb.Error as failure:
            # A constant expression that fails does so already here: then it fails on every row.
            if statement.careful is None:
                raise
            self._unprepared = failure

    def run(self, arguments: str = "", /, **inputs: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of the plain form; `arguments`: of its parameters, as EXECUTE takes them. Raises `duckdb.Error` when
        an expression fails on some row."""
        if self._unprepared is not None:
            raise self._unprepared
        return batch_of(self._execute("plain" + arguments, inputs), self._output)

    def run_careful(self, arguments: str = "", /, **inputs: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
        """The rows of the careful form, and `_failed` beside them."""
        if not self._careful_ready:
            self._cursor.execute(f"PREPARE careful AS {self._careful_sql}")
            self._careful_ready = True
        table = self._execute("careful" + arguments, inputs)
        failed = table.column("_failed").combine_chunks()
        return batch_of(table, self._output), failed

    @property
    def can_be_careful(self) -> bool:
        return self._careful_sql is not None

    def _execute(self, name: str, inputs: Mapping[str, pa.RecordBatch]) -> pa.Table:
        for key, batch in inputs.items():
            self._sources[key].fill(batch)
        try:
            return self._cursor.execute(f"EXECUTE {name}").to_arrow_table()
        finally:
            for key in inputs:
                self._sources[key].batch = None

    def close(self) -> None:
        self._cursor.close()
