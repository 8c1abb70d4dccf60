"""What a query writes is read by others, and by pull queries, with what its format loses."""

from __future__ import annotations

from typing import Any

import pytest

from ssql.schemas.api import Definition
from tests.engine.conftest import Bench

LEFT = "CREATE TABLE l (k INT PRIMARY KEY, v INT) WITH (kafka_topic='l', partitions=1, value_format='JSON');"
RIGHT = (
    "CREATE TABLE r (k INT PRIMARY KEY, s STRING, n BIGINT, b BYTES, d DATE, a ARRAY<INT>, x STRUCT<y INT>) "
    "WITH (kafka_topic='r', partitions=1, value_format='JSON');"
)
JOINED = "SELECT l.k AS k, s, n, b, d, a, x->y AS y FROM l LEFT JOIN r ON l.k = r.k"
ROWS = (
    "INSERT INTO l VALUES (1, 10);INSERT INTO l VALUES (2, 20);INSERT INTO r (k, s, x) VALUES (2, '', STRUCT(y := 5));"
)

#: A format, and what is read of the row without a match and of that with one.
READ = [
    ("JSON", [None, None, None, None, None, None], ["", None, None, None, None, 5]),
    ("AVRO", [None, None, None, None, None, None], ["", None, None, None, None, 5]),
    ("PROTOBUF", ["", 0, None, None, [], 0], ["", 0, None, None, [], 5]),
    ("PROTOBUF_NOSR", ["", 0, None, None, [], 0], ["", 0, None, None, [], 5]),
    (
        "PROTOBUF', value_protobuf_nullable_representation='OPTIONAL",
        [None, None, None, None, [], None],
        ["", None, None, None, [], 5],
    ),
]


@pytest.mark.parametrize("late", [False, True], ids=["from memory", "from the topic"])
@pytest.mark.parametrize(("format_", "unmatched", "matched"), READ, ids=lambda v: v if isinstance(v, str) else "")
def test_nulls_are_what_the_format_makes_of_them(
    bench: Bench, format_: str, unmatched: list[Any], matched: list[Any], late: bool
) -> None:
    make = f"CREATE TABLE o WITH (value_format='{format_}') AS {JOINED};"
    read = "CREATE TABLE again WITH (value_format='JSON') AS SELECT * FROM o;"
    bench.run(LEFT + RIGHT + make + ("" if late else read) + ROWS)
    bench.settle()
    expected = [(1, *unmatched), (2, *matched)]
    assert bench.rows("SELECT k, s, n, b, d, a, y FROM o;") == expected
    if late:
        bench.run(read)
    assert bench.rows("SELECT k, s, n, b, d, a, y FROM again;") == expected
    bench.reopen()
    assert bench.rows("SELECT k, s, n, b, d, a, y FROM again;") == expected
    assert bench.rows("SELECT k, s, n, b, d, a, y FROM o;") == expected


def test_empty_text_is_null_in_delimited(bench: Bench) -> None:
    bench.run(
        "CREATE TABLE s (k INT PRIMARY KEY, t STRING, n INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
        "CREATE TABLE o WITH (value_format='DELIMITED') AS SELECT * FROM s;"
        "INSERT INTO s VALUES (1, '', 5);INSERT INTO s VALUES (2, 'a', 6);"
    )
    assert bench.rows("SELECT * FROM o;") == [(1, None, 5), (2, "a", 6)]


def test_null_is_the_default_of_a_schema_of_others(bench: Bench) -> None:
    number = bench.engine._core.schemas.register(
        "theirs",
        Definition(
            "AVRO",
            '{"type": "record", "name": "R", "fields": [{"name": "V", "type": "int", "default": 7}, '
            '{"name": "W", "type": ["null", "int"], "default": null}]}',
        ),
    )
    bench.run(
        "CREATE TABLE s (k INT PRIMARY KEY, v INT, w INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
        f"CREATE TABLE o WITH (value_format='AVRO', value_schema_id={number}) AS SELECT * FROM s;"
        "INSERT INTO s (k, w) VALUES (1, 2);INSERT INTO s (k, v) VALUES (2, 3);"
    )
    assert bench.rows("SELECT * FROM o;") == [(1, 7, 2), (2, 3, None)]


@pytest.mark.parametrize("late", [False, True], ids=["from memory", "from the topic"])
@pytest.mark.parametrize("format_", ["KAFKA", "DELIMITED", "JSON', wrap_single_value='false"])
def test_a_bare_null_is_a_record_without_a_value(bench: Bench, format_: str, late: bool) -> None:
    read = "CREATE TABLE n AS SELECT v, COUNT(*) AS c FROM t GROUP BY v;CREATE STREAM again AS SELECT k, v FROM f;"
    bench.run(
        "SET 'sql.extensions' = 'true';"  # ksqlDB does not group values in the KAFKA format
        "CREATE TABLE s (k INT PRIMARY KEY, v INT) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
        f"CREATE TABLE t WITH (value_format='{format_}') AS SELECT * FROM s;"
        "CREATE STREAM e (k INT KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"
        f"CREATE STREAM f WITH (value_format='{format_}') AS SELECT * FROM e;" + ("" if late else read)
    )
    bench.run("INSERT INTO s VALUES (1, 5);INSERT INTO s VALUES (2, 5);INSERT INTO s (k) VALUES (1);")
    bench.settle()
    if late:
        bench.run(read)
    assert bench.rows("SELECT * FROM t;") == [(2, 5)]
    assert [v is None for _, v in bench.topic("F")] == [False, False, True]
    assert bench.rows("SELECT v, c FROM n;") == [(5, 1)]
    assert [v is None for _, v in bench.topic("AGAIN")] == [False, False, True]


def test_what_cannot_be_read_back_is_reported(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM s (k INT KEY, d ARRAY<DATE>) WITH (kafka_topic='s', partitions=1, value_format='JSON');"
        "CREATE TABLE t WITH (value_format='PROTOBUF_NOSR') AS SELECT k, LATEST_BY_OFFSET(d) AS d FROM s GROUP BY k;"
        "INSERT INTO s VALUES (1, ARRAY[CAST('2020-01-01' AS DATE)]);"
        "INSERT INTO s VALUES (2, ARRAY[CAST(NULL AS DATE)]);"
    )
    assert [row[0] for row in bench.rows("SELECT * FROM t;")] == [1]
    ((reason,),) = bench.rows("SELECT reason FROM ssql_errors;")
    assert "is no date" in reason
    bench.reopen()
    assert [row[0] for row in bench.rows("SELECT * FROM t;")] == [1]
