"""Protobuf's language: the text of a `.proto` file -> its descriptor.

Read is what says how bytes are laid out: messages, enums, fields, oneofs, maps, imports, proto2 and proto3. Services,
extensions and options are passed over, except for `packed` and for what Confluent notes of decimals
(`confluent.field_meta`), which is kept beside the descriptor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from ssql.errors import SchemaUnreadable

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<name>\.?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<number>[0-9.][0-9A-Za-z_.]*(?:(?<=[eE])[+-][0-9]+)?)
  | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<mark>[{}\[\]()<>;,=:/+-])
    """,
    re.VERBOSE | re.DOTALL,
)
_SCALARS = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "sint32": FieldDescriptorProto.TYPE_SINT32,
    "sint64": FieldDescriptorProto.TYPE_SINT64,
    "fixed32": FieldDescriptorProto.TYPE_FIXED32,
    "fixed64": FieldDescriptorProto.TYPE_FIXED64,
    "sfixed32": FieldDescriptorProto.TYPE_SFIXED32,
    "sfixed64": FieldDescriptorProto.TYPE_SFIXED64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}
_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}
_FIELD_META = "confluent.field_meta"
_LARGEST_NUMBER = (1 << 29) - 1
_DEEPEST = 64  # nesting of messages


@dataclass
class ProtoFile:
    """A file's descriptor; `params`: Confluent's parameters of fields, by the full name of the field."""

    descriptor: FileDescriptorProto = field(default_factory=FileDescriptorProto)
    params: dict[str, dict[str, str]] = field(default_factory=dict)


