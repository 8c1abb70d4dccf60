"""Rows for people: aligned tables, a block of lines a row, Markdown. Widths are those of a terminal's cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from wcwidth import wcswidth, wcwidth

from ssql_cli.backend import AnswerColumn, Row
from ssql_cli.output import Out, Style, plain

#: Says that something was cut.
ELLIPSIS = "..."
_MARK = "…"
_BETWEEN = " | "
#: Narrowest column that a wide table is squeezed to; where that is not enough a row is a block of lines.
_SQUEEZED = 8
_NUMERIC = ("INTEGER", "BIGINT", "DOUBLE", "DECIMAL")


class Table:
    """Columns as wide as their widest value, squeezed to the terminal; written when all rows are known."""

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._columns, self._style = out, columns, style
        self._rows: list[Row] = []

    def rows(self, rows: Sequence[Row]) -> None:
        self._rows += rows

    def end(self) -> None:
        cells = [cells_of(row, self._style.null) for row in self._rows]
        grid = Grid(self._columns, cells, self._style)
        if grid.too_wide and self._style.expanded == "auto":
            blocks = Vertical(self._out, self._columns, self._style)
            blocks.rows(self._rows)
            blocks.end()
            return
        self._out.write(grid.head() + "".join(map(grid.line, cells)))
        self._out.flush()


class LiveTable:
    """Columns as wide as the first rows need; a later, wider value makes its own line longer.

    A deleted row of a table is marked with `(deleted)` behind it.
    """

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._columns, self._style = out, columns, style
        self._grid: Grid | None = None

    def rows(self, rows: Sequence[Row]) -> None:
        cells = [cells_of(row, self._style.null) for row in rows]
        if cells and self._grid is None:
            self._grid = Grid(self._columns, cells, self._style)
            self._out.write(self._grid.head())
        for row, line in zip(rows, cells, strict=True):
            assert self._grid is not None
            text = self._grid.line(line)
            self._out.write(f"{text.rstrip()}  (deleted)\n" if row.deleted else text)
        self._out.flush()

    def end(self) -> None:
        if self._grid is None:
            self._out.write(Grid(self._columns, [], self._style).head())
            self._out.flush()


class Vertical:
    """A block of lines a row, a column a line, every value in full."""

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._style = out, style
        names = [printable(c.name) for c in columns]
        self._width = max(map(display_width, names), default=0)
        self._names = [padded(name, self._width) for name in names]
        self._count = 0

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._count += 1
            title = f"-[ row {self._count}{' (deleted)' if row.deleted else ''} ]"
            lines = [title.ljust(self._width + 1, "-") + "+" + "-" * max(0, 30 - len(title))]
            lines += map("{} | {}".format, self._names, cells_of(row, self._style.null))
            self._out.write("\n".join(lines) + "\n")
        self._out.flush()

    def end(self) -> None:
        """Every block stands for itself."""


class Markdown:
    """A table of GitHub's Markdown; a deleted row has no form there and is left out."""

    def __init__(self, out: Out, columns: Sequence[AnswerColumn], style: Style) -> None:
        self._out, self._style = out, style
        self._line([printable(c.name) for c in columns])
        self._line(["---:" if right_aligned(c) else "---" for c in columns])

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if not row.deleted:
                self._line(cells_of(row, self._style.null))
        self._out.flush()

    def end(self) -> None:
        self._out.flush()

    def _line(self, cells: Sequence[str]) -> None:
        self._out.write("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")


class Grid:
    """Where the columns of a table stand. `too_wide`: they do not fit the terminal, however squeezed."""

    def __init__(self, columns: Sequence[AnswerColumn], cells: Sequence[Sequence[str]], style: Style) -> None:
        self._names = [printable(c.name) for c in columns]
        self._right = list(map(right_aligned, columns))
        self._style = style
        natural = [
            style.width or max([display_width(name), *(display_width(row[i]) for row in cells)])
            for i, name in enumerate(self._names)
        ]
        fitting = None if style.terminal is None else squeezed(natural, style.terminal)
        self.too_wide = fitting is None and style.terminal is not None
        self.widths = fitting or natural
        self._cuts = fitting is not None and fitting != natural

    def head(self) -> str:
        return self.line(self._names) + self._edge("-+-".join("-" * width for width in self.widths)) + "\n"

    def line(self, cells: Sequence[str]) -> str:
        if self._style.width is None:
            return self._one_line(cells)
        parts = [_pieces(cell, self._style.width, wrap=self._style.wrap) for cell in cells]
        return "".join(map(self._one_line, zip_longest(*parts, fillvalue="")))

    def _one_line(self, cells: Sequence[str]) -> str:
        if self._cuts:
            cells = [cut(cell, width) for cell, width in zip(cells, self.widths, strict=True)]
        return self._edge(_BETWEEN.join(map(padded, cells, self.widths, self._right)).rstrip()) + "\n"

    def _edge(self, line: str) -> str:
        return line if self._style.terminal is None else cut(line, self._style.terminal)


def squeezed(widths: Sequence[int], room: int) -> list[int] | None:
    """Widths with which a table fits `room`: the widest columns give way first. None where that is not possible."""
    room -= len(_BETWEEN) * (len(widths) - 1)
    if sum(widths) <= room:
        return list(widths)
    for cap in range(max(widths), _SQUEEZED - 1, -1):
        if sum(min(width, cap) for width in widths) <= room:
            return [min(width, cap) for width in widths]
    return None


def cut(text: str, width: int) -> str:
    """A text that is no wider than that, with a mark where it was cut."""
    if display_width(text) <= width:
        return text
    return _pieces(text, width - 1, wrap=True)[0] + _MARK


def padded(cell: str, width: int, right: bool = False) -> str:
    blank = " " * (width - display_width(cell))
    return blank + cell if right else cell + blank


def right_aligned(column: AnswerColumn) -> bool:
    return column.type.startswith(_NUMERIC)


def _pieces(text: str, width: int, *, wrap: bool) -> list[str]:
    """A text in parts of at most `width` columns of the terminal: all of them, or the first with an ellipsis."""
    parts, room = [""], width
    for ch in text:
        size = max(0, wcwidth(ch))
        if size > room:
            parts.append("")
            room = width
        parts[-1] += ch
        room -= size
    if wrap or len(parts) == 1:
        return parts
    return [_pieces(text, width - len(ELLIPSIS), wrap=True)[0] + ELLIPSIS]


def cells_of(row: Row, null: str) -> list[str]:
    """The values of a row as text that can stand in one line."""
    return [null if value is None else printable(plain(value)) for value in row.values]


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else max(0, wcswidth(text))


def printable(text: str) -> str:
    """`text` with control characters as escapes: data cannot move the cursor or break a table."""
    if text.isprintable():
        return text
    return "".join(
        ch if ch.isprintable() or unicodedata.category(ch)[0] != "C" else ch.encode("unicode_escape").decode()
        for ch in text
    )
