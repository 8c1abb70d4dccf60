"""Protobuf schemas: text -> descriptors, a message -> SQL types, and columns -> the text that ksqlDB writes for them.

Each schema has a pool of its own, so that two versions of a message never meet. Imports are found among the schema's
references, the types of Google, and Confluent's decimal.
"""

from __future__ import annotations

import base64
import binascii
import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from ssql.errors import SchemaUnreadable
from ssql.schemas import proto_text
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

MESSAGE = "ConnectDefault1"
DECIMAL = "confluent.type.Decimal"
_FILE = "schema.proto"
_DECIMAL_FILE = "confluent/type/decimal.proto"
_KNOWN_TEXTS = {
    _DECIMAL_FILE: (
        'syntax = "proto3"; package confluent.type;'
        "message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }"
    ),
}
_PRECISION = 64  # of decimals that do not say theirs
Nullable = Literal["", "optional", "wrapper"]

_F = FieldDescriptor
_SCALARS: Mapping[int, SqlType] = {
    _F.TYPE_BOOL: BOOLEAN,
    _F.TYPE_INT32: INTEGER,
    _F.TYPE_SINT32: INTEGER,
    _F.TYPE_SFIXED32: INTEGER,
    _F.TYPE_UINT32: BIGINT,
    _F.TYPE_FIXED32: BIGINT,
    _F.TYPE_INT64: BIGINT,
    _F.TYPE_SINT64: BIGINT,
    _F.TYPE_SFIXED64: BIGINT,
    _F.TYPE_UINT64: BIGINT,
    _F.TYPE_FIXED64: BIGINT,
    _F.TYPE_FLOAT: DOUBLE,
    _F.TYPE_DOUBLE: DOUBLE,
    _F.TYPE_STRING: STRING,
    _F.TYPE_BYTES: BYTES,
    _F.TYPE_ENUM: STRING,
}
#: Messages that stand for one value.
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
)
TIMES: Mapping[str, SqlType] = {
    "google.protobuf.Timestamp": TIMESTAMP,
    "google.type.Date": DATE,
    "google.type.TimeOfDay": TIME,
}


# --- text -> descriptors -----------------------------------------------------


class ProtoSchema:
    """One schema: its messages, in the order of the text."""

    def __init__(self, text: str, references: Mapping[str, str] | None = None) -> None:
        """
        Raises:
            SchemaUnreadable: where a text is not Protobuf, or a type it needs is not there.
        """
        self.params: dict[str, dict[str, str]] = {}
        self.pool = DescriptorPool()
        self._added: set[str] = set()
        self._texts = dict(references or {})
        self._root = self._read(text)
        self._root.name = self._free_name()
        self._add(self._root)
        self.file: FileDescriptor = self.pool.FindFileByName(self._root.name)

    def _free_name(self) -> str:
        name = _FILE
        while name in self._texts:
            name = f"_{name}"
        return name

    def _read(self, text: str) -> FileDescriptorProto:
        try:
            found = proto_text.parse(text)
        except SchemaUnreadable:
            try:  # some clients register the descriptor itself
                return FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
            except (binascii.Error, DecodeError, ValueError):
                pass
            raise
        self.params |= found.params
        return found.descriptor

    def _add(self, proto: FileDescriptorProto) -> None:
        if proto.name in self._added:
            return
        self._added.add(proto.name)
        imports = list(proto.dependency)
        del proto.dependency[:], proto.public_dependency[:], proto.weak_dependency[:]
        for name in imports:
            known = _known(name) if name not in self._texts else None
            if name in self._texts:
                known = self._read(self._texts[name])
                known.name = name
            # One that is not there may only have been needed by options: if not, a type will be missing.
            if known is not None:
                self._add(known)
                proto.dependency.append(name)
        try:
            self.pool.Add(proto)  # type: ignore[no-untyped-call]
        except TypeError as bad:
            reason = str(bad).partition(": ")[2] or str(bad)
            raise SchemaUnreadable(f"the Protobuf schema is not readable: {reason}") from None

    @property
    def messages(self) -> Sequence[Descriptor]:
        return [self.file.message_types_by_name[m.name] for m in self._root.message_type]

    def message(self, full_name: str | None = None) -> Descriptor:
        """The message of that name, or the first one.

        Raises:
            SchemaUnreadable: where there is none.
        """
        if full_name is None:
            if not self.messages:
                raise SchemaUnreadable("the Protobuf schema has no message")
            return self.messages[0]
        try:
            found = self.pool.FindMessageTypeByName(full_name)
        except KeyError:
            found = None
        if found is None or found.file.name != self.file.name:
            raise SchemaUnreadable(f'the Protobuf schema has no message "{full_name}"')
        return found

    def at(self, path: Sequence[int]) -> Descriptor:
        """The message at a path of places: among those of the text, then among those inside it.

        Raises:
            SchemaUnreadable: where there is none.
        """
        held: Sequence[DescriptorProto] = self._root.message_type
        name = self._root.package
        for place in path:
            if not 0 <= place < len(held):
                raise SchemaUnreadable(f"the Protobuf schema has no message {list(path)}")
            name = f"{name}.{held[place].name}" if name else held[place].name
            held = held[place].nested_type
        return self.message(name)

    def path(self, message: Descriptor) -> list[int]:
        """Where a message is: the inverse of `at`."""
        names: list[str] = []
        inner: Descriptor | None = message
        while inner is not None:
            names.insert(0, inner.name)
            inner = inner.containing_type
        held: Sequence[DescriptorProto] = self._root.message_type
        path: list[int] = []
        for name in names:
            path.append([m.name for m in held].index(name))
            held = held[path[-1]].nested_type
        return path


