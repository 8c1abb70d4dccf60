"""The SQL type of a registered schema, whatever language it is written in."""

from __future__ import annotations

from ssql.schemas import avro, json_schema, proto
from ssql.schemas.api import Definition, SchemaRegistry, referenced
from ssql.types import SqlType


def sql_type(registry: SchemaRegistry, definition: Definition) -> SqlType:
    """What a record of the schema is: mostly a STRUCT of its fields.

    Raises:
        SchemaUnreadable: where the text is no schema of its type, or no column can hold what it describes.
    """
    texts = referenced(registry, definition)
    if definition.type == "AVRO":
        return avro.sql_type(avro.parse(definition.text, texts))
    if definition.type == "JSON":
        return json_schema.sql_type(definition.text, texts)
    schema = proto.ProtoSchema(definition.text, texts)
    return proto.sql_type(schema, schema.message())
