"""Protobuf in whole batches gives what the exact reader and writer give."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.formats.columns import read_rows
from ssql.formats.plain import plain
from ssql.formats.protobuf import FAST_ROWS, MessageReader, MessageWriter
from ssql.formats.protobuf_fast import FastReader, FastWriter, NotFastError
from ssql.formats.protobuf_values import ExactReader, ExactWriter
from ssql.schemas.proto import Nullable, ProtoSchema, text
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

TYPES = tables.sql_types(arrays_of_arrays=False)
NULLABLE: list[Nullable] = ["", "optional", "wrapper"]


def binary(*rows: bytes) -> pa.BinaryArray:
    return pa.array(list(rows), pa.binary())


def written(schema: ProtoSchema, columns: list[Column], batch: pa.RecordBatch) -> list[bytes]:
    writer = ExactWriter(schema.message(), columns)
    held = [plain(a, c.type).to_pylist() for a, c in zip(batch.columns, columns, strict=True)]
    return [writer.write(values) for values in zip(*held, strict=True)]


def same_as_exact(schema: ProtoSchema, columns: list[Column], rows: list[bytes]) -> None:
    payload = binary(*rows)
    want, bad = read_rows(payload, columns, ExactReader(schema.message(), columns).read)
    reader = MessageReader(schema.message(), columns)
    got, got_bad = reader.read(payload)
    assert reader.fast is not None
    assert got_bad == bad
    for array, exact in zip(got, want, strict=True):
        array.validate(full=True)
        assert array.equals(exact)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_columns_of_any_type_are_read(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(TYPES))
    schema = ProtoSchema(text(columns, nullable=data.draw(st.sampled_from(NULLABLE))))
    rows = written(schema, columns, data.draw(tables.batches(columns, least=1)))
    keep = data.draw(st.sets(st.integers(0, len(columns) - 1), min_size=1))
    same_as_exact(schema, [columns[at] for at in sorted(keep)], rows * FAST_ROWS)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_written_is_the_same_to_the_byte(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(TYPES))
    schema = ProtoSchema(text(columns, nullable=data.draw(st.sampled_from(NULLABLE))))
    batch = data.draw(tables.batches(columns))
    cut = data.draw(st.integers(0, batch.num_rows))
    writer = FastWriter(schema.message(), columns)
    assert writer.write(batch).to_pylist() == written(schema, columns, batch)
    assert writer.write(batch.slice(cut)).to_pylist() == written(schema, columns, batch)[cut:]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_broken_rows_are_bad_where_they_are_for_the_exact_reader(data: st.DataObject) -> None:
    columns = data.draw(tables.columns(TYPES))
    schema = ProtoSchema(text(columns))
    good = written(schema, columns, data.draw(tables.batches(columns, least=2)))
    broken = [row[: data.draw(st.integers(0, len(row)))] for row in good]
    rows = [*good * FAST_ROWS, *broken, *good * FAST_ROWS]
    same_as_exact(schema, columns, rows)


OTHERS = """
    syntax = "proto3";
    import "google/protobuf/timestamp.proto"; import "google/type/date.proto"; import "google/type/timeofday.proto";
    import "confluent/type/decimal.proto"; import "google/protobuf/wrappers.proto";
    message M {
        enum Colour { RED = 0; BLUE = 2; }
        message Inner { uint32 x = 9; Colour c = 1; Inner next = 3; }
        uint32 a = 1; fixed64 b = 2; sint32 c = 3; float d = 4; Colour e = 5; optional Colour f = 6;
        repeated google.protobuf.StringValue g = 7; google.protobuf.Timestamp h = 8; google.type.Date i = 9;
        google.type.TimeOfDay j = 10; confluent.type.Decimal k = 11; map<string, Inner> l = 12; Inner m = 14;
        repeated Colour n = 15; oneof choice { string o = 16; }
    }
