"""`ssql test`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ssql_cli.exits import Exit

SSQL = str(Path(sys.executable).with_name("ssql"))
SPENT = """
CREATE STREAM orders (customer STRING KEY, price INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
CREATE TABLE spent AS SELECT customer, SUM(price) AS total FROM orders GROUP BY customer EMIT CHANGES;
"""
RIGHT = """
RUN SCRIPT 'spent.sql';
--@test: one order
INSERT INTO orders (ROWTIME, customer, price) VALUES (1000, 'ada', 4);
ASSERT TABLE spent (customer, total) VALUES ('ada', 4);
--@test: nothing yet
ASSERT TABLE spent IS EMPTY;
"""
WRONG = RIGHT.replace("('ada', 4);\n--", "('ada', 5);\n--").replace("one order", "wrong <&\x01")


def ssql(cwd: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SSQL, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "spent.sql").write_text(SPENT)
    (tmp_path / "tests" / "right.sql").write_text(RIGHT)
    return tmp_path


def test_all_tests_of_a_folder_pass(folder: Path) -> None:
    ran = ssql(folder, "test", "tests", "--quick")
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    assert ran.stdout.splitlines()[-1].startswith("3 passed, 0 failed in ")
    assert "ok   tests/right.sql: one order (1 run, " in ran.stdout


def test_a_wrong_value_is_told_with_its_line_and_written_for_ci(folder: Path) -> None:
    (folder / "tests" / "wrong.sql").write_text(WRONG)
    ran = ssql(folder, "test", "tests", "--quick", "--junit", "out/results.xml")
    assert ran.returncode == Exit.FAILED
    assert "tests/wrong.sql:5: the rows of table SPENT: 1 different" in ran.stdout
    root = ElementTree.parse(folder / "out" / "results.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "5", "1")
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"tests/right.sql", "tests/spent.sql", "tests/wrong.sql"}
    [failed] = [case for case in suites["tests/wrong.sql"] if len(case)]
    assert (failed.get("name"), failed.get("line")) == ("wrong <&\N{REPLACEMENT CHARACTER}", "3")
    assert "1 different" in str(failed[0].get("message"))


def test_tests_are_chosen_by_name(folder: Path) -> None:
    ran = ssql(folder, "test", "tests", "--quick", "-k", "nothing")
    assert ran.stdout.splitlines()[-1].startswith("1 passed")
    ran = ssql(folder, "test", "tests", "-k", "no such name")
    assert (ran.returncode, ran.stderr) == (Exit.NOTHING, 'there is no test with "no such name" in its name\n')


def test_a_file_that_is_no_test_fails_with_line_and_caret(folder: Path) -> None:
    (folder / "bad.sql").write_text("--@test: a\n--@expectd.error: x\nSHOW TABLES;")
    ran = ssql(folder, "test", "bad.sql", "--junit", "results.xml")
    assert ran.returncode == Exit.FAILED
    assert "LINE 2: --@expectd.error: x\n" in ran.stdout.replace("\n  ", "\n")
    assert "Did you mean expected.error?" in ran.stdout
    assert ElementTree.parse(folder / "results.xml").getroot().get("failures") == "1"


def test_variables_get_their_values_from_outside(folder: Path) -> None:
    (folder / "b.sql").write_text("--@test: b\n" + SPENT + "INSERT INTO orders VALUES (${who}, 4);\n"
                                  "ASSERT TABLE spent (customer) VALUES ('ada');")  # fmt: skip
    assert ssql(folder, "test", "b.sql", "-d", "who='ada'").returncode == Exit.OK
    assert ssql(folder, "test", "b.sql").returncode == Exit.FAILED


def test_a_change_is_seen_and_ctrl_c_ends_the_watch(folder: Path) -> None:
    command = [SSQL, "test", "tests/right.sql", "--quick", "--watch"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert watching.stderr.readline() == "waiting for a change (Ctrl-C ends)\n"
        (folder / "tests" / "spent.sql").write_text(SPENT.replace("SUM(price)", "SUM(price) + 1"))
        assert watching.stderr.readline() == "waiting for a change (Ctrl-C ends)\n"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == Exit.INTERRUPTED
        told = watching.stdout.read()
    assert [line.split(" in ")[0] for line in told.splitlines() if " passed, " in line] == [
        "2 passed, 0 failed",
        "1 passed, 1 failed",
    ]


def test_wrong_arguments(folder: Path) -> None:
    for arguments in ([], ["none.sql"], ["-s", "tests/spent.sql"], ["tests", "--jobs", "0"]):
        assert ssql(folder, "test", *arguments).returncode == Exit.USAGE


def test_three_files_as_ksql_test_runner_takes_them(folder: Path) -> None:
    given = '{"inputs": [{"topic": "orders", "key": "ada", "value": {"PRICE": 4}, "timestamp": 1}]}'
    right = '{"outputs": [{"topic": "SPENT", "key": "ada", "value": {"TOTAL": 4}, "timestamp": 1}]}'
    (folder / "in.json").write_text(given)
    (folder / "out.json").write_text(right)
    files = ["-s", "tests/spent.sql", "-i", "in.json", "-o", "out.json"]
    ran = ssql(folder, "test", *files)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (Exit.OK, ">>> Test passed!")
    (folder / "out.json").write_text(right.replace('"TOTAL": 4', '"TOTAL": 5'))
    ran = ssql(folder, "test", *files)
    assert ran.returncode == Exit.FAILED
    assert ran.stdout.startswith(">>>>> Test failed: record 0 of SPENT: the value differs")
    (folder / "tests" / "spent.input.json").write_text(given)
    (folder / "tests" / "spent.output.json").write_text(right)
    assert ssql(folder, "test", "tests/spent.sql", "--quick").returncode == Exit.OK


def test_the_recipe_for_ci_is_as_the_page_says(tmp_path: Path) -> None:
    """The commands of docs/testing.md: all is well at first; a broken query, or a wrong value, ends the job."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    [recipe] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert recipe.splitlines()[0] == "pip install ssql"
    script = "set -e\n" + "\n".join(recipe.splitlines()[1:])
    (tmp_path / "queries").mkdir()
    (tmp_path / "tests").mkdir()
    queries, tests = tmp_path / "queries" / "spent.sql", tmp_path / "tests" / "spent.sql"
    blocks = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)

    def job() -> int:
        path = f"{Path(SSQL).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path}
        return subprocess.run(["sh", "-c", script], cwd=tmp_path, env=env, timeout=120, check=False).returncode

    queries.write_text(SPENT)
    tests.write_text(blocks[1])
    assert job() == Exit.OK
    assert ElementTree.parse(tmp_path / "results.xml").getroot().get("tests") == "2"
    queries.write_text(SPENT.replace("SUM(price)", "SUM(prce)"))
    assert job() == Exit.FAILED
    queries.write_text(SPENT.replace("SUM(price)", "SUM(price) + 1"))
    assert job() == Exit.FAILED
    assert ElementTree.parse(tmp_path / "results.xml").getroot().get("failures") == "1"


def test_the_examples_of_the_page_and_the_readme_pass(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    page, readme = (re.findall(r"```sql\n(.*?)```", (root / name).read_text(), re.DOTALL)
                    for name in ("docs/testing.md", "README.md"))  # fmt: skip
    (tmp_path / "page.sql").write_text(page[0])
    (tmp_path / "refused.sql").write_text(page[2])
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "spent.sql").write_text(SPENT.replace("price INT", "price DOUBLE"))
    (tmp_path / "readme.sql").write_text(readme[1])
    ran = ssql(tmp_path, "test", "page.sql", "refused.sql", "readme.sql")
    assert (ran.returncode, ran.stderr) == (Exit.OK, ""), ran.stdout
