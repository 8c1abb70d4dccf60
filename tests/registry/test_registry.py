"""A real registry elsewhere: what others write is read by inference, and what ssql writes others read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    ServerConfig,
)
from confluent_kafka.serialization import MessageField, SerializationContext

from ssql.errors import RegistryUnavailable, SchemaRefused
from ssql.runtime.progress import QueryState
from ssql.schemas.api import Definition, Reference
from ssql.schemas.confluent import ConfluentRegistry
from tests.registry.clients import consume, create, produce, reader, writer
from tests.registry.conftest import WAIT_S, Bench
from tests.support.apicurio import Registry

AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
            {"name": "prices", "type": {"type": "map", "values": "double"}},
            {"name": "at", "type": {"type": "record", "name": "Place", "fields": [{"name": "x", "type": "int"}]}},
        ],
    }
)
PROTOBUF = """
syntax = "proto3";
package shop;
message Other { int32 unused = 1; }
message Order {
  int64 id = 1;
  string name = 2;
  repeated string tags = 3;
  map<string, double> prices = 4;
  Place at = 5;
  message Place { int32 x = 1; }
}
"""
JSON = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "type": "object",
        "properties": {
            "id": {"type": "integer", "connect.type": "int64", "connect.index": 0},
            "name": {"oneOf": [{"type": "null"}, {"type": "string"}], "connect.index": 1},
            "tags": {"type": "array", "items": {"type": "string"}, "connect.index": 2},
            "prices": {
                "type": "object",
                "connect.type": "map",
                "additionalProperties": {"type": "number"},
                "connect.index": 3,
            },
            "at": {
                "type": "object",
                "properties": {"x": {"type": "integer", "connect.type": "int32"}},
                "connect.index": 4,
            },
        },
    }
)
ORDERS: dict[str, Any] = {"AVRO": AVRO, "PROTOBUF": PROTOBUF, "JSON_SR": JSON}
#: This registry does not take schemas of JSON for what is no object.
KEYS = {"AVRO": "AVRO", "PROTOBUF": "PROTOBUF", "JSON_SR": "KAFKA"}
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "a", "tags": ["p", "q"], "prices": {"u": 1.5}, "at": {"x": 7}},
    {"id": 2, "name": "", "tags": [], "prices": {}, "at": {"x": 0}},
    {"id": 1 << 40, "name": "c", "tags": ["r"], "prices": {"v": 2.5, "w": -1.0}, "at": {"x": -3}},
]
INFERRED = "`ID` BIGINT, `NAME` STRING, `TAGS` ARRAY<STRING>, `PRICES` MAP<STRING, DOUBLE>, `AT` STRUCT<`X` INTEGER>"


def as_others_read(value: dict[str, Any]) -> dict[str, Any]:
    """A row as Confluent's deserializers give it, whatever its format: maps as dicts, whole numbers as numbers."""
    prices = value["PRICES"]
    if isinstance(prices, list):  # entries, in JSON and in Protobuf
        entries = [{name.lower(): held for name, held in entry.items()} for entry in prices]
        prices = {entry["key"]: entry["value"] for entry in entries}
    return value | {"PRICES": prices, "ID": int(value["ID"])}  # which is text in the JSON of Protobuf


@pytest.mark.parametrize("format_", list(ORDERS))
def test_what_others_write_is_read_and_what_we_write_they_read(
    bench: Bench, kafka: str, client: SchemaRegistryClient, format_: str
) -> None:
    source, sink = bench.topic("orders"), bench.topic("sink")
    create(kafka, source)
    rows = [(b"k%d" % i, row) for i, row in enumerate(ROWS)]
    produce(kafka, source, writer(format_, client, ORDERS[format_], "shop.Order"), rows)
    named = ", value_schema_full_name='shop.Order'" if format_ == "PROTOBUF" else ""
    bench.run(
        f"CREATE STREAM o WITH (kafka_topic='{source}', key_format='NONE', value_format='{format_}'{named});"
        f"CREATE STREAM s WITH (kafka_topic='{sink}', key_format='{KEYS[format_]}', partitions=1) AS "
        "SELECT id, name, tags, prices, at, CAST(id AS STRING) AS k FROM o PARTITION BY CAST(id AS STRING);"
    )
    relation = bench.engine._core.catalog.relation("O")
    assert relation is not None
    assert str(relation.schema) == INFERRED
    found = consume(kafka, sink, len(ROWS))
    values = reader(format_, client, sink)
    for (key, value), row in zip(found, ROWS, strict=True):
        assert key is not None
        assert value is not None
        got = as_others_read(values(value, SerializationContext(sink, MessageField.VALUE)))
        assert got == {name.upper(): v for name, v in row.items()} | {"AT": {"X": row["at"]["x"]}}
        if KEYS[format_] == format_:
            keys = reader(format_, client, sink, is_key=True)
            back = keys(key, SerializationContext(sink, MessageField.KEY))
            assert (back["K"] if format_ == "PROTOBUF" else back) == str(row["id"])
    # And ssql reads what it has written, by inference, with a new engine too.
    named = f"key_format='{KEYS[format_]}', value_format='{format_}'"
    declared = "(k STRING KEY) " if KEYS[format_] == "KAFKA" else ""
    bench.run(f"CREATE STREAM again {declared}WITH (kafka_topic='{sink}', {named});")
    bench.reopen()
    expected = [(r["id"], r["name"], r["at"]["x"]) for r in ROWS]
    assert bench.rows("SELECT id, name, at->x FROM again;") == sorted(expected, key=repr)


