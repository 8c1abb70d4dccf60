"""The prompt: statements over several lines, history, completion; Ctrl-C stops a query, Ctrl-D leaves.

What is no SQL is in `prompt_commands.py` and `backslash.py`, what Tab offers in `completion.py`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import completion_is_selected, has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from ssql import __version__
from ssql.errors import InternalError, SsqlError
from ssql_cli import prompt_commands
from ssql_cli.again import AGAIN, tail
from ssql_cli.backend import Backend, remote
from ssql_cli.catalog import Catalog
from ssql_cli.completion import SqlCompleter
from ssql_cli.highlight import COLOURS, SqlColours
from ssql_cli.output import Tee
from ssql_cli.pending import PendingBackend
from ssql_cli.pieces import Kind, is_complete, split
from ssql_cli.progress_bar import ProgressBar
from ssql_cli.prompt import Leave
from ssql_cli.runner import Runner, live_view

PROMPT = "ssql> "
CONTINUATION = "  ... "
#: Seconds after which the names that completion knows are asked for again, with the next input.
CATALOG_S = 10.0
#: Seconds that the end of the prompt waits for its threads.
SETTLE_S = 2.0
#: Names another file for the history of the prompt; empty: no file.
HISTORY_VARIABLE = "SSQL_HISTORY"


class Shell:
    """Reads statements and carries them out until the user leaves."""

    def __init__(self, backend: Backend, form: str = "table") -> None:
        self.runner = Runner(backend, form, sys.stdout, sys.stderr, chatty=True, paging=True, viewer=live_view)
        self.last = self.prefill = ""
        self.catalog = Catalog(lambda: self.runner.backend)
        self._history = _history()
        completer = SqlCompleter(lambda: self.catalog.names)
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=CONTINUATION,
            history=self._history,
            auto_suggest=AutoSuggestFromHistory(),
            enable_history_search=True,
            lexer=SqlColours(lambda: completer.functions),
            style=Style.from_dict(COLOURS),
            completer=completer,
            complete_while_typing=False,
            complete_style=CompleteStyle.MULTI_COLUMN,
            enable_open_in_editor=True,
            input_processors=[TabsProcessor(char1=" ", char2=" ")],
            key_bindings=_keys(),
        )
        self._failed: BaseException | None = None
        self._ready: threading.Thread | None = None
        self._prepare = completer.prepare
        self._session.app.after_render += self._shown
        self._progress = ProgressBar(self._session, lambda: self.runner.backend)

    def run(self) -> None:
        """Prompt until Ctrl-D or `exit`.

        Raises:
            SsqlError: the backend, which was still being opened, could not be.
        """
        try:
            self._loop()
        finally:
            self._progress.stop()
            prompt_commands.end_spooling(self)

    def _loop(self) -> None:
        print(f"ssql {__version__} on {self.runner.backend.place}. Statements end with ;  help lists commands.")
        while True:
            try:
                prefill, self.prefill = self.prefill, ""
                self._progress.look()
                text = self._session.prompt(default=prefill, pre_run=self._check_opened)
                self.handle(text)
                self.catalog.refresh(older_than_s=CATALOG_S)  # others define things too
            except KeyboardInterrupt:
                continue
            except (EOFError, Leave):
                return

    def handle(self, text: str) -> None:
        """Carry out one input; errors are shown and leave the prompt as it is."""
        command, rest = prompt_commands.find(text)
        if isinstance(self.runner.out, Tee):
            self.runner.out.copy.write(f"{PROMPT}{text}\n")
        try:
            if command is not None:
                command.handler(self, rest)
            else:
                self._statements(text)
        except KeyboardInterrupt:
            self._say("query stopped")
        except SsqlError as error:
            self._check_opened()
            self._say(error.render())
        except (Leave, BrokenPipeError):
            raise
        except Exception as bug:
            self._say(InternalError(f"unexpected {type(bug).__name__}: {bug}").render())

    def _statements(self, text: str) -> None:
        pieces = split(text)
        if not pieces:
            return
        ending = tail(text)
        self.last = text if ending is None else ending[0]
        try:
            if ending is None:
                self.runner.run(text)
            else:
                AGAIN[ending[1]].handler(self, ending[2])
        finally:
            if any(piece.kind in (Kind.OTHER, Kind.SCRIPT) for piece in pieces):
                self.catalog.refresh()

    def _say(self, text: str) -> None:
        self.runner.notices.write(text + "\n")
        self.runner.notices.flush()

    def history(self) -> Iterable[str]:
        return reversed(list(self._history.load_history_strings()))

    def connect(self, url: str) -> None:
        former = self.runner.backend
        self.runner.backend = remote(url, former)
        former.close()
        self.catalog.refresh()

    def _shown(self, _: object) -> None:
        """The prompt is on the screen: now is the time for what takes long, once."""
        self._session.app.after_render -= self._shown
        if isinstance(self.runner.backend, PendingBackend):
            self.runner.backend.on_failure(self._opening_failed)
            self.runner.backend.start()
        self._ready = threading.Thread(target=self._get_ready, name="ssql-ready", daemon=True)
        self._ready.start()

    def _get_ready(self) -> None:
        self.catalog.refresh()
        self._prepare()
        # What a live view needs imports much: the first one shall not wait for it.
        import_module("ssql_cli.follow")
        import_module("ssql_cli.live_view")

    def settle(self) -> None:
        """Wait a moment for what goes on in the background, once the backend is closed: a thread that is there when
        the process ends keeps what it looks at from being freed, of which DuckDB complains."""
        if self._ready is not None:
            self._ready.join(SETTLE_S)
        self.catalog.wait(SETTLE_S)

    def _check_opened(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _opening_failed(self, error: BaseException) -> None:
        """In the thread that opened: end the prompt that is shown, or the next one."""
        self._failed = error
        app = self._session.app
        if app.is_running and app.loop is not None:
            app.loop.call_soon_threadsafe(lambda: app.is_running and app.exit(exception=error))


def _keys() -> KeyBindings:
    """Enter ends the input when the statement is finished (or it is a command), and begins a line otherwise."""
    keys = KeyBindings()

    @keys.add("enter", filter=~completion_is_selected & has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text
        if not text.strip() or prompt_commands.find(text)[0] is not None or is_complete(text) or tail(text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def _history() -> History:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    named = os.environ.get(HISTORY_VARIABLE)
    if named == "":
        return InMemoryHistory()
    path = Path(named) if named else Path(state) / "ssql" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
