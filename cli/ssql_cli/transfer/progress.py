"""How far rows are on their way into a table or a file."""

from __future__ import annotations

import time

from ssql_cli.status_line import StatusLine


class Progress:
    """`total` rows, if that is known. Used as a context: the line is cleared at the end."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what, self._total = what, total
        self._began = time.monotonic()
        self._line = StatusLine()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.clear()

    def at(self, rows: int) -> None:
        """So many rows are done."""
        if self._line.due():
            self._line.show(progress_text(self._what, rows, self._total, time.monotonic() - self._began))


def progress_text(what: str, rows: int, total: int | None, seconds: float) -> str:
    """The line: rows, how many a second, and where the total is known the share and the time that is left."""
    rate = rows / seconds if seconds > 0 else 0.0
    parts = [f"{what}: {rows:,} rows", f"{rate:,.0f} rows/s"]
    if total:
        parts.append(f"{min(100, rows * 100 // total)} %")
        if rate:
            parts.append(f"{max(0.0, (total - rows) / rate):.0f} s left")
    return ", ".join(parts)
