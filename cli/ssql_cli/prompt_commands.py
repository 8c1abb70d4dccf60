"""Commands of the prompt itself: what is no SQL and needs no semicolon. One entry of `COMMANDS` a command.

Those in words are ksqlDB's; those with a backslash, in psql's manner, are in `backslash.py`.
"""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import indent

from ssql import __version__
from ssql.errors import FileUnwritable, nearest
from ssql_cli.again import AGAIN
from ssql_cli.backslash import ROWS, SESSION
from ssql_cli.looking import LOOKING
from ssql_cli.output import TEXT_FORMATS, Tee
from ssql_cli.prompt import Command, Leave, Prompt, one_of, say

#: Narrowest column that a value can be wrapped or cut in.
_LEAST_WIDTH = 4


def find(text: str) -> tuple[Command | None, str]:
    """The command that an input is, and what follows its name; None for SQL."""
    line = text.strip()
    if line.startswith("\\"):
        name, _, rest = line.partition(" ")
        name = name.rstrip(";")
        return COMMANDS.get(name, _unknown(name)), rest.strip()
    line = line.rstrip(";").strip()
    for name, command in COMMANDS.items():
        found = re.fullmatch(re.escape(name).replace(r"\ ", r"\s+") + r"(?:\s+(?P<rest>.*))?", line, re.I | re.S)
        if found is not None:
            rest = found["rest"] or ""
            if not rest or command.completer or command.free:
                return command, rest
    return None, ""


def of_half(text: str) -> tuple[Command, str] | None:
    """The command whose whole name a half-typed line begins with, and what is typed after it."""
    for name, command in COMMANDS.items():
        if text.lower().startswith(name + " ") and (command.completer or command.free):
            return command, text[len(name) + 1 :].lstrip()
    return None


def _unknown(name: str) -> Command:
    close = nearest(name, COMMANDS)
    hint = f"; there is {close}" if close else ""
    return Command("", lambda prompt, _: say(prompt, f"there is no command {name}{hint}; \\? lists them"))


def _help(prompt: Prompt, _rest: str) -> None:
    width = max(map(len, COMMANDS))
    lines = []
    for title, commands in GROUPS.items():
        lines += [title, *(f"  {name:<{width}}  {command.help}" for name, command in commands.items()), ""]
    lines += [
        "Everything else is SQL, up to a semicolon; \\h shows how statements are written. Ctrl-C stops a query, Ctrl-D",
        "leaves, Tab completes, Ctrl-R searches what was entered before.",
    ]
    with prompt.runner.paged() as out:
        out.write("\n".join(lines) + "\n")


def _leave(_prompt: Prompt, _rest: str) -> None:
    raise Leave


def _clear(_prompt: Prompt, _rest: str) -> None:
    from prompt_toolkit.shortcuts import clear

    clear()


def _history(prompt: Prompt, _rest: str) -> None:
    with prompt.runner.paged() as out:
        for number, text in enumerate(prompt.history(), 1):
            out.write(f"{number:>5}  {indent(text, ' ' * 7).lstrip()}\n")


def _output(prompt: Prompt, rest: str) -> None:
    if rest and rest.lower() not in TEXT_FORMATS:
        say(prompt, f"output is one of: {', '.join(TEXT_FORMATS)}")
        return
    prompt.runner.form = rest.lower() or prompt.runner.form
    say(prompt, f"output is {prompt.runner.form}")


def _version(prompt: Prompt, _rest: str) -> None:
    prompt.runner.out.write(f"ssql {__version__} on {prompt.runner.backend.place}\n")


def _server(prompt: Prompt, rest: str) -> None:
    if rest:
        prompt.connect(rest)
    say(prompt, f"working on {prompt.runner.backend.place}")


def _run_script(prompt: Prompt, rest: str) -> None:
    prompt.runner.run(f"RUN SCRIPT {rest};")


def _spool(prompt: Prompt, rest: str) -> None:
    """Write what is shown to a file as well."""
    runner, former = prompt.runner, prompt.runner.out
    runner.out, runner.notices = sys.stdout, sys.stderr
    if isinstance(former, Tee):
        former.copy.close()
        say(prompt, "spooling has ended")
    if rest.lower() == "off":
        return
    path = Path(rest.strip("'\""))
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    say(prompt, f"spooling to {path}")
    runner.out, runner.notices = Tee(sys.stdout, file), Tee(sys.stderr, file)


def end_spooling(prompt: Prompt) -> None:
    """Close the file that is written to, if one is."""
    out = prompt.runner.out
    file = out.copy if isinstance(out, Tee) else out
    if file is not sys.stdout and hasattr(file, "close"):
        with contextlib.suppress(OSError):
            file.close()


def _wrap(prompt: Prompt, rest: str) -> None:
    runner = prompt.runner
    if rest and rest.lower() not in ("on", "off"):
        say(prompt, "set cli wrap takes ON or OFF")
        return
    if rest:
        runner.style = replace(runner.style, wrap=rest.lower() == "on")
    say(prompt, f"values that are wider than their column are {'wrapped' if runner.style.wrap else 'cut'}")


def _column_width(prompt: Prompt, rest: str) -> None:
    runner = prompt.runner
    width = int(rest) if rest.isdecimal() else -1
    if width < 0 or 0 < width < _LEAST_WIDTH:
        say(prompt, f"set cli column-width takes a number of at least {_LEAST_WIDTH}, or 0: as wide as the values")
        return
    runner.style = replace(runner.style, width=width or None)
    say(prompt, f"columns are {f'{width} wide' if width else 'as wide as their values'}")


def _pipelining(prompt: Prompt, _rest: str) -> None:
    say(prompt, "request-pipelining has no effect: a statement always sees what those before it did")


#: All commands, under the titles that the list of them has.
GROUPS: dict[str, dict[str, Command]] = {
    "What there is": LOOKING,
    "The last statement": AGAIN,
    "Rows": ROWS,
    "Session": {
        **SESSION,
        "\\s": Command("what was entered before", _history),
        "\\?": Command("this list", _help),
        "\\q": Command("leave", _leave),
    },
    "ksqlDB's": {
        "help": Command("this list", _help),
        "output": Command("show or choose the form of rows: output json", _output, one_of(*TEXT_FORMATS)),
        "run script": Command("carry out the statements of a file: run script 'file'", _run_script, free=True),
        "spool": Command("write what is shown to a file, too: spool 'file', spool off", _spool, free=True),
        "history": Command("what was entered before", _history),
        "server": Command("show the server, or work on another one: server http://host:port", _server, free=True),
        "set cli column-width": Command("how wide columns are (0: as needed)", _column_width, free=True),
        "set cli wrap": Command("wrap or cut what is wider: set cli wrap on, off", _wrap, one_of("on", "off")),
        "request-pipelining": Command("of no effect; for scripts of ksqlDB", _pipelining, one_of("on", "off")),
        "version": Command("the version, and where it works", _version),
        "clear": Command("clear the screen", _clear),
        "exit": Command("leave (also quit, Ctrl-D)", _leave),
        "quit": Command("leave", _leave),
    },
}
COMMANDS: dict[str, Command] = {name: command for group in GROUPS.values() for name, command in group.items()}
