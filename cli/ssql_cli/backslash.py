"""The prompt's commands in psql's manner. One entry of `BACKSLASH` a command."""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ssql.errors import BadCommand, FileUnwritable
from ssql_cli.catalog import Names
from ssql_cli.live_charts import Wanted
from ssql_cli.output import FORMATS, SUFFIXES, TEXT_FORMATS
from ssql_cli.prompt import Command, Prompt, one_of, say

_ON_OFF = one_of("on", "off")
#: Seconds between two answers of \\watch.
_WATCH_S = 2.0


def _statements(*statements: str) -> Callable[[Prompt, str], None]:
    """A command that carries these statements out, or with a name after it the last of them for that name."""

    def handler(prompt: Prompt, rest: str) -> None:
        text = statements[-1].format(_quoted(rest)) if rest else " ".join(s for s in statements if "{}" not in s)
        prompt.runner.run(text)

    return handler


def _quoted(name: str) -> str:
    """A name as SQL takes it: what is no plain name needs quotes."""
    name = name.rstrip(";").strip()
    return name if name.isidentifier() or name[:1] == "`" else f"`{name}`"


def _described(prompt: Prompt, rest: str) -> None:
    if rest:
        prompt.runner.run(f"DESCRIBE {_quoted(rest)};")
    else:
        prompt.runner.run("SHOW STREAMS; SHOW TABLES;")


def _query(prompt: Prompt, rest: str) -> None:
    prompt.runner.run(f"EXPLAIN {rest.rstrip(';')};" if rest else "SHOW QUERIES;")


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
        if runner.form not in TEXT_FORMATS:
            runner.form = "table"
    if not rest:
        say(prompt, "rows go to the screen")
        return
    path = Path(rest.strip("'\"")).expanduser()
    try:
        runner.out = path.open("w", encoding="utf-8")
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    runner.form = SUFFIXES.get(path.suffix.lower(), runner.form)
    say(prompt, f"rows go to {path} as {runner.form}")


def _watch(prompt: Prompt, rest: str) -> None:
    """Carry the last statements out again and again, until Ctrl-C."""
    try:
        pause_s = float(rest) if rest else _WATCH_S
    except ValueError:
        pause_s = -1.0
    if pause_s < 0:
        raise BadCommand("\\watch", "a number of seconds")
    if not prompt.last:
        say(prompt, "nothing was carried out yet that could be watched")
        return
    paging, prompt.runner.paging = prompt.runner.paging, False
    try:
        while True:
            prompt.runner.out.write(f"{time.strftime('%H:%M:%S')} (every {pause_s:g} s)\n")
            prompt.runner.run(prompt.last)
            time.sleep(pause_s)
    finally:
        prompt.runner.paging = paging


def _edit(prompt: Prompt, rest: str) -> None:
    """The last statements, or a file, in the editor; what comes back stands at the prompt."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(rest).expanduser() if rest else Path(directory, "statement.sql")
        if not rest:
            path.write_text(prompt.last + "\n", encoding="utf-8")
        try:
            code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
        except OSError as bad:
            raise BadCommand("\\e", f'an editor that can be run, and "{editor}" cannot: {bad.strerror}') from None
        if code == 0:
            prompt.prefill = path.read_text(encoding="utf-8").strip()


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


def _files(_names: Names) -> Iterable[str]:
    return sorted(glob.glob("*.sql"))


def _sources(names: Names) -> Iterable[str]:
    return names.sources


BACKSLASH: dict[str, Command] = {
    "\\d": Command("streams and tables, or one of them with its columns: \\d name", _described, _sources),
    "\\d+": Command(
        "the same, with statistics: \\d+ name",
        _statements("SHOW STREAMS EXTENDED;", "SHOW TABLES EXTENDED;", "DESCRIBE {} EXTENDED;"),
        _sources,
    ),
    "\\dt": Command("tables", _statements("SHOW TABLES;", "DESCRIBE {};"), lambda n: n.tables),
    "\\ds": Command("streams", _statements("SHOW STREAMS;", "DESCRIBE {};"), lambda n: n.streams),
    "\\dq": Command("queries, or the plan of one: \\dq id", _query, lambda n: n.queries),
    "\\df": Command(
        "functions, or one of them: \\df name", _statements("SHOW FUNCTIONS;", "DESCRIBE FUNCTION {};"), free=True
    ),
    "\\l": Command("topics", _statements("SHOW TOPICS;")),
    "\\e": Command("edit the last statement, or a file, in $EDITOR: \\e, \\e file", _edit, _files),
    "\\i": Command("carry out the statements of a file: \\i file", _include, _files),
    "\\o": Command(
        "rows go to a file from now on (.csv .json .md .arrow .parquet): \\o file; \\o ends it", _to_file, free=True
    ),
    "\\watch": Command("carry out the last statement every N seconds: \\watch 2", _watch, free=True),
    "\\timing": Command("tell how long statements take: \\timing on, off", _timing, _ON_OFF),
    "\\x": Command(
        "a row a block of lines: \\x on, off, auto (where columns do not fit)", _expanded, one_of("on", "off", "auto")
    ),
    "\\pset": Command(
        "how rows are shown: \\pset format markdown, \\pset null -, \\pset pager off",
        _pset,
        one_of(*_OPTIONS, *FORMATS),
    ),
    "\\set": Command("variables for ${name}, or set one: \\set name value", _set, free=True),
    "\\unset": Command("forget a variable: \\unset name", _unset, free=True),
    "\\chart": Command(
        "the column that live views draw, as bars or over time: \\chart total, \\chart total time",
        _chart,
        _columns,
    ),
    "\\conninfo": Command("where it works", _place),
}
