"""Commands of the prompt itself: what is no SQL and needs no semicolon. One entry of `COMMANDS` a command."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ssql import __version__
from ssql.errors import FileUnreadable
from ssql_cli.output import FORMATS, Tee
from ssql_cli.runner import Runner

#: Narrowest column that a value can be wrapped or cut in.
_LEAST_WIDTH = 4


class Leave(Exception):
    """The user wants to leave the prompt."""


class Prompt(Protocol):
    """What a command may touch."""

    runner: Runner

    def history(self) -> Iterable[str]:
        """What was entered, oldest first."""

    def connect(self, url: str) -> None:
        """Work on another server from now on. Raises `ServerUnavailable`; all stays as it was then."""


@dataclass(frozen=True)
class Command:
    """A command of the prompt: what it does, and what carries it out, given what follows its name.

    `words`: what may follow, where that is one of a few; `free`: anything may.
    """

    help: str
    handler: Callable[[Prompt, str], None]
    words: tuple[str, ...] = ()
    free: bool = False


def find(text: str) -> tuple[Command | None, str]:
    """The command that an input is, and what follows its name; None for SQL."""
    line = text.strip().rstrip(";").strip()
    for name, command in COMMANDS.items():
        found = re.fullmatch(name.replace(" ", r"\s+") + r"(?:\s+(?P<rest>.*))?", line, re.IGNORECASE | re.DOTALL)
        if found is not None:
            rest = found["rest"] or ""
            if not rest or command.words or command.free:
                return command, rest
    return None, ""


def _say(prompt: Prompt, text: str) -> None:
    prompt.runner.notices.write(text + "\n")


def _help(prompt: Prompt, _rest: str) -> None:
    width = max(map(len, COMMANDS))
    lines = [f"{name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    lines += [
        "",
        "Everything else is SQL, up to a semicolon: CREATE STREAM, CREATE TABLE ... AS SELECT, INSERT INTO, SELECT,",
        "SELECT ... EMIT CHANGES, SHOW STREAMS, SHOW TABLES, SHOW QUERIES, SHOW FUNCTIONS, DESCRIBE, EXPLAIN, PRINT,",
        "DROP, TERMINATE, SET, DEFINE. Ctrl-C stops a query, Ctrl-D leaves, Tab completes.",
    ]
    prompt.runner.out.write("\n".join(lines) + "\n")


def _leave(_prompt: Prompt, _rest: str) -> None:
    raise Leave


def _clear(_prompt: Prompt, _rest: str) -> None:
    from prompt_toolkit.shortcuts import clear

    clear()


def _history(prompt: Prompt, _rest: str) -> None:
    prompt.runner.out.write("".join(f"{n:>5}  {text}\n" for n, text in enumerate(prompt.history(), 1)))


def _output(prompt: Prompt, rest: str) -> None:
    if rest and rest.lower() not in FORMATS:
        _say(prompt, f"output is one of: {', '.join(FORMATS)}")
        return
    prompt.runner.form = rest.lower() or prompt.runner.form
    _say(prompt, f"output is {prompt.runner.form}")


def _version(prompt: Prompt, _rest: str) -> None:
    prompt.runner.out.write(f"ssql {__version__} on {prompt.runner.backend.place}\n")


def _server(prompt: Prompt, rest: str) -> None:
    if rest:
        prompt.connect(rest)
    _say(prompt, f"working on {prompt.runner.backend.place}")


def _run_script(prompt: Prompt, rest: str) -> None:
    prompt.runner.run(f"RUN SCRIPT {rest};")


def _spool(prompt: Prompt, rest: str) -> None:
    """Write what is shown to a file as well."""
    runner, former = prompt.runner, prompt.runner.out
    runner.out, runner.notices = sys.stdout, sys.stderr
    if isinstance(former, Tee):
        former.copy.close()
        _say(prompt, "spooling has ended")
    if rest.lower() == "off":
        return
    path = Path(rest.strip("'\""))
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as bad:
        raise FileUnreadable(str(path), (bad.strerror or str(bad)).lower()) from None
    _say(prompt, f"spooling to {path}")
    runner.out, runner.notices = Tee(sys.stdout, file), Tee(sys.stderr, file)


def end_spooling(prompt: Prompt) -> None:
    """Close the file that is spooled to, if one is."""
    if isinstance(prompt.runner.out, Tee):
        with contextlib.suppress(OSError):
            prompt.runner.out.copy.close()


def _wrap(prompt: Prompt, rest: str) -> None:
    runner = prompt.runner
    if rest and rest.lower() not in ("on", "off"):
        _say(prompt, "set cli wrap takes ON or OFF")
        return
    if rest:
        runner.style = replace(runner.style, wrap=rest.lower() == "on")
    _say(prompt, f"values that are wider than their column are {'wrapped' if runner.style.wrap else 'cut'}")


def _column_width(prompt: Prompt, rest: str) -> None:
    runner = prompt.runner
    width = int(rest) if rest.isdecimal() else -1
    if width < 0 or 0 < width < _LEAST_WIDTH:
        _say(prompt, f"set cli column-width takes a number of at least {_LEAST_WIDTH}, or 0: as wide as the values")
        return
    runner.style = replace(runner.style, width=width or None)
    _say(prompt, f"columns are {f'{width} wide' if width else 'as wide as their values'}")


def _pipelining(prompt: Prompt, _rest: str) -> None:
    _say(prompt, "request-pipelining has no effect: a statement always sees what those before it did")


COMMANDS: dict[str, Command] = {
    "help": Command("this list", _help),
    "output": Command("show or choose the form of rows: output table, json or csv", _output, FORMATS),
    "run script": Command("carry out the statements of a file: run script 'file'", _run_script, free=True),
    "spool": Command("write what is shown to a file, too: spool 'file', spool off", _spool, free=True),
    "history": Command("what was entered before", _history),
    "server": Command("show the server, or work on another one: server http://host:port", _server, free=True),
    "set cli column-width": Command("how wide columns are (0: as needed)", _column_width, free=True),
    "set cli wrap": Command("wrap or cut what is wider: set cli wrap on, off", _wrap, ("on", "off")),
    "request-pipelining": Command("of no effect; for scripts of ksqlDB", _pipelining, ("on", "off")),
    "version": Command("the version, and where it works", _version),
    "clear": Command("clear the screen", _clear),
    "exit": Command("leave (also quit, Ctrl-D)", _leave),
    "quit": Command("leave", _leave),
}
