"""Rows given as JSON objects: typed, encoded, acknowledged one by one, appended as one batch."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ssql.errors import EvaluationFailed, InvalidStatement, SourceNotFound, SsqlError
from tests.engine.conftest import Bench

STREAM = """CREATE STREAM s (id INT KEY, `low` STRING, b BOOLEAN, l BIGINT, d DOUBLE, m DECIMAL(5, 2), y BYTES, dt DATE,
    t TIME, ts TIMESTAMP, a ARRAY<TIMESTAMP>, st STRUCT<x INT, y DATE>, mp MAP<STRING, INT>)
    WITH (kafka_topic='s', value_format='JSON');"""


def test_every_type(bench: Bench) -> None:
    bench.run(STREAM)
    row = {
        "id": 1,
        "`low`": "text",
        "B": True,
        "l": 2**40,
        "d": 1.5,
        "m": 1.1,
        "y": "AQI=",
        "dt": "2020-01-02",
        "t": "10:20:30.5",
        "ts": "2020-01-01T00:00:00.123",
        "a": ["1970-01-01T00:00:01", 5],
        "st": {"x": 1, "y": "1970-01-03"},
        "mp": {"k": 1},
        "rowtime": 77,
    }
    acks = bench.engine.insert("s", [row, {"ID": 2}])
    assert [(a.seq, a.error) for a in acks] == [(0, None), (1, None)]
    (key, value), (_, nulls) = bench.topic("s")
    assert key == b"\0\0\0\1"
    assert value == (
        b'{"low":"text","B":true,"L":1099511627776,"D":1.5,"M":1.10,"Y":"AQI=","DT":18263,"T":37230500,'
        b'"TS":1577836800123,"A":[1000,5],"ST":{"X":1,"Y":2},"MP":{"k":1}}'
    )
    assert nulls is not None
    assert nulls.startswith(b'{"low":null,"B":null')
    times = bench.engine._log.read("s", 0, 0, 9).batch.column("timestamp").to_pylist()
    assert times[0] == 77
    assert abs(times[1] - time.time() * 1000) < 60_000


def test_a_bad_row_harms_no_other(bench: Bench) -> None:
    bench.run(STREAM)
    rows: list[dict[str, object]] = [{"id": 1}, {"id": "x"}, {"idd": 1}, {"ts": "yesterday"}]
    rows += [{"id": 1, "ID": 2}, {"rowtime": -5}, {"id": 6}]
    acks = bench.engine.insert("S", rows)
    messages = [a.error.message if isinstance(a.error, SsqlError) else None for a in acks]
    assert messages[0] is messages[6] is None
    assert messages[1] == 'the row does not fit the columns: field ID: cannot read "x" as INTEGER'
    assert messages[2] == "Column 'idd' cannot be resolved."
    assert messages[3] == '"yesterday" is no TIMESTAMP'
    assert messages[4] == "the row has column `ID` twice"
    assert messages[5] == "ROWTIME must not be negative"
    assert [k for k, _ in bench.topic("s")] == [b"\0\0\0\1", b"\0\0\0\6"]


def test_rows_go_where_their_key_belongs(bench: Bench) -> None:
    bench.run("CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=4);")
    bench.engine.insert("s", [{"k": "x", "v": 1}])
    assert bench.topic("s", 2) == [(b"x", b'{"V":1}')]


def test_a_table_needs_its_key(bench: Bench) -> None:
    bench.run("CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');")
    acks = bench.engine.insert("t", [{"k": "a"}, {"v": 1}])
    assert [a.error is None for a in acks] == [True, False]
    assert "primary key" in str(acks[1].error)
    assert bench.topic("t") == [(b"a", b'{"V":null}')]


def test_targets_that_take_no_rows(bench: Bench) -> None:
    bench.run(
        "CREATE SOURCE STREAM ro (v INT) WITH (kafka_topic='ro', value_format='JSON');"
        "CREATE STREAM w (k STRING KEY, v INT) WITH (kafka_topic='w', value_format='JSON', window_type='session');"
    )
    for target, kind in (("ro", InvalidStatement), ("nope", SourceNotFound), ("w", InvalidStatement)):
        with pytest.raises(kind):
            bench.engine.insert(target, [{"v": 1}])


def test_topics_that_nobody_may_write_to(make: Callable[..., Bench]) -> None:
    bench = make(**{"ksql.readonly.topics": "sealed.*,other"})
    for topic in ("sealed-orders", "other", "_ssql_default__command_topic"):
        bench.run(
            f"CREATE OR REPLACE STREAM x (v INT) WITH (kafka_topic='{topic}', value_format='JSON'); DROP STREAM x;"
        )
        bench.run(f"CREATE STREAM x (v INT) WITH (kafka_topic='{topic}', value_format='JSON');")
        error = bench.fails("INSERT INTO x VALUES (1);")
        assert error.message == f"Cannot insert values into read-only topic: {topic}"
        error = bench.fails(f"CREATE STREAM y WITH (kafka_topic='{topic}') AS SELECT * FROM x;")
        assert error.message == f"Cannot write to read-only topic: {topic}"
        bench.run("DROP STREAM x;")


def test_inserts_can_be_switched_off(make: Callable[..., Bench]) -> None:
    bench = make(**{"ksql.insert.into.values.enabled": "false"})
    bench.run(STREAM)
    assert "has disabled INSERT INTO ... VALUES" in bench.fails("INSERT INTO s VALUES ('a', 1);").message
    with pytest.raises(InvalidStatement, match="has disabled INSERT INTO"):
        bench.engine.insert("s", [{"v": 1}])


def test_nothing_is_nothing(bench: Bench) -> None:
    bench.run(STREAM)
    assert bench.engine.insert("s", []) == []


# --- INSERT INTO ... VALUES --------------------------------------------------

VALUES = """CREATE STREAM v (k STRING KEY, n INT, d DECIMAL(6, 2), ts TIMESTAMP, a ARRAY<INT>)
    WITH (kafka_topic='v', value_format='JSON');"""


def test_values(bench: Bench) -> None:
    bench.run(VALUES)
    assert (
        bench.run(
            "INSERT INTO v VALUES ('a', 1, 2.5, '2020-01-01T00:00:00', ARRAY[1, 2]);"
            "INSERT INTO v (n, k, rowtime) VALUES (1 + 1, UCASE('b'), 99), (NULL, 'c', 100);"
        )
        == []
    )
    assert bench.topic("v") == [
        (b"a", b'{"N":1,"D":2.50,"TS":1577836800000,"A":[1,2]}'),
        (b"B", b'{"N":2,"D":null,"TS":null,"A":null}'),
        (b"c", b'{"N":null,"D":null,"TS":null,"A":null}'),
    ]
    assert bench.engine._log.read("v", 0, 0, 9).batch.column("timestamp").to_pylist()[1:] == [99, 100]


def test_values_flow_through_queries_in_the_same_script(bench: Bench) -> None:
    bench.run(
        VALUES + "CREATE TABLE c AS SELECT n, COUNT(*) AS c FROM v GROUP BY n; INSERT INTO v (k, n) VALUES ('a', 7);"
    )
    assert bench.rows("SELECT * FROM c;") == [(7, 1)]


@pytest.mark.parametrize(
    ("sql", "words", "marked"),
    [
        ("INSERT INTO v (k, nope) VALUES ('a', 1);", "'V'. Column name `NOPE` does not exist.", "nope"),
        ("INSERT INTO v (k, k) VALUES ('a', 'b');", "named twice", "k"),
        (
            "INSERT INTO v (k, rowoffset) VALUES ('a', 1);",
            "Inserting into column `ROWOFFSET` is not allowed.",
            "rowoffset",
        ),
        (
            "INSERT INTO v VALUES ('a', 1);",
            "Failed to insert values into 'V'. Expected a value for each column. "
            "Expected Columns: [`K`, `N`, `D`, `TS`, `A`]. Got ['a', 1]",
            "v",
        ),
        ("INSERT INTO v (k, n) VALUES ('a', 'x');", "", "'x'"),
        ("INSERT INTO v (k, n) VALUES ('a', ARRAY[1]);", "Expected type INTEGER for field `N`", "ARRAY[1]"),
        ("INSERT INTO nope VALUES (1);", "unknown stream/table: `NOPE`", "nope"),
        ("INSERT INTO ro VALUES (1);", "Cannot insert values into read-only stream: RO", "ro"),
        ("INSERT INTO h VALUES (1, 'b');", "Cannot insert into HEADER columns: B", "h"),
        ("INSERT INTO h (b) VALUES ('b');", "Cannot insert into HEADER columns: B", "b"),
        ("INSERT INTO t (v) VALUES (1);", "Value for primary key column(s) K is required for tables", "t"),
        ("INSERT INTO t2 (v) VALUES (1);", "Value for primary key column(s) A, B is required for tables", "t2"),
        ("INSERT INTO t2 (b, v) VALUES (1, 1);", "Value for primary key column(s) A is required for tables", "t2"),
        ("INSERT INTO w (k, v) VALUES (1, 1);", "Cannot insert values into windowed stream/table!", "w"),
    ],
)
def test_values_that_are_refused(bench: Bench, sql: str, words: str, marked: str) -> None:
    bench.run(
        VALUES + "CREATE SOURCE STREAM ro (v INT) WITH (kafka_topic='ro', value_format='JSON');"
        "CREATE STREAM h (v INT, b BYTES HEADER('b')) WITH (kafka_topic='h', value_format='JSON');"
        "CREATE TABLE t (k INT PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');"
        "CREATE TABLE t2 (a INT PRIMARY KEY, b INT PRIMARY KEY, v INT) WITH (kafka_topic='t2', format='JSON');"
        "CREATE STREAM w (k INT KEY, v INT) WITH (kafka_topic='w', value_format='JSON', window_type='session');"
    )
    error = bench.fails(sql)
    assert words in error.message
    assert bench.marked(error) == marked
    for topic in ("v", "ro", "h", "t", "t2", "w"):
        assert bench.topic(topic) == []


def test_a_map_with_null_and_with_equal_keys(bench: Bench) -> None:
    bench.run("CREATE STREAM m (a MAP<STRING, INT>) WITH (kafka_topic='m', partitions=1, value_format='JSON');")
    bench.run("INSERT INTO m VALUES (MAP(CAST(NULL AS STRING) := 1, 'a' := 2, 'a' := 3));")
    bench.run("INSERT INTO m VALUES (AS_MAP(ARRAY['b', NULL], ARRAY[1, 2]));")
    assert bench.topic("m") == [(None, b'{"A":{"null":1,"a":3}}'), (None, b'{"A":{"b":1,"null":2}}')]


def test_a_value_that_cannot_be_computed(bench: Bench) -> None:
    bench.run("CREATE STREAM m (a MAP<STRING, INT>) WITH (kafka_topic='m', value_format='JSON');")
    error = bench.fails("INSERT INTO m VALUES (TRANSFORM(MAP('a' := 1, 'b' := 2), (k, v) => 'x', (k, v) => v));")
    assert isinstance(error, EvaluationFailed)
    assert bench.topic("m") == []
