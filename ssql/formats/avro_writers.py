"""Avro written exactly: values of columns -> one record's bytes, by a schema that has a place for them.

The schema may be one that others made: columns go to the fields of their name, fields without a column get their
default or null. Values are plain (see `plain`). This is the rule that the compiled writer is held to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal as PyDecimal
from typing import Any

from ssql.errors import FormatError
from ssql.formats import scalars
from ssql.formats.avro_values import matching
from ssql.formats.scalars import INT32, INT64, MisfitError
from ssql.schemas.avro import Avro, Field, branch_name, sql_type
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

#: Appends a value that is not null, or raises `MisfitError`.
Write = Callable[[bytearray, Any], None]

_DOUBLE = struct.Struct("<d").pack
_FLOAT = struct.Struct("<f").pack


def varint(value: int) -> bytes:
    """A number as Avro writes it: zig-zag, seven bits a byte."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _null(_: bytearray, __: Any) -> None:
    return None


def _boolean(out: bytearray, value: bool) -> None:
    out.append(value)


def _whole(bounds: tuple[int, int], kind: str, scale: int = 1) -> Write:
    low, high = bounds

    def write(out: bytearray, value: int) -> None:
        value *= scale
        if not low <= value <= high:
            raise scalars.out_of_range(str(value), kind)
        out += varint(value)

    return write


def _float(out: bytearray, value: float) -> None:
    try:
        out += _FLOAT(value)
    except OverflowError:
        raise scalars.out_of_range(scalars.double_text(value), "float") from None


def _double(out: bytearray, value: float) -> None:
    out += _DOUBLE(value)


def _bytes(out: bytearray, value: bytes) -> None:
    out += varint(len(value))
    out += value


def _string(out: bytearray, value: str) -> None:
    _bytes(out, value.encode())


def _fixed(size: int) -> Write:
    def write(out: bytearray, value: bytes) -> None:
        if len(value) != size:
            raise MisfitError(f"holds {len(value)} bytes where {size} are needed")
        out += value

    return write


def _enum(symbols: Sequence[str]) -> Write:
    places = {symbol: varint(at) for at, symbol in enumerate(symbols)}

    def write(out: bytearray, value: str) -> None:
        place = places.get(value)
        if place is None:
            raise MisfitError(f'"{scalars.shown(value)}" is no symbol of the enum')
        out += place

    return write


