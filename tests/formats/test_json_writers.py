"""JSON as it is written: the same bytes by both writers, valid JSON, and read back as what was written."""

from __future__ import annotations

import json
import math
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssql import kernels
from ssql.formats import json as json_format
from ssql.formats.api import FormatSpec
from ssql.formats.json import JsonDecoder, JsonEncoder
from ssql.formats.json_writer import KernelWriter
from ssql.formats.scalars import double_text
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

pytestmark = pytest.mark.usefixtures("warm")

VALUES: dict[SqlType, st.SearchStrategy[Any]] = {
    BOOLEAN: st.booleans(),
    INTEGER: st.integers(-(2**31), 2**31 - 1),
    BIGINT: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.one_of(
        st.floats(),
        st.decimals(-(10**8), 10**8, places=3).map(float),
        st.integers(-(2**60), 2**60).map(float),
        st.builds(lambda m, e: float(f"{m}e{e}"), st.integers(-999, 999), st.integers(-320, 305)),
    ),
    STRING: st.text(max_size=8),
    BYTES: st.binary(max_size=8),
    DATE: st.integers(-(2**31), 2**31 - 1),
    TIME: st.integers(0, 86_399_999).map(lambda ms: ms * 1000),
    TIMESTAMP: st.integers(-(2**63), 2**63 - 1),
    Decimal(9, 3): st.decimals(-999_999, 999_999, places=3),
    Decimal(38, 10): st.decimals(-(10**20), 10**20, places=10),
    Array(INTEGER): st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=3),
    Map(STRING, STRING): st.dictionaries(st.text(max_size=2), st.one_of(st.none(), st.text(max_size=3))).map(
        lambda m: list(m.items())
    ),
    Struct((("A", Array(DATE)), ("b\"'", BOOLEAN))): st.fixed_dictionaries(
        {"A": st.one_of(st.none(), st.lists(st.integers(-9, 9), max_size=2)), "b\"'": st.booleans()}
    ),
}


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Column], list[pa.Array]]:
    types = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    names = draw(st.lists(st.text(max_size=4), min_size=len(types), max_size=len(types), unique_by=str.upper))
    rows = draw(st.integers(0, 6))
    arrays = []
    for t in types:
        values = draw(st.lists(st.one_of(st.none(), *[VALUES[t]] * 4), min_size=rows, max_size=rows))
        arrays.append(pa.array(values, type=t.arrow))
    start = draw(st.integers(0, rows))
    return [Column(n, t) for n, t in zip(names, types, strict=True)], [a.slice(start) for a in arrays]


def both(columns: list[Column], arrays: list[pa.Array], *, record: bool) -> list[bytes | None]:
    """What both writers write."""
    batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema([pa.field(c.name, c.type.arrow) for c in columns]))
    assert batch.num_rows < json_format.KERNEL_ROWS
    plain = JsonEncoder(columns, record=record).encode(batch)
    kernel = kernels.kernel("ssql.formats.json_writer_kernel")
    assert kernel is not None
    fast = KernelWriter(columns, record=record, kernel=kernel).write(batch.columns, batch.num_rows)
    fast.validate(full=True)
    assert plain.bad == ()
    assert fast.to_pylist() == plain.data.to_pylist()
    rows: list[bytes | None] = fast.to_pylist()
    return rows


def physical(array: pa.Array) -> list[Any]:
    if pa.types.is_temporal(array.type):
        return array.view(pa.int32() if array.type == pa.date32() else pa.int64()).to_pylist()
    return array.to_pylist()


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return bool(a == b)


