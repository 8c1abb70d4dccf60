"""Writes rows to stdout: tables for people (`tables.py`), JSON lines, CSV or files of Arrow for programs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TextIO

import msgspec

from ssql_cli.backend import AnswerColumn, Row

#: Forms of rows that are text, and those that are bytes and go to a file or a pipe.
TEXT_FORMATS = ("table", "vertical", "json", "csv", "markdown")
BINARY_FORMATS = ("arrow", "parquet")
FORMATS = TEXT_FORMATS + BINARY_FORMATS
#: The form that a file of this name has.
SUFFIXES = {
    ".json": "json", ".ndjson": "json", ".jsonl": "json", ".csv": "csv", ".md": "markdown",
    ".arrow": "arrow", ".arrows": "arrow", ".parquet": "parquet",
}  # fmt: skip
NULL = "NULL"
_JSON = msgspec.json.Encoder(decimal_format="number")


class Out(Protocol):
    """Where text goes."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Tee:
    """Writes to one place, and a copy to a file."""

    def __init__(self, out: Out, copy: TextIO) -> None:
        self._out, self.copy = out, copy

    def write(self, text: str, /) -> None:
        self._out.write(text)
        self.copy.write(text)

    def flush(self) -> None:
        self._out.flush()
        self.copy.flush()


@dataclass(frozen=True)
class Style:
    """The look of tables.

    `width` of columns (None: as their values need), and whether what is wider is wrapped or cut. `terminal`: the width
    of the terminal that it is for, to which lines are cut with a mark; None: nobody cuts. `expanded`: a row a block of
    lines (`on`), never (`off`), or where the columns do not fit the terminal (`auto`). `null`: how NULL is shown.
    """

    width: int | None = None
    wrap: bool = True
    terminal: int | None = None
    expanded: str = "auto"
    null: str = NULL


class RowWriter(Protocol):
    """Writes the rows of one answer, in one go or as they come."""

    def rows(self, rows: Sequence[Row]) -> None: ...

    def end(self) -> None:
        """All rows were given."""


def row_writer(
    form: str, out: Out, columns: Sequence[AnswerColumn], *, live: bool = False, style: Style | None = None
) -> RowWriter:
    """A writer of that form; `live` ones write rows at once, and do not know what will come.

    Raises:
        NeedsFile: the form is bytes, and `out` is a terminal or takes text only.
    """
    style = style or Style()
    if form == "json":
        return JsonWriter(out, columns)
    if form == "csv":
        return CsvWriter(out, columns)
    if form in BINARY_FORMATS:
        from ssql_cli.arrow_files import ArrowWriter, binary_of

        return ArrowWriter(form, binary_of(form, out), columns)
    from ssql_cli import tables

    if form == "markdown":
        return tables.Markdown(out, columns, style)
    if form == "vertical" or style.expanded == "on":
        return tables.Vertical(out, columns, style)
    return (tables.LiveTable if live else tables.Table)(out, columns, style)


class JsonWriter:
    """An object a line; a deleted row of a table has its key and `"_deleted": true`."""

    def __init__(self, out: Out, columns: Sequence[AnswerColumn]) -> None:
        self._out, self._names = out, [c.name for c in columns]

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            record = dict(zip(self._names, row.values, strict=True))
            if row.deleted:
                record = {name: value for name, value in record.items() if value is not None} | {"_deleted": True}
            self._out.write(json_text(record) + "\n")
        self._out.flush()

    def end(self) -> None:
        """Every line stands for itself."""


class CsvWriter:
    """A header line and a line a row (RFC 4180 with plain line ends); null is empty, nested values are JSON.

    Deleted rows have no form in CSV and are left out.
    """

    def __init__(self, out: Out, columns: Sequence[AnswerColumn]) -> None:
        self._out, self._csv = out, csv.writer(out, lineterminator="\n")
        self._csv.writerow([c.name for c in columns])

    def rows(self, rows: Sequence[Row]) -> None:
        self._csv.writerows(["" if v is None else plain(v) for v in row.values] for row in rows if not row.deleted)
        self._out.flush()

    def end(self) -> None:
        """Every line stands for itself."""


def plain(value: Any) -> str:
    """A value as text: strings as they are, everything else as JSON writes it."""
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON; numbers keep the digits that they came with."""
    return str(value) if isinstance(value, Decimal) else _JSON.encode(value).decode()