def test_the_calls_that_are_made_of_a_registry(url: str) -> None:
    one, two = Definition("AVRO", '"int"'), Definition("AVRO", '"long"')
    with closing(ConfluentRegistry(url)) as registry, closing(ConfluentRegistry(url)) as other:
        number = registry.register("calls-a", one)
        assert registry.register("calls-a", one) == registry.register("calls-b", one) == number
        assert registry.by_id(number) == one
        assert registry.register("calls-a", two) != number
        latest = other.latest("calls-a")
        assert latest is not None
        assert (latest.version, latest.definition) == (2, two)
        assert registry.lookup("calls-a", one) == registry.version("calls-a", 1)
        assert registry.lookup("calls-b", two) is None
        assert registry.by_id(1 << 30) is None
        assert registry.latest("nobody") is None
        assert registry.version("nobody", 1) is None
        registry.delete_subject("calls-a")
        registry.delete_subject("nobody")
        assert registry.latest("calls-a") is None
        assert "calls-b" in registry.subjects()
        assert other.by_id(number) == one
        with pytest.raises(SchemaRefused):
            registry.register("calls-c", Definition("PROTOBUF", "message {"))


def test_references_are_followed(bench: Bench, kafka: str, client: SchemaRegistryClient) -> None:
    topic, inner = bench.topic("refs"), bench.topic("inner")
    place = {"type": "record", "name": "Place", "namespace": "shop", "fields": [{"name": "x", "type": "int"}]}
    client.register_schema(inner, Schema(json.dumps(place), "AVRO"))
    order = {"type": "record", "name": "Order", "fields": [{"name": "at", "type": "shop.Place"}]}
    schema = Schema(json.dumps(order), "AVRO", [SchemaReference("shop.Place", inner, 1)])
    create(kafka, topic)
    produce(kafka, topic, writer("AVRO", client, schema), [(None, {"at": {"x": 5}})])
    bench.run(
        f"CREATE STREAM o WITH (kafka_topic='{topic}', value_format='AVRO');"
        f"CREATE STREAM s WITH (kafka_topic='{bench.topic('out')}') AS SELECT at->x AS x FROM o;"
    )
    assert bench.rows("SELECT * FROM s;") == [(5,)]
    latest = bench.engine._core.schemas.latest(f"{topic}-value")
    assert latest is not None
    assert latest.definition.references == (Reference("shop.Place", inner, 1),)


def test_a_schema_by_its_id_is_written_with(bench: Bench, kafka: str, client: SchemaRegistryClient) -> None:
    number = client.register_schema(bench.topic("elsewhere"), Schema(AVRO, "AVRO"))
    source, sink = bench.topic("in"), bench.topic("out")
    columns = "`id` BIGINT, `name` STRING, `tags` ARRAY<STRING>, `prices` MAP<STRING, DOUBLE>, `at` STRUCT<`x` INT>"
    bench.run(
        f"CREATE STREAM i ({columns}) WITH (kafka_topic='{source}', value_format='JSON', partitions=1);"
        f"CREATE STREAM s WITH (kafka_topic='{sink}', value_format='AVRO', value_schema_id={number}) AS "
        "SELECT * FROM i;"
        "INSERT INTO i VALUES (1, 'a', ARRAY['t'], MAP('p' := 1.5), STRUCT(`x` := 3));"
    )
    ((_, value),) = consume(kafka, sink, 1)
    assert value is not None
    assert value[1:5] == number.to_bytes(4, "big")
    assert reader("AVRO", client, sink)(value, SerializationContext(sink, MessageField.VALUE)) == {
        "id": 1, "name": "a", "tags": ["t"], "prices": {"p": 1.5}, "at": {"x": 3},
    }  # fmt: skip


def test_what_the_registry_does_not_take_is_refused_and_nothing_is_made(
    bench: Bench, client: SchemaRegistryClient
) -> None:
    source, sink = bench.topic("in"), bench.topic("sink")
    made = f"CREATE STREAM s WITH (kafka_topic='{sink}') AS SELECT"
    bench.run(
        f"CREATE STREAM i (v STRING) WITH (kafka_topic='{source}', value_format='AVRO', partitions=1);"
        f"{made} CAST(v AS INT) AS v FROM i;DROP STREAM s;"
        f"CREATE STREAM x (v STRING) WITH (kafka_topic='{sink}', value_format='JSON');DROP STREAM x DELETE TOPIC;"
    )
    client.set_config(f"{sink}-value", ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD))
    with pytest.raises(SchemaRefused, match="does not take the schema of subject"):
        bench.run(f"{made} v FROM i;")
    assert "S" not in bench.engine._core.catalog.sources
    assert bench.engine._core.log.topic(sink) is None
    bench.run(f"{made} CAST(v AS INT) AS v, v AS w FROM i;")
    assert client.get_latest_version(f"{sink}-value").version == 2


