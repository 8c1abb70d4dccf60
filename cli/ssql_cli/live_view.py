"""The live view: a push query over a table as the table on the screen, which changes in place.

A thread takes the changes in; the screen is drawn at most ten times a second, however many there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from dataclasses import replace

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.styles import Style as Colours

from ssql.errors import InternalError, SsqlError
from ssql_cli.backend import Row
from ssql_cli.follow import Followed
from ssql_cli.live import LiveRows
from ssql_cli.live_charts import Chart, Wanted
from ssql_cli.output import Out, Style
from ssql_cli.tables import Table

#: Seconds between two pictures.
REDRAW_S = 0.1
#: More lines than any table has.
_FAR = 1 << 60
_COLOURS = Colours.from_dict(
    {"head": "bold", "rule": "ansibrightblack", "changed": "bg:ansiyellow fg:ansiblack", "footer": "reverse"}
)


class LiveView:
    """Shows a table until `q`, Ctrl-C or the end of the query. Arrows, PageUp, PageDown, Home, End scroll; `c` draws a
    column, `t` draws it over time, `s` orders by the next column, `r` the other way round."""

    def __init__(self, followed: Followed, wanted: Wanted | None = None, empty: str = "") -> None:
        self._followed = followed
        self.rows = LiveRows(followed.columns, followed.keys, whole=followed.whole, empty=empty)
        if wanted is not None:
            names = [c.name.upper() for c in followed.columns]
            places = [i for i in self.rows.numeric() if names[i] == wanted.column.upper()]
            self.rows.draw(Chart(places[0], wanted.over_time) if places else None, time.monotonic())
        self._lock = threading.Lock()
        self._start = 0
        self._left = False
        self._error: Exception | None = None
        self._again: asyncio.TimerHandle | None = None
        self._app: Application[None] = Application(
            layout=Layout(Window(FormattedTextControl(self._picture, focusable=True, show_cursor=False))),
            key_bindings=self._keys(),
            style=_COLOURS,
            full_screen=True,
            min_redraw_interval=REDRAW_S,
        )

    def run(self, out: Out) -> None:
        """Show it; what was last on the screen is written to `out` when it ends.

        Raises:
            SsqlError: what the query ended with.
        """
        thread = threading.Thread(target=self._read, name="ssql-live", daemon=True)
        try:
            self._app.run(pre_run=thread.start)
        finally:
            self.leave()
            self._followed.close()
        with self._lock:
            height = shutil.get_terminal_size().lines - 4
            shown, count = self.rows.table(height), len(self.rows)
        writer = Table(out, self._followed.columns, Style(terminal=shutil.get_terminal_size().columns, expanded="off"))
        writer.rows([Row(values) for values in shown])
        writer.end()
        if count > len(shown):
            out.write(f"... {count - len(shown)} more\n")
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """Nobody looks any more: what goes wrong from now on is not told."""
        self._left = True

    def _read(self) -> None:
        """In a thread: take in what changes, and have it drawn."""
        try:
            for step in self._followed:
                if not self._app.is_running:
                    return
                if step is not None:
                    with self._lock:
                        self.rows.apply(
                            step.rows, step.diffs, snapshot=step.snapshot, frontier=step.frontier, now=time.monotonic()
                        )
                self._app.invalidate()
        except Exception as bug:
            if not self._left:  # else it is the connection that was closed under us
                known = isinstance(bug, SsqlError)
                self._error = bug if known else InternalError(f"unexpected {type(bug).__name__}: {bug}")
        self._exit()

    def _exit(self) -> None:
        if self._app.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._app.loop.call_soon_threadsafe(lambda: self._app.is_running and self._app.exit())

    def _picture(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        now = time.monotonic()
        with self._lock:
            last = max(0, len(self.rows) - max(1, size.rows - 3))
            self._start = max(0, min(self._start, last))
            lines = self.rows.lines(size.columns, size.rows, self._start, now)
            marked = self.rows.marked(now)
            over_time = self.rows.chart is not None and self.rows.chart.over_time
        if self._again is not None:
            self._again.cancel()
        if self._app.loop is not None and (marked or over_time):
            # Marks have yet to go; lines over time go on.
            self._again = self._app.loop.call_later(REDRAW_S if marked else 1.0, self._app.invalidate)
        picture: StyleAndTextTuples = [(style, text + "\n") for style, text in lines[:-1]]
        picture.append(lines[-1])
        return picture

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("q")
        @keys.add("c-c")
        @keys.add("c-d")
        def _(event: KeyPressEvent) -> None:
            self.leave()
            event.app.exit()

        @keys.add("c")
        def _(_event: KeyPressEvent) -> None:
            chart = self.rows.chart
            places = [None, *self.rows.numeric()]
            place = places[(places.index(None if chart is None else chart.column) + 1) % len(places)]
            self._draw(None if place is None else Chart(place, chart is not None and chart.over_time))

        @keys.add("t")
        def _(_event: KeyPressEvent) -> None:
            chart, numeric = self.rows.chart, self.rows.numeric()
            if chart is not None:
                self._draw(replace(chart, over_time=not chart.over_time))
            elif numeric:
                self._draw(Chart(numeric[0], over_time=True))

        @keys.add("s")
        def _(_event: KeyPressEvent) -> None:
            with self._lock:
                self.rows.sort_by_next()

        @keys.add("r")
        def _(_event: KeyPressEvent) -> None:
            with self._lock:
                self.rows.turn()

        def scroll(lines: int, pages: int) -> None:
            self._start += lines + pages * max(1, self._app.output.get_size().rows - 3)

        ways = {"down": (1, 0), "up": (-1, 0), "pagedown": (0, 1), "pageup": (0, -1)}
        ways |= {"home": (-_FAR, 0), "end": (_FAR, 0)}
        for key, (lines, pages) in ways.items():
            keys.add(key)(lambda _, lines=lines, pages=pages: scroll(lines, pages))
        return keys

    def _draw(self, chart: Chart | None) -> None:
        with self._lock:
            self.rows.draw(chart, time.monotonic())
