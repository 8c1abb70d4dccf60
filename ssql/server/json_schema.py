"""SQL types as JSON schemas: the values of rows as `rows.py` writes them, and those of parameters as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssql.sql.parameters import Parameter
from ssql.types import Array, Column, Decimal, Map, Primitive, SqlType, Struct

Json = dict[str, Any]

_INT32 = {"minimum": -(1 << 31), "maximum": (1 << 31) - 1}

_VALUES: dict[str, Json] = {
    "BOOLEAN": {"type": "boolean"},
    "INTEGER": {"type": "integer", "format": "int32", **_INT32},
    "BIGINT": {"type": "integer", "format": "int64"},
    "DOUBLE": {"anyOf": [{"type": "number", "format": "double"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    "STRING": {"type": "string"},
    "BYTES": {"type": "string", "contentEncoding": "base64"},
    "DATE": {"type": "string", "description": "2024-12-31"},
    "TIME": {"type": "string", "description": "23:59, 23:59:59 or 23:59:59.999"},
    "TIMESTAMP": {"type": "string", "description": "2024-12-31T23:59:59.999, of UTC"},
}


def value_schema(kind: SqlType) -> Json:
    """A value in an answer. Any may be null."""
    return or_null(_value(kind)) | {"x-sql-type": str(kind)}


def _value(kind: SqlType) -> Json:
    match kind:
        case Primitive(name):
            return dict(_VALUES[name])
        case Decimal():
            return {"type": "number"}
        case Array(element):
            return {"type": "array", "items": or_null(_value(element))}
        case Map(_, value):
            return {"type": "object", "additionalProperties": or_null(_value(value))}
        case Struct(fields):
            # Times within a STRUCT are numbers.
            return {"type": "object", "properties": {name: or_null(_within(field)) for name, field in fields}}
    return {}


def _within(kind: SqlType) -> Json:
    return {"type": "integer"} if str(kind) in ("DATE", "TIME", "TIMESTAMP") else _value(kind)


def or_null(schema: Json) -> Json:
    """The schema, of what may be null, too."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if "type" not in schema:
        return schema
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*types, "null"]}


def row_schema(columns: Sequence[Column]) -> Json:
    """A row as an object."""
    return {
        "type": "object",
        "properties": {c.name: value_schema(c.type) for c in columns},
        "required": [c.name for c in columns],
    }


def table_schema(columns: Sequence[Column]) -> Json:
    """An answer of /sql in JSON whose columns are known."""
    row = {
        "type": "array",
        "prefixItems": [value_schema(c.type) for c in columns],
        "minItems": len(columns),
        "maxItems": len(columns),
    }
    named = {"type": "object", "properties": {"name": {"type": "string"}, "type": {"type": "string"}}}
    return {
        "type": "object",
        "properties": {"columns": {"type": "array", "items": named}, "rows": {"type": "array", "items": row}},
        "required": ["columns", "rows"],
    }


def parameter_schema(parameter: Parameter) -> Json:
    """What a call of an endpoint may give."""
    match parameter.type:
        case Decimal(precision, scale):
            whole = precision - scale
            fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
            schema: Json = {"type": ["string", "number"], "pattern": rf"^-?[0-9]{{1,{max(whole, 1)}}}{fraction}$"}
        case Primitive("DOUBLE"):
            schema = {"type": "number"}
        case Primitive("BIGINT"):
            schema = {"type": "integer", "format": "int64", "minimum": -(1 << 63), "maximum": (1 << 63) - 1}
        case Primitive("DATE"):
            schema = {"type": "string", "format": "date"}
        case Primitive("STRING"):
            schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
        case kind:
            schema = _value(kind)
    if parameter.default is not None:
        schema = schema | {"default": _default(parameter)}
    return schema | {"x-sql-type": str(parameter.type)}


def _default(parameter: Parameter) -> Any:
    text = str(parameter.default)
    match str(parameter.type):
        case "INTEGER" | "BIGINT":
            return int(text)
        case "DOUBLE":
            return float(text)
        case "BOOLEAN":
            return text.lower() == "true"
    return text
