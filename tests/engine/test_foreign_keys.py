"""Joins of tables on a foreign key: what each change of either side writes, in which order, and what readers see."""

from __future__ import annotations

import pyarrow as pa

from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

SOURCES = (
    "CREATE TABLE l (id STRING PRIMARY KEY, f STRING) WITH (kafka_topic='l', value_format='JSON', partitions=1);"
    "CREATE TABLE r (id STRING PRIMARY KEY, v INT) WITH (kafka_topic='r', value_format='JSON', partitions=1);"
)
JOINED = "CREATE TABLE o AS SELECT l.id AS id, v FROM l {} JOIN r ON l.f = r.id;"
COUNTS = "CREATE TABLE n AS SELECT v, COUNT(*) AS c FROM l JOIN r ON l.f = r.id GROUP BY v;"


def put(bench: Bench, topic: str, key: str, value: str | None, time: int) -> None:
    encoded = None if value is None else value.encode()
    row = {"key": key.encode(), "value": encoded, "timestamp": time, "headers": None}
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))
    bench.settle()


def feed(bench: Bench) -> None:
    put(bench, "r", "x", '{"v": 1}', 10)
    put(bench, "l", "c", '{"f": "x"}', 40)
    put(bench, "l", "a", '{"f": "x"}', 20)
    put(bench, "l", "b", '{"f": "none"}', 20)
    put(bench, "r", "x", '{"v": 2}', 30)
    put(bench, "r", "x", None, 50)
    put(bench, "l", "a", None, 60)
    put(bench, "l", "b", '{"f": "x"}', 70)


def written(bench: Bench) -> list[tuple[bytes, bytes | None, int]]:
    batch = bench.engine._log.read("O", 0, 0, 100).batch
    columns = (batch.column(n).to_pylist() for n in ("key", "value", "timestamp"))
    return list(zip(*columns, strict=True))


def test_an_inner_join_tells_each_left_row_that_goes(bench: Bench) -> None:
    bench.run(SOURCES + JOINED.format("") + COUNTS)
    feed(bench)
    assert written(bench) == [
        (b"c", b'{"V":1}', 40),
        (b"a", b'{"V":1}', 20),
        (b"a", b'{"V":2}', 30),  # by the left rows' keys
        (b"c", b'{"V":2}', 40),
        (b"a", None, 50),
        (b"c", None, 50),
        (b"a", None, 60),  # it was gone already
        (b"b", None, 70),  # it never was there
    ]
    assert bench.rows("SELECT * FROM o;") == []
    assert bench.rows("SELECT * FROM n;") == [(1, 0), (2, 0)]


def test_a_left_join_is_as_of_the_deletion_of_the_match(bench: Bench) -> None:
    bench.run(SOURCES + JOINED.format("LEFT"))
    feed(bench)
    assert written(bench)[-5:] == [
        (b"c", b'{"V":2}', 40),
        (b"a", b'{"V":null}', 50),
        (b"c", b'{"V":null}', 50),
        (b"a", None, 60),
        (b"b", b'{"V":null}', 70),
    ]
