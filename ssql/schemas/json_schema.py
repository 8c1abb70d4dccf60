"""JSON schemas, as Kafka Connect reads and writes them: text -> SQL type, and columns -> text.

What JSON cannot say stands in properties of Connect: `connect.type`, `connect.index`, `title` for decimals and times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ssql.errors import SchemaUnreadable
from ssql.schemas.java import hash_order
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

_TITLES: Mapping[str, SqlType] = {
    "org.apache.kafka.connect.data.Date": DATE,
    "org.apache.kafka.connect.data.Time": TIME,
    "org.apache.kafka.connect.data.Timestamp": TIMESTAMP,
}
_DECIMAL = "org.apache.kafka.connect.data.Decimal"
_PRECISION = 64  # of decimals that do not say theirs
_INTEGERS: Mapping[object, SqlType] = {"int8": INTEGER, "int16": INTEGER, "int32": INTEGER}
_NULL = {"type": "null"}
_DEEPEST = 64  # nesting that is followed; deeper schemas are recursive

Node = Mapping[str, Any]


class JsonSchema:
    """A schema text, parsed, with what it refers to."""

    def __init__(self, text: str, references: Mapping[str, str] | None = None) -> None:
        """
        Raises:
            SchemaUnreadable: where a text is no JSON object.
        """
        self.root = _object(text)
        self.others = {name: _object(other) for name, other in (references or {}).items()}

    def resolved(self, node: Any) -> Node:
        """What a node says once references are followed and `null` is taken out of its alternatives.

        Raises:
            SchemaUnreadable: where a reference leads nowhere.
        """
        for _ in range(_DEEPEST):
            if not isinstance(node, Mapping):
                raise SchemaUnreadable("the JSON schema leaves open what a value is")
            if "$ref" in node:
                node = self._at(str(node["$ref"]))
                continue
            choices = next((node[k] for k in ("oneOf", "anyOf") if isinstance(node.get(k), list)), None)
            if choices is None:
                return node
            others = [c for c in choices if c != _NULL and not (isinstance(c, Mapping) and c.get("type") == "null")]
            if len(others) != 1:
                raise SchemaUnreadable("the JSON schema gives a value several types, which a column cannot have")
            node = others[0]
        raise SchemaUnreadable("the JSON schema is nested too deeply, or recursive")

    def _at(self, reference: str) -> Any:
        name, _, path = reference.partition("#")
        node: Any = self.root if not name else self.others.get(name)
        for part in path.split("/")[1:]:
            name_there = part.replace("~1", "/").replace("~0", "~")
            node = node.get(name_there) if isinstance(node, Mapping) else None
        if node is None:
            raise SchemaUnreadable(f'the JSON schema refers to "{reference}", which is not there')
        return node


def _object(text: str) -> Node:
    try:
        found = json.loads(text)
    except ValueError as bad:
        raise SchemaUnreadable(f"not a JSON schema: {bad}") from None
    if not isinstance(found, dict):
        raise SchemaUnreadable("not a JSON schema: expected an object")
    return found


def kind_of(node: Node) -> str | None:
    """The one type that a node names, null apart."""
    named = node.get("type")
    if isinstance(named, list):
        others = [n for n in named if n != "null"]
        named = others[0] if len(others) == 1 else None
    if named is None and "enum" in node:
        return "string"
    if named is None and "properties" in node:
        return "object"
    return named if isinstance(named, str) else None


def is_map(node: Node) -> bool:
    return node.get("connect.type") == "map"


def properties(node: Node) -> list[tuple[str, Any]]:
    """The properties of an object in the order of its columns: by `connect.index`, else as ksqlDB has them."""
    held = node.get("properties") or {}
    if not isinstance(held, Mapping):
        raise SchemaUnreadable('"properties" of the JSON schema is no object')
    placed: dict[int, tuple[str, Any]] = {}
    for name in hash_order(held):
        index = held[name].get("connect.index") if isinstance(held[name], Mapping) else None
        placed[len(placed) if not isinstance(index, int) else index] = (name, held[name])
    ordered = [entry for _, entry in sorted(placed.items(), key=lambda item: item[0])]
    # Two properties with one index: none is lost.
    return ordered + [(name, held[name]) for name in held if name not in {n for n, _ in ordered}]


def sql_type(text: str, references: Mapping[str, str] | None = None) -> SqlType:
    """The SQL type of what a schema describes.

    Raises:
        SchemaUnreadable: where the text is no JSON schema, or no column can hold what it describes.
    """
    schema = JsonSchema(text, references)
    return _sql_type(schema, schema.root, 0)


def _sql_type(schema: JsonSchema, node: Any, depth: int) -> SqlType:
    if depth > _DEEPEST:
        raise SchemaUnreadable("the JSON schema is nested too deeply, or recursive")
    found = schema.resolved(node)
    kind, connect = kind_of(found), found.get("connect.type")
    if found.get("title") == _DECIMAL and kind in ("number", "integer", "string"):
        parameters = found.get("connect.parameters") or {}
        try:
            precision, scale = (
                int(parameters.get("connect.decimal.precision", _PRECISION)),
                int(parameters.get("scale", 0)),
            )
        except (AttributeError, ValueError):
            raise SchemaUnreadable("the JSON schema has a decimal without a readable scale") from None
        return Decimal(precision, scale)
    if kind == "integer":
        return _TITLES.get(found.get("title", ""), _INTEGERS.get(connect, BIGINT))
    if kind == "array" and not is_map(found):
        return Array(_sql_type(schema, found.get("items"), depth + 1))
    if kind == "array":
        entry = dict(properties(schema.resolved(found.get("items"))))
        return Map(_sql_type(schema, entry.get("key"), depth + 1), _sql_type(schema, entry.get("value"), depth + 1))
    if kind == "object" and is_map(found):
        return Map(STRING, _sql_type(schema, found.get("additionalProperties"), depth + 1))
    if kind == "object":
        return Struct(tuple((name, _sql_type(schema, held, depth + 1)) for name, held in properties(found)))
    simple: Mapping[object, SqlType] = {
        "boolean": BOOLEAN,
        "number": DOUBLE,
        "string": BYTES if connect == "bytes" else STRING,
    }
    if kind not in simple:
        raise SchemaUnreadable(f"the JSON schema has a type that no column can have: {json.dumps(found)[:100]}")
    return simple[kind]


# --- columns -> text ---------------------------------------------------------


def text(columns: Sequence[Column], *, record: bool) -> str:
    """The schema that ksqlDB registers for the columns."""
    if record:
        return json.dumps(_object_of([(c.name, c.type) for c in columns]))
    return json.dumps(_optional(columns[0].type))


def _optional(t: SqlType) -> dict[str, Any]:
    return {"oneOf": [_NULL, _node(t)]}


def _object_of(fields: Sequence[tuple[str, SqlType]]) -> dict[str, Any]:
    members = {name: {"connect.index": at, **_optional(t)} for at, (name, t) in enumerate(fields)}
    return {"type": "object", "properties": members}


def _node(t: SqlType) -> dict[str, Any]:
    if isinstance(t, Decimal):
        return {
            "type": "number",
            "title": _DECIMAL,
            "connect.version": 1,
            "connect.type": "bytes",
            "connect.parameters": {"scale": str(t.scale), "connect.decimal.precision": str(t.precision)},
        }
    if isinstance(t, Array):
        return {"type": "array", "items": _optional(t.element)}
    if isinstance(t, Map):
        return {"type": "array", "connect.type": "map", "items": _object_of([("key", t.key), ("value", t.value)])}
    if isinstance(t, Struct):
        return _object_of(t.fields)
    return _NODES[t]


def _time(name: str, connect: str) -> dict[str, Any]:
    title = f"org.apache.kafka.connect.data.{name}"
    return {"type": "integer", "title": title, "connect.version": 1, "connect.type": connect}


_NODES: Mapping[SqlType, dict[str, Any]] = {
    BOOLEAN: {"type": "boolean"},
    INTEGER: {"type": "integer", "connect.type": "int32"},
    BIGINT: {"type": "integer", "connect.type": "int64"},
    DOUBLE: {"type": "number", "connect.type": "float64"},
    STRING: {"type": "string"},
    BYTES: {"type": "string", "connect.type": "bytes"},
    DATE: _time("Date", "int32"),
    TIME: _time("Time", "int32"),
    TIMESTAMP: _time("Timestamp", "int64"),
}
