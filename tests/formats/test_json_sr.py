from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import FormatError
from ssql.formats.api import BadRow, Decoded, FormatSpec
from ssql.formats.json_sr import JsonSchemaFormat
from ssql.schemas.api import Definition
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.types import BIGINT, DATE, DOUBLE, INTEGER, STRING, Array, Column, Map, SqlType, Struct
from tests.formats import tables
from tests.support.schema_registry import registry_server

SPEC = FormatSpec("JSON_SR", subject="t-value")
HEAD = b"\0\0\0\0\x01"


def binary(*rows: bytes | None) -> pa.BinaryArray:
    return pa.array(list(rows), pa.binary())


def register(schemas: EmbeddedRegistry, schema: Any) -> int:
    return schemas.register("t-value", Definition("JSON", json.dumps(schema)))


def decode(schemas: EmbeddedRegistry, data: pa.BinaryArray, columns: Sequence[Column]) -> Decoded:
    return JsonSchemaFormat(schemas).decoder(SPEC, columns, is_key=False).decode(data)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_rows_come_back_as_they_were(shared: EmbeddedRegistry, data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    batch = data.draw(tables.batches(columns))
    wrap = data.draw(st.sampled_from([None, True, False])) if len(columns) == 1 else None
    spec = FormatSpec("JSON_SR", {}, wrap, "shared-value")
    form = JsonSchemaFormat(shared)
    encoded = form.encoder(spec, columns, is_key=False).encode(batch)
    assert encoded.bad == ()
    decoded = form.decoder(spec, columns, is_key=False).decode(encoded.data)
    assert decoded.bad == ()
    assert decoded.batch.equals(batch)


def test_every_column_is_written_maps_as_entries(schemas: EmbeddedRegistry) -> None:
    columns = [Column("A", INTEGER), Column("M", Map(STRING, Map(STRING, DATE)))]
    batch = tables.batch_of(columns, [[1, [("x", [("y", 3)])]], [None, None]])
    form = JsonSchemaFormat(schemas)
    encoded = form.encoder(SPEC, columns, is_key=False).encode(batch)
    assert encoded.data.to_pylist() == [
        HEAD + b'{"A":1,"M":[{"key":"x","value":[{"key":"y","value":3}]}]}',
        HEAD + b'{"A":null,"M":null}',
    ]
    sliced = form.encoder(SPEC, columns, is_key=False).encode(batch.slice(1))
    assert sliced.data.to_pylist() == [HEAD + b'{"A":null,"M":null}']


def test_a_bare_null_is_null_and_a_key_is_bare(schemas: EmbeddedRegistry) -> None:
    key = [Column("K", STRING, key=True)]
    spec = FormatSpec("JSON_SR", subject="t-key")
    encoded = JsonSchemaFormat(schemas).encoder(spec, key, is_key=True).encode(tables.batch_of(key, [["a"], [None]]))
    assert encoded.data.to_pylist() == [HEAD + b'"a"', None]


@pytest.mark.parametrize(
    ("schema", "text", "t", "expected"),
    [
        (
            {"type": "object", "connect.type": "map", "additionalProperties": {"type": "integer"}},
            b'{"a":1}',
            Map(STRING, INTEGER),
            [("a", 1)],
        ),
        (
            {
                "type": "array",
                "connect.type": "map",
                "items": {"type": "object", "properties": {"key": {"type": "string"}, "value": {"type": "integer"}}},
            },
            b'[{"key":"a","value":1},{"key":null,"value":null}]',
            Map(STRING, INTEGER),
            [("a", 1), ("null", None)],
        ),
        (
            {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}},
            b'[{"a":1},null]',
            Array(Map(STRING, INTEGER)),
            [[("a", 1)], None],
        ),
        ({"$ref": "#/definitions/N", "definitions": {"N": {"type": "integer"}}}, b'"12"', INTEGER, 12),
        ({"type": "number"}, b"1", STRING, "1"),
    ],
)
def test_the_schema_says_how_maps_are_held(
    schemas: EmbeddedRegistry, schema: dict[str, Any], text: bytes, t: SqlType, expected: Any
) -> None:
    definitions = schema.pop("definitions", {})
    number = register(schemas, {"type": "object", "properties": {"f": schema}, "definitions": definitions})
    found = decode(schemas, binary(b"\0\0\0\0" + bytes([number]) + b'{"f":' + text + b"}"), [Column("F", t)])
    assert found.bad == ()
    assert found.batch.to_pylist() == [{"F": expected}]


def test_rows_of_schemas_of_all_ages_are_read(schemas: EmbeddedRegistry) -> None:
    register(schemas, {"type": "object", "properties": {"a": {"type": "integer"}}})
    register(schemas, {"type": "object", "properties": {"b": {"type": "string"}}})
    rows = binary(b'\0\0\0\0\x02{"b":"x","a":2}', b'\0\0\0\0\x01{"a":1}', None, b"\0\0\0\0\x01nope", b'{"a":1}')
    found = decode(schemas, rows, [Column("A", INTEGER), Column("B", STRING)])
    assert found.batch.to_pydict() == {"A": [2, 1, None, None, None], "B": ["x", None, None, None, None]}
    assert found.bad == (
        BadRow(3, 'not valid JSON: unexpected "n" at byte 0'),
        BadRow(4, "not in the Schema Registry's wire format: expected a byte 0 and a schema id first"),
    )


def test_confluents_serializers_and_ours_read_each_other(schemas: EmbeddedRegistry) -> None:
    schema = {
        "title": "Order",
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "at": {"type": "object", "properties": {"x": {"type": "number"}}},
        },
    }
    columns = [Column("ID", BIGINT), Column("TAGS", Array(STRING)), Column("AT", Struct((("X", DOUBLE),)))]
    row = {"id": 7, "tags": ["a"], "at": {"x": 0.5}}
    with registry_server(schemas) as server:
        client = SchemaRegistryClient({"url": server.url})
        context = SerializationContext("t", MessageField.VALUE)
        data = JSONSerializer(json.dumps(schema), client)(row, context)
        found = decode(schemas, binary(data), columns)
        assert found.batch.to_pylist() == [{"ID": 7, "TAGS": ["a"], "AT": {"X": 0.5}}]
        spec = FormatSpec("JSON_SR", subject="ours-value")
        ours = JsonSchemaFormat(schemas).encoder(spec, columns, is_key=False).encode(found.batch).data[0].as_py()
        back = JSONDeserializer(None, schema_registry_client=client)(
            ours, SerializationContext("ours", MessageField.VALUE)
        )
        assert back == {"ID": 7, "TAGS": ["a"], "AT": {"X": 0.5}}


def test_a_schema_named_by_id_is_written_with_its_names(schemas: EmbeddedRegistry) -> None:
    number = register(schemas, {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}})
    spec = FormatSpec("JSON_SR", {"schemaId": str(number)})
    columns = [Column("A", INTEGER)]
    encoded = JsonSchemaFormat(schemas).encoder(spec, columns, is_key=False).encode(tables.batch_of(columns, [[1]]))
    assert encoded.data.to_pylist() == [HEAD + b'{"a":1,"b":null}']
    with pytest.raises(FormatError, match="Schema is not compatible with JSON: the schema has no field C"):
        JsonSchemaFormat(schemas).encoder(spec, [Column("C", INTEGER)], is_key=False)


def test_maps_have_text_keys() -> None:
    with pytest.raises(FormatError, match="JSON only supports MAP types with STRING keys"):
        JsonSchemaFormat().check(SPEC, [Column("A", Map(INTEGER, INTEGER))], is_key=False)
