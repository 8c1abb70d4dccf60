"""Rows of a file of JSON: an object a line, or an array of objects, or objects one after the other.

Types are inferred from the whole file, so that no member is overlooked; a target's columns are read as theirs.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import msgspec

from ssql.types import STRING, TIMESTAMP, Column, SqlType
from ssql_cli.transfer.csv_rows import LONGEST_LINE
from ssql_cli.transfer.progress import lines_about
from ssql_cli.transfer.values import BadRow, Part, TextReader, name_of, quoted, sql_type

#: Rows that types are inferred from where DuckDB finds none by itself, and that show whether a text is a time.
_LOOKED_AT = 20480
_HEAD_BYTES = 1 << 20
_LINES = "newline_delimited"
#: No text holds this, so that a line is one column.
_NO_DELIMITER = "E'\\x01\\x02\\x03\\x04'"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?"


@dataclass
class JsonRows:
    """`target`: columns that the rows are for, by name; the types of others are inferred. Raises `duckdb.Error`."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    target: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path, self._form = quoted(str(self.path)), _form(self.path)
        if self._form == _LINES:
            rows = (
                f"SELECT row_number() OVER () AS n, line FROM read_csv({path}, columns = {{'line': 'VARCHAR'}},"
                f" delim = {_NO_DELIMITER}, header = false, quote = '', escape = '', auto_detect = false,"
                f" null_padding = true, max_line_size = {LONGEST_LINE})"
            )
        else:
            rows = (
                f"SELECT row_number() OVER () AS n, json::VARCHAR AS line"
                f" FROM read_json_objects({path}, format = '{self._form}')"
            )
        self.connection.execute(f"CREATE TEMP VIEW texts AS SELECT n, line FROM ({rows}) WHERE line IS NOT NULL")
        self.columns = []
        for written, kind in self._inferred(path).items():
            name = written if written in self.target else name_of(written)
            self.columns.append(self.target.get(name) or Column(name, kind))

    def parts(self, size: int) -> Iterator[Part]:
        """The rows, so many at a time."""
        texts = TextReader(self.connection.cursor())
        unit = "line" if self._form == _LINES else "row"
        for batch in self.connection.sql("SELECT n, line FROM texts").to_arrow_reader(size):
            numbers, lines = batch.columns
            arrays, bad = texts.rows(lines, self.columns)
            yield Part(arrays, [BadRow(unit, numbers[row].as_py(), bad[row], row) for row in sorted(bad)])

    def left_out(self) -> list[BadRow]:
        """What is bad is told with its part."""
        return []

    def about(self) -> int | None:
        """How many rows there are, roughly; None where they are not a line each."""
        return lines_about(self.path) if self._form == _LINES else None

    def _inferred(self, path: str) -> dict[str, SqlType]:
        """The types of the objects' members, by their names in the file."""
        options = f"format = '{self._form}', sample_size = -1, maximum_object_size = {LONGEST_LINE}"
        ignore = ", ignore_errors = true" if self._form == _LINES else ""
        sql = f"SELECT * FROM read_json({path}, {options}{ignore}) LIMIT 0"
        try:
            found = self.connection.sql(sql).to_arrow_table().schema
        except duckdb.Error:
            if self._form != _LINES:
                raise
            found = None
        if found is None or found.names == ["json"]:
            # Some lines are no objects, so there is nothing to sniff: the others' structure, where times are text.
            objects = (
                "SELECT CASE WHEN readable THEN line::JSON END AS line FROM (SELECT line, CASE WHEN json_valid(line)"
                f" THEN json_type(line) = 'OBJECT' ELSE false END AS readable FROM texts) LIMIT {_LOOKED_AT}"
            )
            [[structure]] = self.connection.sql(f"SELECT json_group_structure(line) FROM ({objects})").fetchall()
            if not structure or not structure.startswith("{") or structure == "{}":
                raise Nothing
            structure = structure.replace('"UBIGINT"', '"BIGINT"')  # what it says of all that has no sign
            typed = f"SELECT unnest(from_json('{{}}'::JSON, {quoted(structure)}))"
            found = self.connection.sql(typed).to_arrow_table().schema
        kinds = {f.name: sql_type(f.type) for f in found}
        texts = [name for name, kind in kinds.items() if kind == STRING and name not in self.target]
        return kinds | dict.fromkeys(self._times(texts), TIMESTAMP)

    def _times(self, names: Sequence[str]) -> list[str]:
        """The members whose texts are all times as we write them: DuckDB knows other ways to write them."""
        if not names:
            return []
        texts = (f"line ->> {quoted(_path(name))}" for name in names)
        times = ", ".join(f"bool_and(regexp_full_match({text}, {quoted(_ISO)}))" for text in texts)
        sample = f"SELECT CASE WHEN json_valid(line) THEN line END AS line FROM texts LIMIT {_LOOKED_AT}"
        [row] = self.connection.sql(f"SELECT {times} FROM ({sample})").fetchall()
        return [name for name, time in zip(names, row, strict=True) if time]


class Nothing(Exception):
    """There is no object with a member in the file."""


def _path(name: str) -> str:
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _form(path: Path) -> str:
    """How the file is laid out, as DuckDB calls it."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        return "array"
    first = head.split(b"\n", 1)[0].strip()
    # An object that goes on in the next line, where that is no object: one that is laid out for people.
    if (
        first.startswith(b"{")
        and b"\n" in head
        and not _is_json(first)
        and not head.split(b"\n", 2)[1].startswith(b"{")
    ):
        return "unstructured"
    return _LINES


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
