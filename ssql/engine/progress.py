"""How far long work is, and the same in words: a line each for the opening and for every query that catches up.

Light to import: a server tells it before its engine is there, the prompt of a server that is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ssql.runtime.progress import QueryProgress, QueryState, RestoreProgress

#: What is between the parts of a line.
_GAP = "  "


class Stage(Enum):
    """What opening an engine is at: the log itself, the definitions, their state; then it is open."""

    LOG = "LOG"
    REPLAYING = "REPLAYING"
    RESTORING = "RESTORING"
    OPEN = "OPEN"


@dataclass(frozen=True)
class OpeningProgress:
    """How far the opening of an engine is: definitions read of all, and the state that is read back."""

    stage: Stage
    definitions: int
    definitions_total: int
    restore: RestoreProgress


@dataclass(frozen=True)
class Progress:
    """How far long work is: the opening, and each persistent query (none before the engine is open)."""

    opening: OpeningProgress
    queries: Sequence[QueryProgress]


def catching_up(progress: Progress) -> list[QueryProgress]:
    """The queries that have a backlog to read, those first that have most left."""
    queries = [query for query in progress.queries if query.state is QueryState.CATCHING_UP and query.lag]
    return sorted(queries, key=lambda query: -query.lag)


def lines(progress: Progress) -> list[str]:
    """What is under way: the opening, else the queries that catch up, those first that have most left."""
    if progress.opening.stage is not Stage.OPEN:
        return [opening_text(progress.opening)]
    return [query_text(query) for query in catching_up(progress)]


def opening_text(opening: OpeningProgress, gap: str = _GAP) -> str:
    """`restoring 3 of 8 tables  1.2 M rows  450 k/s  4 s left`."""
    if opening.stage is Stage.LOG:
        return "opening the log"
    if opening.stage is Stage.REPLAYING:
        return f"reading definitions: {opening.definitions:,} of {opening.definitions_total:,}"
    restore = opening.restore
    if not restore.tables_total:
        return "preparing queries"
    head = f"restoring {restore.tables:,} of {restore.tables_total:,} tables"
    return gap.join([head, f"{amount(restore.rows)} rows", *_pace(restore.rows_per_second, restore.seconds_left)])


def query_text(query: QueryProgress, gap: str = _GAP) -> str:
    """`SPENT catches up: 1.2 M of 4.0 M records  320 k/s  9 s left`."""
    head = f"{query.name} catches up: {amount(query.records)} of {amount(query.records_total)} records"
    return gap.join([head, *_pace(query.records_per_second, query.seconds_left)])


def _pace(per_second: float, seconds_left: float | None) -> Iterator[str]:
    if per_second > 0:
        yield f"{amount(per_second)}/s"
    if seconds_left:
        yield f"{duration(seconds_left)} left"


def amount(number: float) -> str:
    """A number in three digits or so: 950, 1.2 k, 45 k, 4.0 M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.1f} {letter}" if scaled < 99.5 else f"{scaled:.0f} {letter}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """9 s, 4 min 5 s, 2 h 10 min: what is left is never told as nothing."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"
