"""Pages of `docs/` as their readers go through them, block by block.

A block whose first line is a comment with a file's name is that file. A `console` block is commands (`ssql` in this
process, else a shell's) and what they answer; with SSQL_WRITE_GOLDEN=1 the answers are written. Other `python` blocks
are one program.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ssql_cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
_BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:--|#|<!--) (\S+\.\w+)(?: -->)?\n")
_SECONDS = re.compile(r"\d+\.\d s\b")


def follow(
    page: str,
    folder: Path,
    places: Mapping[str, str] | None = None,
    made: Callable[[str, str], None] = lambda file, text: None,
) -> dict[str, str]:
    """Make the files of a page in the folder, which is the current one, and carry out its commands and its program.

    `places`: what stands for an address of the page. `made` is called with each file, before what comes after it.
    The files by name. Fails where a command answers another thing than the page says; seconds aside.
    """
    path, files, program = DOCS / page, {}, dict[str, Any]()
    text = path.read_text(encoding="utf-8")

    def done(block: re.Match[str]) -> str:
        there = block[2]
        for address, place in (places or {}).items():
            there = there.replace(address, place)
        if name := _FILE.match(there):
            file = folder / name[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(files.setdefault(name[1], there.removeprefix(name[0])))
            made(name[1], files[name[1]])
        elif block[1] == "python":
            exec(compile(there, page, "exec"), program)
        elif block[1] == "console":
            answered = _answered(there)
            for address, place in (places or {}).items():
                answered = answered.replace(place, address)
            return f"```console\n{answered}```"
        return block[0]

    found = _BLOCKS.sub(done, text)
    if os.environ.get("SSQL_WRITE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert _SECONDS.sub("0.0 s", found) == _SECONDS.sub("0.0 s", text)
    return files


def _answered(block: str) -> str:
    """The commands of a block, each with what it answers."""
    said = io.StringIO()
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        said.write(f"$ {command}\n")
        if command.startswith("ssql "):
            with redirect_stdout(said), redirect_stderr(said):
                main(shlex.split(command)[1:])
        else:
            ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
            answer = (ran.stdout + ran.stderr).rstrip("\n")
            said.write(f"{answer}\n" if answer else "")
    return said.getvalue()
