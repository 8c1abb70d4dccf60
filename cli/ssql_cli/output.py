"""Writes rows to stdout: an aligned table for people, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Protocol, TextIO

import msgspec

from ssql_cli.backend import AnswerColumn, Row

FORMATS = ("table", "json", "csv")
NULL = "NULL"
_ELLIPSIS = "..."
_NUMERIC = ("INTEGER", "BIGINT", "DOUBLE", "DECIMAL")
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
    """How wide the columns of a table are (None: as their values need), and whether what is wider is wrapped or cut."""

    width: int | None = None
    wrap: bool = True


class RowWriter(Protocol):
    """Writes the rows of one answer, in one go or as they come."""

    def rows(self, rows: Sequence[Row]) -> None: ...

    def end(self) -> None:
        """All rows were given."""


def row_writer(
    form: str, out: Out, columns: Sequence[AnswerColumn], *, live: bool = False, style: Style | None = None
) -> RowWriter:
    """A writer of that form; `live` ones write rows at once, and do not know what will come."""
    if form == "json":
        return JsonWriter(out, columns)
    if form == "csv":
        return CsvWriter(out, columns)
    return (LiveTable if live else Table)(out, columns, style or Style())


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


class Table:
    """Columns as wide as their widest value; written when all rows are known."""

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._columns, self._style = out, columns, style
        self._cells: list[list[str]] = []

    def rows(self, rows: Sequence[Row]) -> None:
        self._cells += map(_cells, rows)

    def end(self) -> None:
        grid = _Grid(self._columns, self._cells, self._style)
        self._out.write(grid.head() + "".join(map(grid.line, self._cells)))
        self._out.flush()


class LiveTable:
    """Columns as wide as the first rows need; a later, wider value makes its own line longer.

    A deleted row of a table is marked with `(deleted)` behind it.
    """

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._columns, self._style = out, columns, style
        self._grid: _Grid | None = None

    def rows(self, rows: Sequence[Row]) -> None:
        cells = list(map(_cells, rows))
        if cells and self._grid is None:
            self._grid = _Grid(self._columns, cells, self._style)
            self._out.write(self._grid.head())
        for row, line in zip(rows, cells, strict=True):
            assert self._grid is not None
            text = self._grid.line(line)
            self._out.write(f"{text.rstrip()}  (deleted)\n" if row.deleted else text)
        self._out.flush()

    def end(self) -> None:
        if self._grid is None:
            self._out.write(_Grid(self._columns, [], self._style).head())
            self._out.flush()


class _Grid:
    def __init__(self, columns: Sequence[AnswerColumn], cells: Sequence[Sequence[str]], style: Style) -> None:
        self._names = [printable(c.name) for c in columns]
        self._right = [c.type.startswith(_NUMERIC) for c in columns]
        self._style = style
        self._widths = [
            style.width or max([display_width(name), *(display_width(row[i]) for row in cells)])
            for i, name in enumerate(self._names)
        ]

    def head(self) -> str:
        return self.line(self._names) + "-+-".join("-" * width for width in self._widths) + "\n"

    def line(self, cells: Sequence[str]) -> str:
        if self._style.width is None:
            return self._one_line(cells)
        parts = [_pieces(cell, self._style.width, wrap=self._style.wrap) for cell in cells]
        return "".join(map(self._one_line, zip_longest(*parts, fillvalue="")))

    def _one_line(self, cells: Sequence[str]) -> str:
        return " | ".join(map(self._padded, cells, self._widths, self._right)).rstrip() + "\n"

    @staticmethod
    def _padded(cell: str, width: int, right: bool) -> str:
        blank = " " * (width - display_width(cell))
        return blank + cell if right else cell + blank


def _pieces(text: str, width: int, *, wrap: bool) -> list[str]:
    """A text in parts of at most `width` columns of the terminal: all of them, or the first with an ellipsis."""
    parts, room = [""], width
    for ch in text:
        size = display_width(ch)
        if size > room:
            parts.append("")
            room = width
        parts[-1] += ch
        room -= size
    if wrap or len(parts) == 1:
        return parts
    return [_pieces(text, width - len(_ELLIPSIS), wrap=True)[0] + _ELLIPSIS]


def _cells(row: Row) -> list[str]:
    return [NULL if value is None else printable(plain(value)) for value in row.values]


def plain(value: Any) -> str:
    """A value as text: strings as they are, everything else as JSON writes it."""
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON; numbers keep the digits that they came with."""
    return str(value) if isinstance(value, Decimal) else _JSON.encode(value).decode()


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(ch) else 2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in text)


def printable(text: str) -> str:
    """`text` with control characters as escapes: data cannot move the cursor or break a table."""
    if text.isprintable():
        return text
    return "".join(
        ch if ch.isprintable() or unicodedata.category(ch)[0] != "C" else ch.encode("unicode_escape").decode()
        for ch in text
    )
