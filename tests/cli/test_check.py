"""`ssql check`: every wrong statement is told, with its line; nothing is run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from ssql_cli.exits import Exit
from ssql_cli.main import main

from .test_test import RIGHT, SPENT, ssql

WRONG = """
CREATE STREAM orders (customer STRING KEY, price INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='${fmt}');
CREATE TABLE spent AS SELECT customer, SUM(prce) AS total
  FROM orders GROUP BY customer EMIT CHANGES;
CREATE TABLE rich AS SELECT * FROM spent WHERE total > 9 EMIT CHANGES;
INSERT INTO orders VALUES ('ada', 'x');
SELEC 1;
SELECT * FROM orders WHERE customr = 'ada' EMIT CHANGES;
"""


def test_each_wrong_statement_is_told_with_file_line_and_caret(tmp_path: Path) -> None:
    (tmp_path / "wrong.sql").write_text(WRONG)
    ran = ssql(tmp_path, "check", "wrong.sql", "-d", "fmt=JSON")
    assert (ran.returncode, ran.stdout) == (Exit.FAILED, "")
    places = [line.split(" ")[0] for line in ran.stderr.splitlines() if line.startswith("wrong.sql:")]
    assert places == ["wrong.sql:3:", "wrong.sql:6:", "wrong.sql:7:", "wrong.sql:8:"]
    assert "LINE 3: CREATE TABLE spent AS SELECT customer, SUM(prce) AS total\n" + " " * 51 + "^^^^\n" in ran.stderr
    assert ran.stderr.splitlines()[-1] == "6 statements, 4 wrong"


def test_a_variable_without_a_value_is_wrong_and_the_environment_may_give_it(tmp_path: Path) -> None:
    (tmp_path / "fmt.sql").write_text(WRONG.splitlines()[1])
    assert ssql(tmp_path, "check", "fmt.sql").returncode == Exit.FAILED
    assert ssql(tmp_path, "check", "fmt.sql", "-d", "fmt=JSON").returncode == Exit.OK
    assert ssql(tmp_path, "check", "fmt.sql", env={"SSQL_VAR_FMT": "JSON"}).returncode == Exit.OK
    assert ssql(tmp_path, "check", "fmt.sql", env={"FMT": "JSON"}).returncode == Exit.FAILED


def test_right_files_and_tests_are_well_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "spent.sql").write_text(SPENT)
    (tmp_path / "right.sql").write_text(RIGHT)
    refused = "--@test: r\n--@expected.error: column_not_found\n" + SPENT + "SELECT nope FROM spent;"
    (tmp_path / "refused.sql").write_text(refused)
    ran = ssql(tmp_path, "check", "spent.sql", "right.sql", "refused.sql")
    assert (ran.returncode, ran.stderr) == (Exit.OK, "12 statements, all well\n")
    assert {path.name for path in tmp_path.iterdir()} == {"spent.sql", "right.sql", "refused.sql"}


def test_a_file_that_is_not_there_and_one_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.sql").write_text("-- nothing\n")
    assert ssql(tmp_path, "check", "none.sql").returncode == Exit.USAGE
    assert ssql(tmp_path, "check", "empty.sql").returncode == Exit.NOTHING


def test_a_program_that_calls_it_logs_again_afterwards(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "right.sql").write_text("SHOW STREAMS;")
    assert main(["check", str(tmp_path / "right.sql")]) == Exit.OK
    logging.getLogger("ssql").warning("heard")
    assert caplog.messages == ["heard"]
