"""JSON read exactly: one text at a time, each value as its SQL type takes it.

This is the rule that the fast readers are held to, and where they send every row they are not sure of:

- names match exactly first, then by their upper case; of several such names the last one counts;
- STRING takes any scalar as its text, objects and arrays as their JSON text; numbers take numeric text;
- integers take numbers in range and cut fractions off, DECIMAL takes what fits without rounding, BYTES base64 text;
- DATE, TIME and TIMESTAMP are integers: days, milliseconds of the day, milliseconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ssql.formats import scalars
from ssql.formats.scalars import INT32, INT64, MisfitError
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

#: JSON as parsed: None, bool, Number, str, list, dict -> what pyarrow builds a column of the type from.
Converter = Callable[[Any], Any]


class Number(str):
    """A number literal, digit for digit."""

    __slots__ = ()


def _refuse_constant(name: str) -> None:
    raise MisfitError(f"not valid JSON: {name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse_constant)


def parse(text: str) -> Any:
    """The value of a JSON text, numbers as `Number`.

    Raises:
        MisfitError: for text that is not exactly one JSON value, with the place in bytes.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as bad:
        raise MisfitError(f"not valid JSON: {_trouble(text, bad)}") from None
    except RecursionError:
        raise MisfitError("not valid JSON: nested too deeply") from None


def _trouble(text: str, bad: json.JSONDecodeError) -> str:
    byte = len(text[: bad.pos].encode())
    if bad.pos >= len(text.rstrip(" \t\r\n")) or bad.msg.startswith("Unterminated string"):
        return f"unexpected end at byte {len(text.encode())}"
    if bad.msg == "Extra data":
        return f"more text after the end at byte {byte}"
    if bad.msg.startswith("Invalid control character"):
        return f"control character in text at byte {byte}"
    if bad.msg.startswith("Invalid \\"):
        return f"invalid escape at byte {byte}"
    return f'unexpected "{text[bad.pos]}" at byte {byte}'


def as_text(value: Any) -> str:
    """A parsed value as compact JSON text, names in the order they came."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(k)}:{as_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_text, value)) + "]"
    return _quoted(value) if isinstance(value, str) else {None: "null", True: "true", False: "false"}[value]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _misread(value: Any, t: SqlType) -> MisfitError:
    return scalars.misread(as_text(value), t)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _misread(value, BOOLEAN)
    return value


def _whole(t: SqlType, bounds: tuple[int, int]) -> Converter:
    def convert(value: Any) -> int:
        if isinstance(value, Number):
            return scalars.integral(value, bounds, t)
        if isinstance(value, str):
            return scalars.integer(value, bounds, t)
        raise _misread(value, t)

    return convert


def _time(value: Any) -> int:
    return scalars.time_of_day(_whole(TIME, INT64)(value), TIME)


def _double(value: Any) -> float:
    if isinstance(value, Number):
        return scalars.number("0" if value == "-0" else value, DOUBLE)
    if isinstance(value, str):
        return scalars.double(value, DOUBLE)
    raise _misread(value, DOUBLE)


def _string(value: Any) -> str:
    text = str(value) if isinstance(value, str) else as_text(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MisfitError("holds half of a surrogate pair, which is no text") from None
    return text


def _bytes(value: Any) -> bytes:
    if isinstance(value, str) and not isinstance(value, Number):
        return scalars.base64_bytes(value, BYTES)
    raise _misread(value, BYTES)


def _decimal(t: Decimal) -> Converter:
    def convert(value: Any) -> Any:
        if isinstance(value, str):
            return scalars.decimal(value, t.precision, t.scale, t)
        raise _misread(value, t)

    return convert


def _array(t: Array) -> Converter:
    element = converter(t.element)

    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _misread(value, t)
        result: list[Any] = []
        try:
            for item in value:
                result.append(None if item is None else element(item))  # the length so far is the place
        except MisfitError as bad:
            raise bad.under(f"[{len(result)}]") from None
        return result

    return convert


def _map(t: Map) -> Converter:
    element = converter(t.value)

    def convert(value: Any) -> list[tuple[str, Any]]:
        if not isinstance(value, dict):
            raise _misread(value, t)
        result: list[tuple[str, Any]] = []
        for name, item in value.items():
            try:
                result.append((_string(name), None if item is None else element(item)))
            except MisfitError as bad:
                raise bad.under(f"['{name}']") from None
        return result

    return convert


def _struct(t: Struct) -> Converter:
    names = [name for name, _ in t.fields]
    fields = [converter(field) for _, field in t.fields]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _misread(value, t)
        result: dict[str, Any] = {}
        for name, field, item in zip(names, fields, members(value, names), strict=True):
            try:
                result[name] = None if item is None else field(item)
            except MisfitError as bad:
                raise bad.under(f".{name}") from None
        return result

    return convert


def members(value: dict[str, Any], names: Sequence[str]) -> list[Any]:
    """The members of an object by column name: the exact name, else the last one whose upper case it is, else None."""
    found = [value.get(name, value) for name in names]  # `value` itself stands for "missing": null is not missing
    if any(item is value for item in found):
        upper = {name.upper(): item for name, item in value.items()}
        return [upper.get(name) if item is value else item for name, item in zip(names, found, strict=True)]
    return found


def converter(t: SqlType) -> Converter:
    """What turns a parsed JSON value (never None) into a value of the type. It raises `MisfitError`."""
    if isinstance(t, Decimal):
        return _decimal(t)
    if isinstance(t, Array):
        return _array(t)
    if isinstance(t, Map):
        return _map(t)
    if isinstance(t, Struct):
        return _struct(t)
    converters: dict[SqlType, Converter] = {
        BOOLEAN: _boolean,
        INTEGER: _whole(INTEGER, INT32),
        BIGINT: _whole(BIGINT, INT64),
        DOUBLE: _double,
        STRING: _string,
        BYTES: _bytes,
        DATE: _whole(DATE, INT32),
        TIME: _time,
        TIMESTAMP: _whole(TIMESTAMP, INT64),
    }
    return converters[t]


class ExactReader:
    """Reads one JSON text into one value a column; None where it is null or missing."""

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.names = [c.name for c in columns]
        self.converters = [converter(c.type) for c in columns]
        self.record = record

    def read(self, text: str) -> list[Any] | None:
        """The values of the columns, or None where the text is `null`.

        Raises:
            MisfitError: with the whole reason, column included.
        """
        value = parse(text)
        if value is None:
            return None
        if not self.record:
            return [self._convert(0, value)] if self.names else []
        if not isinstance(value, dict):
            raise MisfitError(f"expected a JSON object, got {scalars.shown(as_text(value))}")
        return [None if item is None else self._convert(i, item) for i, item in enumerate(members(value, self.names))]

    def _convert(self, column: int, value: Any) -> Any:
        try:
            return self.converters[column](value)
        except MisfitError as bad:
            raise MisfitError(f"field {self.names[column]}{bad.path}: {bad.reason}") from None
