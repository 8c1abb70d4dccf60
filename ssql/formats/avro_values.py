"""Avro read exactly: one record's bytes at a time, by the schema it was written with.

A reader is made once for a writer's schema and the columns that are wanted: fields are matched by name (exactly, else
ignoring case), those that nobody wants are passed over, those that the writer does not have are null. This is the rule
that the compiled reader is held to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal as PyDecimal
from typing import Any

from ssql.formats import coercions, scalars
from ssql.formats.coercions import Held
from ssql.formats.scalars import MisfitError
from ssql.schemas.avro import Avro, branch_name
from ssql.types import STRING, Array, Column, Decimal, Map, SqlType, Struct

#: bytes, position -> value, position after it. IndexError and struct.error say that the bytes end too early.
Read = Callable[[bytes, int], tuple[Any, int]]

_DOUBLE = struct.Struct("<d").unpack_from
_FLOAT = struct.Struct("<f").unpack_from
_VARINT_BITS = 63
#: Most items of no bytes at all in one block: there is nothing else to say that a count is nonsense.
_MOST_EMPTY = 1 << 20

TOO_SHORT = "ends too early"


def _long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    value = byte & 0x7F
    shift = 7
    while byte & 0x80:
        if shift > _VARINT_BITS:
            raise MisfitError("holds a number of more than 64 bits")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    value &= (1 << 64) - 1
    return (value >> 1) ^ -(value & 1), at


def _int(data: bytes, at: int) -> tuple[int, int]:
    value, at = _long(data, at)
    if not -(1 << 31) <= value < 1 << 31:
        raise MisfitError(f"{value} is out of range for int")
    return value, at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    byte = data[at]
    if byte > 1:
        raise MisfitError(f"{byte} is no boolean")
    return byte == 1, at + 1


def _float(data: bytes, at: int) -> tuple[float, int]:
    return _FLOAT(data, at)[0], at + 4


def _double(data: bytes, at: int) -> tuple[float, int]:
    return _DOUBLE(data, at)[0], at + 8


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(data, at)
    if size < 0:
        raise MisfitError(f"holds a length of {size}")
    end = at + size
    if end > len(data):
        raise MisfitError(TOO_SHORT)
    return data[at:end], end


def _string(data: bytes, at: int) -> tuple[str, int]:
    held, at = _bytes(data, at)
    try:
        return held.decode(), at
    except UnicodeDecodeError:
        raise MisfitError("not valid UTF-8") from None


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


def _fixed(size: int) -> Read:
    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if at + size > len(data):
            raise MisfitError(TOO_SHORT)
        return data[at : at + size], at + size

    return read


def _enum(symbols: Sequence[str]) -> Read:
    def read(data: bytes, at: int) -> tuple[str, int]:
        place, at = _long(data, at)
        if not 0 <= place < len(symbols):
            raise MisfitError(f"there is no symbol {place}")
        return symbols[place], at

    return read


def _decimal(held: Read, scale: int) -> Read:
    def read(data: bytes, at: int) -> tuple[PyDecimal, int]:
        digits, at = held(data, at)
        return PyDecimal(int.from_bytes(digits, signed=True)).scaleb(-scale, scalars.EXACT), at

    return read


_PLAIN: dict[str, tuple[Read, Held]] = {
    "boolean": (_boolean, "boolean"),
    "int": (_int, "int"),
    "long": (_long, "int"),
    "float": (_float, "double"),
    "double": (_double, "double"),
    "bytes": (_bytes, "bytes"),
    "string": (_string, "string"),
}
HELD: dict[str, Held] = {
    "decimal": "decimal",
    "date": "days",
    "time-millis": "time_ms",
    "time-micros": "time_us",
    "timestamp-millis": "millis",
    "timestamp-micros": "micros",
    "local-timestamp-millis": "millis",
    "local-timestamp-micros": "micros",
}


def _scalar(avro: Avro) -> tuple[Read, Held] | None:
    """How a scalar is read and what it then is; None where `avro` is none."""
    if avro.kind == "enum":
        return _enum(avro.symbols), "string"
    plain: tuple[Read, Held] | None = (_fixed(avro.size), "bytes") if avro.kind == "fixed" else _PLAIN.get(avro.kind)
    if plain is None:
        return None
    read, held = plain
    if avro.logical == "decimal":
        read = _decimal(read, avro.scale)
    return read, HELD.get(avro.logical, held)


def reader(avro: Avro, t: SqlType) -> Read:
    """What reads a value of type `t` written as `avro`.

    Raises:
        MisfitError: where no value written as `avro` can be of that type.
    """
    if avro.kind == "null":
        return _null
    if avro.kind == "union":
        return _union(avro, t)
    scalar = _scalar(avro)
    if scalar is not None:
        return _converted(*scalar, t, avro)
    if avro.kind == "array" and isinstance(t, Array):
        return _array(avro, t)
    if avro.kind == "array" and avro.entry and isinstance(t, Map):
        return _entries(avro, t)
    if avro.kind == "map" and isinstance(t, Map):
        return _map(avro, t)
    if avro.kind == "record" and isinstance(t, Struct):
        return _struct(avro, t)
    raise coercions.misfit(avro.kind, t)


def _converted(read: Read, held: Held, t: SqlType, avro: Avro) -> Read:
    convert = coercions.converter(held, t)
    if convert is None:
        raise coercions.misfit(avro.logical or avro.kind, t)
    if isinstance(t, Decimal) and held == "decimal" and avro.scale == t.scale:
        convert = coercions.fitting(t)

    def converted(data: bytes, at: int) -> tuple[Any, int]:
        value, at = read(data, at)
        return convert(value), at

    return converted


def _union(avro: Avro, t: SqlType) -> Read:
    others = [b for b in avro.branches if b.kind != "null"]
    if len(others) > 1 and isinstance(t, Struct):
        return _branches_of_struct(avro, t)
    readers: list[Read] = []
    for branch in avro.branches:
        try:
            readers.append(reader(branch, t))
        except MisfitError as bad:
            if len(others) == 1:
                raise
            readers.append(_failing(bad))

    def read(data: bytes, at: int) -> tuple[Any, int]:
        place, at = _long(data, at)
        if not 0 <= place < len(readers):
            raise MisfitError(f"there is no branch {place} in the union")
        return readers[place](data, at)

    return read


def _failing(bad: MisfitError) -> Read:
    def read(_: bytes, __: int) -> tuple[Any, int]:
        raise MisfitError(bad.reason, bad.path)

    return read


def _branches_of_struct(avro: Avro, t: Struct) -> Read:
    """A union of several types as a STRUCT with a field a type, of which one is set."""
    places = matching([name for name, _ in t.fields], [branch_name(b) for b in avro.branches])
    names: list[str | None] = [None] * len(avro.branches)
    readers: list[Read] = [skipper(b) for b in avro.branches]
    for (name, field_type), place in zip(t.fields, places, strict=True):
        if place is not None:
            names[place], readers[place] = name, reader(avro.branches[place], field_type)
    empty: dict[str, Any] = {name: None for name, _ in t.fields}
    nulls = [b.kind == "null" for b in avro.branches]

    def read(data: bytes, at: int) -> tuple[Any, int]:
        place, at = _long(data, at)
        if not 0 <= place < len(readers):
            raise MisfitError(f"there is no branch {place} in the union")
        value, at = readers[place](data, at)
        if nulls[place]:
            return None, at
        name = names[place]
        return (empty if name is None else {**empty, name: value}), at

    return read


def _blocks(item: Read, least: int, data: bytes, at: int) -> tuple[list[Any], int]:
    """The items of all blocks of an array or map; each item takes `least` bytes or more."""
    result: list[Any] = []
    while True:
        count, at = _long(data, at)
        if count == 0:
            return result, at
        if count < 0:
            count = -count
            _, at = _long(data, at)
        if count > (len(data) - at if least else _MOST_EMPTY):
            raise MisfitError(TOO_SHORT if least else f"holds {count} items of no bytes")
        for _ in range(count):
            value, at = item(data, at)
            result.append(value)


def _array(avro: Avro, t: Array) -> Read:
    element, least = reader(avro.element, t.element), _least(avro.element)

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        return _blocks(element, least, data, at)

    return read


def _map(avro: Avro, t: Map) -> Read:
    value = reader(avro.element, t.value)
    key = _converted(_string, "string", t.key, Avro("string"))

    def item(data: bytes, at: int) -> tuple[tuple[Any, Any], int]:
        name, at = key(data, at)
        held, at = value(data, at)
        return (name, held), at

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        return _blocks(item, 1, data, at)

    return read


def _entries(avro: Avro, t: Map) -> Read:
    """Records {key, value} as a map; a key that is null is the text "null", as in JSON."""
    key, value = (reader(f.type, kind) for f, kind in zip(avro.element.fields, (t.key, t.value), strict=True))
    least = _least(avro.element)

    def item(data: bytes, at: int) -> tuple[tuple[Any, Any], int]:
        name, at = key(data, at)
        held, at = value(data, at)
        return ("null" if name is None and t.key == STRING else name, held), at

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        return _blocks(item, least, data, at)

    return read


def _struct(avro: Avro, t: Struct) -> Read:
    names = [name for name, _ in t.fields]
    steps = _steps(avro, [Column(n, kind) for n, kind in t.fields])

    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: list[Any] = [None] * len(names)
        for step, place, name in steps:
            try:
                value, at = step(data, at)
            except MisfitError as bad:
                raise bad.under(f".{name}") from None
            if place >= 0:
                values[place] = value
        return dict(zip(names, values, strict=True)), at

    return read


def _steps(avro: Avro, columns: Sequence[Column]) -> list[tuple[Read, int, str]]:
    """For each field of a record: how it is read, the column it goes to (-1: none), and its name."""
    wanted: dict[int, int] = {}
    for at, place in enumerate(matching([c.name for c in columns], [f.name for f in avro.fields])):
        if place is not None:
            wanted[place] = at
    steps: list[tuple[Read, int, str]] = []
    for place, held in enumerate(avro.fields):
        at = wanted.get(place, -1)
        try:
            step = reader(held.type, columns[at].type) if at >= 0 else skipper(held.type)
        except MisfitError as bad:
            raise bad.under(f".{columns[at].name}") from None
        steps.append((step, at, held.name))
    while steps and steps[-1][1] < 0:
        steps.pop()  # nobody wants what comes after
    return steps


def matching(names: Sequence[str], held: Sequence[str]) -> list[int | None]:
    """For each name, the place in `held` of that name: the very name, else the first that differs in case alone."""
    exact = {name: at for at, name in reversed(list(enumerate(held)))}
    folded = {name.upper(): at for at, name in reversed(list(enumerate(held)))}
    return [exact[name] if name in exact else folded.get(name.upper()) for name in names]


def _least(avro: Avro, above: tuple[Avro, ...] = ()) -> int:
    """0 where a value may take no bytes at all, else 1."""
    if avro.kind == "null" or (avro.kind == "fixed" and avro.size == 0):
        return 0
    if avro.kind == "record":
        return (
            0
            if any(avro is one for one in above)
            else max((_least(f.type, (*above, avro)) for f in avro.fields), default=0)
        )
    return 1


def skipper(avro: Avro) -> Read:
    """What passes over a value. It is found only when first needed, as a schema may be recursive."""
    if avro.kind in ("null", "boolean", "int", "long", "float", "double", "bytes", "fixed", "enum"):
        scalar = _scalar(avro)
        return scalar[0] if scalar is not None else _null
    if avro.kind == "string":
        return _bytes
    made: list[Read] = []

    def read(data: bytes, at: int) -> tuple[Any, int]:
        if not made:
            made.append(_nested_skipper(avro))
        return None, made[0](data, at)[1]

    return read


def _nested_skipper(avro: Avro) -> Read:
    if avro.kind == "record":
        fields = [skipper(f.type) for f in avro.fields]

        def record(data: bytes, at: int) -> tuple[None, int]:
            for skip in fields:
                _, at = skip(data, at)
            return None, at

        return record
    if avro.kind == "union":
        branches = [skipper(b) for b in avro.branches]

        def union(data: bytes, at: int) -> tuple[None, int]:
            place, at = _long(data, at)
            if not 0 <= place < len(branches):
                raise MisfitError(f"there is no branch {place} in the union")
            return branches[place](data, at)

        return union
    item, least = skipper(avro.element), _least(avro.element)
    if avro.kind == "map":

        def entry(data: bytes, at: int) -> tuple[None, int]:
            _, at = _bytes(data, at)
            return item(data, at)

        return lambda data, at: _blocks(entry, 1, data, at)
    return lambda data, at: _blocks(item, least, data, at)


def anything(avro: Avro) -> Read:
    """What reads a value as it is, whatever its schema: records and maps as dictionaries, unions as what is in them.

    Fixed, bytes and decimals are given as they would be read into columns, dates and times as numbers.
    """
    if avro.kind == "null":
        return _null
    scalar = _scalar(avro)
    if scalar is not None:
        return scalar[0]
    made: list[Read] = []  # when first needed, as a schema may be recursive

    def read(data: bytes, at: int) -> tuple[Any, int]:
        if not made:
            made.append(_anything_nested(avro))
        return made[0](data, at)

    return read


def _anything_nested(avro: Avro) -> Read:
    if avro.kind == "record":
        fields = [(f.name, anything(f.type)) for f in avro.fields]

        def record(data: bytes, at: int) -> tuple[dict[str, Any], int]:
            found: dict[str, Any] = {}
            for name, field in fields:
                found[name], at = field(data, at)
            return found, at

        return record
    if avro.kind == "union":
        branches = [anything(b) for b in avro.branches]

        def union(data: bytes, at: int) -> tuple[Any, int]:
            place, at = _long(data, at)
            if not 0 <= place < len(branches):
                raise MisfitError(f"there is no branch {place} in the union")
            return branches[place](data, at)

        return union
    item, least = anything(avro.element), _least(avro.element)
    if avro.kind == "map":

        def entry(data: bytes, at: int) -> tuple[tuple[str, Any], int]:
            name, at = _string(data, at)
            value, at = item(data, at)
            return (name, value), at

        def entries(data: bytes, at: int) -> tuple[dict[str, Any], int]:
            found, at = _blocks(entry, 1, data, at)
            return dict(found), at

        return entries
    return lambda data, at: _blocks(item, least, data, at)


class ExactReader:
    """Reads one record's bytes into one value a column; None where it is null or missing."""

    def __init__(self, avro: Avro, columns: Sequence[Column], *, record: bool) -> None:
        """`record`: the columns are fields of a record; else the one column is the value itself.

        Raises:
            MisfitError: where no value of the schema can be of a column's type.
        """
        self.names = [c.name for c in columns]
        self.width = len(columns)
        self.optional = record and avro.kind == "union"
        body = avro.optional if avro.kind == "union" and record else avro
        if record and (body is None or body.kind != "record"):
            raise MisfitError(f"expected an Avro record, got {avro.kind}")
        self.null_at = next((i for i, b in enumerate(avro.branches) if b.kind == "null"), -1) if self.optional else -1
        try:
            self.steps = (
                _steps(body, columns)
                if record and body is not None
                else [(reader(avro, c.type), 0, c.name) for c in columns]
            )
        except MisfitError as bad:
            where = bad.path.lstrip(".") or self.names[0]
            raise MisfitError(f"field {where}: {bad.reason}") from None

    def read(self, data: bytes) -> list[Any] | None:
        """The values of the columns, or None where the record is null.

        Raises:
            MisfitError: with the whole reason, field included.
        """
        values: list[Any] = [None] * self.width
        name = ""
        try:
            at = 0
            if self.optional:
                branch, at = _long(data, at)
                if branch == self.null_at:
                    return None
            for step, place, name in self.steps:  # noqa: B007 (told where it fails)
                value, at = step(data, at)
                if place >= 0:
                    values[place] = value
        except MisfitError as bad:
            raise MisfitError(f"field {name}{bad.path}: {bad.reason}") from None
        except (IndexError, struct.error):
            raise MisfitError(f"field {name}: {TOO_SHORT}") from None
        except RecursionError:
            raise MisfitError(f"field {name}: nested too deeply") from None
        return values
