"""Formats whose schemas are in the registry, through SQL."""

from __future__ import annotations

import pytest

from ssql.errors import FormatError, InvalidProperty, SchemaUnreadable
from ssql.schemas.api import Definition, SchemaRegistry
from ssql.types import BIGINT, INTEGER, STRING, Column
from tests.engine.conftest import Bench

FORMATS = ("AVRO", "JSON_SR", "PROTOBUF", "PROTOBUF_NOSR")
REGISTERED = FORMATS[:3]
TWO = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]}'


def schemas(bench: Bench) -> SchemaRegistry:
    return bench.engine._core.schemas


def columns(bench: Bench, name: str) -> tuple[Column, ...]:
    relation = bench.engine._core.catalog.relation(name)
    assert relation is not None
    return relation.schema.columns


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_go_through_sql(bench: Bench, format_: str) -> None:
    bench.run(
        f"CREATE STREAM s (k INT KEY, name STRING, tags ARRAY<STRING>, at STRUCT<x INT, y DOUBLE>) "
        f"WITH (kafka_topic='s', partitions=1, format='{format_}');"
        "CREATE TABLE t AS SELECT name, COUNT(*) AS n, MAX(at->x) AS x FROM s GROUP BY name;"
        "INSERT INTO s VALUES (1, 'a', ARRAY['p', 'q'], STRUCT(x := 1, y := 1.5));"
        "INSERT INTO s VALUES (2, 'b', ARRAY['r'], STRUCT(x := 2, y := 2.5)), "
        "(3, 'a', ARRAY['s'], STRUCT(x := 3, y := 3.5));"
    )
    assert bench.rows("SELECT name, n, x FROM t;") == [("a", 2, 3), ("b", 1, 2)]
    assert bench.rows("SELECT name, n, x FROM t WHERE name = 'b';") == [("b", 1, 2)]
    assert bench.rows("SELECT k, name, tags[1], at->y FROM s;") == [
        (1, "a", "p", 1.5), (2, "b", "r", 2.5), (3, "a", "s", 3.5),
    ]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
def test_goes_on_after_a_restart(bench: Bench, format_: str) -> None:
    bench.run(
        f"CREATE STREAM s (k INT KEY, name STRING) WITH (kafka_topic='s', partitions=1, format='{format_}');"
        "CREATE TABLE t AS SELECT name, COUNT(*) AS n FROM s GROUP BY name;"
        "INSERT INTO s VALUES (1, 'a');"
    )
    bench.settle()
    before = bench.engine._core.catalog.sources
    bench.reopen()
    assert bench.engine._core.catalog.sources == before
    bench.run("INSERT INTO s VALUES (2, 'a');")
    assert bench.rows("SELECT name, n FROM t;") == [("a", 2)]


def test_schemas_are_under_the_topics_subjects_in_the_log(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM s (k INT KEY, name STRING) WITH (kafka_topic='in', partitions=1, format='AVRO');"
        "CREATE STREAM d WITH (kafka_topic='out') AS SELECT * FROM s;"
        "CREATE STREAM n (v INT) WITH (kafka_topic='n', partitions=1, value_format='PROTOBUF_NOSR');"
    )
    assert list(schemas(bench).subjects()) == ["in-key", "in-value", "out-key", "out-value"]
    assert bench.engine._core.log.topic(f"_ssql_{bench.engine._core.service_id}_schemas") is not None
    bench.run("DROP STREAM d DELETE TOPIC;")
    assert list(schemas(bench).subjects()) == ["in-key", "in-value"]
    bench.run("DROP STREAM s;")
    assert list(schemas(bench).subjects()) == ["in-key", "in-value"]


def test_a_registered_schema_is_left_as_it_is_by_a_plain_create(bench: Bench) -> None:
    schemas(bench).register("x-value", Definition("AVRO", TWO))
    bench.run("CREATE STREAM x (a INT) WITH (kafka_topic='x', partitions=1, value_format='AVRO');")
    latest = schemas(bench).latest("x-value")
    assert latest is not None
    assert (latest.version, latest.definition.text) == (1, TWO)