def parse(text: str) -> ProtoFile:
    """The descriptor of a file's text; its name is left empty.

    Raises:
        SchemaUnreadable: where the text is not of the language, with the line.
    """
    return _Parser(text).file()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0
        self.result = ProtoFile()

    # --- tokens ----------------------------------------------------------

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise self.trouble("it ends too early")
        self.at += 1
        return token

    def take(self, token: str) -> bool:
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.trouble(f'expected "{token}", got "{self.peek()}"')

    def name(self) -> str:
        token = self.next()
        if not (token[0].isalpha() or token[0] in "_."):
            self.at -= 1
            raise self.trouble(f'expected a name, got "{token}"')
        return token

    def simple_name(self) -> str:
        name = self.name()
        if "." in name:
            raise self.trouble(f'"{name}" is no simple name')
        return name

    def number(self) -> int:
        sign = -1 if self.take("-") else 1
        token = self.next()
        try:
            octal = len(token) > 1 and token[0] == "0" and token.isdigit()
            return sign * int(token, 8 if octal else 0)
        except ValueError:
            self.at -= 1
            raise self.trouble(f'expected a number, got "{token}"') from None

    def string(self) -> str:
        token = self.next()
        if token[0] not in "\"'":
            self.at -= 1
            raise self.trouble(f'expected a text, got "{token}"')
        parts = [token[1:-1]]
        while self.peek()[:1] in ('"', "'"):
            parts.append(self.next()[1:-1])
        return "".join(parts)

    def trouble(self, what: str) -> SchemaUnreadable:
        place = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 0
        line = self.text.count("\n", 0, place) + 1
        return SchemaUnreadable(f"the Protobuf schema is not readable: line {line}: {what}")

    # --- the file --------------------------------------------------------

    def file(self) -> ProtoFile:
        proto = self.result.descriptor
        while self.peek():
            if self.take(";"):
                continue
            word = self.next()
            if word == "syntax":
                self.expect("=")
                proto.syntax = self.string()
                if proto.syntax not in ("proto2", "proto3"):
                    raise self.trouble(f'syntax "{proto.syntax}" is not known')
                self.expect(";")
            elif word == "package":
                proto.package = self.name()
                self.expect(";")
            elif word == "import":
                self.take("public") or self.take("weak")
                proto.dependency.append(self.string())
                self.expect(";")
            elif word == "message":
                self.message(proto.message_type.add(), proto.package, 0)
            elif word == "enum":
                self.enum(proto.enum_type.add())
            elif word in ("option", "service", "extend"):
                self.skip()
            else:
                self.at -= 1
                raise self.trouble(f'"{word}" is not expected here')
        return self.result

    def skip(self) -> None:
        """Past the statement that has begun: up to its `;` or its closing brace."""
        depth = 0
        while True:
            token = self.next()
            if token in ("{", "["):
                depth += 1
            elif token in ("}", "]"):
                depth -= 1
                if depth == 0 and token == "}":
                    self.take(";")
                    return
            elif token == ";" and depth == 0:
                return

    def message(self, message: DescriptorProto, scope: str, depth: int) -> None:
        message.name = self.simple_name()
        if depth > _DEEPEST:
            raise self.trouble("nested too deeply")
        full = f"{scope}.{message.name}" if scope else message.name
        self.expect("{")
        while not self.take("}"):
            if self.take(";"):
                continue
            word = self.peek()
            after = self.tokens[self.at + 1][0] if self.at + 1 < len(self.tokens) else ""
            follows = self.tokens[self.at + 2][0] if self.at + 2 < len(self.tokens) else ""
            if word in ("message", "enum") and follows == "{":
                self.next()
                if word == "message":
                    self.message(message.nested_type.add(), full, depth + 1)
                else:
                    self.enum(message.enum_type.add())
            elif word == "oneof" and follows == "{":
                self.oneof(message, full)
            elif word in ("option", "extensions", "reserved", "extend"):
                self.skip()
            elif word == "map" and after == "<":
                self.map_field(message, full)
            else:
                self.field(message, full, None)
        self.synthetic_oneofs(message)

    def oneof(self, message: DescriptorProto, full: str) -> None:
        self.expect("oneof")
        message.oneof_decl.add(name=self.simple_name())
        place = len(message.oneof_decl) - 1
        self.expect("{")
        while not self.take("}"):
            if self.take(";"):
                continue
            if self.peek() == "option":
                self.skip()
            else:
                self.field(message, full, place)

    def field(self, message: DescriptorProto, full: str, oneof: int | None) -> None:
        proto3 = self.result.descriptor.syntax == "proto3"
        label = "optional"
        given = self.peek() in _LABELS and self.tokens[self.at + 1][0] != "="
        if given:
            label = self.next()
        kind = self.name()
        if kind == "group":
            raise self.trouble("groups are not supported")
        made = message.field.add(label=_LABELS[label])
        if oneof is not None:
            made.oneof_index = oneof
        elif proto3 and given and label == "optional":
            made.proto3_optional = True
        _set_type(made, kind)
        self.field_end(made, full)

    def map_field(self, message: DescriptorProto, full: str) -> None:
        self.expect("map")
        self.expect("<")
        key = self.name()
        self.expect(",")
        value = self.name()
        self.expect(">")
        if key not in _SCALARS or key in ("double", "float", "bytes"):
            raise self.trouble(f'"{key}" cannot be the key of a map')
        made = message.field.add(label=FieldDescriptorProto.LABEL_REPEATED)
        self.field_end(made, full)
        entry = message.nested_type.add(name=_entry_name(made.name))
        entry.options.map_entry = True
        for number, (name, kind) in enumerate((("key", key), ("value", value)), start=1):
            held = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            _set_type(held, kind)
        made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{full}.{entry.name}"

    def field_end(self, made: FieldDescriptorProto, full: str) -> None:
        made.name = made.json_name = self.simple_name()  # names that are one in JSON alone may stand side by side
        self.expect("=")
        made.number = self.number()
        if not 1 <= made.number <= _LARGEST_NUMBER:
            raise self.trouble(f"{made.number} cannot be the number of a field")
        if self.take("["):
            while not self.take("]"):
                self.field_option(made, full)
                self.take(",")
        self.expect(";")

    def field_option(self, made: FieldDescriptorProto, full: str) -> None:
        name = self.option_name()
        self.expect("=")
        value = self.value()
        if name == "packed":
            made.options.packed = value == "true"
        elif name == _FIELD_META and isinstance(value, dict):
            self.result.params[f"{full}.{made.name}"] = _params(value)
        elif name == f"{_FIELD_META}.params" and isinstance(value, dict):
            self.result.params.setdefault(f"{full}.{made.name}", {}).update(_params({"params": [value]}))

    def option_name(self) -> str:
        parts: list[str] = []
        while self.peek() != "=":
            token = self.next()
            if token not in "()":
                parts.append(token.strip("."))
        return ".".join(parts)

    def value(self) -> object:
        """An option's value: text, name or number as it stands, or what is in braces."""
        if self.take("{"):
            return self.aggregate("}")
        if self.take("<"):
            return self.aggregate(">")
        if self.take("["):
            items: list[object] = []
            while not self.take("]"):
                items.append(self.value())
                self.take(",")
            return items
        if self.peek()[:1] in ('"', "'"):
            return self.string()
        sign = "-" if self.take("-") else ""
        return sign + self.next()

    def aggregate(self, end: str) -> dict[str, list[object]]:
        found: dict[str, list[object]] = {}
        while not self.take(end):
            if self.take("["):  # the name of an extension
                name = self.name()
                self.expect("]")
            else:
                name = self.name()
            self.take(":")
            value = self.value()
            found.setdefault(name, []).extend(value if isinstance(value, list) else [value])
            self.take(",") or self.take(";")
        return found

    def enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self.simple_name()
        self.expect("{")
        while not self.take("}"):
            if self.take(";"):
                continue
            if self.peek() == "option":
                mark = self.at
                self.next()
                if self.option_name() == "allow_alias" and self.take("=") and self.take("true"):
                    enum.options.allow_alias = True
                self.at = mark
                self.skip()
            elif self.peek() == "reserved":
                self.skip()
            else:
                value = enum.value.add(name=self.simple_name())
                self.expect("=")
                value.number = self.number()
                if self.take("["):
                    while not self.take("]"):
                        self.option_name()
                        self.expect("=")
                        self.value()
                        self.take(",")
                self.expect(";")

    def synthetic_oneofs(self, message: DescriptorProto) -> None:
        """Fields that proto3 calls optional are each in a oneof of their own, behind those that the text has."""
        taken = {f.name for f in message.field} | {o.name for o in message.oneof_decl}
        for held in message.field:
            if held.proto3_optional:
                name = f"_{held.name}"
                while name in taken:
                    name = f"X{name}"
                taken.add(name)
                held.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=name)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            line = text.count("\n", 0, at) + 1
            raise SchemaUnreadable(f'the Protobuf schema is not readable: line {line}: "{text[at]}" is not expected')
        if found.lastgroup != "blank":
            yield found[0], at
        at = found.end()


def _set_type(made: FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        made.type = _SCALARS[kind]
    else:
        made.type_name = kind  # message or enum: the pool finds out


def _entry_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def _params(meta: dict[str, list[object]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in meta.get("params", []):
        if isinstance(entry, dict) and entry.get("key") and entry.get("value"):
            found[str(entry["key"][0])] = str(entry["value"][0])
    return found