@cache
def _known_bytes(name: str) -> bytes | None:
    if name in _KNOWN_TEXTS:
        proto = proto_text.parse(_KNOWN_TEXTS[name]).descriptor
        proto.name = name
        return bytes(proto.SerializeToString())
    if not name.startswith(("google/protobuf/", "google/type/")) or not name.endswith(".proto"):
        return None
    try:
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ImportError:
        return None
    return bytes(module.DESCRIPTOR.serialized_pb)


def _known(name: str) -> FileDescriptorProto | None:
    found = _known_bytes(name)
    return FileDescriptorProto.FromString(found) if found is not None else None


# --- descriptors -> types ----------------------------------------------------


def is_map_entry(message: Descriptor) -> bool:
    """True for entries of maps, and for the messages {key, value} that Connect writes instead."""
    return message.GetOptions().map_entry or (
        message.name.endswith("Entry") and [f.name for f in message.fields] == ["key", "value"]
    )


def real_oneofs(message: Descriptor) -> list[OneofDescriptor]:
    """The oneofs of the text: not those that stand for `optional`."""
    optional = {f.containing_oneof.name for f in message.fields if f.containing_oneof and _is_synthetic(f)}
    return [o for o in message.oneofs if o.name not in optional]


def _is_synthetic(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    # Only such a oneof is named after its one field; a written one might be, too, and reads the same.
    return oneof is not None and len(oneof.fields) == 1 and oneof.name.lstrip("X") == f"_{field.name}"


def oneof_name(oneof: OneofDescriptor) -> str:
    """What a oneof is called as a field of a STRUCT, as Connect has it."""
    return f"{oneof.name}_{oneof.index}"


def sql_type(schema: ProtoSchema, message: Descriptor) -> SqlType:
    """The STRUCT that a message is.

    Raises:
        SchemaUnreadable: for recursive messages.
    """
    return _message_type(schema, message, ())


def _message_type(schema: ProtoSchema, message: Descriptor, above: tuple[str, ...]) -> SqlType:
    if message.full_name in TIMES:
        return TIMES[message.full_name]
    if message.full_name in WRAPPERS:
        return _SCALARS[message.fields[0].type]
    if message.full_name in above:
        raise SchemaUnreadable(f'the Protobuf message "{message.full_name}" is recursive, which a column cannot be')
    inside = (*above, message.full_name)
    found: list[tuple[str, SqlType]] = []
    in_oneof: set[str] = set()
    for oneof in real_oneofs(message):
        fields = [(f.name, field_type(schema, f, inside)) for f in oneof.fields]
        in_oneof |= {name for name, _ in fields}
        found.append((oneof_name(oneof), Struct(tuple(fields))))
    found += [(f.name, field_type(schema, f, inside)) for f in message.fields if f.name not in in_oneof]
    return Struct(tuple(found))


def field_type(schema: ProtoSchema, field: FieldDescriptor, above: tuple[str, ...] = ()) -> SqlType:
    """The SQL type of a field, repetition included."""
    message = field.message_type
    if message is not None:
        if field.is_repeated and is_map_entry(message):
            key, value = (field_type(schema, f, above) for f in message.fields)
            return Map(key, value)
        if message.full_name == DECIMAL:
            params = schema.params.get(field.full_name, {})
            t: SqlType = Decimal(int(params.get("precision", _PRECISION)), int(params.get("scale", 0)))
        else:
            t = _message_type(schema, message, above)
    else:
        t = _SCALARS[field.type]
    return Array(t) if field.is_repeated else t


# --- columns -> text ---------------------------------------------------------

_NAMES: Mapping[SqlType, str] = {
    BOOLEAN: "bool",
    INTEGER: "int32",
    BIGINT: "int64",
    DOUBLE: "double",
    STRING: "string",
    BYTES: "bytes",
}
_WRAPPED: Mapping[SqlType, str] = {
    BOOLEAN: "BoolValue",
    INTEGER: "Int32Value",
    BIGINT: "Int64Value",
    DOUBLE: "DoubleValue",
    STRING: "StringValue",
    BYTES: "BytesValue",
}
_TIME_NAMES: Mapping[SqlType, tuple[str, str]] = {
    TIMESTAMP: ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
    DATE: ("google.type.Date", "google/type/date.proto"),
    TIME: ("google.type.TimeOfDay", "google/type/timeofday.proto"),
}


def text(columns: Sequence[Column], *, full_name: str = MESSAGE, nullable: Nullable = "") -> str:
    """The schema that ksqlDB registers for the columns: one message, those for nested types inside it."""
    package, _, name = full_name.rpartition(".")
    writer = _Writer(name, nullable)
    body = writer.message(name, [(c.name, c.type) for c in columns])
    lines = ['syntax = "proto3";']
    if package:
        lines.append(f"package {package};")
    lines += ["", *(f'import "{path}";' for path in sorted(writer.imports))]
    if writer.imports:
        lines.append("")
    return "\n".join([*lines, *body, ""])


class _Writer:
    def __init__(self, name: str, nullable: Nullable) -> None:
        self.imports: set[str] = set()
        self.nullable = nullable
        #: Nested messages are numbered in the order in which they are met; the name of the first may be taken.
        self.used = 1 if name == MESSAGE else 0

    def message(self, name: str, fields: Sequence[tuple[str, SqlType]], *, entry: bool = False) -> list[str]:
        lines: list[str] = []
        nested: list[list[str]] = []
        for number, (field_name, t) in enumerate(fields, start=1):
            lines += self.field(field_name, number, t, nested, plain=entry)
        body = [f"  {line}" for line in lines]
        if nested:
            body += ["", *(f"  {line}" for one in nested for line in one)]
        return [f"message {name} {{", *body, "}"]

    def field(self, name: str, number: int, t: SqlType, nested: list[list[str]], *, plain: bool) -> list[str]:
        label = "repeated " if isinstance(t, Array | Map) else ""
        held = t.element if isinstance(t, Array) else t
        if isinstance(held, Array | Map) and held is not t:
            raise SchemaUnreadable(f"Protobuf has no place for {t}: an array holds no arrays or maps there")
        if isinstance(held, Map):
            kind = self.name("Entry")
            nested.append(self.message(kind, [("key", held.key), ("value", held.value)], entry=True))
        elif isinstance(held, Struct):
            kind = self.name("")
            nested.append(self.message(kind, held.fields))
        elif isinstance(held, Decimal):
            self.imports.add(_DECIMAL_FILE)
            return _decimal_field(f"{label}{DECIMAL} {name} = {number}", held)
        elif held in _TIME_NAMES:
            kind, path = _TIME_NAMES[held]
            self.imports.add(path)
        elif self.nullable and not label and not plain:
            label, kind = self.nullable_scalar(held)
        else:
            kind = _NAMES[held]
        return [f"{label}{kind} {name} = {number};"]

    def nullable_scalar(self, t: SqlType) -> tuple[str, str]:
        if self.nullable == "optional":
            return "optional ", _NAMES[t]
        self.imports.add("google/protobuf/wrappers.proto")
        return "", f"google.protobuf.{_WRAPPED[t]}"

    def name(self, suffix: str) -> str:
        self.used += 1
        return f"ConnectDefault{self.used}{suffix}"


def _decimal_field(start: str, t: Decimal) -> list[str]:
    def param(key: str, value: int, end: str) -> list[str]:
        return ["      {", f'        value: "{value}",', f'        key: "{key}"', f"      }}{end}"]

    return [
        f"{start} [(confluent.field_meta) = {{",
        "  params: [",
        *(line[2:] for line in (*param("precision", t.precision, ","), *param("scale", t.scale, ""))),
        "  ]",
        "}];",
    ]
