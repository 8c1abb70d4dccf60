"""Rows as JSON text: Arrow columns in, bytes out, without a Python object a value.

Every column becomes a column of JSON texts (`json_text`), and one Arrow kernel joins them, the punctuation between
them included, to the text of all rows: its data buffer is what goes to the socket. Only values that need care one
by one (strings with characters to escape, BYTES, decimals that Arrow would write with an exponent) are taken out,
written in Python and put back.

Values are as ksqlDB writes them: numbers plain, a DOUBLE always with a point or an exponent (NaN and the infinities
as text), BYTES in base64, DATE `2020-01-31`, TIME `23:59` or `23:59:58` (with milliseconds where there are any),
TIMESTAMP `2020-01-31T23:59:58.123`. Inside a STRUCT the time types are numbers (days, ms, ms).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from decimal import Decimal as PyDecimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    INTEGRAL,
    STRING,
    Array,
    Column,
    Decimal,
    Map,
    Primitive,
    SqlType,
    Struct,
)

#: Characters that JSON does not allow in a string as they are.
_ESCAPED = np.zeros(256, dtype=bool)
_ESCAPED[:0x20] = True
_ESCAPED[[ord('"'), ord("\\")]] = True
_ESCAPED_REGEX = '["\\\\\\x00-\\x1f]'

_NULL = pa.scalar("null")

#: So few values (rows times columns) are written one by one.
FEW_VALUES = 32


def render_rows(  # noqa: PLR0917
    arrays: Sequence[pa.Array],
    columns: Sequence[Column],
    prefix: str,
    suffix: str,
    deleted: pa.Array | None = None,
    deleted_suffix: str = "",
    *,
    names: Sequence[str] | None = None,
) -> bytes:
    """The rows as JSON: for each, `prefix`, its values with commas between, `suffix`.

    With `names`, each value follows its name, as in an object. `arrays` has the values of `columns` by position. In
    rows that `deleted` (bool) marks, only key columns have their values, the others are null, and `deleted_suffix`
    follows in place of `suffix`.
    """
    if not arrays or len(arrays[0]) == 0:
        return b""
    if len(arrays) * len(arrays[0]) <= FEW_VALUES:
        return _one_by_one(arrays, columns, prefix, suffix, deleted, deleted_suffix, names)
    before = prefix
    parts: list[Any] = []
    for i, (array, column) in enumerate(zip(arrays, columns, strict=True)):
        text = json_text(array, column.type)
        if deleted is not None and not column.key:
            text = pc.if_else(deleted, _NULL, text)
        parts += [pa.scalar(before if names is None else f"{before}{_json_string(names[i])}:"), text]
        before = ","
    if deleted is None:
        parts.append(pa.scalar(suffix))
    else:
        parts.append(pc.if_else(deleted, pa.scalar(deleted_suffix), pa.scalar(suffix)))
    return bytes(_bytes_of(pc.binary_join_element_wise(*parts, "")))


def _one_by_one(  # noqa: PLR0917
    arrays: Sequence[pa.Array],
    columns: Sequence[Column],
    prefix: str,
    suffix: str,
    deleted: pa.Array | None,
    deleted_suffix: str,
    names: Sequence[str] | None,
) -> bytes:
    """What `render_rows` says, value by value: each kernel costs as much as several values do."""
    gone = [False] * len(arrays[0]) if deleted is None else deleted.to_pylist()
    texts = []
    for i, (array, column) in enumerate(zip(arrays, columns, strict=True)):
        of_column = _value_texts(array, column.type)
        if not column.key and deleted is not None:
            of_column = ["null" if is_gone else text for is_gone, text in zip(gone, of_column, strict=True)]
        if names is not None:
            name = _json_string(names[i])
            of_column = [f"{name}:{text}" for text in of_column]
        texts.append(of_column)
    rows = [
        f"{prefix}{','.join(row)}{deleted_suffix if is_gone else suffix}"
        for is_gone, row in zip(gone, zip(*texts, strict=True), strict=True)
    ]
    return "".join(rows).encode()


def _value_texts(array: pa.Array, sql_type: SqlType) -> list[str]:
    """As `json_text`, as a list."""
    write = _VALUES.get(sql_type)
    fits = array.type == sql_type.arrow or (sql_type in INTEGRAL and pa.types.is_integer(array.type))
    if write is None or not fits:
        found: list[str] = json_text(array, sql_type).to_pylist()
        return found
    values = [array[i].as_py() for i in range(len(array))]
    return ["null" if value is None else write(value) for value in values]


def json_text(array: pa.Array, sql_type: SqlType, *, in_struct: bool = False) -> pa.Array:
    """A column of values as a column of JSON texts (string, never null: a null is the text `null`)."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.type != sql_type.arrow:
        array = array.cast(sql_type.arrow)
    text = _text(array, sql_type, in_struct)
    return text.fill_null("null") if text.null_count else text


