"""Commands in psql's manner: how rows are shown, and the session. One entry of `ROWS` or `SESSION` a command."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ssql.errors import BadCommand, FileUnreadable, FileUnwritable
from ssql_cli.catalog import Names
from ssql_cli.live_charts import Wanted
from ssql_cli.output import FORMATS, SUFFIXES
from ssql_cli.prompt import Command, Prompt, one_of, say

_ON_OFF = one_of("on", "off")


def _switched(what: str, rest: str, now: bool) -> bool:
    """What on, off or nothing (the other one) makes of a switch."""
    if rest.lower() not in ("", "on", "off"):
        raise BadCommand(what, "on or off")
    return (not now) if not rest else rest.lower() == "on"


def _timing(prompt: Prompt, rest: str) -> None:
    prompt.runner.timing = _switched("\\timing", rest, prompt.runner.timing)
    say(prompt, f"timing is {'on' if prompt.runner.timing else 'off'}")


def _expanded(prompt: Prompt, rest: str) -> None:
    runner = prompt.runner
    if rest.lower() == "auto":
        expanded = "auto"
    else:
        expanded = "on" if _switched("\\x", rest, runner.style.expanded == "on") else "off"
    runner.style = replace(runner.style, expanded=expanded)
    say(prompt, f"expanded display is {expanded}")


def _to_file(prompt: Prompt, rest: str) -> None:
    """Rows go to a file from now on, in the form that its name says; without a name to the screen again."""
    runner = prompt.runner
    if runner.out is not sys.stdout and hasattr(runner.out, "close"):
        runner.out.close()
        runner.out = sys.stdout
        runner.form = runner.form_of_screen
    if not rest:
        say(prompt, "rows go to the screen")
        return
    path = Path(rest.strip("'\"")).expanduser()
    try:
        runner.out = path.open("w", encoding="utf-8")
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    runner.form_of_screen = runner.form
    runner.form = SUFFIXES.get(path.suffix.lower(), runner.form)
    say(prompt, f"rows go to {path} as {runner.form}")


def _include(prompt: Prompt, rest: str) -> None:
    if not rest:
        raise BadCommand("\\i", "the name of a file")
    prompt.runner.script(Path(rest.strip("'\"")).expanduser())


def _chart(prompt: Prompt, rest: str) -> None:
    """A column as bars, or with `time` behind it over time."""
    name, _, how = rest.rstrip(";").partition(" ")
    if how.strip().lower() not in ("", "time"):
        raise BadCommand("\\chart", "a column, and time behind it to draw it over time")
    prompt.runner.chart = Wanted(name.strip("`"), over_time=bool(how)) if name else None
    drawn = f"draw {name}{' over time' if how else ''}" if name else "draw no column"
    say(prompt, f"live views {drawn}")


def _columns(names: Names) -> Iterable[str]:
    return dict.fromkeys(column for columns in names.columns.values() for column in columns)


def _set(prompt: Prompt, rest: str) -> None:
    """A variable for ${name}."""
    if not rest:
        prompt.runner.run("SHOW VARIABLES;")
        return
    name, _, value = rest.partition(" ")
    text = value.strip().strip("'").replace("'", "''")
    prompt.runner.run(f"DEFINE {name} = '{text}';")


def _unset(prompt: Prompt, rest: str) -> None:
    prompt.runner.run(f"UNDEFINE {rest.rstrip(';')};")


def _format(prompt: Prompt, value: str) -> None:
    if value not in FORMATS:
        raise BadCommand("\\pset format", f"one of: {', '.join(FORMATS)}")
    prompt.runner.form = value


def _null(prompt: Prompt, value: str) -> None:
    prompt.runner.style = replace(prompt.runner.style, null=value.strip("'"))


def _pager(prompt: Prompt, value: str) -> None:
    prompt.runner.paging = _switched("\\pset pager", value, prompt.runner.paging)


#: The options of \\pset: how each is set, and how it stands.
_OPTIONS: dict[str, tuple[Callable[[Prompt, str], None], Callable[[Prompt], str]]] = {
    "expanded": (_expanded, lambda p: p.runner.style.expanded),
    "format": (_format, lambda p: p.runner.form),
    "null": (_null, lambda p: p.runner.style.null),
    "pager": (_pager, lambda p: "on" if p.runner.paging else "off"),
}


def _pset(prompt: Prompt, rest: str) -> None:
    option, _, value = rest.partition(" ")
    if option and option not in _OPTIONS:
        raise BadCommand("\\pset", f"one of: {', '.join(_OPTIONS)}")
    if value:
        _OPTIONS[option][0](prompt, value.strip())
    for name in [option] if option else _OPTIONS:
        say(prompt, f"{name} is {_OPTIONS[name][1](prompt)}")


def _place(prompt: Prompt, _rest: str) -> None:
    say(prompt, f"working on {prompt.runner.backend.place}")


def _copy(prompt: Prompt, rest: str) -> None:
    """COPY as psql has it: a command of one line."""
    prompt.runner.run(f"COPY {rest.rstrip(';')};")


def _shell(_prompt: Prompt, rest: str) -> None:
    """A command of the system, or its shell."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    subprocess.run([shell, "-c", rest] if rest else [shell], check=False)


