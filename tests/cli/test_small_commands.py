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
    typo = tmp_path / "ksql.properties"
    typo.write_text("ksql.service.idd=x\nksql.streams.num.stream.threads=4\nbatch.max.rows=many\n")
    assert main(["config", "check", str(typo)]) == Exit.USAGE
    told = capsys.readouterr().err
    assert 'Did you mean "ksql.service.id"?' in told
    assert "without effect: ksql.streams.num.stream.threads\n" in told
    assert 'cannot be "many": expected a whole number' in told
    assert main(["config", "check", str(tmp_path / "none.toml")]) == Exit.USAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_sub_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == Exit.OK
    script = capsys.readouterr().out
    assert "datagen" in script
    assert "nexmark" in script


def test_pages_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == Exit.OK
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed[:3] == ["README", "install", "tutorial"]
    assert {"functions", "prompt", "reference/errors"} <= set(listed)
    assert main(["docs", "reference/errors"]) == Exit.OK
    assert capsys.readouterr().out.startswith("# Error codes")


def test_a_link_of_a_page_leads_to_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    for link in ("operations.md#health", "../operations.md#health", "docs/operations.md#health", "operations#health"):
        assert main(["docs", link]) == Exit.OK
        section = capsys.readouterr().out
        assert section.startswith("## Health\n")
        assert "/chc/ready" in section
        assert "## Logs" not in section


def test_a_word_is_looked_for_in_titles_and_texts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "greatest"]) == Exit.OK
    assert capsys.readouterr().out.startswith("### GREATEST\n"), "the one section of that title, whole"
    assert main(["docs", "max.push.queries"]) == Exit.OK
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("reference/settings ")
    assert first.endswith("`1000`  Most push queries at one time."), "the row, whole"
    assert "subscriptions#what-it-costs" in [line.split()[0] for line in others]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("functoins", "functions"), ("Heatlh", "Health"), ("http#what-a-client-may-tak", "http#what-a-client-may-take")],
)
def test_what_is_nowhere_is_told_with_the_nearest_name(
    asked: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["docs", asked]) == Exit.USAGE
    assert f'Did you mean "{meant}"' in capsys.readouterr().err
