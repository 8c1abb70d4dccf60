"""`ssql run --until-caught-up`: it ends, its rows are on stdout, its tables in files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ssql_cli.exits import Exit
from ssql_cli.settings import variables

from ssql.errors import ConfigError

from .test_test import ssql

ORDERS = """
SET 'auto.offset.reset' = 'earliest';
CREATE STREAM orders (customer STRING KEY, price INT)
    WITH (KAFKA_TOPIC='orders', PARTITIONS=2, VALUE_FORMAT='${format}');
"""
ROWS = "INSERT INTO orders VALUES ('ada', 4), ('bob', 5), ('ada', 6);"
SPENT = """
CREATE TABLE spent AS SELECT customer, SUM(price) AS total FROM orders GROUP BY customer EMIT CHANGES;
SELECT * FROM spent ORDER BY customer;
"""


def test_a_batch_answers_exports_and_goes_on_the_next_time(tmp_path: Path) -> None:
    for name, text in (("orders.sql", ORDERS), ("rows.sql", ROWS), ("spent.sql", SPENT)):
        (tmp_path / name).write_text(text)
    run = ("run", "--data", "log", "--until-caught-up", "-d", "format=JSON", "orders.sql")
    ran = ssql(tmp_path, *run, "rows.sql", "spent.sql", "--export", "out")
    assert (ran.returncode, ran.stdout) == (Exit.OK, "CUSTOMER,TOTAL\nada,10\nbob,5\n"), ran.stderr
    assert "caught up" in ran.stderr
    assert sorted((tmp_path / "out" / "SPENT.csv").read_text().splitlines()) == ["CUSTOMER,TOTAL", "ada,10", "bob,5"]
    for form, ending in (("json", "ndjson"), ("parquet", "parquet")):
        again = ssql(tmp_path, *run, "spent.sql", "--export", "out", "--export-format", form, "-o", "json")
        assert again.returncode == Exit.OK, again.stderr
        assert [json.loads(line)["TOTAL"] for line in again.stdout.splitlines()] == [10, 5]
        assert (tmp_path / "out" / f"SPENT.{ending}").exists()
    lines = (tmp_path / "out" / "SPENT.ndjson").read_text().splitlines()
    assert {row["CUSTOMER"]: row["TOTAL"] for row in map(json.loads, lines)} == {"ada": 10, "bob": 5}
    rows = pq.read_table(tmp_path / "out" / "SPENT.parquet").to_pylist()
    assert {row["CUSTOMER"]: row["TOTAL"] for row in rows} == {"ada": 10, "bob": 5}


def test_a_query_that_fails_ends_the_run_with_an_error_and_exports_nothing(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("""
        SET 'auto.offset.reset' = 'earliest';
        SET 'ksql.timestamp.throw.on.invalid' = 'true';
        CREATE STREAM s (id INT KEY, t STRING) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON', TIMESTAMP='t',
            TIMESTAMP_FORMAT='yyyy-MM-dd');
        CREATE TABLE d AS SELECT id, COUNT(*) AS n FROM s GROUP BY id EMIT CHANGES;
        INSERT INTO s (id, t) VALUES (1, 'no day');
    """)
    ran = ssql(tmp_path, "run", "q.sql", "--until-caught-up", "--export", "out")
    assert (ran.returncode, ran.stdout) == (Exit.FAILED, "")
    assert "query CTAS_D_" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_statements_and_arguments(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(ORDERS)
    refused = ssql(tmp_path, "run", "q.sql", "--until-caught-up")
    assert refused.returncode == Exit.FAILED
    assert refused.stderr.splitlines()[0].startswith("q.sql:4: error: ")
    assert "LINE 4:" in refused.stderr
    assert ssql(tmp_path, "run", "q.sql", "--export", "out").returncode == Exit.USAGE
    assert ssql(tmp_path, "run", "none.sql", "--until-caught-up").returncode == Exit.USAGE


def test_variables_come_from_arguments_then_from_the_environment_and_from_nothing_else() -> None:
    environ = {"SSQL_VAR_REGION": "eu", "SSQL_VAR_A": "1", "HOME": "/root", "SSQL_DATA_DIR": "x"}
    assert variables(["region=us"], environ) == {"REGION": "us", "A": "1"}
    assert variables(["region=us"]) == {"region": "us"}
    with pytest.raises(ConfigError, match="expects NAME=VALUE"):
        variables(["region"], environ)
