from __future__ import annotations

import json

import pytest

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats.api import FormatSpec
from ssql.formats.inference import Inferred, RegistryFormat, inferred, register, require
from ssql.formats.registry import format_named
from ssql.schemas.api import Definition
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.types import BIGINT, INTEGER, STRING, Array, Column, Map, Struct

RECORD = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}},
    ],
}
AT = Struct((("x", INTEGER),))


def infer(
    schemas: EmbeddedRegistry, name: str, *, is_key: bool = False, wrap: bool | None = None, **properties: str
) -> Inferred:
    form = format_named(name, schemas)
    assert isinstance(form, RegistryFormat)
    spec = FormatSpec(name, properties, wrap, "t-key" if is_key else "t-value")
    return inferred(form, schemas, spec, "t", is_key=is_key)


def test_names_are_in_upper_case_by_subject_and_as_they_are_by_id(schemas: EmbeddedRegistry) -> None:
    schemas.register("t-value", Definition("AVRO", '"int"'))
    schemas.register("t-value", Definition("AVRO", json.dumps(RECORD)))
    upper = (Column("ID", BIGINT), Column("AT", Struct((("X", INTEGER),))))
    assert infer(schemas, "AVRO") == Inferred(upper, 2)
    assert infer(schemas, "AVRO", schemaId="2") == Inferred((Column("id", BIGINT), Column("at", AT)), 2)


def test_nested_names_are_in_upper_case_too(schemas: EmbeddedRegistry) -> None:
    inner = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}
    held = {"type": "array", "items": {"type": "map", "values": inner}}
    text = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": held}]})
    schemas.register("t-value", Definition("AVRO", text))
    assert infer(schemas, "AVRO").columns == (Column("A", Array(Map(STRING, Struct((("X", INTEGER),))))),)


def test_bare_values_and_keys_have_names_of_their_own(schemas: EmbeddedRegistry) -> None:
    schemas.register("t-value", Definition("AVRO", json.dumps(RECORD)))
    schemas.register("t-key", Definition("AVRO", json.dumps(RECORD)))
    bare = Struct((("ID", BIGINT), ("AT", Struct((("X", INTEGER),)))))
    assert infer(schemas, "AVRO", wrap=False).columns == (Column("ROWVAL", bare),)
    assert infer(schemas, "AVRO", is_key=True).columns == (Column("ROWKEY", bare, key=True),)


def test_keys_of_protobuf_are_the_fields_of_their_message(schemas: EmbeddedRegistry) -> None:
    text = 'syntax = "proto3"; message A { int32 x = 1; } message B { string y = 1; }'
    schemas.register("t-key", Definition("PROTOBUF", text))
    assert infer(schemas, "PROTOBUF", is_key=True).columns == (Column("X", INTEGER, key=True),)
    found = infer(schemas, "PROTOBUF", is_key=True, fullSchemaName="B")
    assert found.columns == (Column("Y", STRING, key=True),)


def test_json_schemas_are_read(schemas: EmbeddedRegistry) -> None:
    schemas.register("t-value", Definition("JSON", '{"type": "object", "properties": {"c1": {"type": "integer"}}}'))
    assert infer(schemas, "JSON_SR").columns == (Column("C1", BIGINT),)


@pytest.mark.parametrize(
    ("name", "properties", "hint"),
    [
        ("JSON_SR", {}, "Subject: t-value. Its latest schema is of type PROTOBUF, which JSON_SR does not read."),
        (
            "PROTOBUF",
            {"fullSchemaName": "Gone"},
            'Subject: t-value. Its latest schema cannot be used: the Protobuf schema has no message "Gone".',
        ),
    ],
)
def test_a_topic_without_a_schema_that_can_be_used_is_told(
    schemas: EmbeddedRegistry, name: str, properties: dict[str, str], hint: str
) -> None:
    schemas.register("t-value", Definition("PROTOBUF", 'syntax = "proto3"; message A { int32 x = 1; }'))
    with pytest.raises(SchemaUnreadable) as caught:
        infer(schemas, name, **properties)
    assert caught.value.message == "Schema for message values on topic 't' does not exist in the Schema Registry."
    assert caught.value.hint == hint


def test_an_id_that_cannot_be_used_is_told(schemas: EmbeddedRegistry) -> None:
    schemas.register("t-value", Definition("AVRO", '"int"'))
    with pytest.raises(SchemaUnreadable, match="schema id 5 is not in the Schema Registry"):
        infer(schemas, "AVRO", schemaId="5")
    with pytest.raises(SchemaUnreadable, match="schema id 1 is of type AVRO, which the format JSON_SR does not read"):
        infer(schemas, "JSON_SR", schemaId="1")
    with pytest.raises(SchemaUnreadable, match="the schema is INTEGER, which holds no columns") as caught:
        infer(schemas, "AVRO", schemaId="1")
    assert caught.value.hint == "Say WRAP_SINGLE_VALUE=false to read it as a single column."


@pytest.mark.parametrize("name", ["AVRO", "PROTOBUF", "JSON_SR"])
def test_registered_columns_are_inferred_again(schemas: EmbeddedRegistry, name: str) -> None:
    form = format_named(name, schemas)
    assert isinstance(form, RegistryFormat)
    columns = (Column("ID", BIGINT), Column("TAGS", Array(STRING)), Column("AT", Struct((("X", INTEGER),))))
    spec = FormatSpec(name, subject="t-value")
    assert register(form, schemas, spec, columns, is_key=False) == 1
    assert infer(schemas, name) == Inferred(columns, 1)
    assert register(form, schemas, spec, (), is_key=False) is None
    assert register(form, schemas, FormatSpec(name, {"schemaId": "1"}), columns, is_key=False) is None
    assert schemas.subjects() == ["t-value"]


def test_columns_written_by_id_are_those_that_the_schema_begins_with() -> None:
    a, b, c = Column("a", INTEGER), Column("b", STRING), Column("a", STRING)
    require([a], [a], is_key=False)
    require([a], [a, b], is_key=False)
    for columns, physical, wrong, shown in (
        ([a], [c, b], "`a` INTEGER", "`a` STRING, `b` STRING"),
        ([b], [a, b], "`b` STRING", "`a` INTEGER, `b` STRING"),
        ([a, b], [a], "`b` STRING", "`a` INTEGER"),
    ):
        with pytest.raises(FormatError) as caught:
            require(columns, physical, is_key=False)
        assert caught.value.message == (
            f"The following value columns are changed, missing or reordered: [{wrong}]. Schema from schema registry "
            f"is [{shown}]"
        )
