"""The forms of a row stream: what stands before, between and after the rows.

======================================  =================================================================
`V1` (`application/vnd.ksql.v1+json`)   one JSON array of `header`, `row`, `finalMessage`, `errorMessage`
`Delimited` (`vnd.ksqlapi.delimited`)   a metadata object, then one JSON array a row, a line each
`JsonArray` (`application/json`)        the same as `Delimited`, as one JSON array
`Protobuf` (`vnd.ksql.v1+protobuf`)     as `V1`, each row a message (`protobuf_rows.py`)
`Text` (`text/plain`)                   the lines of PRINT, and nothing else
`tabular.py`                            NDJSON, CSV, Arrow: what programs read tables from
======================================  =================================================================

A push stream is read line by line as it comes, so each of its elements ends its line at once; its last element is
always a message. A pull answer of v1 has no message, so commas go before elements there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

    from ssql.types import Column

V1_TYPE = "application/vnd.ksql.v1+json"
JSON_TYPE = "application/json"
DELIMITED_TYPE = "application/vnd.ksqlapi.delimited.v1"
PROTOBUF_TYPE = "application/vnd.ksql.v1+protobuf"
TEXT_TYPE = "text/plain"
LINES_TYPE = "application/x-ndjson"
CSV_TYPE = "text/csv"
ARROW_TYPE = "application/vnd.apache.arrow.stream"
EVENTS_TYPE = "text/event-stream"


class Framing(Protocol):
    """How one stream is written: `header`, then `rows` any number of times, then `end` or `error`, once."""

    #: Deleted rows that the form has no way to say.
    left_out: int
    #: Where the rows of a push query have one form, whoever reads them: its name.
    shared: str | None

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes: ...

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        """Rows of `columns` by position; with a column `_diff` after them, those at -1 are deletions."""

    def end(self, message: str | None) -> bytes: ...

    def error(self, body: dict[str, Any]) -> bytes | None:
        """None where the form cannot say it: then the answer is cut off."""


def framing_of(content_type: str, *, push: bool) -> Framing:
    """The form for a negotiated content type of /query-stream; /query always writes v1."""
    if content_type == DELIMITED_TYPE:
        return Delimited()
    if content_type == JSON_TYPE:
        return JsonArray()
    if content_type == PROTOBUF_TYPE:
        from ssql.server.protobuf_rows import Protobuf  # few ask for it, and Protobuf takes a while to load

        return Protobuf(push)
    if content_type in (LINES_TYPE, CSV_TYPE, ARROW_TYPE):
        from ssql.server.tabular import TABULAR

        return TABULAR[content_type](changes=push)
    return V1(push)


def schema_text(columns: Sequence[Column], *, mark_keys: bool) -> str:
    """The columns as a header of the first version names them."""
    from ssql.types import quote

    return ", ".join(str(c) if mark_keys else f"{quote(c.name)} {c.type}" for c in columns)


class V1:
    """One JSON array of objects; a deleted row of a table is a row with its key alone and `tombstone`."""

    left_out = 0
    shared: str | None = "v1"

    def __init__(self, push: bool) -> None:
        self.before, self.after = ("", ",\n") if push else (",\n", "")

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:
        schema = schema_text(columns, mark_keys=mark_keys)
        head = msgspec.json.encode({"header": {"queryId": query_id, "schema": schema}})
        return b"[" + head + self.after.encode()

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        from ssql.server.rows import render_rows

        return render_rows(
            batch.columns[: len(columns)],
            columns,
            self.before + '{"row":{"columns":[',
            "]}}" + self.after,
            deleted_rows(batch, columns),
            '],"tombstone":true}}' + self.after,
        )

    def end(self, message: str | None) -> bytes:
        if message is None:
            return b"]"
        return self.before.encode() + msgspec.json.encode({"finalMessage": message}) + b"]"

    def error(self, body: dict[str, Any]) -> bytes:
        return self.before.encode() + msgspec.json.encode({"errorMessage": body}) + b"]"


class Delimited:
    """One line an element. Deleted rows have no form here and are left out."""

    shared: str | None = "delimited"

    def __init__(self) -> None:
        self.left_out = 0

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:  # noqa: ARG002
        return _metadata(query_id, columns) + b"\n"

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        live = _live(batch, columns)
        self.left_out += batch.num_rows - live.num_rows
        return _values(live, columns, "[", "]\n")

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b""

    def error(self, body: dict[str, Any]) -> bytes:
        return msgspec.json.encode(body) + b"\n"


class JsonArray:
    """The elements of `Delimited` as one JSON array."""

    shared: str | None = "array"

    def __init__(self) -> None:
        self.left_out = 0

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:  # noqa: ARG002
        return b"[" + _metadata(query_id, columns)

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        live = _live(batch, columns)
        self.left_out += batch.num_rows - live.num_rows
        return _values(live, columns, ",\n[", "]")

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b"]"

    def error(self, body: dict[str, Any]) -> bytes:
        return b",\n" + msgspec.json.encode(body) + b"]"


class Text:
    """The one column of a stream as lines; its last line is the error, where it ends in one."""

    left_out = 0
    shared: str | None = None

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:  # noqa: ARG002
        return b""

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:  # noqa: ARG002
        return "".join(f"{line}\n" for line in batch.column(0).to_pylist()).encode()

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b""

    def error(self, body: dict[str, Any]) -> bytes:
        return f"{body['message']}\n".encode()


def _metadata(query_id: str, columns: Sequence[Column]) -> bytes:
    return msgspec.json.encode(
        {
            "queryId": query_id,
            "columnNames": [c.name for c in columns],
            "columnTypes": [str(c.type) for c in columns],
        }
    )


def deleted_rows(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.Array | None:
    """Which rows are deletions; None when none is."""
    import pyarrow.compute as pc

    if batch.num_columns == len(columns):
        return None
    deleted = pc.less(batch.column(len(columns)), 0)
    return deleted if pc.any(deleted).as_py() else None


def _live(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """The batch without its deletions."""
    import pyarrow.compute as pc

    deleted = deleted_rows(batch, columns)
    return batch if deleted is None else batch.filter(pc.invert(deleted))


def _values(batch: pa.RecordBatch, columns: Sequence[Column], prefix: str, suffix: str) -> bytes:
    from ssql.server.rows import render_rows

    return render_rows(batch.columns[: len(columns)], columns, prefix, suffix)
