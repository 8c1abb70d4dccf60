"""Protobuf in whole batches, through ptars (compiled): bytes <-> Arrow by a message made for the columns.

The made message (`Shape`) has the fields that the columns need, under their numbers, and nothing that ptars has ideas
of its own about: dates, times and decimals are plain messages, enums are numbers. What it means is worked out here, on
whole columns. Whatever is not sure to come out as the exact reader and writer have it raises `NotFastError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from ptars import HandlerPool, PtarsConfig

from ssql.formats import protobuf_values
from ssql.formats.avro_values import matching
from ssql.formats.plain import plain
from ssql.formats.scalars import DAY_MS
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
_CONFIG = PtarsConfig(list_nullable=True, list_value_nullable=True, map_nullable=True, map_value_nullable=True)
_SECOND_MS = 1000
_MILLI_NS = 1_000_000
_LAST_SECOND = (1 << 63) // _SECOND_MS - 1
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # the years 1 to 9999
_HOURS = (3_600_000, 60_000, 1_000)  # ms of an hour, a minute, a second


class NotFastError(Exception):
    """This is for the exact reader or writer."""


@dataclass
class Shape:
    """What one field becomes. `kind`: a scalar, `enum`, `wrapper`, the name of a message with a meaning, or `struct`.

    `children` are those of a struct; None where the message has no such field.
    """

    name: str
    number: int
    source: FieldDescriptor
    type: SqlType
    kind: str
    repeated: bool = False
    map_entry: bool = False
    presence: bool = False
    children: list[Shape | None] = field(default_factory=list)

    @property
    def held(self) -> Sequence[Shape]:
        """The children that are there, by number: the order in which they are written."""
        return sorted((c for c in self.children if c is not None), key=lambda c: c.number)


_SCALARS: dict[SqlType, tuple[int, ...]] = {
    BOOLEAN: (_F.TYPE_BOOL,),
    INTEGER: (_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32),
    BIGINT: (
        _F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32, _F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64,
        _F.TYPE_UINT32, _F.TYPE_FIXED32, _F.TYPE_UINT64, _F.TYPE_FIXED64,
    ),
    DOUBLE: (_F.TYPE_DOUBLE, _F.TYPE_FLOAT),
    STRING: (_F.TYPE_STRING, _F.TYPE_ENUM),
    BYTES: (_F.TYPE_BYTES,),
}  # fmt: skip
_MEANINGS: dict[str, SqlType] = {**proto.TIMES}


def _shape(held: FieldDescriptor, t: SqlType, above: tuple[str, ...]) -> Shape:
    parent = held.containing_type
    if parent is not None and any(held.name in {f.name for f in oneof.fields} for oneof in proto.real_oneofs(parent)):
        raise NotFastError
    message = held.message_type
    shape = Shape(held.name, held.number, held, t, "scalar", held.is_repeated, presence=held.has_presence)
    inner = t
    if held.is_repeated:
        if isinstance(t, Map) and message is not None and proto.is_map_entry(message):
            if message.full_name in above:
                raise NotFastError
            shape.map_entry = message.GetOptions().map_entry
            shape.kind = "entries"
            inside = (*above, message.full_name)
            shape.children = [_shape(f, k, inside) for f, k in zip(message.fields, (t.key, t.value), strict=True)]
            return shape
        if not isinstance(t, Array):
            raise NotFastError
        inner = t.element
    if message is None:
        if held.type not in _SCALARS.get(inner, ()):
            raise NotFastError
        shape.kind = "enum" if held.enum_type is not None else "scalar"
        return shape
    if message.full_name in proto.WRAPPERS:
        shape.kind = "wrapper"
        shape.children = [_shape(message.fields[0], inner, above)]
    elif message.full_name in _MEANINGS or message.full_name == proto.DECIMAL:
        fits = (
            isinstance(inner, Decimal) if message.full_name == proto.DECIMAL else _MEANINGS[message.full_name] == inner
        )
        if not fits:
            raise NotFastError
        shape.kind = message.full_name
    elif isinstance(inner, Struct) and message.full_name not in above:
        shape.kind = "struct"
        columns = [Column(name, kind) for name, kind in inner.fields]
        shape.children = _children(message, columns, (*above, message.full_name))
    else:
        raise NotFastError
    return shape


def _children(message: Descriptor, columns: Sequence[Column], above: tuple[str, ...]) -> list[Shape | None]:
    """A shape a column, None where the message has no such field."""
    fields = list(message.fields)
    names = [f.name for f in fields] + [proto.oneof_name(o) for o in proto.real_oneofs(message)]
    places = matching([c.name for c in columns], names)
    found = [p for p in places if p is not None]
    if any(p >= len(fields) for p in found) or len(set(found)) < len(found):
        raise NotFastError  # oneofs, and two columns of one field
    return [
        None if place is None else _shape(fields[place], column.type, above)
        for column, place in zip(columns, places, strict=True)
    ]


# --- the made message --------------------------------------------------------

_PARTS: dict[str, tuple[tuple[str, int], ...]] = {
    "google.protobuf.Timestamp": (("seconds", _F.TYPE_INT64), ("nanos", _F.TYPE_INT32)),
    "google.type.Date": (("year", _F.TYPE_INT32), ("month", _F.TYPE_INT32), ("day", _F.TYPE_INT32)),
    "google.type.TimeOfDay": (
        ("hours", _F.TYPE_INT32),
        ("minutes", _F.TYPE_INT32),
        ("seconds", _F.TYPE_INT32),
        ("nanos", _F.TYPE_INT32),
    ),
    proto.DECIMAL: (("value", _F.TYPE_BYTES), ("precision", _F.TYPE_UINT32), ("scale", _F.TYPE_INT32)),
}


def _handler(root: Shape) -> Any:
    """ptars' handler of a message of that shape."""
    file = FileDescriptorProto(name="made.proto", syntax="proto3")
    top = file.message_type.add(name="Made")
    _fill(top, ".Made", root)
    pool = DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return HandlerPool([pool.FindFileByName("made.proto")], config=_CONFIG).get_for_message(
        pool.FindMessageTypeByName("Made")
    )


