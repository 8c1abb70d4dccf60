"""Files of rows: CSV, NDJSON, Parquet. Types are inferred from the file, bad lines are told by their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ssql.errors import FileUnreadable
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)

#: Rows of one batch.
BATCH_ROWS = 50_000
#: Bad lines that are told one by one.
TOLD_LINES = 20

FORMATS = ("csv", "json", "parquet")
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".ndjson": "json", ".jsonl": "json", ".parquet": "parquet",
}  # fmt: skip
_LINES = (
    "(SELECT row_number() OVER () AS n, line FROM read_csv($1, columns = {{'line': 'VARCHAR'}}, delim = E'\\x01',"
    " header = false, quote = '', escape = '', auto_detect = false, null_padding = true, max_line_size = 16777216))"
)


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be read."""

    number: int
    reason: str


def format_of(path: Path, given: str | None = None) -> str:
    """The format of a file: as given, else by its name (`.gz` at its end is passed over).

    Raises:
        FileUnreadable: it has none that can be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    found = (given or _SUFFIXES.get(suffixes[-1] if suffixes else "", "")).lower()
    found = "json" if found == "ndjson" else found
    if found not in FORMATS:
        raise FileUnreadable(str(path), f"its format is none of {', '.join(FORMATS)}: say which one it is")
    return found


class RowsFile:
    """A file that is read in batches. `columns`: as inferred, names in upper case unless they need quotes."""

    def __init__(self, path: Path, form: str, *, header: bool | None = None) -> None:
        if not path.is_file():
            raise FileUnreadable(str(path), "no such file")
        self._path, self._form = path, form
        self._connection = duckdb.connect()
        try:
            self._source = self._make_source(header)
            described = self._connection.sql(f"SELECT * FROM {self._source} LIMIT 0").to_arrow_table().schema
        except duckdb.Error as bad:
            raise FileUnreadable(str(path), _first_line(bad)) from None
        self.columns = [Column(_name(field.name), sql_type(field.type)) for field in described]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows with the types of `columns`. Raises `FileUnreadable` where the file breaks off."""
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])
        try:
            for batch in self._connection.sql(f"SELECT * FROM {self._source}").to_arrow_reader(BATCH_ROWS):
                arrays = [_as(array, f.type) for array, f in zip(batch.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except duckdb.Error as bad:
            raise FileUnreadable(str(self._path), _first_line(bad)) from None

    def bad_lines(self) -> list[BadLine]:
        """The lines that were left out, once all batches were read."""
        if self._form == "csv":
            sql = "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
        elif self._form == "json":
            sql = "SELECT n, 'it is no JSON object' FROM lines WHERE NOT readable ORDER BY n"
        else:
            return []
        return [BadLine(int(n), str(why).split("\n", maxsplit=1)[0]) for n, why in self._connection.sql(sql).fetchall()]

    def close(self) -> None:
        self._connection.close()

    def _make_source(self, header: bool | None) -> str:
        path = _text(str(self._path))
        if self._form == "parquet":
            return f"read_parquet({path})"
        if self._form == "csv":
            known = "" if header is None else f", header = {str(header).lower()}"
            return f"read_csv({path}, quote = '\"', store_rejects = true{known})"
        lines = _LINES.replace("$1", path).replace("{{", "{").replace("}}", "}")
        self._connection.execute(
            "CREATE VIEW lines AS SELECT n, line,"
            " CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END AS readable"
            f" FROM {lines} WHERE line IS NOT NULL"
        )
        types = _text(self._json_types(path))
        return f"(SELECT unnest(from_json(CASE WHEN readable THEN line END, {types})) FROM lines WHERE readable)"

    def _json_types(self, path: str) -> str:
        """The types of an object's members, as DuckDB has them in JSON."""
        options = "format = 'newline_delimited', ignore_errors = true"
        sniffed = self._connection.sql(f"DESCRIBE SELECT * FROM read_json({path}, {options})").fetchall()
        if [name for name, *_ in sniffed] != ["json"]:
            return msgspec.json.encode({name: kind for name, kind, *_ in sniffed}).decode()
        # Some lines are no objects, so there is nothing to sniff: the others' structure, where times are text.
        objects = "SELECT (CASE WHEN readable THEN line END)::JSON AS line FROM lines WHERE readable LIMIT 20480"
        [[structure]] = self._connection.sql(f"SELECT json_group_structure(line) FROM ({objects})").fetchall()
        return str(structure)


def _as(array: pa.Array, t: pa.DataType) -> pa.Array:
    """An array in another type; fields of structs are told by their place, as their names may change."""
    if pa.types.is_struct(array.type):
        fields = [_as(child, field.type) for child, field in zip(array.flatten(), t, strict=True)]
        return pa.StructArray.from_arrays(fields, fields=list(t), mask=array.is_null())
    if pa.types.is_list(array.type):
        values = _as(array.flatten(), t.value_type)
        ends = pc.cumulative_sum(pc.list_value_length(array).fill_null(0).cast(pa.int32()))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        return pa.ListArray.from_arrays(offsets, values, type=t, mask=array.is_null())
    return array.cast(t, safe=False)


def sql_type(t: pa.DataType) -> SqlType:
    """The SQL type that holds a type of Arrow; STRING for what nothing else does."""
    plain: SqlType | None = next((kind for holds, kind in _PLAIN if holds(t)), None)
    if plain is not None:
        return plain
    if pa.types.is_decimal(t):
        return Decimal(t.precision, t.scale)
    if pa.types.is_map(t):
        return Map(STRING, sql_type(t.item_type))
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return Array(sql_type(t.value_type))
    if pa.types.is_struct(t):
        return Struct(tuple((_name(field.name), sql_type(field.type)) for field in t))
    return STRING


_PLAIN: tuple[tuple[Any, SqlType], ...] = (
    (pa.types.is_boolean, BOOLEAN),
    (lambda t: pa.types.is_int8(t) or pa.types.is_int16(t) or pa.types.is_int32(t) or pa.types.is_uint8(t), INTEGER),
    (pa.types.is_integer, BIGINT),
    (pa.types.is_floating, DOUBLE),
    (pa.types.is_date, DATE),
    (pa.types.is_time, TIME),
    (pa.types.is_timestamp, TIMESTAMP),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), BYTES),
)


def _name(written: str) -> str:
    return written.upper() if written.isidentifier() else written


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(bad: Exception) -> str:
    return str(bad).split("\n", maxsplit=1)[0].lower()
