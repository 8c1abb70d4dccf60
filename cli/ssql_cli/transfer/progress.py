"""How far rows are on their way into a table or a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ssql.engine.progress import amount, duration
from ssql.runtime.progress import Trail, time_left
from ssql_cli.status_line import StatusLine

#: Bytes that are looked at in a few places of a file, to tell how many lines it has.
_SAMPLE_BYTES = 64 << 10
_SAMPLES = 4


class Progress:
    """`total` rows, if that is known, or `about` so many. Used as a context: the line is cleared at the end."""

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        about: bool = False,
        line: StatusLine | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._about = what, total, about
        self._line = line or StatusLine()
        self._trail: Trail[int] = Trail(now)
        self._trail.add(0)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.clear()

    def at(self, rows: int) -> None:
        """So many rows are done."""
        self._trail.add(rows)
        if self._line.due():
            self._line.show(self._text(rows))

    def _text(self, rows: int) -> str:
        """`a.csv into S: 1.2 M of about 4.0 M rows  450 k/s  6 s left`."""
        rate = self._trail.rate(float)
        of = ""
        if self._total is not None and rows <= self._total:
            of = f" of {'about ' if self._about else ''}{amount(self._total)}"
        parts = [f"{self._what}: {amount(rows)}{of} rows"]
        if rate:
            parts.append(f"{amount(rate)}/s")
        if of and (left := time_left((self._total or 0) - rows, rate)):
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)


def lines_about(path: Path) -> int | None:
    """How many lines a text file has, by a few parts of it; None where these do not tell (it is packed)."""
    if path.suffix.lower() == ".gz":
        return None
    size = path.stat().st_size
    lines = looked_at = 0
    with path.open("rb") as file:
        for sample in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            part = file.read(_SAMPLE_BYTES)
            lines, looked_at = lines + part.count(b"\n"), looked_at + len(part)
    return round(size * lines / looked_at) if lines else None
