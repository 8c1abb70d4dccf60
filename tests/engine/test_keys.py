"""Keys of records in every format: no key, a key of nulls, and what a query does to either."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

MANY = ("JSON", "JSON_SR", "AVRO", "PROTOBUF", "PROTOBUF_NOSR", "DELIMITED")
ONE = (*MANY, "KAFKA")


def without_key(bench: Bench, topic: str) -> None:
    """Append what the topic has last once more, without its key."""
    batch = bench.engine._log.read(topic, 0, 0, 1000).batch
    value = batch.column("value")[batch.num_rows - 1].as_py()
    row = {"key": None, "value": value, "timestamp": 0, "headers": None}
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 0)


def keys(bench: Bench, topic: str) -> list[bytes | None]:
    return [key for key, _ in bench.topic(topic)]


SOURCE = (
    "CREATE STREAM s (a INT KEY, b INT KEY, v INT) WITH (kafka_topic='s', partitions=1, format='{format}');"
    "CREATE STREAM o AS SELECT * FROM s WHERE v > 0;"
)
READERS = (
    "CREATE STREAM again WITH (key_format='JSON') AS SELECT b AS x, a AS y, v FROM o;"
    "CREATE STREAM i (a INT KEY, b INT KEY, v INT) WITH (kafka_topic='i', partitions=1, format='JSON');"
    "INSERT INTO i SELECT * FROM o;"
    "CREATE STREAM rekeyed WITH (key_format='JSON') AS SELECT a, b, v + 1 AS v FROM o PARTITION BY b, a;"
    "CREATE STREAM rekeyed_again AS SELECT * FROM rekeyed;"
)
ROWS = "INSERT INTO s VALUES (1, 2, 3);INSERT INTO s (b, v) VALUES (2, 3);INSERT INTO s (v) VALUES (4);"


@pytest.mark.parametrize("late", [False, True], ids=["from memory", "from the topic"])
@pytest.mark.parametrize("format_", MANY)
def test_a_record_without_a_key_is_not_one_with_a_key_of_nulls(bench: Bench, format_: str, late: bool) -> None:
    bench.run(SOURCE.format(format=format_) + ("" if late else READERS) + ROWS)
    bench.settle()
    without_key(bench, "s")
    bench.settle()
    if late:
        bench.run(READERS)
        bench.settle()
    assert [key is None for key in keys(bench, "O")] == [False, False, False, True]
    assert keys(bench, "O") == keys(bench, "s")
    none = "0" if format_.startswith("PROTOBUF") else "null"
    assert keys(bench, "AGAIN") == [
        b'{"Y":1,"X":2}', f'{{"Y":{none},"X":2}}'.encode(), f'{{"Y":{none},"X":{none}}}'.encode(), None,
    ]  # fmt: skip
    assert keys(bench, "i")[3] is None
    assert None not in keys(bench, "i")[:3]
    # PARTITION BY makes a key, of nulls where there is nothing else.
    assert keys(bench, "REKEYED")[3] == b'{"B":null,"A":null}'
    assert keys(bench, "REKEYED_AGAIN") == keys(bench, "REKEYED")


@pytest.mark.parametrize("format_", ONE)
def test_a_single_key_that_is_null_is_none_where_the_format_can_say_so(bench: Bench, format_: str) -> None:
    bench.run(
        f"CREATE STREAM s (k STRING KEY, v STRING) WITH (kafka_topic='s', partitions=1, key_format='{format_}', "
        "value_format='JSON');"
        "CREATE STREAM o AS SELECT * FROM s;"
        f"CREATE STREAM p WITH (key_format='{format_}') AS SELECT v, k FROM s PARTITION BY v;"
        "INSERT INTO s VALUES ('a', 'b');"
        "INSERT INTO s (k) VALUES ('c');"
    )
    without_key(bench, "s")
    bench.settle()
    first, second, third = keys(bench, "O")
    assert (first is None, second is None, third is None) == (False, False, True)
    # A message has a place for the null, if only as its default.
    assert [key is None for key in keys(bench, "P")] == [False, *[not format_.startswith("PROTOBUF")] * 2]


@pytest.mark.parametrize("format_", [*MANY[:3], "PROTOBUF"])
def test_a_struct_key_of_nulls_is_a_key(bench: Bench, format_: str) -> None:
    bench.run(
        f"CREATE STREAM s (k STRUCT<a INT> KEY, v INT) WITH (kafka_topic='s', partitions=1, format='{format_}');"
        "CREATE STREAM o AS SELECT * FROM s;"
        "INSERT INTO s VALUES (STRUCT(a := CAST(NULL AS INT)), 1);"
    )
    without_key(bench, "s")
    bench.settle()
    assert [key is None for key in keys(bench, "O")] == [False, True]
