"""JSON written exactly: Arrow columns of any type -> one JSON text a row.

Works a column at a time, the inner columns of nested types included: numbers are printed by Arrow, and only text and
the joining of a row's parts are Python. Null is written as `null`, a DECIMAL with its full scale, a double as Java
prints it (`1.0E10`; `"NaN"` in quotes), BYTES as base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.scalars import double_text
from ssql.types import BOOLEAN, BYTES, DATE, DOUBLE, STRING, TIME, Array, Decimal, Map, SqlType, Struct

_quote: Callable[[str], str] = json.encoder.encode_basestring


def texts(array: pa.Array, t: SqlType) -> list[str]:
    """The JSON text of every value of `array`."""
    if isinstance(t, Array):
        return _arrays(array, t)
    if isinstance(t, Map):
        return _maps(array, t)
    if isinstance(t, Struct):
        return _structs(array, t)
    if t == DOUBLE:
        return ["null" if v is None else _double(v) for v in array.to_pylist()]
    return ["null" if v is None else v for v in _scalar_texts(array, t)]


def _double(value: float) -> str:
    text = double_text(value)
    return text if text[-1].isdigit() else f'"{text}"'


def _scalar_texts(array: pa.Array, t: SqlType) -> list[str | None]:
    if t == STRING:
        return [None if v is None else _quote(v) for v in array.to_pylist()]
    if t == BYTES:
        return [None if v is None else f'"{base64.b64encode(v).decode()}"' for v in array.to_pylist()]
    if t == BOOLEAN:
        return [None if v is None else "true" if v else "false" for v in array.to_pylist()]
    return number_texts(array, t)


def number_texts(array: pa.Array, t: SqlType) -> list[str | None]:
    """Integers, decimals and times as plain numbers."""
    if isinstance(t, Decimal):
        return [None if v is None else format(v, "f") for v in array.to_pylist()]
    return [None if v is None else str(v) for v in whole_numbers(array, t).to_pylist()]


def whole_numbers(array: pa.Array, t: SqlType) -> pa.Array:
    """Integers and times as the whole numbers that formats write: days, milliseconds of the day, milliseconds."""
    if t == DATE:
        return array.view(pa.int32())
    if t == TIME:
        return pc.divide(array.view(pa.int64()), 1000)
    return array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array


def _bounds(array: pa.Array) -> tuple[int, list[int], list[bool]]:
    """First offset, offsets relative to it, and validity of a list or map array."""
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return int(offsets[0]), (offsets - offsets[0]).tolist(), array.is_valid().to_pylist()


def _arrays(array: pa.Array, t: Array) -> list[str]:
    if len(array) == 0:
        return []
    first, at, valid = _bounds(array)
    items = texts(array.values.slice(first, at[-1]), t.element)
    return [f"[{','.join(items[a:b])}]" if ok else "null" for a, b, ok in zip(at, at[1:], valid, strict=False)]


def _maps(array: pa.Array, t: Map) -> list[str]:
    if len(array) == 0:
        return []
    first, at, valid = _bounds(array)
    names = texts(array.keys.slice(first, at[-1]), t.key)
    values = texts(array.items.slice(first, at[-1]), t.value)
    items = [f"{name}:{value}" for name, value in zip(names, values, strict=True)]
    return [f"{{{','.join(items[a:b])}}}" if ok else "null" for a, b, ok in zip(at, at[1:], valid, strict=False)]


def _structs(array: pa.Array, t: Struct) -> list[str]:
    fields = [texts(array.field(i), field) for i, (_, field) in enumerate(t.fields)]
    rows = objects([name for name, _ in t.fields], fields, len(array))
    return [row if ok else "null" for row, ok in zip(rows, array.is_valid().to_pylist(), strict=True)]


def objects(names: Sequence[str], columns: Sequence[list[str]], rows: int) -> list[str]:
    """One JSON object a row from the texts of its members."""
    if not names:
        return ["{}"] * rows
    template = "{" + ",".join(f"{_quote(name)}:".replace("%", "%%") + "%s" for name in names) + "}"
    return [template % row for row in zip(*columns, strict=True)]
