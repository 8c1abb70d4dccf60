"""The prompt: statements over several lines, history, completion; Ctrl-C stops a query, Ctrl-D leaves.

A command of the prompt itself is one entry of `COMMANDS`; all other input is SQL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
from ssql_cli.backend import Backend
from ssql_cli.output import FORMATS
from ssql_cli.pieces import is_complete
from ssql_cli.runner import Runner

PROMPT = "ssql> "
CONTINUATION = "  ... "
#: Names another file for the history of the prompt; empty: no file.
HISTORY_VARIABLE = "SSQL_HISTORY"


class Leave(Exception):
    """The user wants to leave the prompt."""


@dataclass(frozen=True)
class Command:
    """A command of the prompt: what it does, the words that may follow it, and what carries it out."""

    help: str
    handler: Callable[[Shell, str], None]
    words: tuple[str, ...] = ()


class Shell:
    """Reads statements and carries them out until the user leaves."""

    def __init__(self, backend: Backend, form: str = "table") -> None:
        self.runner = Runner(backend, form, sys.stdout, sys.stderr, chatty=True)
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=CONTINUATION,
            history=_history(),
            lexer=PygmentsLexer(SqlLexer),
            completer=ThreadedCompleter(SqlCompleter(backend)),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_open_in_editor=True,
            key_bindings=_keys(),
        )

    def run(self) -> None:
        """Prompt until Ctrl-D or `exit`."""
        print(f"ssql {__version__} on {self.runner.backend.place}. Statements end with ;  help lists commands.")
        while True:
            try:
                text = self._session.prompt()
                self.handle(text)
            except KeyboardInterrupt:
                continue
            except (EOFError, Leave):
                return

    def handle(self, text: str) -> None:
        """Carry out one input; errors are shown and leave the prompt as it is."""
        command, rest = _command(text)
        try:
            if command is not None:
                command.handler(self, rest)
            else:
                self.runner.run(text)
        except KeyboardInterrupt:
            print("query stopped", file=sys.stderr)
        except SsqlError as error:
            print(error.render(), file=sys.stderr)
        except (Leave, BrokenPipeError):
            raise
        except Exception as bug:
            print(InternalError(f"unexpected {type(bug).__name__}: {bug}").render(), file=sys.stderr)


def _help(_shell: Shell, _rest: str) -> None:
    width = max(map(len, COMMANDS))
    lines = [f"{name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    lines += [
        "",
        "Everything else is SQL, up to a semicolon: CREATE STREAM, CREATE TABLE ... AS SELECT, INSERT INTO, SELECT,",
        "SELECT ... EMIT CHANGES, SHOW STREAMS, SHOW TABLES, SHOW QUERIES, SHOW FUNCTIONS, DESCRIBE, EXPLAIN, PRINT,",
        "DROP, TERMINATE, SET, RUN SCRIPT 'file'. Ctrl-C stops a query, Ctrl-D leaves, Tab completes.",
    ]
    print("\n".join(lines))


def _leave(_shell: Shell, _rest: str) -> None:
    raise Leave


def _clear(_shell: Shell, _rest: str) -> None:
    from prompt_toolkit.shortcuts import clear

    clear()


def _output(shell: Shell, rest: str) -> None:
    if rest and rest.lower() not in FORMATS:
        print(f"output is one of: {', '.join(FORMATS)}", file=sys.stderr)
        return
    shell.runner.form = rest.lower() or shell.runner.form
    print(f"output is {shell.runner.form}", file=sys.stderr)


def _version(shell: Shell, _rest: str) -> None:
    print(f"ssql {__version__} on {shell.runner.backend.place}")


COMMANDS: dict[str, Command] = {
    "help": Command("this list", _help),
    "output": Command("show or choose the form of rows: output table, json or csv", _output, FORMATS),
    "version": Command("the version, and where it works", _version),
    "clear": Command("clear the screen", _clear),
    "exit": Command("leave (also quit, Ctrl-D)", _leave),
    "quit": Command("leave", _leave),
}


def _command(text: str) -> tuple[Command | None, str]:
    """The command that an input is, and what follows its name."""
    words = text.strip().rstrip(";").split(None, 1)
    if not words or (len(words) > 1 and not COMMANDS.get(words[0].lower(), _NO_WORDS).words):
        return None, ""
    return COMMANDS.get(words[0].lower()), words[1].strip() if len(words) > 1 else ""


_NO_WORDS = Command("", _leave)


class SqlCompleter(Completer):
    """Completes keywords, function names and the names of streams and tables.

    Names are asked for once a completion is wanted, outside the thread that draws the prompt; a backend that cannot
    answer leaves the keywords.
    """

    def __init__(self, backend: Backend) -> None:
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
        elif first and first[0].lower() in COMMANDS:
            yield from _matching(word, COMMANDS[first[0].lower()].words)
            return
        if word:
            if self._fixed is None:
                self._fixed = _sql_words()
            yield from _matching(word, dict.fromkeys((*self._names(), *self._fixed)))

    def _names(self) -> list[str]:
        try:
            entities = self._backend.execute("SHOW STREAMS; SHOW TABLES;")
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
        if not buffer.text.strip() or _command(buffer.text)[0] is not None or is_complete(buffer.text):
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
