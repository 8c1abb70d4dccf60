"""The command on a directory, as people use it: real processes, the real engine, the embedded log."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

from ssql_cli.exits import Exit

from tests.support.command import SSQL, running, server, url_of

from .terminal import Terminal

ORDERS = """
SET 'auto.offset.reset' = 'earliest';
CREATE STREAM orders (customer STRING KEY, item STRING, price DOUBLE)
  WITH (KAFKA_TOPIC = 'orders', PARTITIONS = 1, VALUE_FORMAT = 'JSON');
CREATE TABLE spent AS
  SELECT customer, COUNT(*) AS orders, SUM(price) AS total FROM orders GROUP BY customer EMIT CHANGES;
"""
INSERTS = """
INSERT INTO orders VALUES ('ada', 'tea', 4.50);
INSERT INTO orders VALUES ('bob', 'pie', 1.25);
INSERT INTO orders VALUES ('ada', 'cake', 3.25);
"""
#: Reads the table once the query has seen all three orders.
PUSHED = "SET 'auto.offset.reset' = 'earliest'; SELECT customer, orders FROM spent EMIT CHANGES LIMIT 2;"


def ssql(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of the command on a directory, without a terminal."""
    return subprocess.run(
        [SSQL, "--data", str(data), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def spent(data: Path) -> list[dict[str, object]]:
    """The table, once its query has seen everything."""
    deadline = time.monotonic() + 30
    while True:
        ran = ssql(data, "-o", "json", "-e", "SELECT * FROM spent;")
        assert ran.returncode == 0, ran.stderr
        rows = sorted((json.loads(line) for line in ran.stdout.splitlines()), key=lambda row: str(row["CUSTOMER"]))
        if sum(row["ORDERS"] for row in rows) == 3 or time.monotonic() > deadline:
            return rows


SPENT = [{"CUSTOMER": "ada", "ORDERS": 2, "TOTAL": 7.75}, {"CUSTOMER": "bob", "ORDERS": 1, "TOTAL": 1.25}]


def test_what_is_defined_in_one_run_is_there_in_the_next(tmp_path: Path) -> None:
    first = ssql(tmp_path, "-e", ORDERS + INSERTS)
    assert (first.returncode, first.stdout) == (0, "")
    assert spent(tmp_path) == SPENT
    stream = ssql(tmp_path, "-e", "SELECT item, price FROM orders;", "-o", "csv")
    assert stream.stdout == "ITEM,PRICE\ntea,4.5\npie,1.25\ncake,3.25\n"


def test_a_push_query_ends_at_its_limit(tmp_path: Path) -> None:
    text = "SELECT item FROM orders EMIT CHANGES LIMIT 2;"
    ran = ssql(tmp_path, "-e", ORDERS + INSERTS + text)
    assert (ran.returncode, ran.stdout) == (0, "ITEM\n----\ntea\npie\n"), ran.stderr
    assert ran.stderr.endswith("Limit Reached\n")


def test_a_topic_is_printed(tmp_path: Path) -> None:
    ran = ssql(tmp_path, "-e", ORDERS + INSERTS + "PRINT orders INTERVAL 2 LIMIT 2;")
    assert ran.returncode == 0, ran.stderr
    key, value, *records = ran.stdout.splitlines()
    assert (key, value) == ("Key format: KAFKA_STRING", "Value format: JSON or KAFKA_STRING")
    assert [r.split("Z, ")[1] for r in records] == [
        'key: ada, value: {"ITEM":"tea","PRICE":4.5}, partition: 0',
        'key: ada, value: {"ITEM":"cake","PRICE":3.25}, partition: 0',
    ]


def test_a_wrong_statement_is_shown_with_its_place_and_those_before_it_stay(tmp_path: Path) -> None:
    ran = ssql(tmp_path, "-e", ORDERS + "\nSELECT itm FROM orders;")
    assert ran.returncode == Exit.FAILED
    lines = ran.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert lines[at].endswith("[column_not_found]")
    assert lines[at + 1 : at + 3] == ["LINE 8: SELECT itm FROM orders;", "               ^^^"]
    assert "ITEM" in lines[at + 3]
    assert "SPENT" in ssql(tmp_path, "-e", "SHOW TABLES;").stdout


def test_a_directory_with_a_server_is_asked_through_it(tmp_path: Path) -> None:
    with server(tmp_path) as (_, line):
        url = url_of(line)
        assert ssql(tmp_path, "-e", ORDERS + INSERTS).returncode == 0
        assert spent(tmp_path) == SPENT
        remote = subprocess.run(
            [SSQL, "--server", url, "-o", "csv", "-e", "SELECT item FROM orders;"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert remote.stdout == "ITEM\ntea\npie\ncake\n"
        with urllib.request.urlopen(url + "/healthcheck", timeout=10) as answer:
            assert json.load(answer)["isHealthy"] is True
        second = subprocess.run(
            [SSQL, "server", "--data", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == Exit.UNAVAILABLE
        assert f"is in use by the server at {url}" in second.stderr
    assert spent(tmp_path) == SPENT, "and without the server"


def test_a_server_carries_out_a_file_once(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text(ORDERS + "CREATE ENDPOINT one AS SELECT item FROM orders WHERE item = $item;")
    data, properties = tmp_path / "data", tmp_path / "ksql-server.properties"
    properties.write_text(f"ksql.queries.file={file}\n")
    for named in (("--queries", str(file)), ("--config", str(properties))):
        with server(data, *named):
            queries = ssql(data, "-o", "json", "-e", "SHOW QUERIES;")
            assert len(json.loads(queries.stdout)["queries"]) == 1
            endpoints = ssql(data, "-o", "json", "-e", "SHOW ENDPOINTS;")
            assert [e["path"] for e in json.loads(endpoints.stdout)["endpoints"]] == ["/endpoints/one"]


def test_run_keeps_the_queries_of_a_file_going_and_can_be_started_again(tmp_path: Path) -> None:
    file, data = tmp_path / "queries.sql", tmp_path / "data"
    file.write_text(ORDERS)
    for _ in range(2):
        with running("run", str(file), "--data", str(data), says="running ") as (process, _):
            busy = ssql(data, "-e", "SHOW STREAMS;")
            assert busy.returncode == Exit.UNAVAILABLE
            assert f"in use by process {process.pid}" in busy.stderr
        assert process.returncode == 0
        assert process.stdout is not None
    ssql(data, "-e", INSERTS)
    assert spent(data) == SPENT


def test_scripts_run_other_scripts(tmp_path: Path) -> None:
    inner, outer, data = tmp_path / "inner.sql", tmp_path / "outer.sql", tmp_path / "data"
    inner.write_text(ORDERS)
    outer.write_text(f"DEFINE n = '7';\nRUN SCRIPT '{inner}';\n" + INSERTS.replace("4.50", "${n}"))
    assert ssql(data, "-f", str(outer)).returncode == 0
    assert ssql(data, "-e", "SELECT price FROM orders WHERE item = 'tea';", "-o", "csv").stdout == "PRICE\n7.0\n"


def test_run_reads_the_scripts_of_a_file_and_can_be_started_again(tmp_path: Path) -> None:
    inner, outer, data = tmp_path / "inner.sql", tmp_path / "outer.sql", tmp_path / "data"
    inner.write_text(ORDERS)
    outer.write_text(f"RUN SCRIPT '{inner}';")
    for _ in range(2):
        with running("run", "--data", str(data), str(outer), says="running "):
            pass
    assert ssql(data, "-e", "SHOW TABLES;", "-o", "csv").stdout.splitlines()[1:] == ["SPENT,SPENT,KAFKA,JSON,false"]


def test_a_script_that_runs_itself_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text(f"SHOW STREAMS; RUN SCRIPT '{script}';")
    for arguments in (("-f", str(script)), ("-e", f"RUN SCRIPT '{script}';")):
        ran = ssql(tmp_path / "data", *arguments)
        assert (ran.returncode, f'script "{script}" runs itself' in ran.stderr) == (Exit.FAILED, True)
    ran = subprocess.run(
        [SSQL, "run", "--data", str(tmp_path / "data"), str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, f'script "{script}" runs itself' in ran.stderr) == (Exit.FAILED, True)


def test_run_refuses_a_wrong_file(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text(ORDERS + "\n\nCREATE TABLE t AS SELECT nothing FROM orders;")
    ran = subprocess.run(
        [SSQL, "run", str(file), "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (Exit.FAILED, "")
    assert "LINE 9: CREATE TABLE t AS SELECT nothing FROM orders;" in ran.stderr


def test_the_prompt_on_a_directory(tmp_path: Path) -> None:
    environment = {**os.environ, "SSQL_HISTORY": str(tmp_path / "history")}
    with Terminal([SSQL, "--data", str(tmp_path / "data")], environment) as terminal:
        terminal.wait_for("ssql>")
        for statement in (ORDERS + INSERTS).replace("\n", " ").split(";")[:-1]:
            terminal.send(statement + ";\r")
        terminal.wait_for("SPENT")
        terminal.send("SELECT customer, item FROM orders EMIT CHANGES;\r")
        terminal.wait_for("ada      | cake\n")
        terminal.send("\x03")
        terminal.wait_for("query stopped")
        terminal.send("SELECT itm FROM orders;\r")
        terminal.wait_for("^^^")
        terminal.wait_for("ssql>")  # before that, Ctrl-D would be the terminal's, not the prompt's
        terminal.send("\x04")
        assert terminal.exit_code() == 0
