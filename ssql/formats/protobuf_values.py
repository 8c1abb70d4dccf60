"""Protobuf read and written exactly: one message at a time, through the library of Protobuf itself.

Readers and writers are made once for a message and the columns. Fields are matched by name (exactly, else ignoring
case); a field that is not in the message is its default where the schema does not track presence, else null. BYTES
that are empty there are null: nothing tells the two apart. This is the rule that the fast paths are held to.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal as PyDecimal
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ssql.errors import FormatError
from ssql.formats import coercions, scalars
from ssql.formats.avro_values import matching
from ssql.formats.coercions import Held
from ssql.formats.scalars import MisfitError
from ssql.schemas import proto
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

_F = FieldDescriptor
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_SECOND_MS = 1000
_MILLI_NS = 1_000_000
_HOUR_S, _MINUTE_S = 3600, 60

Get = Callable[[Any], Any]  # a message -> the value of one of its fields
Put = Callable[[Any, Any], None]  # a message, a value that is not null -> the field is set


# --- single values -----------------------------------------------------------


def _timestamp(held: Any) -> int:
    return int(held.seconds) * _SECOND_MS + int(held.nanos) // _MILLI_NS


def _date(held: Any) -> int:
    try:
        return datetime.date(held.year, held.month, held.day).toordinal() - _EPOCH
    except ValueError:
        raise MisfitError(f"{held.year}-{held.month}-{held.day} is no date") from None


def _time_of_day(held: Any) -> int:
    seconds = held.hours * _HOUR_S + held.minutes * _MINUTE_S + held.seconds
    return int(seconds * _SECOND_MS + held.nanos // _MILLI_NS)


def _decimal(held: Any) -> PyDecimal:
    return _number(held.value, held.scale)


def _number(digits: bytes, scale: int) -> PyDecimal:
    return PyDecimal(int.from_bytes(digits, signed=True)).scaleb(-scale, scalars.EXACT)


def decimal_reader(t: Decimal) -> Callable[[bytes, int], PyDecimal]:
    """What makes a decimal of type `t` from the digits and the scale of a message. It raises `MisfitError`."""
    convert = coercions.converter("decimal", t)
    assert convert is not None
    return lambda digits, scale: convert(_number(digits, scale))  # type: ignore[no-any-return]


def _wrapped(held: Any) -> Any:
    return held.value


def _same(held: Any) -> Any:
    return held


_MESSAGES: dict[str, tuple[Get, Held]] = {
    "google.protobuf.Timestamp": (_timestamp, "millis"),
    "google.type.Date": (_date, "days"),
    "google.type.TimeOfDay": (_time_of_day, "time_ms"),
    proto.DECIMAL: (_decimal, "decimal"),
}


def _held(field: FieldDescriptor) -> Held:
    if field.type == _F.TYPE_BOOL:
        return "boolean"
    if field.type in (_F.TYPE_FLOAT, _F.TYPE_DOUBLE):
        return "double"
    if field.type in (_F.TYPE_STRING, _F.TYPE_ENUM):
        return "string"
    return "bytes" if field.type == _F.TYPE_BYTES else "int"


def _single(field: FieldDescriptor) -> tuple[Get, Held] | None:
    """What a single value of the field is as a scalar, and how it is got; None for other messages."""
    message = field.message_type
    if message is not None:
        if message.full_name in proto.WRAPPERS:
            return _wrapped, _held(message.fields[0])
        return _MESSAGES.get(message.full_name)
    if field.enum_type is not None:
        names = field.enum_type.values_by_number
        return lambda number: names[number].name if number in names else str(number), "string"
    return _same, _held(field)


# --- reading -----------------------------------------------------------------


def getter(field: FieldDescriptor, t: SqlType) -> Get:
    """What reads the field of a message as a value of type `t`.

    Raises:
        MisfitError: where no value of the field can be of that type.
    """
    name = field.name
    if field.is_repeated:
        return _repeated(field, t)
    value = _value(field, t)
    if not field.has_presence:
        return lambda message: value(getattr(message, name))
    return lambda message: value(getattr(message, name)) if message.HasField(name) else None


def _value(field: FieldDescriptor, t: SqlType) -> Get:
    single = _single(field)
    if single is not None:
        get, held = single
        convert = coercions.converter(held, t)
        if convert is None:
            raise coercions.misfit(held, t)
        return convert if get is _same else lambda value: convert(get(value))
    message = field.message_type
    if message is None or not isinstance(t, Struct):
        raise coercions.misfit("a message", t)
    return _struct(message, t)


def _repeated(field: FieldDescriptor, t: SqlType) -> Get:
    name, message = field.name, field.message_type
    if isinstance(t, Map) and message is not None and proto.is_map_entry(message):
        key, value = message.fields
        get_key, get_value = _value(key, t.key), getter(value, t.value)
        if not message.GetOptions().map_entry:
            return lambda held: [(get_key(entry.key), get_value(entry)) for entry in getattr(held, name)]
        get_item = _value(value, t.value)
        return lambda held: [(get_key(k), get_item(v)) for k, v in getattr(held, name).items()]
    if not isinstance(t, Array):
        raise coercions.misfit("a repeated field", t)
    element = _value(field, t.element)

    def read(held: Any) -> list[Any]:
        result: list[Any] = []
        try:
            for item in getattr(held, name):
                result.append(element(item))  # the length so far is the place
        except MisfitError as bad:
            raise bad.under(f"[{len(result)}]") from None
        return result

    return read


def _struct(message: Descriptor, t: Struct) -> Get:
    names = [name for name, _ in t.fields]
    getters = _getters(message, [Column(name, kind) for name, kind in t.fields])

    def read(held: Any) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, get in zip(names, getters, strict=True):
            try:
                result[name] = get(held)
            except MisfitError as bad:
                raise bad.under(f".{name}") from None
        return result

    return read


def _getters(message: Descriptor, columns: Sequence[Column]) -> list[Get]:
    oneofs = proto.real_oneofs(message)
    names = [f.name for f in message.fields] + [proto.oneof_name(o) for o in oneofs]
    getters: list[Get] = []
    for column, place in zip(columns, matching([c.name for c in columns], names), strict=True):
        try:
            if place is None:
                getters.append(lambda _: None)
            elif place < len(message.fields):
                getters.append(_field(message.fields[place], column.type))
            else:
                getters.append(_oneof(oneofs[place - len(message.fields)], column.type))
        except MisfitError as bad:
            raise bad.under(f".{column.name}") from None
    return getters


def empty_is_null(field: FieldDescriptor) -> bool:
    """Whether a field of a message holds BYTES of which it is not known whether they are there."""
    return field.type == _F.TYPE_BYTES and not field.is_repeated and not field.has_presence


def _field(field: FieldDescriptor, t: SqlType) -> Get:
    get = getter(field, t)
    return (lambda message: get(message) or None) if empty_is_null(field) else get


def _oneof(oneof: OneofDescriptor, t: SqlType) -> Get:
    """A oneof as a STRUCT of its members, of which one is set; null where none is."""
    if not isinstance(t, Struct):
        raise coercions.misfit("a oneof", t)
    fields = list(oneof.fields)
    name = oneof.name
    members = [
        (member, (lambda _: None) if place is None else getter(fields[place], kind))
        for (member, kind), place in zip(
            t.fields, matching([n for n, _ in t.fields], [f.name for f in fields]), strict=True
        )
    ]
    return lambda held: None if held.WhichOneof(name) is None else {member: get(held) for member, get in members}


class ExactReader:
    """Reads one message's bytes into one value a column; None where it is null or missing."""

    def __init__(self, message: Descriptor, columns: Sequence[Column]) -> None:
        """
        Raises:
            MisfitError: where no value of the message's fields can be of a column's type.
        """
        self.names = [c.name for c in columns]
        self.parse: Callable[[bytes], Message] = GetMessageClass(message).FromString
        try:
            self.getters = _getters(message, columns)
        except MisfitError as bad:
            raise MisfitError(f"field {bad.path.lstrip('.')}: {bad.reason}") from None

    def read(self, data: bytes) -> list[Any]:
        """The values of the columns.

        Raises:
            MisfitError: with the whole reason, field included.
        """
        try:
            message = self.parse(data)
        except DecodeError as bad:
            text = str(bad)
            raise MisfitError("not valid UTF-8" if "UTF-8" in text else "not a Protobuf message") from None
        values: list[Any] = []
        for name, get in zip(self.names, self.getters, strict=True):
            try:
                values.append(get(message))
            except MisfitError as bad:
                raise MisfitError(f"field {name}{bad.path}: {bad.reason}") from None
        return values


