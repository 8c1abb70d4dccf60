"""The compiled Avro reader gives what the exact one gives, or leaves the row to it."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql import kernels
from ssql.formats.avro import KERNEL_ROWS, AvroReader
from ssql.formats.avro_fast import KernelReader, NotFastError
from ssql.formats.avro_values import ExactReader
from ssql.formats.avro_writers import ExactWriter
from ssql.formats.columns import read_rows
from ssql.formats.plain import plain
from ssql.schemas import avro
from ssql.types import (
    BIGINT,
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
from tests.formats import tables

pytestmark = pytest.mark.usefixtures("warm")


def binary(*rows: bytes) -> pa.BinaryArray:
    return pa.array(list(rows), pa.binary())


def compiled(schema: avro.Avro, columns: list[Column], *, record: bool = True) -> KernelReader:
    kernel = kernels.kernel("ssql.formats.avro_kernel")
    assert kernel is not None
    return KernelReader(schema, columns, record=record, kernel=kernel)


def same_as_exact(schema: avro.Avro, columns: list[Column], payload: pa.BinaryArray, *, record: bool = True) -> None:
    want, bad = read_rows(payload, columns, ExactReader(schema, columns, record=record).read)
    reader = AvroReader(schema, columns, record=record)
    assert len(payload) >= KERNEL_ROWS
    got, got_bad = reader.read(payload)
    assert reader.compiled is not None
    assert got_bad == bad
    for array, exact in zip(got, want, strict=True):
        array.validate(full=True)
        assert array.equals(exact) or (shown(array) == shown(exact) and "nan" in shown(array))


def shown(array: pa.Array) -> str:
    """All of an array as text: NaN is NaN there, and nothing is equal to it in Arrow."""
    return str(array.to_string(window=len(array), container_window=1 << 20))


def rows_of(schema: avro.Avro, columns: list[Column], batch: pa.RecordBatch, *, record: bool = True) -> list[bytes]:
    writer = ExactWriter(schema, columns, record=record)
    held = [plain(a, c.type).to_pylist() for a, c in zip(batch.columns, columns, strict=True)]
    rows = [writer.write(values) for values in zip(*held, strict=True)]
    return [row for row in rows if row is not None]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_columns_of_any_type_are_read(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    record = len(columns) > 1 or data.draw(st.booleans())
    schema = avro.parse(avro.text(columns, record=record))
    rows = rows_of(schema, columns, data.draw(tables.batches(columns, least=1)), record=record)
    if rows:
        keep = data.draw(st.sets(st.integers(0, len(columns) - 1), min_size=0 if record else 1))
        wanted = [columns[at] for at in sorted(keep)]
        same_as_exact(schema, wanted, binary(*rows * KERNEL_ROWS), record=record)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_bytes_of_any_kind_are_bad_where_they_are_for_the_exact_reader(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    schema = avro.parse(avro.text(columns, record=True))
    good = rows_of(schema, columns, data.draw(tables.batches(columns, least=2)))
    broken = []
    for row in good:
        edited = bytearray(row)
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(row) - 1), st.integers(0, 255)), max_size=2)):
            edited[at] = value
        broken.append(bytes(edited[: data.draw(st.integers(0, len(edited)))]))
    rows = [*broken, *good, data.draw(st.binary(max_size=12))] * KERNEL_ROWS
    same_as_exact(schema, columns, binary(*rows))


NODE: dict[str, Any] = {
    "type": "record",
    "name": "Node",
    "fields": [
        {"name": "next", "type": ["null", "Node"]},
        {"name": "either", "type": ["string", "int", {"type": "array", "items": "null"}]},
        {"name": "map", "type": {"type": "map", "values": "double"}},
        {"name": "enum", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
        {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 3}},
        {
            "name": "price",
            "type": {"type": "fixed", "name": "P", "size": 5, "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "small", "type": ["float", "null"]},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "count", "type": "int"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "columns",
    [
        [Column("COUNT", BIGINT)],
        [Column("ENUM", STRING), Column("FIXED", BYTES), Column("PRICE", Decimal(9, 2)), Column("GONE", DATE)],
        [Column("SMALL", DOUBLE), Column("COUNT", DOUBLE), Column("MAP", Map(STRING, DOUBLE))],
        [Column("MICROS", TIMESTAMP), Column("CLOCK", TIME)],
        [Column("NEXT", Struct((("ENUM", STRING), ("GONE", Array(INTEGER)), ("COUNT", INTEGER))))],
        [],
    ],
    ids=str,
)
def test_schemas_of_others_are_read(columns: list[Column]) -> None:
    plain_node = json.loads(json.dumps(NODE).replace('"logicalType"', '"x"'))
    parsed = fastavro.parse_schema(plain_node)
    leaf = {
        "next": None, "either": [None, None], "map": {"a": 1.0, "é": -0.5}, "enum": "Y", "fixed": b"abc",
        "price": b"\xff\xff\xff\xff\x85", "small": 0.5, "micros": -1, "clock": 5, "count": -7,
    }  # fmt: skip
    rows = []
    for row in (leaf, {**leaf, "next": {**leaf, "either": 3}, "either": "x", "small": None, "map": {}}):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, row)
        rows.append(out.getvalue())
    same_as_exact(avro.parse(json.dumps(NODE)), columns, binary(*rows * KERNEL_ROWS, rows[1][:-1], rows[0][:9]))


@pytest.mark.parametrize(
    ("schema", "t"),
    [
        ('"long"', INTEGER),
        ('"int"', STRING),
        ('{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}', Decimal(4, 2)),
        ('["null", "int", "string"]', STRING),
        ('{"type": "long", "logicalType": "time-micros"}', TIME),
    ],
)
def test_what_is_more_than_widening_is_left_to_the_exact_reader(schema: str, t: SqlType) -> None:
    parsed = avro.parse(schema)
    with pytest.raises(NotFastError):
        compiled(parsed, [Column("A", t)], record=False)
    reader = AvroReader(parsed, [Column("A", t)], record=False)
    assert reader.read(binary(*[b"\x00"] * KERNEL_ROWS))[0][0].type == t.arrow
    assert reader.slow


@pytest.mark.parametrize(
    ("columns", "row", "reason"),
    [
        ([Column("A", STRING)], b"\x02\x04\xff\xfe", "field A: not valid UTF-8"),
        ([Column("A", TIME)], b"\x02\x01", "field A: -1 is out of range for TIME"),
    ],
)
def test_a_batch_with_what_only_arrow_sees_is_read_exactly(columns: list[Column], row: bytes, reason: str) -> None:
    schema = avro.parse(avro.text(columns, record=True))
    reader = AvroReader(schema, columns, record=True)
    arrays, bad = reader.read(binary(*[b"\x00"] * KERNEL_ROWS, row))
    assert [b.reason for b in bad] == [reason]
    assert arrays[0].null_count == KERNEL_ROWS + 1
    assert not reader.slow