@pytest.mark.parametrize("format_", REGISTERED)
def test_columns_are_inferred(bench: Bench, format_: str) -> None:
    bench.run(
        f"CREATE STREAM s (k STRING KEY, name STRING, n BIGINT) WITH (kafka_topic='s', partitions=1, "
        f"value_format='{format_}');"
        f"CREATE STREAM again WITH (kafka_topic='s', key_format='NONE', value_format='{format_}');"
        f"CREATE STREAM keyed (id STRING KEY) WITH (kafka_topic='s', value_format='{format_}');"
        "INSERT INTO s VALUES ('a', 'b', 7);"
        "INSERT INTO keyed VALUES ('c', 'd', 8);"
    )
    assert columns(bench, "AGAIN") == (Column("NAME", STRING), Column("N", BIGINT))
    assert columns(bench, "KEYED") == (Column("ID", STRING, key=True), Column("NAME", STRING), Column("N", BIGINT))
    assert bench.rows("SELECT * FROM keyed;") == [("a", "b", 7), ("c", "d", 8)]
    bench.reopen()
    assert bench.rows("SELECT * FROM again;") == [("b", 7), ("d", 8)]


def test_keys_are_inferred_beside_declared_values(bench: Bench) -> None:
    bench.run(
        "CREATE TABLE t (k INT PRIMARY KEY, v INT) WITH (kafka_topic='t', partitions=1, format='AVRO');"
        "CREATE TABLE u (v INT) WITH (kafka_topic='t', format='AVRO');"
    )
    assert columns(bench, "U") == (Column("ROWKEY", INTEGER, key=True), Column("V", INTEGER))


def test_columns_of_an_id_keep_their_names(bench: Bench) -> None:
    number = schemas(bench).register("elsewhere", Definition("AVRO", TWO))
    bench.run(
        f"CREATE STREAM x (k INT KEY) WITH (kafka_topic='x', partitions=1, value_format='AVRO', "
        f"value_schema_id={number});"
        "INSERT INTO x (k, `a`, `b`) VALUES (1, 2, 'three');"
        f"CREATE STREAM y WITH (kafka_topic='y', value_schema_id={number}) AS SELECT * FROM x;"
    )
    assert columns(bench, "X") == (Column("K", INTEGER, key=True), Column("a", INTEGER), Column("b", STRING))
    bench.settle()
    assert bench.rows("SELECT * FROM y;") == [(1, 2, "three")]
    value = bench.engine._core.log.read("y", 0, 0, 1).batch.column("value")[0].as_py()
    assert value[:5] == b"\0" + number.to_bytes(4, "big")
    assert schemas(bench).latest("y-value") is None
    bench.reopen()
    assert bench.rows("SELECT * FROM x;") == [(1, 2, "three")]


