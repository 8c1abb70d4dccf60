"""Rows side by side as text: aligned columns, and marks for what is missing, extra or different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wcwidth import wcswidth

from ssql.testing.rows import Pair
from ssql.testing.values import json_text

#: Whether the value of a column is the one that is expected: (column, expected, got).
SameValue = Callable[[int, Any, Any], bool]
#: Rows that are as they should be, shown beside those that are not, before and after each.
CONTEXT = 3


@dataclass(frozen=True)
class Word:
    """A word of ours among the values, shown without quotes."""

    text: str


def counts(pairs: Sequence[Pair]) -> str:
    """How many rows are missing, extra and different, in words."""
    missing = sum(p.got is None for p in pairs)
    extra = sum(p.expected is None for p in pairs)
    different = sum(not p.same for p in pairs) - missing - extra
    found = [
        f"{n} {what}" for n, what in ((missing, "missing"), (extra, "not expected"), (different, "different")) if n
    ]
    return ", ".join(found)


def diff(columns: Sequence[str], pairs: Sequence[Pair], same: SameValue) -> str:
    """The rows as a table. `-`: expected and not there, `+`: there and not expected; values that differ are marked."""
    lines: list[tuple[str, list[str], str]] = []
    marks: list[list[bool] | None] = []
    for pair in pairs:
        wrong = _wrong(pair, same)
        if pair.same:
            assert pair.got is not None
            lines.append((" ", _cells(pair.got), ""))
            marks.append(None)
            continue
        if pair.expected is not None:
            lines.append(("-", _cells(pair.expected), "missing" if pair.got is None else "expected"))
            marks.append(None)
        if pair.got is not None:
            lines.append(("+", _cells(pair.got), "not expected" if pair.expected is None else "there"))
            marks.append(wrong)
    cells = [list(columns), *(line[1] for line in lines)]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(columns))]
    shown = [_line(" ", columns, widths)]
    shown.append("  " + "-+-".join("-" * width for width in widths))
    near = _near(lines)
    for i, ((sign, row, note), wrong) in enumerate(zip(lines, marks, strict=True)):
        if i not in near:
            if i - 1 in near or i == 0:
                shown.append("  ...")
            continue
        shown.append(_line(sign, row, widths) + (f"   <- {note}" if note else ""))
        if wrong is not None:
            marked = ["^" * max(1, _width(cell)) if bad else "" for cell, bad in zip(row, wrong, strict=True)]
            shown.append(_line(" ", marked, widths).rstrip())
    return "\n".join(line.rstrip() for line in shown)


def _near(lines: Sequence[tuple[str, list[str], str]]) -> set[int]:
    """The lines that are shown: those with a mark, and some around them."""
    marked = [i for i, line in enumerate(lines) if line[0] != " "]
    return {j for i in marked for j in range(i - CONTEXT, i + CONTEXT + 1)}


def _wrong(pair: Pair, same: SameValue) -> list[bool] | None:
    """Which values differ, where there are two rows to compare."""
    if pair.same or pair.expected is None or pair.got is None:
        return None
    return [not same(i, e, g) for i, (e, g) in enumerate(zip(pair.expected, pair.got, strict=True))]


def _line(sign: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return f"{sign} " + " | ".join(padded)


def _cells(row: Sequence[Any]) -> list[str]:
    return [shown(value) for value in row]


def shown(value: Any) -> str:
    """A value as it is written in SQL, about."""
    match value:
        case Word():
            return value.text
        case None:
            return "NULL"
        case str():
            return "'" + "".join(ch if ch.isprintable() else repr(ch)[1:-1] for ch in value.replace("'", "''")) + "'"
        case bool():
            return str(value).upper()
        case bytes():
            return f"x'{value.hex()}'"
        case _ if isinstance(value, dict | list):
            return json_text(value) if _is_json(value) else repr(value)
        case _:
            return str(value)


def _is_json(value: Any) -> bool:
    try:
        json_text(value)
    except TypeError:
        return False
    return True


def _width(text: str) -> int:
    return max(0, wcswidth(text))