def _fill(message: DescriptorProto, full: str, shape: Shape) -> None:
    if shape.kind in _PARTS:
        for number, (name, kind) in enumerate(_PARTS[shape.kind], start=1):
            message.field.add(name=name, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)  # type: ignore[arg-type]
        return
    for child in shape.held:
        label = FieldDescriptorProto.LABEL_REPEATED if child.repeated else FieldDescriptorProto.LABEL_OPTIONAL
        made = message.field.add(name=f"f{child.number}", number=child.number, label=label)
        if child.kind in ("scalar", "enum"):
            made.type = FieldDescriptorProto.TYPE_INT32 if child.kind == "enum" else child.source.type  # type: ignore[assignment]
            if child.presence and not child.repeated:
                made.proto3_optional = True
                made.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_f{child.number}")
            continue
        nested = message.nested_type.add(
            name=f"F{child.number}Entry" if child.kind == "entries" else f"M{child.number}"
        )
        made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{full}.{nested.name}"
        _fill(nested, f"{full}.{nested.name}", child)
        if child.map_entry:
            nested.options.map_entry = True
            for at, name in enumerate(("key", "value")):
                nested.field[at].name = name
                nested.field[at].ClearField("proto3_optional")
                nested.field[at].ClearField("oneof_index")
            del nested.oneof_decl[:]


def _guarded(call: Callable[[], Any]) -> Any:
    """What ptars answers.

    Raises:
        NotFastError: where it does not (a row is bad), which may be a panic of its own on broken bytes.
    """
    try:
        return call()
    except Exception:
        raise NotFastError from None
    except BaseException as trouble:
        if type(trouble).__name__ != "PanicException":
            raise
        raise NotFastError from None


def _root(message: Descriptor, columns: Sequence[Column]) -> Shape:
    root = Shape("", 0, None, Struct(()), "struct")  # type: ignore[arg-type]
    root.children = _children(message, columns, (message.full_name,))
    return root


# --- reading -----------------------------------------------------------------


class FastReader:
    """Reads batches of one message."""

    def __init__(self, message: Descriptor, columns: Sequence[Column]) -> None:
        """
        Raises:
            NotFastError: where the message, or the columns, are for the exact reader.
        """
        self.columns = tuple(columns)
        self.root = _root(message, columns)
        self.handler = _handler(self.root)

    def read(self, payload: pa.BinaryArray) -> list[pa.Array]:
        """The columns of rows that are all good and none null.

        Raises:
            NotFastError: where a row is not.
        """
        batch = _guarded(lambda: self.handler.array_to_record_batch(payload))
        held = {int(name[1:]): batch.column(at) for at, name in enumerate(batch.schema.names)}
        return [
            pa.nulls(len(payload), column.type.arrow) if shape is None else _field(held[shape.number], shape)
            for shape, column in zip(self.root.children, self.columns, strict=True)
        ]