def _text(array: pa.Array, sql_type: SqlType, in_struct: bool) -> pa.Array:
    """As `json_text`; null stays null."""
    match sql_type:
        case Primitive():
            writers = _PRIMITIVES_IN_STRUCT if in_struct else _PRIMITIVES
            return writers[sql_type.name](array)
        case Decimal():
            return _decimals(array)
        case Array(element):
            return _lists(array, json_text(*_span(array, array.values), element, in_struct=in_struct), "[", "]")
        case Map(key, value):
            return _maps(array, key, value, in_struct)
        case Struct(fields):
            return _structs(array, fields)
        case _:
            raise TypeError(f"no JSON form of {sql_type}")


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _joined(*parts: Any) -> pa.Array:
    """The parts (texts, or columns of texts) of each row joined; null where one is null."""
    return pc.binary_join_element_wise(*(pa.scalar(p) if isinstance(p, str) else p for p in parts), "")


def _quoted(array: pa.Array) -> pa.Array:
    return _joined('"', array, '"')


def _strings(array: pa.Array) -> pa.Array:
    if not _ESCAPED[np.frombuffer(_bytes_of(array), dtype=np.uint8)].any():
        return _quoted(array)
    return _replaced(array, pc.match_substring_regex(array, _ESCAPED_REGEX), _quoted(array), _json_string)