@settings(max_examples=150, deadline=None)
@given(batches())
def test_both_writers_write_what_reads_back(batch: tuple[list[Column], list[pa.Array]]) -> None:
    columns, arrays = batch
    rows = both(columns, arrays, record=True)
    for raw in rows:
        assert raw is not None
        assert list(json.loads(raw)) == [c.name for c in columns]
    decoded = JsonDecoder(columns, record=True).decode(pa.array(rows, pa.binary()))
    assert decoded.bad == ()
    for array, column in zip(arrays, decoded.batch.columns, strict=True):
        assert all(map(same, physical(array), physical(column)))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(VALUES)).flatmap(lambda t: st.tuples(st.just(t), st.lists(st.none() | VALUES[t], max_size=6)))
)
def test_bare_values_read_back_and_null_has_no_bytes(case: tuple[SqlType, list[Any]]) -> None:
    t, values = case
    array = pa.array(values, type=t.arrow)
    rows = both([Column("V", t)], [array], record=False)
    assert [row is None for row in rows] == [v is None for v in values]
    decoded = JsonDecoder([Column("V", t)], record=False).decode(pa.array(rows, pa.binary()))
    assert decoded.bad == ()
    assert all(map(same, physical(array), physical(decoded.batch.column(0))))


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES[DOUBLE], min_size=1, max_size=30))
@example([0.001, 1e7, 9999999.0, 9999999.999999, 0.000999, 2.0**53, 2.0**53 + 2, 123456789012345680.0, 5e-324, 1e22])
@example([0.1, 1.1, 0.3, 1 / 3, 0.1 + 0.2, 1234567.891, 1e-5, 12345678.9, 1.7976931348623157e308, -0.0, math.inf])
def test_doubles_are_printed_as_java_prints_them(values: list[float]) -> None:
    rows = both([Column("V", DOUBLE)], [pa.array(values)], record=False)
    assert rows == [(t if t[-1].isdigit() else f'"{t}"').encode() for t in map(double_text, values)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (100.5, "100.5"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (10000000.0, "1.0E7"),
        (123456789.125, "1.23456789125E8"),
        (1e300, "1.0E300"),
        (-1.5e-7, "-1.5E-7"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_double_text(value: float, text: str) -> None:
    assert double_text(value) == text


def test_decimals_are_plain_and_have_their_full_scale() -> None:
    columns = [Column("V", Decimal(30, 10))]
    array = pa.array([PyDecimal("1.5"), PyDecimal("0.0000000001"), PyDecimal("-3")], type=columns[0].type.arrow)
    assert both(columns, [array], record=True) == [
        b'{"V":1.5000000000}',
        b'{"V":0.0000000001}',
        b'{"V":-3.0000000000}',
    ]


def test_nulls_are_written_and_no_columns_are_an_empty_object() -> None:
    columns = [Column("A", INTEGER), Column("b c", STRING)]
    assert both(columns, [pa.array([None], pa.int32()), pa.array([None], pa.string())], record=True) == [
        b'{"A":null,"b c":null}'
    ]
    empty = pa.RecordBatch.from_struct_array(pa.StructArray.from_buffers(pa.struct([]), 2, [None]))
    encoder = json_format.JsonFormat().encoder(FormatSpec("JSON"), [], is_key=False)
    assert encoder.encode(empty).data.to_pylist() == [b"{}", b"{}"]


def test_columns_of_another_layout_are_cast_before_the_kernel_reads_them() -> None:
    columns = [Column("A", BIGINT), Column("B", STRING), Column("C", TIMESTAMP)]
    arrays = [pa.array([1, None]), pa.array(["x", None], pa.large_string()), pa.array([5, None], pa.timestamp("us"))]
    batch = pa.RecordBatch.from_arrays([arrays[0].cast(pa.int32()), *arrays[1:]], names=["A", "B", "C"])
    kernel = kernels.kernel("ssql.formats.json_writer_kernel")
    assert kernel is not None
    with pytest.raises(pa.ArrowInvalid):  # 5 us are no whole number of ms
        KernelWriter(columns, record=True, kernel=kernel).write(batch.columns, 2)
    batch = batch.set_column(2, "C", pa.array([5000, None], pa.timestamp("us")))
    assert KernelWriter(columns, record=True, kernel=kernel).write(batch.columns, 2).to_pylist() == [
        b'{"A":1,"B":"x","C":5}',
        b'{"A":null,"B":null,"C":null}',
    ]
