"""The prompt: statements over several lines, history, completion; Ctrl-C stops a query, Ctrl-D leaves.

What is no SQL is in `prompt_commands.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.shortcuts import CompleteStyle
from pygments.lexers.sql import SqlLexer

from ssql import __version__
from ssql.errors import InternalError, SsqlError
from ssql_cli import prompt_commands
from ssql_cli.backend import Backend, remote
from ssql_cli.output import Tee
from ssql_cli.pieces import is_complete
from ssql_cli.prompt_commands import COMMANDS
from ssql_cli.runner import Runner

PROMPT = "ssql> "
CONTINUATION = "  ... "
#: Names another file for the history of the prompt; empty: no file.
HISTORY_VARIABLE = "SSQL_HISTORY"


class Shell:
    """Reads statements and carries them out until the user leaves."""

    def __init__(self, backend: Backend, form: str = "table") -> None:
        self.runner = Runner(backend, form, sys.stdout, sys.stderr, chatty=True)
        self._history = _history()
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=CONTINUATION,
            history=self._history,
            lexer=PygmentsLexer(SqlLexer),
            completer=ThreadedCompleter(SqlCompleter(lambda: self.runner.backend)),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_open_in_editor=True,
            key_bindings=_keys(),
        )

    def run(self) -> None:
        """Prompt until Ctrl-D or `exit`."""
        try:
            self._loop()
        finally:
            prompt_commands.end_spooling(self)

    def _loop(self) -> None:
        print(f"ssql {__version__} on {self.runner.backend.place}. Statements end with ;  help lists commands.")
        while True:
            try:
                text = self._session.prompt()
                self.handle(text)
            except KeyboardInterrupt:
                continue
            except (EOFError, prompt_commands.Leave):
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
                self.runner.run(text)
        except KeyboardInterrupt:
            self._say("query stopped")
        except SsqlError as error:
            self._say(error.render())
        except (prompt_commands.Leave, BrokenPipeError):
            raise
        except Exception as bug:
            self._say(InternalError(f"unexpected {type(bug).__name__}: {bug}").render())

    def _say(self, text: str) -> None:
        self.runner.notices.write(text + "\n")
        self.runner.notices.flush()

    def history(self) -> Iterable[str]:
        return reversed(list(self._history.load_history_strings()))

    def connect(self, url: str) -> None:
        former = self.runner.backend
        self.runner.backend = remote(url, former)
        former.close()


class SqlCompleter(Completer):
    """Completes keywords, function names and the names of streams and tables.

    Names are asked for once a completion is wanted, outside the thread that draws the prompt; a backend that cannot
    answer leaves the keywords.
    """

    def __init__(self, backend: Callable[[], Backend]) -> None:
        self._backend = backend
        self._fixed: tuple[str, ...] | None = None

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - the library's interface
    ) -> Iterator[Completion]:
        word = document.get_word_before_cursor()
        first = document.text_before_cursor.split()
        if document.text_before_cursor.strip() == word:
            yield from _matching(word, COMMANDS)
        elif len(first) > 1 and (command := prompt_commands.find(" ".join(first[:-1]))[0]) is not None:
            yield from _matching(word, command.words)
            return
        if word:
            if self._fixed is None:
                self._fixed = _sql_words()
            yield from _matching(word, dict.fromkeys((*self._names(), *self._fixed)))

    def _names(self) -> list[str]:
        try:
            entities = self._backend().execute("SHOW STREAMS; SHOW TABLES;")
        except SsqlError:
            return []
        return [str(s["name"]) for e in entities for kind in ("streams", "tables") for s in e.get(kind) or ()]


def _sql_words() -> tuple[str, ...]:
    from ssql.functions.registry import names
    from ssql.sql.lexer import KEYWORDS

    return (*sorted(KEYWORDS), *sorted(names()))


def _matching(word: str, candidates: Iterable[str]) -> Iterator[Completion]:
    """Candidates that begin with `word`, in its case where it is all lower."""
    for candidate in candidates:
        if candidate.lower().startswith(word.lower()):
            text = candidate.lower() if word and word.islower() else candidate
            yield Completion(text, start_position=-len(word))


def _keys() -> KeyBindings:
    """Enter ends the input when the statement is finished (or it is a command), and begins a line otherwise."""
    keys = KeyBindings()

    @keys.add("enter", filter=~completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if not buffer.text.strip() or prompt_commands.find(buffer.text)[0] is not None or is_complete(buffer.text):
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