def _decimal(avro: Avro) -> Write:
    limit = 10**avro.precision

    def write(out: bytearray, value: PyDecimal) -> None:
        scaled = value.scaleb(avro.scale, scalars.EXACT)
        unscaled = int(scaled)
        if unscaled != scaled or not -limit < unscaled < limit:
            raise scalars.out_of_range(format(value, "f"), Decimal(avro.precision, avro.scale))
        if avro.kind == "fixed":
            try:
                out += unscaled.to_bytes(avro.size, signed=True)
            except OverflowError:
                raise scalars.out_of_range(format(value, "f"), f"{avro.size} bytes") from None
        else:
            magnitude = unscaled if unscaled >= 0 else ~unscaled
            _bytes(out, unscaled.to_bytes(magnitude.bit_length() // 8 + 1, signed=True))

    return write


def _scalar(avro: Avro, t: SqlType) -> Write | None:
    """How a scalar of a type is written; None where `avro` has no place for it."""
    if avro.logical == "decimal":
        return _decimal(avro) if isinstance(t, Decimal) else None
    if avro.kind == "string":
        return _string if t == STRING else None
    if avro.kind == "enum":
        return _enum(avro.symbols) if t == STRING else None
    if avro.kind in ("bytes", "fixed"):
        return None if t != BYTES else _bytes if avro.kind == "bytes" else _fixed(avro.size)
    if avro.kind == "boolean":
        return _boolean if t == BOOLEAN else None
    if avro.kind in ("float", "double"):
        return (_double if avro.kind == "double" else _float) if t in (INTEGER, BIGINT, DOUBLE) else None
    if avro.kind not in ("int", "long"):
        return None
    fitting: dict[str, tuple[SqlType, ...]] = {
        "": (INTEGER, BIGINT, DATE, TIME, TIMESTAMP),
        "date": (DATE,),
        "time-millis": (TIME,),
        "time-micros": (TIME,),
    }
    if t not in fitting.get(avro.logical, (TIMESTAMP,)):
        return None
    scale = 1000 if avro.logical.endswith("micros") else 1
    return _whole(INT32 if avro.kind == "int" else INT64, avro.kind, scale)


def writer(avro: Avro, t: SqlType) -> Write:
    """What writes values of type `t`, never null, as `avro`.

    Raises:
        MisfitError: where `avro` has no place for such values.
    """
    if avro.kind == "union":
        return _union(avro, t)
    if avro.kind == "array" and isinstance(t, Array):
        return _array(nullable(avro.element, t.element))
    if avro.kind == "array" and avro.entry and isinstance(t, Map):
        key, value = (nullable(f.type, kind) for f, kind in zip(avro.element.fields, (t.key, t.value), strict=True))
        return _pairs(key, value)
    if avro.kind == "map" and isinstance(t, Map) and t.key == STRING:
        return _pairs(_string, nullable(avro.element, t.value))
    if avro.kind == "record" and isinstance(t, Struct):
        return _struct(avro, t)
    scalar = _scalar(avro, t)
    if scalar is None:
        raise MisfitError(f"cannot write {t} as {avro.logical or avro.kind}")
    return scalar


def nullable(avro: Avro, t: SqlType) -> Write:
    """What writes values of type `t`, null among them, as `avro`: null is bad where it has no place."""
    write = writer(avro, t)
    null_at = next((at for at, branch in enumerate(avro.branches) if branch.kind == "null"), None)
    null = None if null_at is None else varint(null_at)

    def written(out: bytearray, value: Any) -> None:
        if value is not None:
            write(out, value)
        elif null is None:
            raise MisfitError("null, where the schema asks for a value")
        else:
            out += null

    return written


def _field(held: Field, t: SqlType) -> Write:
    """What writes a field from a column: null is its default where the schema has no place for null."""
    if not held.has_default or held.type.kind == "null" or any(b.kind == "null" for b in held.type.branches):
        return nullable(held.type, t)
    write, default = writer(held.type, t), constant(held)

    def written(out: bytearray, value: Any) -> None:
        if value is None:
            out += default
        else:
            write(out, value)

    return written


def _union(avro: Avro, t: SqlType) -> Write:
    others = [(at, b) for at, b in enumerate(avro.branches) if b.kind != "null"]
    if len(others) > 1 and isinstance(t, Struct):
        return _branches_of_struct(avro, t)
    trouble = MisfitError(f"cannot write {t} as null")
    for at, branch in others:  # the first that takes it
        try:
            write = writer(branch, t)
        except MisfitError as bad:
            trouble = bad
            continue
        place = varint(at)

        def written(out: bytearray, value: Any, place: bytes = place, write: Write = write) -> None:
            out += place
            write(out, value)

        return written
    raise trouble


def _branches_of_struct(avro: Avro, t: Struct) -> Write:
    """A STRUCT with a field a type as a union of them: the first field that is set."""
    places = matching([name for name, _ in t.fields], [branch_name(b) for b in avro.branches])
    writers = [
        (name, varint(place), writer(avro.branches[place], kind))
        for (name, kind), place in zip(t.fields, places, strict=True)
        if place is not None
    ]
    null_at = next((at for at, b in enumerate(avro.branches) if b.kind == "null"), None)

    def write(out: bytearray, value: dict[str, Any]) -> None:
        for name, place, held in writers:
            if value[name] is not None:
                out += place
                held(out, value[name])
                return
        if null_at is None:
            raise MisfitError("no field is set, where the schema asks for one")
        out += varint(null_at)

    return write


def _array(element: Write) -> Write:
    def write(out: bytearray, value: Sequence[Any]) -> None:
        if value:
            out += varint(len(value))
            for item in value:
                element(out, item)
        out.append(0)

    return write


def _pairs(key: Write, held: Write) -> Write:
    def write(out: bytearray, value: Sequence[tuple[Any, Any]]) -> None:
        if value:
            out += varint(len(value))
            for name, item in value:
                key(out, name)
                held(out, item)
        out.append(0)

    return write


def _struct(avro: Avro, t: Struct) -> Write:
    columns = [Column(name, kind) for name, kind in t.fields]
    record = RecordWriter(avro, columns)
    names = [c.name for c in columns]

    def write(out: bytearray, value: dict[str, Any]) -> None:
        record.write(out, [value[name] for name in names])

    return write


class RecordWriter:
    """Writes the fields of a record from the values of columns.

    Raises (when made):
        MisfitError: where a column has no field, or a field without a column needs a value.
    """

    def __init__(self, avro: Avro, columns: Sequence[Column]) -> None:
        names = [f.name for f in avro.fields]
        places = matching([c.name for c in columns], names)
        column_of = {place: at for at, place in enumerate(places) if place is not None}
        for at, (column, place) in enumerate(zip(columns, places, strict=True)):
            if place is None or column_of[place] != at:
                raise MisfitError(f"the schema has no field {column.name}")
        self.steps: list[tuple[int, Write, str]] = []
        for place, held in enumerate(avro.fields):
            at = column_of.get(place, -1)
            try:
                write = _field(held, columns[at].type) if at >= 0 else _constant(constant(held))
            except MisfitError as bad:
                raise bad.under(f".{held.name}") from None
            self.steps.append((at, write, held.name))

    def write(self, out: bytearray, values: Sequence[Any]) -> None:
        for at, write, name in self.steps:
            try:
                write(out, values[at] if at >= 0 else None)
            except MisfitError as bad:
                raise bad.under(f".{name}") from None


def constant(held: Field) -> bytes:
    """What a field without a column is written as: its default, else null.

    Raises:
        MisfitError: where it has neither.
    """
    out = bytearray()
    if held.has_default:
        _write_default(out, held.type, held.default)
    elif any(branch.kind == "null" for branch in held.type.branches):
        _write_default(out, held.type, None)
    elif held.type.kind != "null":
        raise MisfitError("the schema asks for a value, and no column has it")
    return bytes(out)


def _constant(content: bytes) -> Write:
    def write(out: bytearray, _: Any) -> None:
        out += content

    return write


def _write_default(out: bytearray, avro: Avro, value: Any) -> None:
    """A default as the schema gives it: JSON, bytes as text of code points up to 255."""
    if avro.kind == "union":
        # The default of a union is of its first branch, null apart where it is not there first.
        at = next((i for i, b in enumerate(avro.branches) if (b.kind == "null") == (value is None)), 0)
        out += varint(at)
        _write_default(out, avro.branches[at], value)
    elif avro.kind == "record":
        for held in avro.fields:
            given = isinstance(value, dict) and held.name in value
            _write_default(out, held.type, value[held.name] if given else held.default)
    elif avro.kind in ("array", "map"):
        items = list(value.items()) if avro.kind == "map" else list(value)
        if items:
            out += varint(len(items))
            for item in items:
                if avro.kind == "map":
                    _string(out, item[0])
                _write_default(out, avro.element, item[1] if avro.kind == "map" else item)
        out.append(0)
    elif avro.kind in ("bytes", "fixed"):
        content = str(value).encode("latin-1")
        _bytes(out, content) if avro.kind == "bytes" else out.extend(content)
    elif avro.kind != "null":
        plain: Avro = Avro(avro.kind, symbols=avro.symbols)
        writer(plain, sql_type(plain))(out, value)


class ExactWriter:
    """Writes one row's values; None where a bare value, or the whole record, is null."""

    def __init__(self, avro: Avro, columns: Sequence[Column], *, record: bool) -> None:
        """
        Raises:
            FormatError: where the schema has no place for the columns.
        """
        self.record = record
        self.prefix = b""
        try:
            if record:
                body = avro.optional if avro.kind == "union" else avro
                if body is None or body.kind != "record":
                    raise MisfitError(f"expected an Avro record, got {avro.kind}")
                if body is not avro:
                    self.prefix = varint(avro.branches.index(body))
                self.fields = RecordWriter(body, columns)
            else:
                self.bare = writer(avro, columns[0].type)
        except MisfitError as bad:
            where = f"field {bad.path.lstrip('.')}: " if bad.path else ""
            raise FormatError(f"Schema is not compatible with Avro: {where}{bad.reason}") from None

    def write(self, values: Sequence[Any]) -> bytes | None:
        """
        Raises:
            MisfitError: with the whole reason, field included.
        """
        if not self.record and values[0] is None:
            return None
        out = bytearray(self.prefix)
        try:
            if self.record:
                self.fields.write(out, values)
            else:
                self.bare(out, values[0])
        except MisfitError as bad:
            where = f"field {bad.path.lstrip('.')}: " if bad.path else ""
            raise MisfitError(f"{where}{bad.reason}") from None
        return bytes(out)