"""


def other(**fields: Any) -> bytes:
    return bytes(GetMessageClass(ProtoSchema(OTHERS).message())(**fields).SerializeToString())


@pytest.mark.parametrize(
    ("t", "rows"),
    [
        (("A", BIGINT), [other(a=2**32 - 1), b""]),
        (("B", BIGINT), [other(b=2**63 - 1), other(b=2**64 - 1)]),
        (("C", INTEGER), [other(c=-5)]),
        (("C", BIGINT), [other(c=-5)]),
        (("D", DOUBLE), [other(d=0.1)]),
        (("E", STRING), [other(e=2), other(e=7), b""]),
        (("F", STRING), [other(f=0), b""]),
        (("G", Array(STRING)), [other(g=[{"value": "x"}, {}])]),
        (("H", TIMESTAMP), [other(h={"seconds": -1, "nanos": 999_999_999}), other(h={"seconds": 2**62})]),
        (("I", DATE), [other(i={"year": 2020, "month": 2, "day": 29}), other(i={"year": 2021, "month": 2, "day": 29})]),
        (("I", DATE), [other(i={}), other(i={"year": 1, "month": 1, "day": 1})]),
        (("J", TIME), [other(j={"hours": 23, "nanos": 5_999_999}), other(j={"hours": 25}), other(j={"seconds": -1})]),
        (("K", Decimal(5, 2)), [other(k={"value": b"\xff\x85", "scale": 2}), other(k={"value": b"\x7f" * 9})]),
        (("M", Struct((("C", STRING), ("X", BIGINT), ("GONE", DATE)))), [other(m={"x": 3, "next": {}}), b""]),
        (("N", Array(STRING)), [other(n=[0, 2, 5])]),
        (("GONE", Map(STRING, BYTES)), [other(a=1)]),
    ],
    ids=str,
)
def test_schemas_of_others_are_read(t: tuple[str, SqlType], rows: list[bytes]) -> None:
    same_as_exact(ProtoSchema(OTHERS), [Column(*t)], rows * FAST_ROWS)


def test_maps_are_read() -> None:
    columns = [Column("L", Map(STRING, Struct((("X", BIGINT),))))]
    rows = [other(l={"a": {"x": 1}, "b": {}}), b""] * FAST_ROWS
    got = FastReader(ProtoSchema(OTHERS).message(), columns).read(binary(*rows))[0].to_pylist()
    assert dict(got[0]) == {"a": {"X": 1}, "b": {"X": 0}}
    assert got[1] == []


@pytest.mark.parametrize(
    "column",
    [
        Column("O", STRING),
        Column("CHOICE_0", Struct((("O", STRING),))),
        Column("A", STRING),
        Column("B", INTEGER),
        Column("M", Struct((("NEXT", Struct((("X", BIGINT),))),))),
    ],
    ids=str,
)
def test_what_is_out_of_the_way_is_left_to_the_exact_reader(column: Column) -> None:
    with pytest.raises(NotFastError):
        FastReader(ProtoSchema(OTHERS).message(), [column])
    reader = MessageReader(ProtoSchema(OTHERS).message(), [column])
    assert len(reader.read(binary(*[b""] * FAST_ROWS))[0][0]) == FAST_ROWS
    assert reader.slow


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        (Column("A", BIGINT), [1, -1], "field A: -1 is out of range"),
        (Column("E", STRING), ["RED", "GREEN"], 'field E: "GREEN" is no value of the enum'),
        (Column("D", DOUBLE), [0.5, 1.5], None),
        (Column("I", DATE), [3, 2**31 - 1], "field I: day 2147483647 is out of range for DATE"),
    ],
    ids=str,
)
def test_rows_that_do_not_fit_are_told_one_by_one(column: Column, values: list[Any], reason: str | None) -> None:
    writer = MessageWriter(b"!", ProtoSchema(OTHERS).message(), [column])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values * FAST_ROWS, pa.int64() if column.type == BIGINT else None)], names=["A"]
    )
    if column.type == DATE:
        batch = pa.RecordBatch.from_arrays([pa.array(values * FAST_ROWS, pa.int32()).view(pa.date32())], names=["A"])
    data, bad = writer.write(batch)
    assert {row.reason for row in bad} == ({reason} if reason else set())
    assert data[0].as_py()[:1] == b"!"
    assert data.null_count == (FAST_ROWS if reason else 0)


def test_numbers_of_the_schema_decide_the_order_that_is_written() -> None:
    schema = ProtoSchema(
        'syntax = "proto3"; message M { int32 a = 5; message N { int32 y = 2; int32 x = 1; } N n = 1; }'
    )
    columns = [Column("A", INTEGER), Column("N", Struct((("Y", INTEGER), ("X", INTEGER))))]
    batch = tables.batch_of(columns, [[1, {"Y": 2, "X": 3}], [None, None]])
    assert FastWriter(schema.message(), columns).write(batch).to_pylist() == written(schema, columns, batch)
