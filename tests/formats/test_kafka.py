from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.formats.api import FormatSpec
from ssql.formats.registry import format_named
from ssql.types import BIGINT, BYTES, DOUBLE, INTEGER, STRING, Column, SqlType

CODES = {INTEGER: ">i", BIGINT: ">q", DOUBLE: ">d"}
VALUES: dict[SqlType, st.SearchStrategy[Any]] = {
    INTEGER: st.integers(-(2**31), 2**31 - 1),
    BIGINT: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.floats(allow_nan=False),
    STRING: st.text(),
    BYTES: st.binary(),
}


@given(
    st.sampled_from(list(VALUES)).flatmap(lambda t: st.tuples(st.just(t), st.lists(st.none() | VALUES[t]))),
    st.integers(0, 3),
)
def test_values_are_as_javas_serializers_write_them(case: tuple[SqlType, list[Any]], skip: int) -> None:
    t, values = case
    column = [Column("V", t)]
    kafka = format_named("KAFKA")
    batch = pa.RecordBatch.from_arrays([pa.array(values, t.arrow).slice(skip)], names=["V"])
    encoded = kafka.encoder(FormatSpec("KAFKA"), column, is_key=False).encode(batch)
    written = [
        None if v is None else struct.pack(CODES[t], v) if t in CODES else v.encode() if t == STRING else v
        for v in values
    ]
    assert encoded.bad == ()
    assert encoded.data.to_pylist() == written[skip:]
    encoded.data.validate(full=True)
    decoded = kafka.decoder(FormatSpec("KAFKA"), column, is_key=True).decode(pa.array(written, pa.binary()).slice(skip))
    assert decoded.bad == ()
    assert decoded.batch.column(0).to_pylist() == values[skip:]


@pytest.mark.parametrize("t", [INTEGER, BIGINT, DOUBLE], ids=str)
def test_the_wrong_number_of_bytes_is_a_bad_row(t: SqlType) -> None:
    width = struct.calcsize(CODES[t])
    rows = [b"", struct.pack(CODES[t], 5), None, b"\0" * (width + 1)]
    for needed in (None, frozenset[str]()):
        decoder = format_named("KAFKA").decoder(FormatSpec("KAFKA"), [Column("V", t)], is_key=True, needed=needed)
        decoded = decoder.decode(pa.array(rows, pa.binary()))
        assert [(row.index, row.reason) for row in decoded.bad] == [
            (0, f"field V: {t} takes {width} bytes, got 0"),
            (3, f"field V: {t} takes {width} bytes, got {width + 1}"),
        ]
        assert decoded.batch.num_rows == 4
        if needed is None:
            assert decoded.batch.column(0).to_pylist() == [None, 5, None, None]


@given(st.lists(st.none() | st.text(max_size=3).map(str.encode) | st.binary(max_size=4)))
def test_text_that_is_not_utf8_is_a_bad_row(rows: list[bytes | None]) -> None:
    expected: list[str | None] = []
    bad = []
    for index, raw in enumerate(rows):
        try:
            expected.append(None if raw is None else raw.decode())
        except UnicodeDecodeError:
            expected.append(None)
            bad.append((index, "not valid UTF-8"))
    decoder = format_named("KAFKA").decoder(FormatSpec("KAFKA"), [Column("V", STRING)], is_key=True)
    decoded = decoder.decode(pa.array(rows, pa.binary()))
    assert decoded.batch.column(0).to_pylist() == expected
    assert [(row.index, row.reason) for row in decoded.bad] == bad
