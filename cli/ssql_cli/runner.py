"""Carries out text on a backend and writes the answers: what the prompt and one-shot runs share."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ssql.config import AUTO_OFFSET_RESET
from ssql.errors import InvalidStatement, SsqlError
from ssql_cli.backend import Answer, Backend, Lines
from ssql_cli.entities import write_entity
from ssql_cli.live_charts import Wanted
from ssql_cli.output import TEXT_FORMATS, Out, Style, row_writer
from ssql_cli.pager import Paged
from ssql_cli.pieces import Kind, Piece, is_push, located, script_path, split
from ssql_cli.settings import read_text
from ssql_cli.tables import printable

T = TypeVar("T")

#: What a live view says that has no rows, where streams are not read from their beginning.
_FROM_NOW = """\
no rows yet: streams are read from now on
SET 'auto.offset.reset' = 'earliest'; reads them from their beginning"""

#: Shows a push query in its own way; False: it cannot, its rows are to be written as they come.
Viewer = Callable[["Runner", str], bool]


@dataclass
class Runner:
    """One backend, one form of output.

    `chatty`: tell how many rows there were, as people at a prompt like it; `timing`: and how long it took. `paging`:
    what is longer than the screen goes through a pager. `row_limit`, `timeout_s`: a query ends after so many rows, and
    so long after its first. `viewer`: shows push queries on a terminal; `chart`: what it
    draws.
    """

    backend: Backend
    form: str
    out: Out
    notices: Out
    chatty: bool = False
    style: Style = field(default_factory=Style)
    timing: bool = False
    paging: bool = False
    row_limit: int | None = None
    timeout_s: float | None = None
    viewer: Viewer | None = None
    chart: Wanted | None = None
    #: What rows come back to when they no longer go to a file.
    form_of_screen: str = "table"
    _scripts: list[Path] = field(default_factory=list)

    def run(self, text: str) -> None:
        """Carry out the statements of `text` in order; the first that fails ends it.

        Raises:
            SsqlError: with its position in `text`.
            KeyboardInterrupt: after the query that it interrupted was stopped.
        """
        for piece in split(text):
            started = time.monotonic()
            try:
                self._run_piece(piece)
            except SsqlError as error:
                raise located(error, piece, text) from None
            if self.timing:
                self.notices.write(f"took {_duration(time.monotonic() - started)}\n")
                self.notices.flush()

    def _run_piece(self, piece: Piece) -> None:
        match piece.kind:
            case Kind.QUERY:
                self._query(piece.text)
            case Kind.SCRIPT:
                self.script(script_path(piece))
            case Kind.PRINT:
                self._print(piece.text)
            case Kind.COPY:
                self._copy(piece.text)
            case Kind.OTHER:
                entities = self.backend.execute(piece.text)
                with self.paged() as out:
                    for entity in entities:
                        write_entity(entity, self.form, out, self.notices, self.look())

    def script(self, path: Path) -> None:
        """Carry out the statements of a file."""
        text = read_text(path)
        if path.resolve() in self._scripts:
            raise InvalidStatement(f'script "{path}" runs itself')
        self._scripts.append(path.resolve())
        try:
            self.run(text)
        finally:
            self._scripts.pop()

    def _copy(self, text: str) -> None:
        from ssql_cli.transfer.load import load, summary
        from ssql_cli.transfer.statement import parse_copy
        from ssql_cli.transfer.store import all_of, store

        copy = parse_copy(text)
        if copy.into:
            assert copy.name is not None
            said = summary(load(self.backend, copy.path, copy.name, copy.options), copy.name)
        else:
            query = f"{copy.query};" if copy.name is None else all_of(copy.name)
            said = f"{store(self.backend, query, copy.path, copy.options.format)} rows into {copy.path}"
        self.notices.write(said + "\n")
        self.notices.flush()

    def _print(self, sql: str) -> None:
        lines = self.backend.print_topic(sql)
        with self._timed(lines):
            for some in _first(lines, self.row_limit):
                self.out.write("".join(f"{printable(line)}\n" for line in some))
                self.out.flush()

    def _query(self, sql: str) -> None:
        unlimited = self.row_limit is None and self.timeout_s is None
        if self.viewer is not None and unlimited and is_push(sql) and self.form == "table" and self.viewer(self, sql):
            return
        answer = self.backend.query(sql)
        with self._timed(answer), contextlib.nullcontext(self.out) if answer.live else self.paged() as out:
            count = self._write_rows(answer, out)
        if self.chatty:
            self.notices.write(f"{count} {'row' if count == 1 else 'rows'}\n")
        if answer.final_message:
            self.notices.write(answer.final_message + "\n")
        self.notices.flush()

    def _write_rows(self, answer: Answer, out: Out) -> int:
        writer = row_writer(self.form, out, answer.columns, live=answer.live, style=self.look())
        count = 0
        for rows in _first(answer, self.row_limit):
            count += len(rows)
            if rows:
                writer.rows(rows)
        writer.end()
        return count

    @contextlib.contextmanager
    def _timed(self, answer: Answer | Lines) -> Iterator[None]:
        """Close an answer at the end, which comes when its time is over."""
        alarm = None if self.timeout_s is None else threading.Timer(self.timeout_s, answer.stop)
        try:
            if alarm is not None:
                alarm.start()
            yield
        finally:
            if alarm is not None:
                alarm.cancel()
            answer.close()

    def paged(self) -> contextlib.AbstractContextManager[Out]:
        """Where text goes that may be longer than the screen."""
        if self.paging and self.form in TEXT_FORMATS and is_terminal(self.out):
            return Paged(self.out)
        return contextlib.nullcontext(self.out)

    def look(self) -> Style:
        """The style, for the terminal as wide as it is now."""
        if not is_terminal(self.out):
            return self.style
        return replace(self.style, terminal=shutil.get_terminal_size().columns)


def live_view(runner: Runner, sql: str) -> bool:
    """Show a push query over a table as that table, where somebody looks at it; else False."""
    if not (is_terminal(runner.out) and sys.stdin.isatty()):
        return False
    from ssql_cli.follow import follow
    from ssql_cli.live_view import LiveView

    try:
        followed = follow(runner.backend, sql)
    except SsqlError:
        return False  # what is wrong with it, if anything, is told when it is asked as a query
    if followed is None:
        return False
    from_now = str(runner.backend.properties.get(AUTO_OFFSET_RESET.key, "latest")).lower() == "latest"
    LiveView(followed, runner.chart, _FROM_NOW if from_now else "").run(runner.out)
    return True


def is_terminal(out: Out) -> bool:
    """Whether somebody looks at it."""
    asked = getattr(out, "isatty", None)
    return asked is not None and bool(asked())


def _first(parts: Iterable[list[T]], limit: int | None) -> Iterator[list[T]]:
    """Parts until they hold so many elements."""
    for part in parts:
        yield part if limit is None else part[:limit]
        if limit is not None:
            limit -= len(part)
            if limit <= 0:
                return


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.1f} s" if minutes else f"{rest:.2f} s"
