"""A table that changes, as it stands on a screen: its rows, what changed a moment ago, a footer, a chart.

There is no terminal here: frames go in, lines with styles come out. `live_view.py` puts them on the screen.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ssql_cli.backend import AnswerColumn
from ssql_cli.live_charts import CHART_WIDTH, Chart, History, bars_of, sparkline
from ssql_cli.live_lines import ByKey, ByValues, LineId, Lines, hashable, sort_key
from ssql_cli.output import NULL, Style, plain
from ssql_cli.tables import Grid, cut, padded, printable, right_aligned

#: One line of the screen: what style it has, and its text.
Line = tuple[str, str]

#: Seconds that a row is marked after it has changed.
MARKED_S = 1.0
#: Seconds over which the rate is counted.
_RATE_S = 5.0


class LiveRows:
    """The rows of a table, kept up to date. Times are seconds of one clock, as given.

    `keys`: the columns of the key that are there; `whole`: they are all of it. `empty`: what is said where no row is.
    """

    def __init__(
        self, columns: Sequence[AnswerColumn], keys: Sequence[str], *, whole: bool = True, empty: str = ""
    ) -> None:
        self.columns = tuple(columns)
        names = [c.name for c in columns]
        self._key_at = [names.index(key) for key in keys]
        self._lines: Lines = (ByKey if whole else ByValues)(self._key_at)
        self._rows: dict[LineId, Sequence[Any]] = {}
        self._changed: dict[LineId, float] = {}
        self._order: list[LineId] | None = []
        self._counts: deque[tuple[float, int]] = deque()
        self._frontier: Mapping[tuple[str, int], int] = {}
        self._last: str = ""
        self._empty = empty
        self._by: int | None = None
        self._descending = False
        self._chart: Chart | None = None
        self._history: History | None = None

    def apply(
        self,
        rows: Sequence[Sequence[Any]],
        diffs: Iterable[int],
        *,
        snapshot: bool,
        frontier: Mapping[tuple[str, int], int],
        now: float,
    ) -> None:
        """Take a frame in: `diffs` says of each row whether it is there now (+1) or gone (-1)."""
        if snapshot:
            self._rows, self._changed, self._order = {}, {}, None
            self._lines.clear()
        for line, row in self._lines.apply(rows, diffs):
            old = self._rows.get(line)
            if self._history is not None:
                self._history.note(line, old, row, now)
            if row is not None:
                if old is None or self._by is not None:
                    self._order = None
                self._rows[line] = row
                if not snapshot:
                    self._changed[line] = now
            elif old is not None:
                del self._rows[line]
                self._order = None
                self._changed.pop(line, None)
        self._counts.append((now, len(rows)))
        self._frontier = frontier
        self._last = time.strftime("%H:%M:%S")

    @property
    def chart(self) -> Chart | None:
        """What is drawn beside the rows."""
        return self._chart

    def draw(self, chart: Chart | None, now: float) -> None:
        """Draw this from now on; what is drawn over time is known from now on."""
        if chart is None or not chart.over_time:
            self._history = None
        elif chart != self._chart:
            self._history = History(chart.column, now)
        self._chart = chart

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
        order = self._ordered()[start : start + room]
        beside = 0 if self._chart is None else min(CHART_WIDTH, width // 3) + 1
        cells = [cells_of_values(self._rows[line]) for line in order]
        grid = Grid(self.columns, cells, Style(terminal=width - beside))
        head, rule = grid.head().splitlines()
        drawn = [] if self._chart is None else self._drawn(self._chart, order, beside - 1, now)
        if self._chart is not None:
            title = self.columns[self._chart.column].name + (" over time" if self._chart.over_time else "")
            head = padded(head, width - beside + 1) + cut(title, beside - 1)
        lines = [("class:head", head), ("class:rule", rule)]
        for i, line in enumerate(order):
            text = grid.line(cells[i]).rstrip("\n")
            if drawn:
                text = padded(text, width - beside + 1) + drawn[i]
            lines.append(("class:changed" if line in self._changed else "", text))
        if not order and self._empty:
            lines += [("class:rule", cut(line, width)) for line in self._empty.splitlines()]
        lines += [("", "")] * (height - 1 - len(lines))
        lines.append(("class:footer", padded(cut(self._footer(start, len(order), now), width), width)))
        return lines

    def _drawn(self, chart: Chart, order: Sequence[LineId], width: int, now: float) -> list[str]:
        if self._history is None:
            return bars_of([self._rows[line][chart.column] for line in order], width)
        return [sparkline(self._history.of(line, self._rows[line], now), width) for line in order]

    def table(self, height: int) -> list[Sequence[Any]]:
        """The first rows."""
        return [self._rows[line] for line in self._ordered()[:height]]

    def sort_by_next(self) -> None:
        """Order the rows by the next column; behind the last one, by their keys again."""
        self._by = 0 if self._by is None else self._by + 1
        if self._by == len(self.columns):
            self._by = None
        self._order = None

    def turn(self) -> None:
        """Order the rows the other way round."""
        self._descending, self._order = not self._descending, None

    def _ordered(self) -> list[LineId]:
        if self._order is None:
            by = self._by
            key = sort_key if by is None else lambda line: sort_key((hashable(self._rows[line][by]), *line))
            self._order = sorted(self._rows, key=key, reverse=self._descending)
        return self._order

    def _footer(self, start: int, count: int, now: float) -> str:
        while self._counts and now - self._counts[0][0] > _RATE_S:
            self._counts.popleft()
        rate = sum(n for _, n in self._counts) / _RATE_S
        seen: dict[str, int] = {}
        for (topic, _), offset in self._frontier.items():
            seen[topic] = seen.get(topic, 0) + offset
        by = "" if self._by is None else self.columns[self._by].name
        if self._descending:
            by = f"{by or 'key'} descending"
        parts = [
            f"{len(self._rows)} {'row' if len(self._rows) == 1 else 'rows'}",
            f"{start + 1}-{start + count}" if count < len(self._rows) else "",
            f"{rate:.1f} changes/s",
            ", ".join(f"{topic} read to {offset}" for topic, offset in sorted(seen.items())),
            self._last,
            by and f"by {by}",
            "q ends, c chart, t over time, s sort, r reverse",
        ]
        return " " + " | ".join(filter(None, parts))


def cells_of_values(values: Sequence[Any]) -> list[str]:
    return [NULL if value is None else printable(plain(value)) for value in values]
