"""Avro schemas: text -> a tree of types, a tree -> columns, and columns -> the text that ksqlDB writes for them.

The tree keeps what decides how bytes are read (`Avro`), logical types included. Named types are shared objects, so a
recursive schema is a cycle: it can be read past, and cannot be a column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ssql.errors import FormatError, SchemaUnreadable
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

Kind = Literal[
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    "fixed", "enum", "array", "map", "record", "union",
]  # fmt: skip
Logical = Literal[
    "", "decimal", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros",
    "local-timestamp-millis", "local-timestamp-micros",
]  # fmt: skip

_PRIMITIVES: tuple[Kind, ...] = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
#: Which logical types mean something on which types; any other is as if it were not there.
_LOGICAL: Mapping[str, tuple[str, ...]] = {
    "int": ("date", "time-millis"),
    "long": (
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "local-timestamp-millis",
        "local-timestamp-micros",
    ),
    "bytes": ("decimal",),
    "fixed": ("decimal",),
}
#: The precision of a decimal that does not say it, as Connect has it.
_PRECISION = 64

NAMESPACE = "io.confluent.ksql.avro_schemas"
RECORD = f"{NAMESPACE}.KsqlDataSourceSchema"
_MAP_ENTRY = "MapEntry"
_ENTRY_FIELDS = 2


@dataclass
class Field:
    """A field of a record. `default` is as the schema says it (JSON), where `has_default`."""

    name: str
    type: Avro
    default: Any = None
    has_default: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(eq=False)
class Avro:
    """One type of a schema. Which of the fields mean something depends on `kind`."""

    kind: Kind
    logical: Logical = ""
    name: str = ""  # full name: fixed, enum, record
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: tuple[str, ...] = ()
    items: Avro | None = None  # array and map
    fields: list[Field] = field(default_factory=list)
    branches: list[Avro] = field(default_factory=list)
    entry: bool = False  # an array of records {key, value} that stands for a map

    @property
    def element(self) -> Avro:
        assert self.items is not None
        return self.items

    @property
    def optional(self) -> Avro | None:
        """The other type of a union of null and one other, else None."""
        if self.kind == "union" and len(self.branches) == 2:
            others = [b for b in self.branches if b.kind != "null"]
            return others[0] if len(others) == 1 else None
        return None


# --- text -> tree ------------------------------------------------------------


def parse(text: str, references: Mapping[str, str] | None = None) -> Avro:
    """The tree of a schema text. `references`: texts of the schemas it refers to, by name, those needed first.

    Raises:
        SchemaUnreadable: where the text is no Avro schema, or refers to a type that is not there.
    """
    reader = _Reader()
    for other in (references or {}).values():
        reader.read(_json(other), "")
    return reader.read(_json(text), "")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # A bare name of a type: what some clients register for primitive schemas.
        return text.strip()


class _Reader:
    def __init__(self) -> None:
        self.named: dict[str, Avro] = {}

    def read(self, node: Any, namespace: str) -> Avro:
        if isinstance(node, str):
            return self._by_name(node, namespace)
        if isinstance(node, list):
            return Avro("union", branches=[self.read(branch, namespace) for branch in node])
        if not isinstance(node, dict) or "type" not in node:
            raise SchemaUnreadable(f"not an Avro schema: {json.dumps(node)[:100]}")
        kind = node["type"]
        if not isinstance(kind, str):
            return self.read(kind, namespace)
        if kind in ("record", "error"):
            return self._record(node, namespace)
        if kind == "enum":
            symbols = tuple(map(str, node.get("symbols", ())))
            return self._named(Avro("enum", name=_full_name(node, namespace), symbols=symbols))
        if kind == "fixed":
            fixed = Avro("fixed", name=_full_name(node, namespace), size=_number(node, "size"))
            return self._named(_with_logical(fixed, node))
        if kind == "array":
            items = self.read(_part(node, "items"), namespace)
            return Avro("array", items=items, entry=_is_entry(node.get("items"), items))
        if kind == "map":
            return Avro("map", items=self.read(_part(node, "values"), namespace))
        found = self._by_name(kind, namespace)
        return _with_logical(Avro(found.kind), node) if found.kind in _PRIMITIVES else found

    def _by_name(self, name: str, namespace: str) -> Avro:
        for primitive in _PRIMITIVES:
            if name == primitive:
                return Avro(primitive)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self.named.get(full) or self.named.get(name)
        if found is None:
            raise SchemaUnreadable(f'the Avro schema has no type "{full}"')
        return found

    def _named(self, avro: Avro) -> Avro:
        self.named[avro.name] = avro
        return avro

    def _record(self, node: Mapping[str, Any], namespace: str) -> Avro:
        record = self._named(Avro("record", name=_full_name(node, namespace)))
        inner = record.name.rpartition(".")[0]
        for entry in _part(node, "fields"):
            if not isinstance(entry, dict) or "name" not in entry or "type" not in entry:
                raise SchemaUnreadable(f'a field of record "{record.name}" lacks its name or type')
            field_type = self.read(entry["type"], inner)
            aliases = tuple(map(str, entry.get("aliases", ())))
            record.fields.append(
                Field(str(entry["name"]), field_type, entry.get("default"), "default" in entry, aliases)
            )
        return record


def _part(node: Mapping[str, Any], name: str) -> Any:
    if name not in node:
        raise SchemaUnreadable(f'the Avro schema has a type "{node["type"]}" without "{name}"')
    return node[name]


def _number(node: Mapping[str, Any], name: str) -> int:
    value = _part(node, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SchemaUnreadable(f'"{name}" in the Avro schema is no size: {json.dumps(value)[:100]}')
    return value


def _full_name(node: Mapping[str, Any], namespace: str) -> str:
    name = str(node.get("name", ""))
    if "." in name:
        return name
    space = str(node.get("namespace", namespace))
    return f"{space}.{name}" if space else name


def _with_logical(avro: Avro, node: Mapping[str, Any]) -> Avro:
    logical = node.get("logicalType", "")
    if logical in _LOGICAL.get(avro.kind, ()):
        if logical == "decimal":
            avro.precision, avro.scale = int(node.get("precision", _PRECISION)), int(node.get("scale", 0))
            if not 0 <= avro.scale <= avro.precision or avro.precision < 1:
                return avro  # as the specification has it: an invalid logical type is ignored
        avro.logical = logical
    return avro


def _is_entry(node: Any, items: Avro) -> bool:
    """True for the records {key, value} that Connect writes where the keys of a map may be null."""
    if items.kind != "record" or [f.name for f in items.fields] != ["key", "value"]:
        return False
    marked = isinstance(node, dict) and node.get("connect.internal.type") == _MAP_ENTRY
    return marked or items.name.rpartition(".")[2] == _MAP_ENTRY


# --- tree -> columns ---------------------------------------------------------


def sql_type(avro: Avro) -> SqlType:
    """The SQL type of what an Avro type holds; null is a value of any.

    Raises:
        SchemaUnreadable: for recursive types, and for null alone.
    """
    return _sql_type(avro, ())


_SIMPLE: Mapping[str, SqlType] = {
    "boolean": BOOLEAN,
    "int": INTEGER,
    "long": BIGINT,
    "float": DOUBLE,
    "double": DOUBLE,
    "bytes": BYTES,
    "string": STRING,
    "fixed": BYTES,
    "enum": STRING,
}
_LOGICAL_TYPES: Mapping[str, SqlType] = {"date": DATE, "time-millis": TIME, "timestamp-millis": TIMESTAMP}


def _sql_type(avro: Avro, above: tuple[Avro, ...]) -> SqlType:
    if any(avro is one for one in above):
        raise SchemaUnreadable(f'the Avro type "{avro.name}" is recursive, which a column cannot be')
    if avro.logical == "decimal":
        return Decimal(avro.precision, avro.scale)
    if avro.logical in _LOGICAL_TYPES:
        return _LOGICAL_TYPES[avro.logical]
    if avro.kind in _SIMPLE:
        return _SIMPLE[avro.kind]
    inside = (*above, avro)
    if avro.kind == "array":
        element = _sql_type(avro.element, inside)
        if avro.entry and isinstance(element, Struct):
            return Map(element.fields[0][1], element.fields[1][1])
        return Array(element)
    if avro.kind == "map":
        return Map(STRING, _sql_type(avro.element, inside))
    if avro.kind == "record":
        return Struct(tuple((f.name, _sql_type(f.type, inside)) for f in avro.fields))
    others = [b for b in avro.branches if b.kind != "null"]
    if not others:
        raise SchemaUnreadable("the Avro type null alone cannot be a column")
    if len(others) == 1:
        return _sql_type(others[0], inside)
    return Struct(tuple((branch_name(b), _sql_type(b, inside)) for b in others))


def branch_name(avro: Avro) -> str:
    """What the branch of a union of several types is called as a field of a STRUCT."""
    return avro.name.rpartition(".")[2] if avro.name else avro.kind


# --- columns -> text ---------------------------------------------------------


def text(columns: Sequence[Column], *, record: bool, full_name: str = RECORD) -> str:
    """The schema that ksqlDB registers for the columns: a record of unions with null, or the single type bare.

    Raises:
        FormatError: for names that Avro does not take.
    """
    writer = _Writer()
    if record:
        return json.dumps(writer.record([(c.name, c.type) for c in columns], full_name))
    return json.dumps(writer.type(columns[0].type, full_name))


def check_name(name: str) -> None:
    """Raise where Avro does not take a name: ASCII letters, digits and `_`, no digit first."""
    if not name:
        raise FormatError("Schema is not compatible with Avro: Empty name")
    if not (name[0].isascii() and name[0].isalpha()) and name[0] != "_":
        raise FormatError(f"Schema is not compatible with Avro: Illegal initial character: {name}")
    if not all(c.isascii() and (c.isalnum() or c == "_") for c in name):
        raise FormatError(f"Schema is not compatible with Avro: Illegal character in: {name}")


class _Writer:
    def __init__(self) -> None:
        self.inside = False

    def record(self, fields: Sequence[tuple[str, SqlType]], name: str) -> dict[str, Any]:
        for field_name, _ in fields:
            check_name(field_name)
        space, _, short = name.rpartition(".")
        result: dict[str, Any] = {"type": "record", "name": short}
        if space and not self.inside:  # records inside it are of the same namespace
            result["namespace"] = space
        self.inside = True
        result["fields"] = [
            {"name": n, "type": ["null", self.type(t, f"{name}_{n}")], "default": None} for n, t in fields
        ]
        result["connect.name"] = name
        return result

    def type(self, t: SqlType, name: str) -> Any:
        """The schema of one type; `name` is the full name of a record that stands here."""
        if isinstance(t, Decimal):
            return {
                "type": "bytes",
                "scale": t.scale,
                "precision": t.precision,
                "connect.version": 1,
                "connect.parameters": {"scale": str(t.scale), "connect.decimal.precision": str(t.precision)},
                "connect.name": "org.apache.kafka.connect.data.Decimal",
                "logicalType": "decimal",
            }
        if isinstance(t, Array):
            return {"type": "array", "items": ["null", self.type(t.element, name)]}
        if isinstance(t, Struct):
            return self.record(t.fields, name)
        if isinstance(t, Map):
            entry = self.record([("key", t.key), ("value", t.value)], name)
            entry = {k: v for k, v in entry.items() if k != "connect.name"}
            return {
                "type": "array",
                "items": {**entry, "connect.internal.type": _MAP_ENTRY},
                "connect.name": name,
            }
        logical = _LOGICAL_TEXT.get(t)
        if logical is not None:
            base, connect_name, logical_type = logical
            return {
                "type": base,
                "connect.version": 1,
                "connect.name": f"org.apache.kafka.connect.data.{connect_name}",
                "logicalType": logical_type,
            }
        return _NAMES[t]


_NAMES: Mapping[SqlType, str] = {
    BOOLEAN: "boolean",
    INTEGER: "int",
    BIGINT: "long",
    DOUBLE: "double",
    STRING: "string",
    BYTES: "bytes",
}
_LOGICAL_TEXT: Mapping[SqlType, tuple[str, str, str]] = {
    DATE: ("int", "Date", "date"),
    TIME: ("int", "Time", "time-millis"),
    TIMESTAMP: ("long", "Timestamp", "timestamp-millis"),
}
