"""Columns of any type and rows for them, as hypothesis makes them; rows as plain Python for comparing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

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

_EXACT = Context(prec=80)
MS_A_DAY = 86_400_000
#: Days and milliseconds of the years 1 to 9999, which Protobuf's dates hold.
DAYS = st.integers(-719_162, 2_932_896)
MILLIS = st.integers(-62_135_596_800_000, 253_402_300_799_999)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

_SCALARS: dict[SqlType, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    INTEGER: st.integers(-(2**31), 2**31 - 1),
    BIGINT: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.floats(allow_nan=False),
    STRING: TEXT,
    BYTES: st.binary(max_size=8),
    DATE: DAYS,
    TIME: st.integers(0, MS_A_DAY - 1).map(lambda ms: ms * 1000),
    TIMESTAMP: MILLIS,
}

NAMES = st.from_regex(r"[A-Z_][A-Za-z0-9_]{0,5}", fullmatch=True)


def decimals() -> st.SearchStrategy[SqlType]:
    return st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: Decimal(p, s)))


def scalar_types() -> st.SearchStrategy[SqlType]:
    return st.one_of(st.sampled_from(list(_SCALARS)), decimals())


def _structs(of: st.SearchStrategy[SqlType]) -> st.SearchStrategy[SqlType]:
    fields = st.lists(st.tuples(NAMES, of), min_size=1, max_size=3, unique_by=lambda f: f[0].upper())
    return fields.map(lambda found: Struct(tuple(found)))


def _in_struct(t: SqlType) -> SqlType:
    return Struct((("F", t),)) if isinstance(t, Array | Map) else t


def sql_types(*, arrays_of_arrays: bool = True) -> st.SearchStrategy[SqlType]:
    """Types of any nesting. Protobuf has no arrays of arrays or maps."""

    def nested(of: st.SearchStrategy[SqlType]) -> st.SearchStrategy[SqlType]:
        element = of if arrays_of_arrays else of.map(_in_struct)
        return st.one_of(element.map(Array), element.map(lambda t: Map(STRING, t)), _structs(of))

    return st.recursive(scalar_types(), nested, max_leaves=4)


def columns(types: st.SearchStrategy[SqlType], *, least: int = 1, most: int = 4) -> st.SearchStrategy[list[Column]]:
    pairs = st.lists(st.tuples(NAMES, types), min_size=least, max_size=most, unique_by=lambda c: c[0].upper())
    return pairs.map(lambda found: [Column(name, t) for name, t in found])


def values(t: SqlType, *, nulls: bool = True) -> st.SearchStrategy[Any]:
    """Values as pyarrow builds a column of the type from."""
    inner: st.SearchStrategy[Any]
    if isinstance(t, Decimal):
        limit = 10**t.precision - 1
        scale = t.scale
        inner = st.integers(-limit, limit).map(lambda n: PyDecimal(n).scaleb(-scale, _EXACT))
    elif isinstance(t, Array):
        inner = st.lists(values(t.element, nulls=nulls), max_size=3)
    elif isinstance(t, Map):
        inner = st.dictionaries(TEXT, values(t.value, nulls=nulls), max_size=3).map(lambda d: list(d.items()))
    elif isinstance(t, Struct):
        inner = st.fixed_dictionaries({name: values(kind, nulls=nulls) for name, kind in t.fields})
    else:
        inner = _SCALARS[t]
    return st.one_of(st.none(), inner) if nulls else inner


def batches(
    held: Sequence[Column], *, nulls: bool = True, least: int = 0, most: int = 5
) -> st.SearchStrategy[pa.RecordBatch]:
    row = st.tuples(*(values(c.type, nulls=nulls) for c in held))
    return st.lists(row, min_size=least, max_size=most).map(lambda rows: batch_of(held, rows))


def batch_of(held: Sequence[Column], rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    arrays = [pa.array([row[at] for row in rows], type=c.type.arrow) for at, c in enumerate(held)]
    return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in held])
