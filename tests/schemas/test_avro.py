from __future__ import annotations

import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings

from ssql.errors import FormatError, SchemaUnreadable
from ssql.schemas import avro
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)
from tests.formats import tables

SPACE = "io.confluent.ksql.avro_schemas"


def test_the_schema_of_columns_is_the_one_that_ksqldb_writes() -> None:
    columns = [
        Column("ID", BIGINT),
        Column("PRICE", Decimal(9, 2)),
        Column("BOUGHT", TIMESTAMP),
        Column("TAGS", Array(STRING)),
        Column("COUNTS", Map(STRING, INTEGER)),
        Column("AT", Struct((("X", DOUBLE),))),
    ]
    assert json.loads(avro.text(columns, record=True)) == {
        "type": "record",
        "name": "KsqlDataSourceSchema",
        "namespace": SPACE,
        "fields": [
            {"name": "ID", "type": ["null", "long"], "default": None},
            {
                "name": "PRICE",
                "type": [
                    "null",
                    {
                        "type": "bytes",
                        "scale": 2,
                        "precision": 9,
                        "connect.version": 1,
                        "connect.parameters": {"scale": "2", "connect.decimal.precision": "9"},
                        "connect.name": "org.apache.kafka.connect.data.Decimal",
                        "logicalType": "decimal",
                    },
                ],
                "default": None,
            },
            {
                "name": "BOUGHT",
                "type": [
                    "null",
                    {
                        "type": "long",
                        "connect.version": 1,
                        "connect.name": "org.apache.kafka.connect.data.Timestamp",
                        "logicalType": "timestamp-millis",
                    },
                ],
                "default": None,
            },
            {"name": "TAGS", "type": ["null", {"type": "array", "items": ["null", "string"]}], "default": None},
            {
                "name": "COUNTS",
                "type": [
                    "null",
                    {
                        "type": "array",
                        "items": {
                            "type": "record",
                            "name": "KsqlDataSourceSchema_COUNTS",
                            "fields": [
                                {"name": "key", "type": ["null", "string"], "default": None},
                                {"name": "value", "type": ["null", "int"], "default": None},
                            ],
                            "connect.internal.type": "MapEntry",
                        },
                        "connect.name": f"{SPACE}.KsqlDataSourceSchema_COUNTS",
                    },
                ],
                "default": None,
            },
            {
                "name": "AT",
                "type": [
                    "null",
                    {
                        "type": "record",
                        "name": "KsqlDataSourceSchema_AT",
                        "fields": [{"name": "X", "type": ["null", "double"], "default": None}],
                        "connect.name": f"{SPACE}.KsqlDataSourceSchema_AT",
                    },
                ],
                "default": None,
            },
        ],
        "connect.name": f"{SPACE}.KsqlDataSourceSchema",
    }


@settings(deadline=None)
@given(tables.columns(tables.sql_types()))
def test_columns_come_back_and_others_read_the_schema(columns: list[Column]) -> None:
    text = avro.text(columns, record=True)
    fastavro.parse_schema(json.loads(text))
    assert avro.sql_type(avro.parse(text)) == Struct(tuple((c.name, c.type) for c in columns))
    if len(columns) == 1:
        assert avro.sql_type(avro.parse(avro.text(columns, record=False))) == columns[0].type


@pytest.mark.parametrize(
    ("schema", "t"),
    [
        ("int", INTEGER),
        ({"type": "long", "logicalType": "timestamp-micros"}, BIGINT),
        ({"type": "long", "logicalType": "time-micros"}, BIGINT),
        ({"type": "string", "logicalType": "uuid"}, STRING),
        ({"type": "int", "logicalType": "time-millis"}, TIME),
        ({"type": "int", "logicalType": "date"}, DATE),
        ({"type": "float"}, DOUBLE),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, STRING),
        ({"type": "fixed", "name": "F", "size": 4}, BYTES),
        ({"type": "bytes", "logicalType": "decimal", "scale": 2}, Decimal(64, 2)),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}, BYTES),
        ({"type": "map", "values": ["null", "boolean"]}, Map(STRING, BOOLEAN)),
        (["null", "int"], INTEGER),
        (["int", "null"], INTEGER),
        (["null", "int", "string"], Struct((("int", INTEGER), ("string", STRING)))),
        (
            ["int", {"type": "record", "name": "a.R", "fields": [{"name": "x", "type": "int"}]}],
            Struct((("int", INTEGER), ("R", Struct((("x", INTEGER),))))),
        ),
        (
            {
                "type": "record",
                "name": "R",
                "namespace": "a.b",
                "fields": [
                    {"name": "x", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
                    {"name": "y", "type": "E"},
                    {"name": "z", "type": ["null", "a.b.E"]},
                ],
            },
            Struct((("x", STRING), ("y", STRING), ("z", STRING))),
        ),
    ],
    ids=str,
)
def test_types_of_others_schemas(schema: Any, t: SqlType) -> None:
    assert avro.sql_type(avro.parse(json.dumps(schema))) == t


def test_a_bare_name_is_a_schema_and_references_are_known() -> None:
    assert avro.sql_type(avro.parse("long")) == BIGINT
    shared = '{"type": "record", "name": "a.Shared", "fields": [{"name": "x", "type": "int"}]}'
    top = '{"type": "record", "name": "a.Top", "fields": [{"name": "s", "type": "Shared"}]}'
    assert avro.sql_type(avro.parse(top, {"a.Shared": shared})) == Struct((("s", Struct((("x", INTEGER),))),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", 'the Avro schema has no type "nothing"'),
        ("[1]", "not an Avro schema: 1"),
        ('{"name": "x"}', 'not an Avro schema: {"name": "x"}'),
        ('{"type": "array"}', 'the Avro schema has a type "array" without "items"'),
        ('{"type": "fixed", "name": "F", "size": -1}', '"size" in the Avro schema is no size: -1'),
        ('{"type": "record", "name": "R", "fields": [{"name": "x"}]}', 'a field of record "R" lacks its name or type'),
        ('["null"]', "the Avro type null alone cannot be a column"),
        (
            '{"type": "record", "name": "R", "fields": [{"name": "next", "type": ["null", "R"]}]}',
            'the Avro type "R" is recursive, which a column cannot be',
        ),
    ],
)
def test_what_is_no_schema_or_no_column_is_told(text: str, message: str) -> None:
    with pytest.raises(SchemaUnreadable) as caught:
        avro.sql_type(avro.parse(text))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_a1", None),
        ("A", None),
        ("", "Empty name"),
        ("1a", "Illegal initial character: 1a"),
        ("é", "Illegal initial character: é"),
        ("a-b", "Illegal character in: a-b"),
        ("aé", "Illegal character in: aé"),
    ],
)
def test_names_are_those_that_avro_takes(name: str, message: str | None) -> None:
    if message is None:
        avro.check_name(name)
        return
    with pytest.raises(FormatError) as caught:
        avro.check_name(name)
    assert caught.value.message == f"Schema is not compatible with Avro: {message}"