def _json_string(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _doubles(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    text = pc.if_else(pc.match_substring_regex(text, r"^-?\d+$"), _joined(text, ".0"), text)
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        names = pc.replace_substring_regex(text, "^(-?)(nan|inf)$", r'"\1\2"')
        names = pc.replace_substring(pc.replace_substring(names, '-nan"', 'nan"'), "nan", "NaN")
        text = pc.if_else(finite, text, pc.replace_substring(names, "inf", "Infinity"))
    return text


def _decimals(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    return _replaced(array, pc.match_substring(text, "E"), text, _plain_decimal)


def _plain_decimal(value: PyDecimal) -> str:
    return format(value, "f")


def _bytes(array: pa.Array) -> pa.Array:
    return pa.array(
        [None if v is None else f'"{binascii.b2a_base64(v, newline=False).decode()}"' for v in array.to_pylist()],
        pa.string(),
    )


def _times(array: pa.Array) -> pa.Array:
    micros = array.cast(pa.int64()).fill_null(0).to_numpy()
    text = array.cast(pa.string())  # HH:MM:SS.ffffff
    length = np.where(micros % 60_000_000 == 0, 5, np.where(micros % 1_000_000 == 0, 8, 12))
    for stop in np.unique(length):
        cut = pc.utf8_slice_codeunits(text, 0, int(stop))
        text = pc.if_else(pa.array(length == stop), cut, text)
    return _quoted(text)


def _timestamps(array: pa.Array) -> pa.Array:
    return _quoted(pc.replace_substring(array.cast(pa.string()), " ", "T"))


def _dates(array: pa.Array) -> pa.Array:
    return _quoted(array.cast(pa.string()))


def _day_numbers(array: pa.Array) -> pa.Array:
    return array.cast(pa.int32()).cast(pa.string())


def _time_numbers(array: pa.Array) -> pa.Array:
    return pc.divide(array.cast(pa.int64()), 1000).cast(pa.string())


def _timestamp_numbers(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64()).cast(pa.string())


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _double(value: float) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e15:  # beyond, Python writes exponents in its own way
        return repr(value)
    text: str = _doubles(pa.array([value], pa.float64()))[0].as_py()
    return text


#: How one value is written, of types where that is simple.
_VALUES: dict[SqlType, Callable[[Any], str]] = {
    BOOLEAN: _boolean,
    INTEGER: str,
    BIGINT: str,
    DOUBLE: _double,
    STRING: _json_string,
}

_PRIMITIVES: dict[str, Callable[[pa.Array], pa.Array]] = {
    "BOOLEAN": _plain,
    "INTEGER": _plain,
    "BIGINT": _plain,
    "DOUBLE": _doubles,
    "STRING": _strings,
    "BYTES": _bytes,
    "DATE": _dates,
    "TIME": _times,
    "TIMESTAMP": _timestamps,
}
_PRIMITIVES_IN_STRUCT = _PRIMITIVES | {
    "DATE": _day_numbers,
    "TIME": _time_numbers,
    "TIMESTAMP": _timestamp_numbers,
}


def _structs(array: pa.StructArray, fields: tuple[tuple[str, SqlType], ...]) -> pa.Array:
    parts: list[Any] = []
    for i, (name, sql_type) in enumerate(fields):
        parts += [("," if i else "{") + _json_string(name) + ":", json_text(array.field(i), sql_type, in_struct=True)]
    return _masked(_joined(*parts, "}"), array) if parts else _masked(pa.array(["{}"] * len(array)), array)


def _maps(array: pa.MapArray, key: SqlType, value: SqlType, in_struct: bool) -> pa.Array:
    (keys,), (items,) = _span(array, array.keys), _span(array, array.items)
    names = json_text(keys, key, in_struct=in_struct)
    names = pc.if_else(pc.starts_with(names, '"'), names, _strings(names))  # JSON has text keys only
    return _lists(array, _joined(names, ":", json_text(items, value, in_struct=in_struct)), "{", "}")


def _span(array: pa.Array, children: pa.Array) -> tuple[pa.Array]:
    """The part of a list's or map's children that its (maybe sliced) rows are about."""
    if len(array) == 0:
        return (children.slice(0, 0),)
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return (children.slice(first, last - first),)


def _lists(array: pa.Array, elements: pa.Array, opening: str, closing: str) -> pa.Array:
    """Texts of elements joined to texts of the lists that `array` (list or map) divides them into."""
    if len(array) == 0:
        return pa.array([], pa.string())
    offsets = pc.subtract(array.offsets, array.offsets[0]).cast(pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, elements), ",")
    return _masked(_joined(opening, joined, closing), array)


def _masked(text: pa.Array, like: pa.Array) -> pa.Array:
    return pc.if_else(like.is_valid(), text, pa.scalar(None, pa.string())) if like.null_count else text


def _replaced(array: pa.Array, where: pa.Array, text: pa.Array, write: Callable[[Any], str]) -> pa.Array:
    """`text` with the rows of `where` written by `write` from the values of `array`."""
    where = where.fill_null(False)
    values = array.filter(where)
    if len(values) == 0:
        return text
    return pc.replace_with_mask(text, where, pa.array(map(write, values.to_pylist()), pa.string()))


def _bytes_of(array: pa.Array) -> memoryview:
    """The bytes of all strings of a column, one after the other (what is behind nulls included), without a copy."""
    _, offsets, data = array.buffers()
    if data is None or len(array) == 0:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, dtype=np.int32)
    return memoryview(data)[bounds[array.offset] : bounds[array.offset + len(array)]]
