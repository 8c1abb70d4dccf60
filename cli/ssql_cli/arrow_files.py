"""Rows as files of Arrow and Parquet, in the types of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ssql.engine.rows_json import typed_rows
from ssql.errors import NeedsFile
from ssql.sql.type_syntax import parse_type
from ssql.types import Column, SqlType, quote
from ssql_cli.backend import AnswerColumn, Row
from ssql_cli.output import Out


class ArrowWriter:
    """One Arrow IPC stream, or one Parquet file: an answer is a file, and the next one takes its place."""

    def __init__(self, form: str, sink: BinaryIO, columns: Sequence[AnswerColumn]) -> None:
        self._columns = typed_columns(columns)
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in self._columns])
        self._schema = schema
        if sink.seekable():
            sink.seek(0)
            sink.truncate()
        self._sink = sink
        self._writer: Any = pq.ParquetWriter(sink, schema) if form == "parquet" else pa.ipc.new_stream(sink, schema)

    def batch(self, batch: pa.RecordBatch) -> None:
        """Rows that are columns already."""
        self._writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))

    def rows(self, rows: Sequence[Row]) -> None:
        batch = batch_of(self._columns, [row for row in rows if not row.deleted])
        self._writer.write_batch(batch)

    def end(self) -> None:
        self._writer.close()
        self._sink.flush()


def typed_columns(columns: Sequence[AnswerColumn]) -> list[Column]:
    """The columns of an answer with their types."""
    return [Column(c.name, _type(c.type)) for c in columns]


def _type(text: str) -> SqlType:
    found = parse_type(text)
    assert isinstance(found, SqlType), "an answer has no types by name"
    return found


def batch_of(columns: Sequence[Column], rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows of an answer as a batch."""
    names = [quote(f"c{i}") for i in range(len(columns))]  # an answer may have a name twice, a row as JSON may not
    numbered = [Column(f"c{i}", c.type) for i, c in enumerate(columns)]
    batch, errors = typed_rows(numbered, [dict(zip(names, row.values, strict=True)) for row in rows])
    for error in errors.values():
        raise error
    return pa.RecordBatch.from_arrays(
        batch.columns, schema=pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
    )


def binary_of(form: str, out: Out) -> BinaryIO:
    """Where the bytes of a file go.

    Raises:
        NeedsFile: `out` is a terminal, or takes text only.
    """
    found: BinaryIO | None = getattr(out, "buffer", None)
    if found is None or found.isatty():
        raise NeedsFile(form)
    out.flush()
    return found
