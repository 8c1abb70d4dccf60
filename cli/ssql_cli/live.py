"""A table that changes, as it stands on a screen: rows by key, what changed a moment ago, a footer, a chart.

There is no terminal here: frames go in, lines with styles come out. `live_view.py` puts them on the screen.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ssql_cli.backend import AnswerColumn
from ssql_cli.output import NULL, Style, plain
from ssql_cli.tables import Grid, cut, printable, right_aligned

#: One line of the screen: what style it has, and its text.
Line = tuple[str, str]

#: Seconds that a row is marked after it has changed.
MARKED_S = 1.0
#: Seconds over which the rate is counted.
_RATE_S = 5.0
_BAR_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class LiveRows:
    """The rows of a table by key, kept up to date. Times are seconds of one clock, as given."""

    def __init__(self, columns: Sequence[AnswerColumn], keys: Sequence[str]) -> None:
        self.columns = tuple(columns)
        names = [c.name for c in columns]
        self._key_at = [names.index(key) for key in keys]
        self._rows: dict[tuple[Any, ...], Sequence[Any]] = {}
        self._changed: dict[tuple[Any, ...], float] = {}
        self._order: list[tuple[Any, ...]] | None = []
        self._counts: deque[tuple[float, int]] = deque()
        self._frontier: Mapping[tuple[str, int], int] = {}
        self._last: str = ""
        #: The column that is drawn as bars, by its place.
        self.chart: int | None = None

    def apply(
        self,
        rows: Iterable[Sequence[Any]],
        diffs: Iterable[int],
        *,
        snapshot: bool,
        frontier: Mapping[tuple[str, int], int],
        now: float,
    ) -> None:
        """Take a frame in: `diffs` says of each row whether it is there now (+1) or gone (-1)."""
        if snapshot:
            self._rows, self._changed, self._order = {}, {}, None
        count = 0
        for row, diff in zip(rows, diffs, strict=True):
            count += 1
            key = tuple(map(_hashable, (row[i] for i in self._key_at)))
            if diff > 0:
                if key not in self._rows:
                    self._order = None
                self._rows[key] = row
                if not snapshot:
                    self._changed[key] = now
            elif self._rows.pop(key, None) is not None:
                self._order = None
                self._changed.pop(key, None)
        self._counts.append((now, count))
        self._frontier = frontier
        self._last = time.strftime("%H:%M:%S")

    def __len__(self) -> int:
        return len(self._rows)

    def numeric(self) -> list[int]:
        """The places of the columns that can be drawn."""
        return [i for i, c in enumerate(self.columns) if right_aligned(c) and i not in self._key_at]

    def marked(self, now: float) -> bool:
        """Whether some row is marked: the mark has yet to go."""
        self._changed = {key: at for key, at in self._changed.items() if now - at < MARKED_S}
        return bool(self._changed)

    def lines(self, width: int, height: int, start: int, now: float) -> list[Line]:
        """The screen: a head, the rows from number `start` on in the order of their keys, a footer."""
        self.marked(now)
        room = max(1, height - 3)
        if self._order is None:
            self._order = sorted(self._rows, key=_sortable)
        order = self._order[start : start + room]
        bar = 0 if self.chart is None else min(_BAR_WIDTH, width // 3) + 1
        cells = [cells_of_values(self._rows[key]) for key in order]
        grid = Grid(self.columns, cells, Style(terminal=width - bar))
        head = grid.head().splitlines()
        lines = [("class:head", head[0]), ("class:rule", head[1])]
        if self.chart is not None:
            lines[0] = ("class:head", head[0].ljust(width - bar + 1) + self.columns[self.chart].name)
        bars = [] if self.chart is None else bars_of([self._rows[k][self.chart] for k in order], bar - 1)
        for i, key in enumerate(order):
            text = grid.line(cells[i]).rstrip("\n")
            if bars:
                text = text.ljust(width - bar + 1) + bars[i]
            lines.append(("class:changed" if key in self._changed else "", text))
        lines += [("", "")] * (height - 1 - len(lines))
        lines.append(("class:footer", cut(self._footer(start, len(order), now), width).ljust(width)))
        return lines

    def table(self, height: int) -> list[Sequence[Any]]:
        """The first rows in the order of their keys."""
        return [self._rows[key] for key in sorted(self._rows, key=_sortable)[:height]]

    def _footer(self, start: int, count: int, now: float) -> str:
        while self._counts and now - self._counts[0][0] > _RATE_S:
            self._counts.popleft()
        rate = sum(n for _, n in self._counts) / _RATE_S
        seen: dict[str, int] = {}
        for (topic, _), offset in self._frontier.items():
            seen[topic] = seen.get(topic, 0) + offset
        parts = [
            f"{len(self._rows)} {'row' if len(self._rows) == 1 else 'rows'}",
            f"{start + 1}-{start + count}" if count < len(self._rows) else "",
            f"{rate:.1f} changes/s",
            ", ".join(f"{topic} read to {offset}" for topic, offset in sorted(seen.items())),
            self._last,
            "q ends, c chart",
        ]
        return " " + " | ".join(filter(None, parts))


def cells_of_values(values: Sequence[Any]) -> list[str]:
    return [NULL if value is None else printable(plain(value)) for value in values]


def bars_of(values: Sequence[Any], width: int) -> list[str]:
    """A bar for each number, the largest as wide as the room; none for what is no number or below zero."""
    numbers = [max(0.0, float(v)) if v is not None and not isinstance(v, str) else 0.0 for v in values]
    largest = max(numbers, default=0.0) or 1.0
    bars = []
    for number in numbers:
        eighths = round(number / largest * width * 8)
        bars.append("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip())
    return bars


def _hashable(value: Any) -> Any:
    return plain(value) if isinstance(value, (list, dict)) else value


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[int, Any], ...]:
    """Numbers before text before NULL, each in its own order."""
    return tuple((2, 0) if v is None else (1, v) if isinstance(v, str) else (0, v) for v in key)