def test_writers_may_change_their_schema(bench: Bench, kafka: str, client: SchemaRegistryClient) -> None:
    topic = bench.topic("changing")
    create(kafka, topic)

    def record(*fields: dict[str, Any]) -> str:
        return json.dumps({"type": "record", "name": "R", "fields": list(fields)})

    old = record({"name": "v", "type": "int"}, {"name": "gone", "type": "string"})
    new = record({"name": "v", "type": "long"}, {"name": "more", "type": "string", "default": ""})
    produce(kafka, topic, writer("AVRO", client, old), [(None, {"v": 1, "gone": "x"})])
    bench.run(
        f"CREATE STREAM c WITH (kafka_topic='{topic}', value_format='AVRO');"
        f"CREATE STREAM s WITH (kafka_topic='{bench.topic('out')}', value_format='JSON') AS SELECT v, gone FROM c;"
    )
    assert bench.rows("SELECT * FROM s;") == [(1, "x")]
    produce(kafka, topic, writer("AVRO", client, new), [(None, {"v": 2, "more": "y"})])
    assert bench.rows("SELECT * FROM s;") == [(1, "x"), (2, None)]


# --- a registry that goes away -----------------------------------------------


def test_a_registry_that_dies_and_comes_back(make: Callable[[str], Bench], mortal: Registry, kafka: str) -> None:
    bench = make(mortal.url)
    a, j, sink = bench.topic("a"), bench.topic("j"), bench.topic("sink")
    create(kafka, a, j)
    schema = '{"type": "record", "name": "R", "fields": [{"name": "V", "type": "int"}]}'
    with SchemaRegistryClient({"url": mortal.url}) as client:
        write = writer("AVRO", client, schema)
        produce(kafka, a, write, [(b"k", {"V": 1})])
    bench.run(
        f"CREATE STREAM a (k STRING KEY, v INT) WITH (kafka_topic='{a}', value_format='AVRO');"
        f"CREATE STREAM j (k STRING KEY, v INT) WITH (kafka_topic='{j}', value_format='JSON');"
        f"CREATE TABLE reads WITH (kafka_topic='{bench.topic('reads')}', value_format='JSON') AS "
        "SELECT k, SUM(v) AS s FROM a GROUP BY k;"
        f"CREATE STREAM writes WITH (kafka_topic='{sink}', value_format='AVRO') AS SELECT * FROM j;"
        f"CREATE TABLE free WITH (kafka_topic='{bench.topic('free')}') AS SELECT k, SUM(v) AS s FROM j GROUP BY k;"
        "INSERT INTO j VALUES ('x', 1);"
    )
    assert bench.rows("SELECT * FROM reads;") == [("k", 1)]
    mortal.stop()
    # The engine opens without it: a record of a schema that it has not seen yet waits, and so does one to be written.
    bench.reopen()
    produce(kafka, a, write, [(b"k", {"V": 10})])
    bench.run("INSERT INTO j VALUES ('x', 2);")
    _until(bench, lambda found: found["READS"][1] is not None and found["WRITES"][1] is not None)
    _until(bench, lambda _: bench.pulled("SELECT * FROM free;") == [("x", 3)])
    assert bench.pulled("SELECT * FROM reads;") == [("k", 1)]
    began = time.monotonic()
    with pytest.raises(RegistryUnavailable):
        bench.run("INSERT INTO a VALUES ('k', 100);")
    with pytest.raises(RegistryUnavailable):
        bench.run(f"CREATE STREAM b WITH (kafka_topic='{a}', value_format='AVRO');")
    assert time.monotonic() - began < 20
    mortal.start()
    _until(bench, lambda found: all(state is QueryState.RUNNING and not why for state, why in found.values()))
    assert bench.rows("SELECT * FROM reads;") == [("k", 11)]
    assert len(consume(kafka, sink, 2)) == 2
    bench.run("INSERT INTO a VALUES ('k', 100);")
    assert bench.rows("SELECT * FROM reads;") == [("k", 111)]
    assert bench.rows("SELECT v FROM writes;") == [(1,), (2,)]


def _until(bench: Bench, condition: Callable[[dict[str, tuple[QueryState, str | None]]], bool]) -> None:
    """Wait until the queries, by the names of what they fill, are as they should be."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = {s.query_id.split("_")[1]: (s.state, s.error) for s in bench.engine._core.worker.status()}
        if condition(found):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