def test_a_full_name_is_the_records(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM a (v INT) WITH (kafka_topic='a', partitions=1, value_format='AVRO', "
        "value_avro_schema_full_name='org.example.Thing');"
        "CREATE STREAM p (v INT) WITH (kafka_topic='p', partitions=1, value_format='PROTOBUF', "
        "value_schema_full_name='Thing', value_protobuf_nullable_representation='OPTIONAL');"
        "CREATE STREAM q AS SELECT * FROM p;"
    )
    texts = {s: r.definition.text for s in schemas(bench).subjects() if (r := schemas(bench).latest(s)) is not None}
    assert '"Thing"' in texts["a-value"]
    assert "org.example" in texts["a-value"]
    assert "message Thing" in texts["p-value"]
    assert "optional int32" in texts["p-value"]
    assert "Thing" not in texts["Q-value"]
    assert "optional int32" in texts["Q-value"]


def test_null_goes_through_optional_fields(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM p (k INT KEY, v INT) WITH (kafka_topic='p', partitions=1, value_format='PROTOBUF', "
        "value_protobuf_nullable_representation='OPTIONAL');"
        "INSERT INTO p (k) VALUES (1);"
        "INSERT INTO p VALUES (2, 0);"
    )
    assert bench.rows("SELECT * FROM p;") == [(1, None), (2, 0)]


REFUSED = [
    ("value_format='AVRO'", SchemaUnreadable, "Schema for message values on topic 'x' does not exist", "'AVRO'"),
    ("format='AVRO'", SchemaUnreadable, "Schema for message keys on topic 'x' does not exist", "'AVRO'"),
    ("value_format='AVRO', value_schema_id=77", SchemaUnreadable, "schema id 77 is not in", "'AVRO'"),
    (
        "value_format='JSON', value_schema_id=1",
        InvalidProperty,
        "VALUE_FORMAT should support schema inference when VALUE_SCHEMA_ID is provided. Current format is JSON.",
        "value_schema_id",
    ),
    (
        "value_format='AVRO', value_schema_full_name=' '",
        FormatError,
        "fullSchemaName cannot be empty. Format configuration: {fullSchemaName=}",
        "'AVRO'",
    ),
]


@pytest.mark.parametrize(("with_", "kind", "message", "marked"), REFUSED)
def test_refused(bench: Bench, with_: str, kind: type[Exception], message: str, marked: str) -> None:
    error = bench.fails(f"CREATE STREAM x WITH (kafka_topic='x', partitions=1, {with_});")
    assert isinstance(error, kind)
    assert message in str(error)
    assert bench.marked(error) == marked
    assert bench.engine._core.log.topic("x") is None


def test_an_id_beside_columns_is_refused(bench: Bench) -> None:
    error = bench.fails("CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='AVRO', value_schema_id=1);")
    assert "Table elements and VALUE_SCHEMA_ID cannot both exist" in str(error)
    assert bench.marked(error) == "value_schema_id"


def test_results_must_be_as_the_schema_of_the_id(bench: Bench) -> None:
    number = schemas(bench).register("elsewhere", Definition("AVRO", TWO))
    bench.run("CREATE STREAM s (`a` STRING) WITH (kafka_topic='s', partitions=1, value_format='AVRO');")
    error = bench.fails(f"CREATE STREAM o WITH (value_schema_id={number}) AS SELECT * FROM s;")
    assert (
        "The following value columns are changed, missing or reordered: [`a` STRING]. "
        "Schema from schema registry is [`a` INTEGER, `b` STRING]"
    ) in str(error)
    assert bench.marked(error) == str(number)
    assert bench.engine._core.log.topic("O") is None


def test_a_record_that_is_not_framed_is_turned_away(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM raw (v STRING) WITH (kafka_topic='s', partitions=1, value_format='KAFKA');"
        "CREATE STREAM s (v STRING) WITH (kafka_topic='s', value_format='AVRO');"
        "CREATE STREAM o AS SELECT * FROM s;"
        "INSERT INTO raw VALUES ('not avro');"
        "INSERT INTO s VALUES ('good');"
    )
    assert bench.rows("SELECT * FROM o;") == [("good",)]


def test_a_topic_that_others_are_over_keeps_its_schemas(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM s (v INT) WITH (kafka_topic='s', partitions=1, value_format='AVRO');"
        "CREATE STREAM again WITH (kafka_topic='s', value_format='AVRO');"
        "CREATE STREAM third WITH (kafka_topic='s', value_format='AVRO');"
    )
    error = bench.fails("DROP STREAM s DELETE TOPIC;")
    assert str(error) == "Refusing to delete topic. Found other data sources (AGAIN, THIRD) using topic s"
    assert bench.marked(error) == "s"
    bench.run("INSERT INTO again VALUES (1);")
    assert bench.rows("SELECT * FROM s;") == [(1,)]
    bench.run("DROP STREAM s;DROP STREAM third;DROP STREAM again DELETE TOPIC;")
    assert list(schemas(bench).subjects()) == []
    assert bench.engine._core.log.topic("s") is None
