"""Commands about the last statement: carry it out again, show it, edit it. One entry of `AGAIN` a command."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ssql.errors import BadCommand, FileUnwritable
from ssql.sql.lexer import Kind, tokens
from ssql_cli.catalog import Names
from ssql_cli.output import SUFFIXES
from ssql_cli.prompt import Command, Prompt, say
from ssql_cli.runner import Runner

#: Seconds between two answers of \\watch.
_WATCH_S = 2.0
_TAIL = re.compile(r"\\(?P<name>gx|g|G|watch)(?:[ \t]+(?P<rest>[^\n]*?))?\s*\Z")


def tail(text: str) -> tuple[str, str, str] | None:
    """A statement with \\g, \\gx, \\G or \\watch in place of its semicolon: it, the command, what follows that."""
    found = _TAIL.search(text)
    if found is None or not text[: found.start()].strip():
        return None
    statement = text[: found.start()].strip()
    if any(token.kind is Kind.BAD for token in tokens(statement)):
        return None  # it stands in a string
    return statement.rstrip(";") + ";", f"\\{found['name']}", (found["rest"] or "").strip()


def _again(prompt: Prompt, rest: str) -> None:
    """Carry the last statement out; its rows go to the file that is named."""
    with _rows_to(prompt.runner, rest):
        _repeat(prompt)


def _again_expanded(prompt: Prompt, rest: str) -> None:
    style = prompt.runner.style
    prompt.runner.style = replace(style, expanded="on")
    try:
        _again(prompt, rest)
    finally:
        prompt.runner.style = style


def _repeat(prompt: Prompt) -> None:
    if prompt.last:
        prompt.runner.run(prompt.last)
    else:
        say(prompt, "nothing was carried out yet")


@contextlib.contextmanager
def _rows_to(runner: Runner, name: str) -> Iterator[None]:
    """Have rows go to a file, in the form of its name; without a name to where they go."""
    if not name:
        yield
        return
    path, out, form = Path(name.strip("'\"")).expanduser(), runner.out, runner.form
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    with file:
        runner.out, runner.form = file, SUFFIXES.get(path.suffix.lower(), form)
        try:
            yield
        finally:
            runner.out, runner.form = out, form


def _watch(prompt: Prompt, rest: str) -> None:
    """Carry the last statements out again and again, so many times or until Ctrl-C."""
    pause_s, times = _WATCH_S, None
    try:
        for word, value in zip(("i", "c"), rest.split(), strict=False):
            name, equals, number = value.rpartition("=")
            if (name if equals else word) in ("c", "count"):
                times = int(number)
            else:
                pause_s = float(number)
    except ValueError:
        pause_s = -1.0
    if pause_s < 0 or (times is not None and times < 1) or len(rest.split()) > 2:
        raise BadCommand("\\watch", "a number of seconds, and how many times")
    if not prompt.last:
        say(prompt, "nothing was carried out yet that could be watched")
        return
    paging, prompt.runner.paging = prompt.runner.paging, False
    try:
        while times is None or times > 0:
            prompt.runner.out.write(f"{time.strftime('%H:%M:%S')} (every {pause_s:g} s)\n")
            prompt.runner.run(prompt.last)
            times = None if times is None else times - 1
            if times != 0:
                time.sleep(pause_s)
    finally:
        prompt.runner.paging = paging


def _print(prompt: Prompt, _rest: str) -> None:
    prompt.runner.out.write((prompt.last or "nothing was carried out yet") + "\n")


def _forget(prompt: Prompt, _rest: str) -> None:
    prompt.last = ""
    say(prompt, "the last statement is forgotten")


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


def _write(prompt: Prompt, rest: str) -> None:
    if not rest:
        raise BadCommand("\\w", "the name of a file")
    path = Path(rest.strip("'\"")).expanduser()
    try:
        path.write_text(prompt.last + "\n", encoding="utf-8")
    except OSError as bad:
        raise FileUnwritable(str(path), (bad.strerror or str(bad)).lower()) from None
    say(prompt, f"the last statement is in {path}")


def _files(_names: Names) -> list[str]:
    return sorted(map(str, Path().glob("*.sql")))


AGAIN: dict[str, Command] = {
    "\\g": Command("carry out the last statement again; its rows into a file: \\g file; also in place of ;", _again,
        free=True),
    "\\gx": Command("the same, a row a block of lines (also \\G)", _again_expanded, free=True),
    "\\watch": Command("carry out the last statement every N seconds, M times: \\watch 2, \\watch 2 10", _watch,
        free=True),
    "\\p": Command("show the last statement", _print),
    "\\r": Command("forget the last statement", _forget),
    "\\e": Command("edit the last statement, or a file, in $EDITOR: \\e, \\e file", _edit, _files),
    "\\w": Command("write the last statement to a file: \\w file", _write, _files),
}  # fmt: skip
AGAIN["\\G"] = replace(AGAIN["\\gx"], help="the same")
