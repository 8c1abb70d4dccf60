"""Pages of `docs/` as their readers go through them.

A block whose first line is a comment with a file's name is that file. A `console` block is commands of `ssql` and what
they answer; with SSQL_WRITE_GOLDEN=1 the answers are written.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from ssql_cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
_BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:--|#) (\S+\.\w+)\n")
_SECONDS = re.compile(r"\d+\.\d s\b")


def follow(page: str, folder: Path) -> dict[str, str]:
    """Make the files of a page in the folder, which is the current one, and carry out its commands.

    The files by name. Fails where a command answers another thing than the page says; seconds aside.
    """
    path, files = DOCS / page, {}
    text = path.read_text(encoding="utf-8")

    def done(block: re.Match[str]) -> str:
        if name := _FILE.match(block[2]):
            file = folder / name[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(files.setdefault(name[1], block[2].removeprefix(name[0])))
        return f"```console\n{_answered(block[2])}```" if block[1] == "console" else block[0]

    found = _BLOCKS.sub(done, text)
    if os.environ.get("SSQL_WRITE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert _SECONDS.sub("0.0 s", found) == _SECONDS.sub("0.0 s", text)
    return files


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return [text for kind, text in _BLOCKS.findall((DOCS / page).read_text(encoding="utf-8")) if kind == language]


def _answered(block: str) -> str:
    """The commands of a block, each with what it answers."""
    said = io.StringIO()
    for command in re.findall(r"^\$ ssql (.*)$", block, re.MULTILINE):
        said.write(f"$ ssql {command}\n")
        with redirect_stdout(said), redirect_stderr(said):
            main(shlex.split(command))
    return said.getvalue()
