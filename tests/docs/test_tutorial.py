"""The tutorial, as a reader goes through it. With SSQL_WRITE_GOLDEN=1 its answers are written."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from ssql_cli.local import LocalBackend
from ssql_cli.main import main
from ssql_cli.runner import Runner

from ssql.config import Config

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCKS = re.compile(r"```(sql|text)\n(.*?)```", re.DOTALL)
WAIT_S = 120.0

pytestmark = pytest.mark.slow


def answered(folder: Path, text: str) -> str:
    """The page with each answer as its statements give it on that folder."""
    backend = LocalBackend(Config().with_values({"data.dir": folder}))
    said = io.StringIO()

    def answer(block: re.Match[str]) -> str:
        nonlocal said
        if block[1] == "text":
            return f"```text\n{said.getvalue().rstrip()}\n```"
        said = io.StringIO()
        for statement in re.split(r"(?<=;)\n", block[2].strip()):
            Runner(backend, "table", said, io.StringIO()).run(statement)
            assert backend.engine.caught_up(WAIT_S)  # who reads takes longer to turn to the next line
        return block[0]

    try:
        return BLOCKS.sub(answer, text)
    finally:
        backend.close()


def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    folder = tmp_path / "flights"
    assert main(["demo", "--data", str(folder), "--no-prompt"]) == 0
    text = PAGE.read_text()
    found = answered(folder, text)
    if os.environ.get("SSQL_WRITE_GOLDEN"):
        PAGE.write_text(found)
    assert found == PAGE.read_text()
    assert len(BLOCKS.findall(text)) > 12
