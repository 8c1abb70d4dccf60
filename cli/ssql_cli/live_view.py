"""The live view: a push query over a table as the table on the screen, which changes in place.

A thread takes the changes in; the screen is drawn at most ten times a second, however many there are.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.styles import Style as Colours

from ssql.errors import InternalError, SsqlError
from ssql_cli.backend import Row
from ssql_cli.follow import Followed
from ssql_cli.live import LiveRows
from ssql_cli.output import Out, Style
from ssql_cli.tables import Table

#: Seconds between two pictures.
REDRAW_S = 0.1
_COLOURS = Colours.from_dict(
    {"head": "bold", "rule": "ansibrightblack", "changed": "bg:ansiyellow fg:ansiblack", "footer": "reverse"}
)


class LiveView:
    """Shows a table until `q`, Ctrl-C or the end of the query. Arrows, PageUp, PageDown, Home scroll, `c` draws."""

    def __init__(self, followed: Followed, chart: str | None = None) -> None:
        self._followed = followed
        self.rows = LiveRows(followed.columns, followed.keys)
        if chart is not None:
            names = [c.name.upper() for c in followed.columns]
            places = [i for i in self.rows.numeric() if names[i] == chart.upper()]
            self.rows.chart = places[0] if places else None
        self._lock = threading.Lock()
        self._start = 0
        self._error: Exception | None = None
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
        except SsqlError as error:
            self._error = error
        except Exception as bug:
            if self._app.is_running:  # else it is the connection that was closed under us
                self._error = InternalError(f"unexpected {type(bug).__name__}: {bug}")
        self._exit()

    def _exit(self) -> None:
        if self._app.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._app.loop.call_soon_threadsafe(lambda: self._app.is_running and self._app.exit())

    def _picture(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        now = time.monotonic()
        with self._lock:
            self._start = max(0, min(self._start, len(self.rows) - 1))
            lines = self.rows.lines(size.columns, size.rows, self._start, now)
            marked = self.rows.marked(now)
        if marked and self._app.loop is not None:
            self._app.loop.call_later(REDRAW_S, self._app.invalidate)  # the marks have yet to go
        picture: StyleAndTextTuples = [(style, text + "\n") for style, text in lines[:-1]]
        picture.append(lines[-1])
        return picture

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("q")
        @keys.add("c-c")
        @keys.add("c-d")
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("c")
        def _(_event: KeyPressEvent) -> None:
            places = [None, *self.rows.numeric()]
            self.rows.chart = places[(places.index(self.rows.chart) + 1) % len(places)]

        def scroll(lines: int) -> None:
            self._start += lines

        page = max(1, shutil.get_terminal_size().lines - 4)
        for key, lines in (("down", 1), ("up", -1), ("pagedown", page), ("pageup", -page), ("home", -(1 << 60))):
            keys.add(key)(lambda _, lines=lines: scroll(lines))
        return keys
