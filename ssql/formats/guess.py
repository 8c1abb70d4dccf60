"""Bytes whose format nobody has told: which formats they could be in, and the text that people can read them as.

A guess begins with all formats that can be told by their bytes, and drops those that a value does not fit; a value is
shown as the first that is left. Keys may have a window behind them (as `windowed.py` lays it out). What fits nothing is
shown byte by byte, so that every value has a text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
from google.protobuf import text_format
from google.protobuf.message_factory import GetMessageClass

from ssql.formats import framing
from ssql.formats.avro_values import Read, anything
from ssql.formats.protobuf import message_path
from ssql.formats.registered import definition_of
from ssql.formats.scalars import MisfitError, double_text
from ssql.schemas import avro
from ssql.schemas.api import SchemaRegistry, referenced
from ssql.schemas.proto import ProtoSchema

#: Bytes -> text; any exception says that the bytes are not in the format.
Show = Callable[[bytes], str]

NULL = "<null>"
NO_DATA = "¯\\_(ツ)_/¯ - no data processed"
NO_MATCH = (
    "does not match any supported format. It may be a STRING with encoding other than UTF8, or some other format."
)

_JSON = msgspec.json.Encoder(decimal_format="number")
_BOUND = 8  # bytes of one window bound
#: Windows begin before this (ms; the year 10889): eight bytes of text, read as a time, are far beyond it.
_LAST_WINDOW_MS = 1 << 48


class Guess:
    """The formats that the keys, or the values, of a topic may be in, as far as the data seen so far goes."""

    def __init__(self, schemas: SchemaRegistry, *, keys: bool) -> None:
        formats = [*_texts_of_records(schemas), *_PLAIN]
        if keys:
            formats = [one for name, show in formats for one in (*_windowed(name, show), (name, show))]
        self._possible: list[tuple[str, Show]] = formats
        self._seen = False

    def text(self, data: bytes | None) -> str:
        """The value as text. Formats that it does not fit are no longer possible."""
        if data is None:
            return NULL
        self._seen = True
        shown: str | None = None
        possible = []
        for name, show in self._possible:
            try:
                text = show(data)
            except Exception:
                continue
            possible.append((name, show))
            shown = text if shown is None else shown
        self._possible = possible
        return _escaped(data) if shown is None else shown

    @property
    def formats(self) -> str:
        """The formats that all values fit, as PRINT tells them."""
        if not self._seen:
            return NO_DATA
        return " or ".join(name for name, _ in self._possible) or NO_MATCH


# --- records -----------------------------------------------------------------


def _texts_of_records(schemas: SchemaRegistry) -> list[tuple[str, Show]]:
    """AVRO, PROTOBUF, JSON and JSON_SR. A schema is looked up once."""
    readers: dict[int, Read] = {}
    messages: dict[int, ProtoSchema] = {}

    def avro_text(data: bytes) -> str:
        number, payload = _unframed(data)
        if number not in readers:
            definition = definition_of(schemas, number, "AVRO", "AVRO")
            readers[number] = anything(avro.parse(definition.text, referenced(schemas, definition)))
        value, end = readers[number](payload, 0)
        if end != len(payload):
            raise MisfitError("goes on after its end")
        return msgspec.json.format(_JSON.encode(value), indent=0).decode()

    def protobuf_text(data: bytes) -> str:
        number, payload = _unframed(data)
        if number not in messages:
            definition = definition_of(schemas, number, "PROTOBUF", "PROTOBUF")
            messages[number] = ProtoSchema(definition.text, referenced(schemas, definition))
        path, size = message_path(payload)
        message = GetMessageClass(messages[number].at(path)).FromString(payload[size:])
        return text_format.MessageToString(message, as_one_line=True, as_utf8=True)

    def json_sr_text(data: bytes) -> str:
        number, payload = _unframed(data)
        definition_of(schemas, number, "JSON", "JSON_SR")
        return msgspec.json.format(payload, indent=-1).decode()

    return [("AVRO", avro_text), ("PROTOBUF", protobuf_text), ("JSON", _json_text), ("JSON_SR", json_sr_text)]


def _unframed(data: bytes) -> tuple[int, bytes]:
    """The schema's id, and what comes after the frame."""
    if len(data) < framing.FRAME or data[0] != 0:
        raise MisfitError("not in the Schema Registry's wire format")
    return int.from_bytes(data[1 : framing.FRAME]), data[framing.FRAME :]


# --- plain formats -----------------------------------------------------------


def _string_text(data: bytes) -> str:
    text = data.decode()
    if not text or "�" in text:
        raise MisfitError("no text")
    return text


def _json_text(data: bytes) -> str:
    text = _string_text(data)
    msgspec.json.decode(data)
    return text


def _number(layout: str, show: Callable[[Any], str]) -> Show:
    unpack = struct.Struct(layout).unpack
    return lambda data: show(unpack(data)[0])


_PLAIN: list[tuple[str, Show]] = [
    ("KAFKA_INT", _number(">i", str)),
    ("KAFKA_BIGINT", _number(">q", str)),
    ("KAFKA_DOUBLE", _number(">d", double_text)),
    ("KAFKA_STRING", _string_text),
]


def _windowed(name: str, show: Show) -> list[tuple[str, Show]]:
    """The format with a window of each type behind it."""

    def session(data: bytes) -> str:
        end, start = _bounds(data, 2)
        if end < start:
            raise MisfitError("no window")
        return f"[{show(data[: -2 * _BOUND])}@{start}/{end}]"

    def time(data: bytes) -> str:
        (start,) = _bounds(data, 1)
        return f"[{show(data[:-_BOUND])}@{start}/-]"

    return [(f"SESSION({name})", session), (f"HOPPING({name})", time), (f"TUMBLING({name})", time)]


def _bounds(data: bytes, count: int) -> tuple[int, ...]:
    found: tuple[int, ...] = struct.unpack(f">{count}q", data[-count * _BOUND :])
    if any(not 0 <= bound < _LAST_WINDOW_MS for bound in found):
        raise MisfitError("no window")
    return found


def _escaped(data: bytes) -> str:
    """Bytes one by one: those of ASCII as they are, others (and the backslash) as `\\xHH`."""
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02X}" for b in data)
