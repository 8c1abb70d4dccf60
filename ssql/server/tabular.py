"""Rows as programs read tables: JSON with columns and rows, an object a line, CSV, and Arrow.

=======================================  ============================================================
`JsonTable` (`application/json`)         `{"columns":[{"name","type"}],"rows":[[...]]}`
`JsonLines` (`application/x-ndjson`)     an object a row, a line each
`Csv` (`text/csv`)                       a line of names, then a line a row
`ArrowStream` (`vnd.apache.arrow.stream`)  an Arrow IPC stream; fields carry their SQL type as `sql.type`
=======================================  ============================================================

Of a push query, or a subscription, each row begins with `_diff`: +1 the row is now there, -1 it is gone.

Values are as `rows` writes them. In CSV, what has no form of its own there (BYTES, ARRAY, MAP, STRUCT) is its JSON
text; a NULL is nothing, an empty text is `""`. An error within CSV or Arrow has no form: such an answer is cut off, so
that nobody takes a part for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.rows import json_text, render_rows
from ssql.types import INTEGER, Column, Primitive

DIFF = Column("_diff", INTEGER)

#: How an Arrow IPC stream ends.
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Tabular:
    """A form of rows (a `Framing`).

    Args:
        changes: rows begin with `_diff`; the batches of a push query have it behind their columns.
    """

    left_out = 0
    shared: str | None = None

    def __init__(self, *, changes: bool) -> None:
        self._changes = changes

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:  # noqa: ARG002
        return self.head((DIFF, *columns) if self._changes else columns)

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        arrays = batch.columns[: len(columns)]
        if not self._changes:
            return self.body(arrays, columns)
        return self.body([batch.column(len(columns)), *arrays], (DIFF, *columns))

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b""

    def error(self, body: dict[str, Any]) -> bytes | None:  # noqa: ARG002
        return None

    def head(self, columns: Sequence[Column]) -> bytes:
        """What goes before rows of these columns."""
        raise NotImplementedError

    def body(self, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> bytes:
        """Rows of these columns."""
        raise NotImplementedError


class JsonTable(Tabular):
    """One JSON object; an error in the middle is its `error`."""

    _first = True

    def head(self, columns: Sequence[Column]) -> bytes:
        named = [{"name": c.name, "type": str(c.type)} for c in columns]
        return b'{"columns":' + msgspec.json.encode(named) + b',"rows":['

    def body(self, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> bytes:
        text = render_rows(arrays, columns, ",\n[", "]")
        if self._first and text:
            self._first = False
            return text[1:]
        return text

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b"]}\n"

    def error(self, body: dict[str, Any]) -> bytes:
        return b'],"error":' + msgspec.json.encode(body) + b"}\n"


class JsonLines(Tabular):
    """An error in the middle is the last line: an object with `_error` alone."""

    shared = "push ndjson"

    def head(self, columns: Sequence[Column]) -> bytes:  # noqa: ARG002
        return b""

    def body(self, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> bytes:
        return render_rows(arrays, columns, "{", "}\n", names=[c.name for c in columns])

    def error(self, body: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"_error": body}) + b"\n"


class Csv(Tabular):
    """See the module."""

    shared = "push csv"

    def head(self, columns: Sequence[Column]) -> bytes:
        return _csv([pa.array([], pa.string())] * len(columns), columns, header=True)

    def body(self, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> bytes:
        return _csv([_csv_values(a, c) for a, c in zip(arrays, columns, strict=True)], columns, header=False)


#: Types that Arrow's CSV writer writes as they are to be.
_PLAIN_IN_CSV = frozenset({"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "STRING", "DATE"})


def _csv_values(array: pa.Array, column: Column) -> pa.Array:
    if isinstance(column.type, Primitive) and column.type.name in _PLAIN_IN_CSV:
        return array
    text = json_text(array, column.type)
    text = pc.if_else(array.is_valid(), text, pa.scalar(None, pa.string())) if array.null_count else text
    return pc.utf8_trim(text, '"') if isinstance(column.type, Primitive) else text


def _csv(arrays: Sequence[pa.Array], columns: Sequence[Column], *, header: bool) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays(list(arrays), names=[c.name for c in columns])
    pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=header))
    text: bytes = sink.getvalue().to_pybytes()
    return text


class ArrowStream(Tabular):
    """See the module."""

    shared = "push arrow"

    def head(self, columns: Sequence[Column]) -> bytes:
        return _bytes_of(arrow_schema(columns).serialize())

    def body(self, arrays: Sequence[pa.Array], columns: Sequence[Column]) -> bytes:
        return _bytes_of(arrow_batch(arrays, columns).serialize())

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return _END_OF_STREAM


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Their Arrow form, with the SQL types beside it, and which are of a key."""
    return pa.schema([_field(column) for column in columns])


def _field(column: Column) -> pa.Field:
    if column is DIFF:
        return pa.field(DIFF.name, pa.int8())
    about = {"sql.type": str(column.type), **({"sql.key": "true"} if column.key else {})}
    return pa.field(column.name, column.type.arrow, metadata=about)


def arrow_batch(arrays: Sequence[pa.Array], columns: Sequence[Column]) -> pa.RecordBatch:
    """The rows, in the schema of `arrow_schema`."""
    schema = arrow_schema(columns)
    fitting = [a if a.type == f.type else a.cast(f.type) for a, f in zip(arrays, schema, strict=True)]
    return pa.RecordBatch.from_arrays(fitting, schema=schema)


def _bytes_of(buffer: pa.Buffer) -> bytes:
    found: bytes = buffer.to_pybytes()
    return found


#: The forms by content type, the default first.
TABULAR: dict[str, Callable[..., Tabular]] = {
    JSON_TYPE: JsonTable,
    LINES_TYPE: JsonLines,
    CSV_TYPE: Csv,
    ARROW_TYPE: ArrowStream,
}
