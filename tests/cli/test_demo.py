"""The demo, whole: it compares each of its results with one DuckDB query over the raw files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .terminal import Terminal

SSQL = str(Path(sys.executable).with_name("ssql"))
#: What is late by more than fifteen hours, as the push query shows it while the flights go in.
LATE = ["HA", "MQ", "DL", "DL", "MQ", "MQ", "AA"]

pytestmark = pytest.mark.slow


def demo(*arguments: str, cwd: Path) -> str:
    """What a whole run prints."""
    ran = subprocess.run(
        [SSQL, "demo", *arguments], capture_output=True, text=True, timeout=280, cwd=cwd, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def check(printed: str) -> None:
    assert "All 6 results agree, row for row." in printed
    assert "FLIGHTS_IN_FULL          334,264 rows  agrees" in printed
    live = printed.split("AIRLINE\n")[1].split("\n\n", maxsplit=1)[0].splitlines()[1:]
    assert [line.split()[0] for line in live] == LATE


def test_the_demo_leaves_nothing_behind_and_agrees_with_the_raw_files(tmp_path: Path) -> None:
    check(demo(cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_demo_can_be_kept_and_asked_again(tmp_path: Path) -> None:
    check(demo("--data", "kept", cwd=tmp_path))
    sql = "SELECT origin, flights FROM worst_delays WHERE origin = 'JFK';"
    ran = subprocess.run(
        [SSQL, "--data", "kept", "-o", "csv", "-e", sql], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ran.stdout == "ORIGIN,FLIGHTS\nJFK,111279\n"
    again = subprocess.run([SSQL, "demo", "--data", "kept"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 2
    assert 'directory "kept" is not empty' in again.stderr


def test_on_a_terminal_it_ends_with_the_prompt(tmp_path: Path) -> None:
    with Terminal([SSQL, "demo"], {**os.environ, "SSQL_HISTORY": str(tmp_path / "history")}) as terminal:
        terminal.wait_for("All 6 results agree, row for row.", timeout_s=120)
        terminal.wait_for("ssql>")
        terminal.send("SELECT flights FROM worst_delays WHERE origin = 'JFK';\r")
        terminal.wait_for(" 111279\n1 row")
        terminal.wait_for("ssql>")
        terminal.send("\x04")
        assert terminal.exit_code() == 0


@pytest.mark.kafka
def test_the_demo_gives_the_same_answers_on_kafka_and_leaves_no_topic(kafka: str, tmp_path: Path) -> None:
    from ssql.log.kafka import KafkaLog

    log = KafkaLog(kafka)
    try:
        before = {topic.name for topic in log.topics()}
        check(demo("--kafka", kafka, cwd=tmp_path))
        assert not {name for name in {topic.name for topic in log.topics()} - before if "ssql-demo" in name}
    finally:
        log.close()
    assert list(tmp_path.iterdir()) == []
