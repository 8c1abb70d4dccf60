"""Which line of a live view each change is about.

A line has an id: the parts of the key that the query selects, then, where these do not tell rows apart, a number of its
own. Lines are shown in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ssql_cli.output import plain

LineId = tuple[Any, ...]
Values = Sequence[Any]


class Lines(Protocol):
    """Tells for each change the line that it is about, and what stands there now: None where the line is gone."""

    def apply(self, rows: Iterable[Values], diffs: Iterable[int]) -> Iterator[tuple[LineId, Values | None]]: ...

    def clear(self) -> None:
        """No line is there any more."""


class ByKey:
    """Rows with their whole key: a row takes the place of the one with its key. No state."""

    def __init__(self, key_at: Sequence[int]) -> None:
        self._key_at = key_at

    def apply(self, rows: Iterable[Values], diffs: Iterable[int]) -> Iterator[tuple[LineId, Values | None]]:
        for row, diff in zip(rows, diffs, strict=True):
            yield _picked(row, self._key_at), row if diff > 0 else None

    def clear(self) -> None:
        """Nothing is held."""


class ByValues:
    """Rows without their key, or with a part of it: an update comes as the old row at -1, then the new one at +1.

    The new row takes the line of the old one that came right before it, if what both have of the key is the same. Rows
    that are alike in all columns cannot be told apart, and need not be. State: the values of each line, until it is
    gone.
    """

    def __init__(self, key_at: Sequence[int]) -> None:
        self._key_at = key_at
        self._lines: dict[LineId, list[LineId]] = {}
        self._next = 0

    def apply(self, rows: Iterable[Values], diffs: Iterable[int]) -> Iterator[tuple[LineId, Values | None]]:
        left: LineId | None = None  # the line of an old row, for what comes next
        for row, diff in zip(rows, diffs, strict=True):
            values, key = tuple(map(hashable, row)), _picked(row, self._key_at)
            if diff > 0:
                if left is None or left[:-1] != key:
                    if left is not None:
                        yield left, None
                    left = (*key, self._next)
                    self._next += 1
                self._lines.setdefault(values, []).append(left)
                yield left, row
                left = None
                continue
            if left is not None:
                yield left, None
            left = self._taken(values)
        if left is not None:
            yield left, None

    def clear(self) -> None:
        self._lines.clear()

    def _taken(self, values: LineId) -> LineId | None:
        alike = self._lines.get(values)
        if alike is None:
            return None
        line = alike.pop()
        if not alike:
            del self._lines[values]
        return line


def sort_key(line: LineId) -> tuple[tuple[int, Any], ...]:
    """Numbers before text before NULL, each in its own order."""
    return tuple((2, 0) if v is None else (1, v) if isinstance(v, str) else (0, v) for v in line)


def _picked(row: Values, at: Sequence[int]) -> LineId:
    return tuple(hashable(row[i]) for i in at)


def hashable(value: Any) -> Any:
    """A value that can be a part of an id."""
    return plain(value) if isinstance(value, (list, dict)) else value
