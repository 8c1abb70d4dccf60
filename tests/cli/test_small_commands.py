"""`ssql config check`, `ssql completion` and `ssql docs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from ssql_cli.exits import Exit
from ssql_cli.main import main


def test_a_configuration_file_is_checked_key_by_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[batch.max]\nrows = 100\n")
    assert main(["config", "check", str(good)]) == Exit.OK
    assert "1 settings, 0 wrong" in capsys.readouterr().err
    bad.write_text("[batch.max]\nrwos = 100\nms = 'soon'\n")
    assert main(["config", "check", str(bad)]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "batch.max.rows" in told
    assert "batch.max.ms" in told
    assert "2 settings, 2 wrong" in told
    assert main(["config", "check", str(tmp_path / "none.toml")]) == Exit.USAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_sub_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == Exit.OK
    script = capsys.readouterr().out
    assert "datagen" in script
    assert "nexmark" in script


def test_pages_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == Exit.OK
    assert {"functions", "prompt", "reference/errors"} <= set(capsys.readouterr().out.split())
    assert main(["docs", "reference/errors"]) == Exit.OK
    assert capsys.readouterr().out.startswith("# Error codes")
    assert main(["docs", "functoins"]) == Exit.USAGE
    assert 'there is "functions"' in capsys.readouterr().err
