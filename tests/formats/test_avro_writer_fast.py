"""The compiled Avro writer writes what the exact one writes, to the byte, or leaves the row to it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.formats.api import BadRow
from ssql.formats.avro import KERNEL_ROWS, AvroWriter
from ssql.schemas import avro
from ssql.types import BIGINT, DOUBLE, INTEGER, STRING, TIME, Array, Column, Decimal, Map, SqlType, Struct
from tests.formats import tables

pytestmark = pytest.mark.usefixtures("warm")


def same_as_exact(schema: avro.Avro, columns: list[Column], batch: pa.RecordBatch, *, record: bool = True) -> None:
    writer = AvroWriter(7, schema, columns, record=record)
    want, bad = writer._exactly(batch)
    got, got_bad = writer.write(batch)
    assert writer.compiled is not None
    got.validate(full=True)
    assert got.to_pylist() == want.to_pylist()
    assert got_bad == bad


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_columns_of_any_type_are_written(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    record = len(columns) > 1 or data.draw(st.booleans())
    schema = avro.parse(avro.text(columns, record=record))
    some = data.draw(tables.batches(columns, least=1))
    cut = data.draw(st.integers(0, some.num_rows - 1))
    same_as_exact(schema, columns, pa.concat_batches([some] * (KERNEL_ROWS + 1)).slice(cut), record=record)


def test_schemas_of_others_are_written_by_name_with_their_defaults() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "extra", "type": "string", "default": "none"},
            {"name": "id", "type": "long"},
            {"name": "opt", "type": ["int", "null"], "default": 5},
            {"name": "map", "type": {"type": "map", "values": ["double", "null"]}},
            {"name": "at", "type": {"type": "long", "logicalType": "time-micros"}},
            {
                "name": "in",
                "type": [
                    "null",
                    {"type": "record", "name": "I", "fields": [
                        {"name": "gone", "type": ["null", "int"]}, {"name": "x", "type": "int"}
                    ]},
                ],
            },
        ],
    }  # fmt: skip
    columns = [
        Column("AT", TIME),
        Column("IN", Struct((("X", INTEGER),))),
        Column("MAP", Map(STRING, DOUBLE)),
        Column("ID", INTEGER),
        Column("OPT", INTEGER),
    ]
    rows = [[5000, {"X": 3}, [("a", 1.5), ("b", None)], 1, None], [0, None, [], -1, 7]]
    batch = tables.batch_of(columns, rows * KERNEL_ROWS)
    same_as_exact(avro.parse(json.dumps(schema)), columns, batch)


def test_null_without_a_place_is_told_by_the_exact_writer() -> None:
    items = '{"type": "array", "items": "int"}'
    schema = avro.parse(f'{{"type": "record", "name": "R", "fields": [{{"name": "a", "type": {items}}}]}}')
    columns = [Column("A", Array(INTEGER))]
    batch = tables.batch_of(columns, [[[1]], [None], [[2, None]], [[]]] * KERNEL_ROWS)
    writer = AvroWriter(7, schema, columns, record=True)
    data, bad = writer.write(batch)
    reason = "field a: null, where the schema asks for a value"
    assert bad == [BadRow(at, reason) for at in range(batch.num_rows) if at % 4 in (1, 2)]
    assert data.null_count == len(bad)
    same_as_exact(schema, columns, batch)


def test_a_bare_null_is_null() -> None:
    column = [Column("A", STRING)]
    batch = tables.batch_of(column, [["x"], [None]] * KERNEL_ROWS)
    for text in ('"string"', '["null", "string"]'):
        same_as_exact(avro.parse(text), column, batch, record=False)


@pytest.mark.parametrize(
    ("schema", "t"),
    [
        ('{"type": "enum", "name": "E", "symbols": ["A"]}', STRING),
        ('"int"', BIGINT),
        ('{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}', Decimal(4, 2)),
        ('["null", "int", "string"]', STRING),
        ('"double"', INTEGER),
    ],
)
def test_what_is_not_the_same_type_is_left_to_the_exact_writer(schema: str, t: SqlType) -> None:
    columns = [Column("A", t)]
    writer = AvroWriter(7, avro.parse(schema), columns, record=False)
    data, bad = writer.write(tables.batch_of(columns, [[None]] * KERNEL_ROWS))
    assert (data.null_count, bad) == (KERNEL_ROWS, [])
    assert writer.slow
