"""Columns as plain Arrow: times as the whole numbers that formats write, all else as it is.

DATE is days, TIME milliseconds of the day, TIMESTAMP milliseconds since 1970. Nothing is copied but TIME.
"""

from __future__ import annotations

import pyarrow as pa

from ssql.formats.json_text import whole_numbers
from ssql.types import DATE, TIME, TIMESTAMP, Array, Map, SqlType, Struct


def plain(array: pa.Array, t: SqlType) -> pa.Array:
    """The same values, times as whole numbers, at any depth."""
    if t in (DATE, TIME, TIMESTAMP):
        return whole_numbers(array, t)
    if not _holds_times(t):
        return array
    if array.offset:  # children are to line up with the buffers
        array = pa.concat_arrays([array, array.slice(0, 0)])
    nulls = array.buffers()[0]
    if isinstance(t, Array):
        values = plain(array.values, t.element)
        return pa.Array.from_buffers(pa.list_(values.type), len(array), [nulls, array.buffers()[1]], children=[values])
    if isinstance(t, Map):
        keys, items = plain(array.keys, t.key), plain(array.items, t.value)
        entries = pa.StructArray.from_arrays(
            [keys, items], fields=[pa.field("key", keys.type, nullable=False), pa.field("value", items.type)]
        )
        return pa.Array.from_buffers(
            pa.map_(keys.type, items.type), len(array), [nulls, array.buffers()[1]], children=[entries]
        )
    assert isinstance(t, Struct)
    fields = [plain(array.field(i), kind) for i, (_, kind) in enumerate(t.fields)]
    kinds = pa.struct([pa.field(name, held.type) for (name, _), held in zip(t.fields, fields, strict=True)])
    return pa.Array.from_buffers(kinds, len(array), [nulls], children=fields)


def _holds_times(t: SqlType) -> bool:
    if isinstance(t, Array):
        return _holds_times(t.element)
    if isinstance(t, Map):
        return _holds_times(t.key) or _holds_times(t.value)
    if isinstance(t, Struct):
        return any(_holds_times(kind) for _, kind in t.fields)
    return t in (DATE, TIME, TIMESTAMP)
