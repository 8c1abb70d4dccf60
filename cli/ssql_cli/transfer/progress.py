"""How far something long is: one line on stderr that is written over, and only where somebody looks."""

from __future__ import annotations

import sys
import time

#: Seconds between two pictures.
_REDRAW_S = 0.2


class Progress:
    """`total` rows, if that is known. Used as a context: the line is cleared at the end."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what, self._total = what, total
        self._shown = sys.stderr.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def at(self, rows: int) -> None:
        """So many rows are done."""
        now = time.monotonic()
        if self._shown and now - self._drawn >= _REDRAW_S:
            self._drawn = now
            sys.stderr.write("\r\x1b[K" + progress_text(self._what, rows, self._total, now - self._began))
            sys.stderr.flush()


def progress_text(what: str, rows: int, total: int | None, seconds: float) -> str:
    """The line: rows, how many a second, and where the total is known the share and the time that is left."""
    rate = rows / seconds if seconds > 0 else 0.0
    parts = [f"{what}: {rows:,} rows", f"{rate:,.0f} rows/s"]
    if total:
        parts.append(f"{min(100, rows * 100 // total)} %")
        if rate:
            parts.append(f"{max(0.0, (total - rows) / rate):.0f} s left")
    return ", ".join(parts)