def _field(array: pa.Array, shape: Shape) -> pa.Array:
    """What ptars read of a message's field, as its column."""
    read = _read(array, shape)
    if not protobuf_values.empty_is_null(shape.source):
        return read
    return _only(pc.greater(pc.fill_null(pc.binary_length(read), 0), 0), read)


def _read(array: pa.Array, shape: Shape) -> pa.Array:
    t = shape.type
    if shape.kind == "entries":
        assert isinstance(t, Map)
        key, value = shape.children
        assert key is not None
        assert value is not None
        if shape.map_entry:
            keys, values = array.keys, array.items
        else:
            keys, values = array.values.field(f"f{key.number}"), array.values.field(f"f{value.number}")
        fields = [pa.field("key", t.key.arrow, nullable=False), pa.field("value", t.value.arrow)]
        entries = pa.StructArray.from_arrays(
            [_single(keys, key, t.key), _single(values, value, t.value)], fields=fields
        )
        return pa.Array.from_buffers(t.arrow, len(array), [None, array.buffers()[1]], children=[entries])
    if shape.repeated:
        assert isinstance(t, Array)
        values = _single(array.values, shape, t.element)
        return pa.Array.from_buffers(t.arrow, len(array), [None, array.buffers()[1]], children=[values])
    return _single(array, shape, t)


def _single(array: pa.Array, shape: Shape, t: SqlType) -> pa.Array:
    if shape.kind == "struct":
        assert isinstance(t, Struct)
        children = [
            pa.nulls(len(array), kind.arrow) if child is None else _field(array.field(f"f{child.number}"), child)
            for child, (_, kind) in zip(shape.children, t.fields, strict=True)
        ]
        return pa.Array.from_buffers(t.arrow, len(array), [array.buffers()[0]], children=children)
    if shape.kind == "wrapper":
        return _only(array.is_valid(), _cast(array.field(0), t))
    if shape.kind == "enum":
        return _enum_names(array, shape)
    if shape.kind == "scalar":
        return _cast(array, t)
    valid = array.is_valid()
    parts = [array.field(at) for at in range(len(_PARTS[shape.kind]))]
    if shape.kind == proto.DECIMAL:
        return _decimals(valid, parts[0], parts[2], t)
    present = valid.to_numpy(zero_copy_only=False)
    numbers = [np.where(present, part.to_numpy(zero_copy_only=False), 0).astype(np.int64) for part in parts]
    return _only(valid, _TIMES[shape.kind](present, *numbers))


def _only(valid: pa.Array, values: pa.Array) -> pa.Array:
    return values if valid.true_count == len(valid) else pc.if_else(valid, values, pa.scalar(None, values.type))


def _cast(array: pa.Array, t: SqlType) -> pa.Array:
    if array.type == t.arrow:
        return array
    try:
        return array.cast(t.arrow)
    except pa.ArrowInvalid:  # beyond BIGINT
        raise NotFastError from None


def _enum_names(array: pa.Array, shape: Shape) -> pa.Array:
    enum = shape.source.enum_type
    assert enum is not None
    numbers = pc.unique(array)
    known = {number: value.name for number, value in enum.values_by_number.items()}
    names = [None if n is None else known.get(n, str(n)) for n in numbers.to_pylist()]
    return pa.array(names, pa.string()).take(pc.index_in(array, numbers))


_Ints = np.ndarray[Any, np.dtype[np.int64]]


