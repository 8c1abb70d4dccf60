from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from ssql.errors import SchemaUnreadable
from ssql.schemas import json_schema
from ssql.schemas.java import hash_order
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)
from tests.formats import tables

NULL = {"type": "null"}
CONNECT = "org.apache.kafka.connect.data."


def test_the_schema_of_columns_is_the_one_that_ksqldb_writes() -> None:
    columns = [Column("A", INTEGER), Column("B", Array(Decimal(4, 1))), Column("C", Map(STRING, BOOLEAN))]
    assert json.loads(json_schema.text(columns, record=True)) == {
        "type": "object",
        "properties": {
            "A": {"connect.index": 0, "oneOf": [NULL, {"type": "integer", "connect.type": "int32"}]},
            "B": {
                "connect.index": 1,
                "oneOf": [
                    NULL,
                    {
                        "type": "array",
                        "items": {
                            "oneOf": [
                                NULL,
                                {
                                    "type": "number",
                                    "title": f"{CONNECT}Decimal",
                                    "connect.version": 1,
                                    "connect.type": "bytes",
                                    "connect.parameters": {"scale": "1", "connect.decimal.precision": "4"},
                                },
                            ]
                        },
                    },
                ],
            },
            "C": {
                "connect.index": 2,
                "oneOf": [
                    NULL,
                    {
                        "type": "array",
                        "connect.type": "map",
                        "items": {
                            "type": "object",
                            "properties": {
                                "key": {"connect.index": 0, "oneOf": [NULL, {"type": "string"}]},
                                "value": {"connect.index": 1, "oneOf": [NULL, {"type": "boolean"}]},
                            },
                        },
                    },
                ],
            },
        },
    }


@given(tables.columns(tables.sql_types(), most=8))
def test_columns_come_back(columns: list[Column]) -> None:
    text = json_schema.text(columns, record=True)
    assert json_schema.sql_type(text) == Struct(tuple((c.name, c.type) for c in columns))
    if len(columns) == 1:
        assert json_schema.sql_type(json_schema.text(columns, record=False)) == columns[0].type


@pytest.mark.parametrize(
    ("schema", "t"),
    [
        ({"type": "integer"}, BIGINT),
        ({"type": "integer", "connect.type": "int16"}, INTEGER),
        ({"type": "integer", "title": f"{CONNECT}Timestamp"}, TIMESTAMP),
        ({"type": "integer", "title": f"{CONNECT}Date"}, DATE),
        ({"type": "number"}, DOUBLE),
        ({"type": "number", "title": f"{CONNECT}Decimal", "connect.parameters": {"scale": "3"}}, Decimal(64, 3)),
        ({"type": "string", "connect.type": "bytes"}, BYTES),
        ({"type": ["null", "string"]}, STRING),
        ({"enum": ["a", "b"]}, STRING),
        ({"anyOf": [NULL, {"type": "boolean"}]}, BOOLEAN),
        ({"type": "array", "items": {"$ref": "#/definitions/x"}, "definitions": {"x": {"type": "string"}}}, None),
        ({"type": "object", "connect.type": "map", "additionalProperties": {"type": "string"}}, Map(STRING, STRING)),
        ({"properties": {"a": {"$ref": "other.json#/x"}}}, Struct((("a", BOOLEAN),))),
    ],
    ids=str,
)
def test_types_of_others_schemas(schema: Any, t: SqlType | None) -> None:
    found = json_schema.sql_type(json.dumps(schema), {"other.json": '{"x": {"type": "boolean"}}'})
    assert found == (Array(STRING) if t is None else t)


def test_properties_without_an_index_are_in_the_order_of_javas_hash_map() -> None:
    names = ["ID", "NAME", "VALUE"]
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    found = json_schema.sql_type(json.dumps(schema))
    assert isinstance(found, Struct)
    assert [name for name, _ in found.fields] == ["ID", "VALUE", "NAME"]
    # As java.util.HashMap has them: 13 names make its table grow.
    grown = ["k0", "k1", "k2", "k3", "k4", "k5", "k11", "k6", "k10", "k7", "k8", "k12", "k9"]
    assert hash_order([f"k{n}" for n in range(13)]) == grown
    others = ["total", "éà", "地址", "customer_id", "ordertime"]
    assert hash_order(["customer_id", "ordertime", "total", "éà", "地址"]) == others


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a JSON schema: expected an object"),
        ('{"type": "null"}', 'the JSON schema has a type that no column can have: {"type": "null"}'),
        (
            '{"oneOf": [{"type": "string"}, {"type": "integer"}]}',
            "the JSON schema gives a value several types, which a column cannot have",
        ),
        ('{"type": "array"}', "the JSON schema leaves open what a value is"),
        ('{"$ref": "#/a"}', 'the JSON schema refers to "#/a", which is not there'),
        ('{"$ref": "#"}', "the JSON schema is nested too deeply, or recursive"),
        (
            '{"type": "array", "items": {"$ref": "#"}}',
            "the JSON schema is nested too deeply, or recursive",
        ),
    ],
)
def test_what_is_no_schema_or_no_column_is_told(text: str, message: str) -> None:
    with pytest.raises(SchemaUnreadable) as caught:
        json_schema.sql_type(text)
    assert caught.value.message == message