def _folder(prompt: Prompt, rest: str) -> None:
    path = Path(rest.strip("'\"") or "~").expanduser()
    try:
        os.chdir(path)
    except OSError as bad:
        raise FileUnreadable(str(path), (bad.strerror or str(bad)).lower()) from None
    say(prompt, f"working in {Path.cwd()}")


def _echo(prompt: Prompt, rest: str) -> None:
    known = {name.upper(): value for name, value in prompt.runner.backend.variables.items()} if "${" in rest else {}
    text = re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1].upper(), found[0]), rest)
    prompt.runner.out.write(text + "\n")


def _encoding(prompt: Prompt, _rest: str) -> None:
    say(prompt, "UTF-8, always")


def _connect(prompt: Prompt, rest: str) -> None:
    if rest:
        prompt.connect(rest)
    _place(prompt, rest)


def _files(_names: Names) -> Iterable[str]:
    return sorted(glob.glob("*.sql"))


ROWS: dict[str, Command] = {
    "\\x": Command(
        "a row a block of lines: \\x on, off, auto (where columns do not fit)", _expanded, one_of("on", "off", "auto")
    ),
    "\\pset": Command(
        "how rows are shown: \\pset format markdown, \\pset null -, \\pset pager off",
        _pset,
        one_of(*_OPTIONS, *FORMATS),
    ),
    "\\o": Command(
        "rows go to a file from now on (.csv .json .md .arrow .parquet): \\o file; \\o ends it", _to_file, free=True
    ),
    "\\timing": Command("tell how long statements take: \\timing on, off", _timing, _ON_OFF),
    "\\chart": Command(
        "the column that live views draw, as bars or over time: \\chart total, \\chart total time", _chart, _columns
    ),
}
SESSION: dict[str, Command] = {
    "\\i": Command("carry out the statements of a file: \\i file", _include, _files),
    "\\copy": Command("rows of a file into a stream, or out: \\copy name from 'file', \\copy name to 'file'", _copy,
        lambda n: n.sources),
    "\\set": Command("variables for ${name}, or set one: \\set name value", _set, free=True),
    "\\unset": Command("forget a variable: \\unset name", _unset, free=True),
    "\\echo": Command("show a text, with the values of ${name}: \\echo text", _echo, free=True),
    "\\conninfo": Command("where it works", _place),
    "\\c": Command("work on another server: \\c http://host:port", _connect, free=True),
    "\\!": Command("a command of the system, or its shell: \\! ls", _shell, free=True),
    "\\cd": Command("change the folder that files are found in: \\cd folder", _folder, free=True),
    "\\encoding": Command("how text is encoded", _encoding),
}  # fmt: skip
