"""Small charts of a numeric column, beside the rows of a live view: bars of what is there, or the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssql_cli.live_lines import LineId

#: Cells that a chart takes, where the screen has room; of a line over time each is a second.
CHART_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Chart:
    """What is drawn: a column by its place, as bars or over time."""

    column: int
    over_time: bool = False


@dataclass(frozen=True)
class Wanted:
    """A chart that is asked for before there is a table: the name of the column, whatever its case."""

    column: str
    over_time: bool = False


class History:
    """The numbers of one column in the last seconds, by line, since `start` (s).

    State: of each line that changed, its last value of each second in which it did, for `CHART_WIDTH` seconds.
    """

    def __init__(self, column: int, start: float) -> None:
        self._column, self._start = column, int(start)
        self._changes: dict[LineId, deque[tuple[int, float | None]]] = {}

    def note(self, line: LineId, old: Sequence[Any] | None, new: Sequence[Any] | None, now: float) -> None:
        """A line changed from one row to another (None: it was not there, or is gone)."""
        if new is None:
            self._changes.pop(line, None)
            return
        second = int(now)
        changes = self._changes.get(line)
        if changes is None:
            changes = self._changes[line] = deque()
            if old is not None:
                changes.append((self._start, number(old[self._column])))
        if changes and changes[-1][0] == second:
            changes.pop()
        changes.append((second, number(new[self._column])))
        while len(changes) > 1 and changes[1][0] <= second - CHART_WIDTH:
            changes.popleft()  # the one that is left first is still what the first second begins with

    def of(self, line: LineId, row: Sequence[Any], now: float) -> list[float | None]:
        """The value at the end of each second up to this one; None where it is unknown or NULL."""
        changes = self._changes.get(line) or deque([(self._start, number(row[self._column]))])
        seconds = range(int(now) - CHART_WIDTH + 1, int(now) + 1)
        values: list[float | None] = []
        value, at = None, 0
        for second in seconds:
            while at < len(changes) and changes[at][0] <= second:
                value, at = changes[at][1], at + 1
            values.append(value)
        return values


def number(value: Any) -> float | None:
    """A value as what can be drawn: NULL and what is no number (NaN comes as text) is None."""
    return None if value is None or isinstance(value, str) else float(value)


def bars_of(values: Sequence[Any], width: int) -> list[str]:
    """A bar for each number, the largest as wide as the room; none for what is no number or below zero."""
    numbers = [max(0.0, number(v) or 0.0) for v in values]
    largest = max(numbers, default=0.0) or 1.0
    bars = []
    for one in numbers:
        eighths = round(one / largest * width * 8)
        bars.append("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip())
    return bars


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last values as a line of blocks between the least and the greatest; one that stays the same is half high."""
    shown = values[-width:]
    known = [v for v in shown if v is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if low == high:
        return "".join(" " if v is None else _LEVELS[3] for v in shown)
    top = len(_LEVELS) - 1
    return "".join(" " if v is None else _LEVELS[round((v - low) / (high - low) * top)] for v in shown)