# --- writing -----------------------------------------------------------------


def _put_timestamp(held: Any, value: int) -> None:
    held.seconds, rest = divmod(value, _SECOND_MS)
    held.nanos = rest * _MILLI_NS


def _put_date(held: Any, value: int) -> None:
    try:
        day = datetime.date.fromordinal(value + _EPOCH)
    except (ValueError, OverflowError):
        raise scalars.out_of_range(f"day {value}", DATE) from None
    held.year, held.month, held.day = day.year, day.month, day.day


def _put_time(held: Any, value: int) -> None:
    seconds, rest = divmod(value, _SECOND_MS)
    held.hours, seconds = divmod(seconds, _HOUR_S)
    held.minutes, held.seconds = divmod(seconds, _MINUTE_S)
    held.nanos = rest * _MILLI_NS


def decimal_parts(value: PyDecimal) -> tuple[bytes, int, int]:
    """Digits (two's complement), count of digits, and scale: what Confluent's decimal is made of."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    unscaled = int(value.scaleb(scale, scalars.EXACT))
    magnitude = unscaled if unscaled >= 0 else ~unscaled
    return unscaled.to_bytes(magnitude.bit_length() // 8 + 1, signed=True), len(str(abs(unscaled))), scale


def _put_decimal(held: Any, value: PyDecimal) -> None:
    held.value, held.precision, held.scale = decimal_parts(value)


def _put_wrapped(held: Any, value: Any) -> None:
    held.value = value
    held.SetInParent()


_FILLERS: dict[str, tuple[Put, tuple[SqlType, ...]]] = {
    "google.protobuf.Timestamp": (_put_timestamp, (TIMESTAMP,)),
    "google.type.Date": (_put_date, (DATE,)),
    "google.type.TimeOfDay": (_put_time, (TIME,)),
}
_TAKES: dict[Held, tuple[SqlType, ...]] = {
    "boolean": (BOOLEAN,),
    "double": (INTEGER, BIGINT, DOUBLE),
    "string": (STRING,),
    "bytes": (BYTES,),
    "int": (INTEGER, BIGINT, DATE, TIME, TIMESTAMP),
}


def _filler(field: FieldDescriptor, t: SqlType) -> Put:
    """What fills the message that a field holds.

    Raises:
        MisfitError: where it has no place for values of type `t`.
    """
    message = field.message_type
    assert message is not None
    if message.full_name in proto.WRAPPERS:
        if t in _TAKES[_held(message.fields[0])]:
            return _put_wrapped
    elif message.full_name == proto.DECIMAL:
        if isinstance(t, Decimal):
            return _put_decimal
    elif message.full_name in _FILLERS:
        fill, takes = _FILLERS[message.full_name]
        if t in takes:
            return fill
    elif isinstance(t, Struct):
        return _struct_filler(message, t)
    raise MisfitError(f"cannot write {t} as {message.full_name}")


def _scalar_of(field: FieldDescriptor, t: SqlType) -> Get:
    """A value of type `t` as the library takes it for a field that is no message.

    Raises:
        MisfitError: where the field has no place for values of type `t`.
    """
    if t not in _TAKES[_held(field)]:
        raise MisfitError(f"cannot write {t} as {_held(field)}")
    if field.enum_type is None:
        return float if _held(field) == "double" else _same
    numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}

    def number(value: str) -> int:
        if value not in numbers:
            raise MisfitError(f'"{scalars.shown(value)}" is no value of the enum')
        return numbers[value]

    return number


def _set(name: str, scalar: Get) -> Put:
    def put(message: Any, value: Any) -> None:
        taken = scalar(value)
        try:
            setattr(message, name, taken)
        except (ValueError, TypeError, OverflowError):
            raise MisfitError(f"{scalars.shown(str(value))} is out of range") from None

    return put


def putter(field: FieldDescriptor, t: SqlType) -> Put:
    """What sets the field of a message to a value of type `t`.

    Raises:
        MisfitError: where the field has no place for such values.
    """
    name = field.name
    if field.is_repeated:
        return _repeated_putter(field, t)
    if field.message_type is None:
        return _set(name, _scalar_of(field, t))
    fill = _filler(field, t)

    def put(message: Any, value: Any) -> None:
        held = getattr(message, name)
        held.SetInParent()  # what is all defaults is there nevertheless
        fill(held, value)

    return put


def _repeated_putter(field: FieldDescriptor, t: SqlType) -> Put:
    name, message = field.name, field.message_type
    if isinstance(t, Map) and message is not None and proto.is_map_entry(message):
        return _map_putter(field, message, t)
    if not isinstance(t, Array):
        raise MisfitError(f"cannot write {t} as a repeated field")
    if message is not None:
        fill = _filler(field, t.element)

        def put_messages(held: Any, value: Sequence[Any]) -> None:
            items = getattr(held, name)
            for item in value:  # null has no place in it: an empty message is nearest
                added = items.add()
                if item is not None:
                    fill(added, item)

        return put_messages
    scalar, default = _scalar_of(field, t.element), _default(field)

    def put(held: Any, value: Sequence[Any]) -> None:
        taken = [default if item is None else scalar(item) for item in value]
        try:
            getattr(held, name).extend(taken)
        except (ValueError, TypeError, OverflowError):
            raise MisfitError("an element is out of range") from None

    return put


def _map_putter(field: FieldDescriptor, entry: Descriptor, t: Map) -> Put:
    name = field.name
    put_key, put_value = putter(entry.fields[0], t.key), putter(entry.fields[1], t.value)
    if not entry.GetOptions().map_entry:

        def put_entries(held: Any, value: Sequence[tuple[Any, Any]]) -> None:
            entries = getattr(held, name)
            for key, item in value:
                added = entries.add()
                put_key(added, key)
                if item is not None:
                    put_value(added, item)

        return put_entries
    message = entry.fields[1].message_type
    fill = _filler(entry.fields[1], t.value) if message is not None else None
    scalar = _scalar_of(entry.fields[1], t.value) if message is None else _same
    default = _default(entry.fields[1])

    def put(held: Any, value: Sequence[tuple[Any, Any]]) -> None:
        entries = getattr(held, name)
        for key, item in value:
            if fill is not None:
                added = entries.get_or_create(key)
                if item is not None:
                    fill(added, item)
                continue
            taken = default if item is None else scalar(item)
            try:
                entries[key] = taken
            except (ValueError, TypeError, OverflowError):
                raise MisfitError(f'the value of "{scalars.shown(str(key))}" is out of range') from None

    return put


def _default(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[0].number
    return {"boolean": False, "double": 0.0, "string": "", "bytes": b"", "int": 0}.get(_held(field))


def _struct_filler(message: Descriptor, t: Struct) -> Put:
    names = [name for name, _ in t.fields]
    putters = _putters(message, [Column(name, kind) for name, kind in t.fields])

    def fill(held: Any, value: dict[str, Any]) -> None:
        for name, put in zip(names, putters, strict=True):
            item = value[name]
            if item is not None:
                try:
                    put(held, item)
                except MisfitError as bad:
                    raise bad.under(f".{name}") from None

    return fill


def _putters(message: Descriptor, columns: Sequence[Column]) -> list[Put]:
    oneofs = proto.real_oneofs(message)
    names = [f.name for f in message.fields] + [proto.oneof_name(o) for o in oneofs]
    putters: list[Put] = []
    for column, place in zip(columns, matching([c.name for c in columns], names), strict=True):
        try:
            if place is None:
                raise MisfitError("the schema has no such field")
            if place < len(message.fields):
                putters.append(putter(message.fields[place], column.type))
            else:
                putters.append(_oneof_putter(oneofs[place - len(message.fields)], column.type))
        except MisfitError as bad:
            raise bad.under(f".{column.name}") from None
    return putters


def _oneof_putter(oneof: OneofDescriptor, t: SqlType) -> Put:
    """The first field of a STRUCT that is set, as the member of a oneof."""
    if not isinstance(t, Struct):
        raise MisfitError(f"cannot write {t} as a oneof")
    names = [name for name, _ in t.fields]
    fields = list(oneof.fields)
    putters = [
        None if place is None else putter(fields[place], kind)
        for (_, kind), place in zip(t.fields, matching(names, [f.name for f in fields]), strict=True)
    ]

    def put(message: Any, value: dict[str, Any]) -> None:
        for name, member in zip(names, putters, strict=True):
            if member is not None and value[name] is not None:
                member(message, value[name])
                return

    return put


class ExactWriter:
    """Writes one row's values as a message."""

    def __init__(self, message: Descriptor, columns: Sequence[Column]) -> None:
        """
        Raises:
            FormatError: where the message has no place for the columns.
        """
        self.names = [c.name for c in columns]
        self.make: Callable[[], Any] = GetMessageClass(message)
        try:
            self.putters = _putters(message, columns)
        except MisfitError as bad:
            where = f"field {bad.path.lstrip('.')}: " if bad.path else ""
            raise FormatError(f"Schema is not compatible with Protobuf: {where}{bad.reason}") from None

    def write(self, values: Sequence[Any]) -> bytes:
        """
        Raises:
            MisfitError: with the whole reason, field included.
        """
        message = self.make()
        for name, put, value in zip(self.names, self.putters, values, strict=True):
            if value is not None:
                try:
                    put(message, value)
                except MisfitError as bad:
                    raise MisfitError(f"field {name}{bad.path}: {bad.reason}") from None
        try:
            return bytes(message.SerializeToString(deterministic=True))
        except EncodeError as bad:
            raise MisfitError(str(bad)) from None
