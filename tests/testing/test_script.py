"""Files of tests are cut into tests, their statements and their directives, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssql.errors import SsqlError
from ssql.testing import script
from ssql.testing.script import Expected, Item, Source, read_tests

FILE = """
CREATE STREAM s (id INT KEY) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON'); -- ; '
--@test: the first
INSERT INTO s (id)
  VALUES (1);
ASSERT VALUES s (id) VALUES ('
--@test: in a string
');
/* --@test: in a comment
--@test: of several lines; */
  --@test: the second
--@expected.error: io.confluent.ksql.util.KsqlException
--@expected.message: it's wrong; very
--@once: the time of day counts
SHOW TABLES
"""


def test_tests_have_what_stands_before_the_first_and_their_own() -> None:
    first, second = script.tests_of(Source("a.sql", FILE), "a")
    assert (first.name, first.line, len(first.steps)) == ("the first", 3, 3)
    assert [step.place for step in first.steps] == ["a.sql:2", "a.sql:4", "a.sql:6"]
    assert (second.name, second.line, second.once) == ("the second", 11, "the time of day counts")
    assert second.expected == Expected("io.confluent.ksql.util.KsqlException", "it's wrong; very")
    last = second.steps[-1]
    assert isinstance(last, Item)
    assert (len(second.steps), last.text) == (2, "SHOW TABLES")


def test_a_file_without_directives_is_one_test_and_one_without_statements_none() -> None:
    [test] = script.tests_of(Source("a.sql", "SHOW TABLES; SHOW STREAMS;"), "a")
    assert (test.name, len(test.steps)) == ("a", 2)
    assert script.tests_of(Source("a.sql", "--@test: nothing\n-- yet"), "a") == []


@pytest.mark.parametrize(
    ("directive", "told"),
    [("--@tst: x", "Did you mean test?"), ("--@once", 'the directive "once" needs a value'), ("--@a.b: c", '"a.b"')],
)
def test_a_wrong_directive_is_told_with_its_line(directive: str, told: str) -> None:
    with pytest.raises(SsqlError) as caught:
        script.tests_of(Source("a.sql", f"--@test: a\n\n{directive}\nSHOW TABLES;"), "a")
    assert told in caught.value.render()
    assert caught.value.position is not None
    assert caught.value.position.line == 3


def test_a_script_that_is_run_stands_for_its_statements(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "all.sql").write_text("SHOW TABLES;\nRUN SCRIPT 'more.sql';")
    (tmp_path / "queries" / "more.sql").write_text("\nSHOW STREAMS;")
    (tmp_path / "a.sql").write_text("RUN SCRIPT 'queries/all.sql';\n--@test: a\nSHOW QUERIES;")
    [test] = read_tests(tmp_path / "a.sql")
    assert [Path(step.place).name for step in test.steps] == ["all.sql:1", "more.sql:2", "a.sql:3"]


def test_a_script_that_is_not_there_or_runs_itself_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("\nRUN SCRIPT 'b.sql';")
    with pytest.raises(SsqlError, match="could not read") as caught:
        read_tests(tmp_path / "a.sql")
    assert caught.value.position is not None
    assert caught.value.position.line == 2
    (tmp_path / "b.sql").write_text("RUN SCRIPT 'b.sql';")
    with pytest.raises(SsqlError, match="runs itself"):
        read_tests(tmp_path / "a.sql")