def _timestamps(_: Any, seconds: _Ints, nanos: _Ints) -> pa.Array:
    if len(seconds) and (np.abs(seconds) >= _LAST_SECOND).any():
        raise NotFastError
    return pa.array(seconds * _SECOND_MS + nanos // _MILLI_NS).view(TIMESTAMP.arrow)


def _dates(present: Any, year: _Ints, month: _Ints, day: _Ints) -> pa.Array:
    sane = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    year, month, day = (np.where(sane, part, 1) for part in (year, month, day))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    if (present & ~(sane & (days.astype("datetime64[M]") == months))).any():
        raise NotFastError  # no date: the exact reader says which row
    return pa.array(days.astype(np.int64).astype(np.int32)).view(DATE.arrow)


def _times(present: Any, hours: _Ints, minutes: _Ints, seconds: _Ints, nanos: _Ints) -> pa.Array:
    ms = ((hours * 60 + minutes) * 60 + seconds) * _SECOND_MS + nanos // _MILLI_NS
    if (present & ((ms < 0) | (ms >= DAY_MS))).any():
        raise NotFastError
    return pa.array(ms * 1000).view(TIME.arrow)


_TIMES: dict[str, Callable[..., pa.Array]] = {
    "google.protobuf.Timestamp": _timestamps,
    "google.type.Date": _dates,
    "google.type.TimeOfDay": _times,
}


def _decimals(valid: pa.Array, values: pa.Array, scales: pa.Array, t: SqlType) -> pa.Array:
    """Decimals one by one: Arrow has no call for them."""
    assert isinstance(t, Decimal)
    convert = protobuf_values.decimal_reader(t)
    rows = zip(valid.to_pylist(), values.to_pylist(), scales.to_pylist(), strict=True)
    try:
        return pa.array([convert(value, scale) if ok else None for ok, value, scale in rows], type=t.arrow)
    except ValueError:
        raise NotFastError from None


# --- writing -----------------------------------------------------------------


class FastWriter:
    """Writes batches as one message; what it writes is, byte for byte, what the exact writer writes."""

    def __init__(self, message: Descriptor, columns: Sequence[Column]) -> None:
        """
        Raises:
            NotFastError: where the message, or the columns, are for the exact writer.
        """
        self.columns = tuple(columns)
        root = _root(message, columns)
        if any(shape is None or shape.map_entry for shape in _all(root)):
            raise NotFastError  # the order of a map's entries is the library's
        self.shapes = [shape for shape in root.children if shape is not None]
        self.handler = _handler(root)
        self.schema: pa.Schema = self.handler.schema()

    def write(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """The messages of all rows.

        Raises:
            NotFastError: where a value is out of what a field holds.
        """
        made = {
            f"f{shape.number}": _write(plain(array, shape.type), shape)
            for array, shape in zip(batch.columns, self.shapes, strict=True)
        }
        arrays = [_as(made[name], self.schema.field(name).type) for name in self.schema.names]
        whole = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        data: pa.BinaryArray = _guarded(lambda: self.handler.record_batch_to_array(whole))
        return data


def _all(shape: Shape) -> Iterator[Shape | None]:
    for child in shape.children:
        yield child
        if child is not None:
            yield from _all(child)


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as exactly that type: names and nullability of its fields, too."""
    if array.type.equals(kind, check_metadata=True):
        return array
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])
    if pa.types.is_struct(kind):
        children = [_as(array.field(at), kind.field(at).type) for at in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, len(array), [array.buffers()[0]], children=children)
    if pa.types.is_list(kind):
        values = _as(array.values, kind.value_type)
        return pa.Array.from_buffers(kind, len(array), array.buffers()[:2], children=[values])
    return array.cast(kind)


def _write(array: pa.Array, shape: Shape) -> pa.Array:
    """A plain column as ptars writes the field from it."""
    t = shape.type
    if not shape.repeated:
        return _write_single(array, shape, t, keep_null=shape.presence)
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])
    buffers = array.buffers()
    if isinstance(t, Map):
        key, value = shape.children
        assert key is not None
        assert value is not None
        keys, items = array.keys, array.items
        parts = {
            key.number: _write_single(keys, key, t.key, keep_null=key.presence),
            value.number: _write(items, value),
        }
        values = pa.StructArray.from_arrays([parts[n] for n in sorted(parts)], names=[f"f{n}" for n in sorted(parts)])
    else:
        assert isinstance(t, Array)
        values = _write_single(array.values, shape, t.element, keep_null=False)
    return pa.Array.from_buffers(pa.list_(values.type), len(array), [buffers[0], buffers[1]], children=[values])


def _write_single(array: pa.Array, shape: Shape, t: SqlType, *, keep_null: bool) -> pa.Array:
    if shape.kind in ("scalar", "enum"):
        made = _enum_numbers(array, shape) if shape.kind == "enum" else _to_field(array, shape)
        if keep_null or made.null_count == 0:
            return made
        return pc.fill_null(made, _zero(made.type))
    nulls = array.is_valid() if keep_null and array.null_count else None
    if shape.kind == "struct":
        assert isinstance(t, Struct)
        parts = array.flatten()  # what is in a null struct is null
        fields = {c.number: _write(parts[at], c) for at, c in enumerate(shape.children) if c is not None}
        names, children = [f"f{n}" for n in sorted(fields)], [fields[n] for n in sorted(fields)]
    elif shape.kind == "wrapper":
        inner = shape.children[0]
        assert inner is not None
        names, children = ["f1"], [_write_single(array, inner, t, keep_null=False)]
    else:
        names = [name for name, _ in _PARTS[shape.kind]]
        children = _WRITERS[shape.kind](array)
    mask = None if nulls is None else pc.invert(nulls)
    return pa.StructArray.from_arrays(children, names=names, mask=mask)


def _zero(kind: pa.DataType) -> pa.Scalar:
    """What a field of that type is where it is not there."""
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return pa.scalar("" if pa.types.is_string(kind) else b"", kind)
    return pa.scalar(0, pa.int32()).cast(kind)


_ARROW: dict[int, pa.DataType] = {
    _F.TYPE_UINT32: pa.uint32(),
    _F.TYPE_FIXED32: pa.uint32(),
    _F.TYPE_UINT64: pa.uint64(),
    _F.TYPE_FIXED64: pa.uint64(),
    _F.TYPE_FLOAT: pa.float32(),
    _F.TYPE_INT32: pa.int32(),
    _F.TYPE_SINT32: pa.int32(),
    _F.TYPE_SFIXED32: pa.int32(),
}


def _to_field(array: pa.Array, shape: Shape) -> pa.Array:
    kind = _ARROW.get(shape.source.type)
    if kind is None or array.type == kind:
        return array
    if kind == pa.float32():
        raise NotFastError  # too large a double is refused by the library, and infinite in Arrow
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        raise NotFastError from None


def _enum_numbers(array: pa.Array, shape: Shape) -> pa.Array:
    enum = shape.source.enum_type
    assert enum is not None
    names = list(enum.values_by_name)
    places = pc.index_in(array, pa.array(names))
    if places.null_count != array.null_count:
        raise NotFastError
    return pa.array([enum.values_by_name[n].number for n in names], pa.int32()).take(places)


def _timestamp_parts(array: pa.Array) -> list[pa.Array]:
    ms = array.fill_null(0).to_numpy(zero_copy_only=False)
    seconds, rest = np.divmod(ms, _SECOND_MS)
    return [pa.array(seconds), pa.array((rest * _MILLI_NS).astype(np.int32))]


def _date_parts(array: pa.Array) -> list[pa.Array]:
    days = array.fill_null(0).to_numpy(zero_copy_only=False)
    if len(days) and (days.min() < _FIRST_DAY or days.max() > _LAST_DAY):
        raise NotFastError
    present = array.is_valid()
    dates = pa.array(days.astype(np.int32)).view(pa.date32())
    nothing = pa.scalar(0, pa.int32())
    return [pc.if_else(present, part(dates).cast(pa.int32()), nothing) for part in (pc.year, pc.month, pc.day)]


def _time_parts(array: pa.Array) -> list[pa.Array]:
    rest = array.fill_null(0).to_numpy(zero_copy_only=False)
    parts: list[pa.Array] = []
    for unit in _HOURS:
        whole, rest = np.divmod(rest, unit)
        parts.append(pa.array(whole.astype(np.int32)))
    return [*parts, pa.array((rest * _MILLI_NS).astype(np.int32))]


def _decimal_parts(array: pa.Array) -> list[pa.Array]:
    rows = [(b"", 0, 0) if v is None else protobuf_values.decimal_parts(v) for v in array.to_pylist()]
    kinds = (pa.binary(), pa.uint32(), pa.int32())
    return [pa.array([row[at] for row in rows], kind) for at, kind in enumerate(kinds)]


_WRITERS: dict[str, Callable[[pa.Array], list[pa.Array]]] = {
    "google.protobuf.Timestamp": _timestamp_parts,
    "google.type.Date": _date_parts,
    "google.type.TimeOfDay": _time_parts,
    proto.DECIMAL: _decimal_parts,
}
