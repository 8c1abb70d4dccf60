"""Rows of a CSV file. DuckDB finds out how it is written, and its types; a target's columns are read as theirs."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from ssql.types import (
    BYTES,
    DATE,
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
from ssql_cli.transfer.progress import lines_about
from ssql_cli.transfer.values import BadRow, Part, TextReader, cast, name_of, quoted, sql_type

#: Bytes of the longest line, and of what is read at a time.
LONGEST_LINE = 16 << 20
_BUFFER = 32 << 20
_DELIMITERS = ",;\t|"
#: Lines that are looked at where DuckDB sees one column only.
_LOOKED_AT = 20
#: What DuckDB infers and no SQL type holds as it is: numbers of more digits, and of any number of them.
_LARGE = {"UBIGINT": "DECIMAL(38,0)", "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "BIGNUM": "VARCHAR"}
_MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS")


@dataclass(frozen=True)
class _Dialect:
    """How the file is written; `types`: DuckDB's, by the names in the file."""

    delimiter: str
    escape: str
    comment: str
    skip: int
    header: bool
    types: Mapping[str, str]
    options: str = ""


@dataclass
class CsvRows:
    """`target`: columns that the rows are for, by name; the types of others are inferred. Raises `duckdb.Error`."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    header: bool | None
    target: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._dialect = self._sniffed()
        self._names = {written: self._name(written) for written in self._dialect.types}
        read = {written: self._read_as(written, kind) for written, kind in self._dialect.types.items()}
        self._sql = f"SELECT * FROM {self._source(read)}"
        schema = self.connection.sql(f"{self._sql} LIMIT 0").to_arrow_table().schema
        self.columns = [
            self.target.get(name) or Column(name, sql_type(f.type))
            for name, f in zip(self._names.values(), schema, strict=True)
        ]

    def parts(self, size: int) -> Iterator[Part]:
        """The rows, so many at a time."""
        texts = TextReader(self.connection.cursor())
        before = 0
        for batch in self.connection.sql(self._sql).to_arrow_reader(size):
            arrays, bad = [], dict[int, str]()
            for array, column in zip(batch.columns, self.columns, strict=True):
                if pa.types.is_string(array.type) and column.type != STRING:
                    read, misread = texts.column(array, column)
                    bad = {**misread, **bad}
                else:
                    read = cast(array, column.type.arrow)
                arrays.append(read)
            yield Part(arrays, [BadRow("row", before + row + 1, bad[row], row) for row in sorted(bad)])
            before += batch.num_rows

    def left_out(self) -> list[BadRow]:
        """The lines that DuckDB left out, once all parts were read."""
        sql = "SELECT line, any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
        found = self.connection.sql(sql).fetchall()
        return [BadRow("line", int(line), str(why).split("\n", maxsplit=1)[0]) for line, why in found]

    def about(self) -> int | None:
        """How many rows there are, roughly."""
        return lines_about(self.path)

    def _name(self, written: str) -> str:
        return written if written in self.target else name_of(written)

    def _read_as(self, written: str, inferred: str) -> str:
        """The type that DuckDB reads a column as; VARCHAR where its text is read by us."""
        column = self.target.get(self._names[written])
        if column is None:
            return _LARGE.get(inferred, inferred)
        match column.type:
            case Array() | Map() | Struct():
                return "VARCHAR"
            case Decimal():
                return column.type.duckdb
        kind: SqlType = column.type
        if kind in (DATE, TIMESTAMP):
            return inferred if inferred in _MOMENTS else "VARCHAR"
        if kind == TIME:
            return inferred if inferred == "TIME" else "VARCHAR"
        return "VARCHAR" if kind in (STRING, BYTES) else kind.duckdb

    # --- how the file is written ----------------------------------------------

    def _sniffed(self) -> _Dialect:
        """What DuckDB makes of it: with lines that do not fit, and where it is strict for nothing, without that."""
        try:
            found = self._sniff(", ignore_errors = true")
        except duckdb.Error:
            found = self._sniff(", strict_mode = false")
        delimiter = self._delimiter() if len(found.types) == 1 else None
        if delimiter is None:
            return found
        try:
            return self._sniff(f", delim = {quoted(delimiter)}")
        except duckdb.Error:  # a quote that has no end, say: its line will be told
            names = next(csv.reader([self._lines(1)[0]], delimiter=delimiter))
            header = self.header is not False
            types = {n if header else f"column{i}": "VARCHAR" for i, n in enumerate(names)}
            return _Dialect(delimiter, '"', "", 0, header, types)

    def _sniff(self, options: str) -> _Dialect:
        if self._starts(b"\xff\xfe", b"\xfe\xff"):
            options += ", encoding = 'utf-16'"
        known = "" if self.header is None else f", header = {self.header}"
        [row] = self.connection.sql(
            "SELECT Delimiter, Escape, Comment, SkipRows, HasHeader, Columns, DateFormat, TimestampFormat"
            f" FROM sniff_csv({quoted(str(self.path))}, quote = '\"', max_line_size = {LONGEST_LINE},"
            f" buffer_size = {_BUFFER}{known}{options})"
        ).fetchall()
        delimiter, escape, comment, skip, header, columns, date, timestamp = row
        options = options.replace(", ignore_errors = true", "") + "".join(
            f", {name} = {quoted(found)}"
            for name, found in (("dateformat", date), ("timestampformat", timestamp))
            if found
        )
        types = {str(c["name"]): str(c["type"]) for c in columns}
        return _Dialect(_char(delimiter), _char(escape) or '"', _char(comment), int(skip), bool(header), types, options)

    def _source(self, types: Mapping[str, str]) -> str:
        found = self._dialect
        options = found.options.replace(f", delim = {quoted(found.delimiter)}", "")
        columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
        return (
            f"read_csv({quoted(str(self.path))}, auto_detect = false, delim = {quoted(found.delimiter)}, quote = '\"',"
            f" escape = {quoted(found.escape)}, comment = {quoted(found.comment)}, skip = {found.skip},"
            f" header = {found.header}, columns = {{{columns}}}, store_rejects = true,"
            f" max_line_size = {LONGEST_LINE}, buffer_size = {_BUFFER}{options})"
        )

    def _delimiter(self) -> str | None:
        """What seems to part the columns of a file in which DuckDB sees one."""
        lines = self._lines(_LOOKED_AT)
        found = max(_DELIMITERS, key=lambda d: sum(d in line for line in lines))
        return found if lines and found in lines[0] and sum(found in line for line in lines) * 2 > len(lines) else None

    def _lines(self, count: int) -> Sequence[str]:
        with self._opened() as file:
            found = [file.readline(_BUFFER) for _ in range(count)]
        return [line.decode("utf-8-sig", errors="replace").rstrip("\r\n") for line in found if line]

    def _starts(self, *marks: bytes) -> bool:
        with self._opened() as file:
            return file.read(max(map(len, marks))).startswith(marks)

    def _opened(self) -> gzip.GzipFile:
        opened = gzip.open if self.path.suffix.lower() == ".gz" else open
        return opened(self.path, "rb")  # type: ignore[return-value]


def _char(found: object) -> str:
    """A character as `sniff_csv` tells it."""
    text = str(found or "")
    return "" if text in ("(empty)", "\0", "\\0") else text.replace("\\t", "\t")
