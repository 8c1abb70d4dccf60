"""JSON, example by example: what is read from it, and why a row is bad."""

from __future__ import annotations

from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
import pytest

from ssql.formats.api import Decoded, FormatSpec
from ssql.formats.registry import format_named
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)

NESTED = Struct((("A", Array(INTEGER)), ("M", Map(STRING, Decimal(4, 2)))))


def decode(rows: list[bytes | None], *columns: Column, wrap: bool | None = None) -> Decoded:
    decoder = format_named("JSON").decoder(FormatSpec("JSON", wrap=wrap), columns, is_key=False)
    return decoder.decode(pa.array(rows, pa.binary()))


@pytest.mark.parametrize(
    ("t", "text", "value"),
    [
        (STRING, "1", "1"),
        (STRING, "1.10", "1.10"),
        (STRING, "false", "false"),
        (STRING, '{"b": [1.0, null, "x\\n"], "a": {}}', '{"b":[1.0,null,"x\\n"],"a":{}}'),
        (STRING, "[ ]", "[]"),
        (INTEGER, '"2"', 2),
        (INTEGER, "1.0", 1),
        (INTEGER, "-1.7", -1),
        (INTEGER, "-2147483648.9", -2147483648),
        (BIGINT, "12e-999999999999", 0),
        (BIGINT, "1e3", 1000),
        (DOUBLE, '"NaN"', "nan"),
        (DOUBLE, '" 1.5"', 1.5),
        (Decimal(6, 3), '"1.5"', PyDecimal("1.500")),
        (Decimal(6, 3), "1.5000", PyDecimal("1.500")),
        (Decimal(6, 3), "1e2", PyDecimal("100.000")),
        (BYTES, '"dGVzdA=="', b"test"),
        (NESTED, '{"a":["1",null],"m":{"x":1}}', {"A": [1, None], "M": [("x", PyDecimal("1.00"))]}),
        (NESTED, "{}", {"A": None, "M": None}),
    ],
    ids=str,
)
def test_values_are_coerced(t: SqlType, text: str, value: Any) -> None:
    decoded = decode([f'{{"v":{text}}}'.encode()], Column("V", t))
    assert decoded.bad == ()
    found = decoded.batch.column(0).to_pylist()[0]
    assert str(found) == value if value == "nan" else found == value


@pytest.mark.parametrize(
    ("t", "raw", "reason"),
    [
        (INTEGER, b'{"PRICE":"abc"}', 'field PRICE: cannot read "abc" as INTEGER'),
        (INTEGER, b'{"PRICE":"1.5"}', 'field PRICE: cannot read "1.5" as INTEGER'),
        (INTEGER, b'{"PRICE":2147483648.5}', "field PRICE: 2147483648.5 is out of range for INTEGER"),
        (INTEGER, b'{"PRICE":2147483648}', "field PRICE: 2147483648 is out of range for INTEGER"),
        (INTEGER, b'{"price":true}', "field PRICE: cannot read true as INTEGER"),
        (BIGINT, b'{"PRICE":1e30}', "field PRICE: 1e30 is out of range for BIGINT"),
        (BOOLEAN, b'{"PRICE":"true"}', 'field PRICE: cannot read "true" as BOOLEAN'),
        (DOUBLE, b'{"PRICE":1e999}', "field PRICE: 1e999 is out of range for DOUBLE"),
        (DOUBLE, b'{"PRICE":[1]}', "field PRICE: cannot read [1] as DOUBLE"),
        (Decimal(4, 2), b'{"PRICE":1.234}', "field PRICE: 1.234 does not fit DECIMAL(4, 2) without rounding"),
        (Decimal(4, 2), b'{"PRICE":100}', "field PRICE: 100 is out of range for DECIMAL(4, 2)"),
        (BYTES, b'{"PRICE":"x"}', 'field PRICE: cannot read "x" as BYTES'),
        (TIME, b'{"PRICE":86400000}', "field PRICE: 86400000 is out of range for TIME"),
        (STRING, b'{"PRICE":"\\ud800"}', "field PRICE: holds half of a surrogate pair, which is no text"),
        (NESTED, b'{"PRICE":{"A":[1,"x"]}}', 'field PRICE.A[1]: cannot read "x" as INTEGER'),
        (NESTED, b'{"PRICE":{"m":{"k":[]}}}', "field PRICE.M['k']: cannot read [] as DECIMAL(4, 2)"),
        (STRING, b'{"PRICE":"\xff"}', "not valid UTF-8"),
        (STRING, b"[1]", "expected a JSON object, got [1]"),
        (STRING, b"", "not valid JSON: unexpected end at byte 0"),
        (STRING, b'{"PRICE":"a', "not valid JSON: unexpected end at byte 11"),
        (STRING, b'{"PRICE":1} x', "not valid JSON: more text after the end at byte 12"),
        (STRING, '{"ä":é}'.encode(), 'not valid JSON: unexpected "é" at byte 6'),
        (STRING, b'{"PRICE":"\n"}', "not valid JSON: control character in text at byte 10"),
        (STRING, b'{"PRICE":"\\q"}', "not valid JSON: invalid escape at byte 10"),
        (STRING, b'{"x":NaN}', "not valid JSON: NaN is not a JSON number"),
        (STRING, b'{"x":' + b"[" * 5000, "not valid JSON: nested too deeply"),
        (STRING, b'{"PRICE":"' + b"a" * 5000, "not valid JSON: unexpected end at byte 5010"),
        (INTEGER, b'{"PRICE":"' + b"a" * 5000 + b'"}', f'field PRICE: cannot read "{"a" * 59}... as INTEGER'),
    ],
)
def test_a_bad_row_says_why_and_harms_no_other(t: SqlType, raw: bytes, reason: str) -> None:
    decoded = decode([b'{"PRICE":null}', raw, None, b"null", b"{}"], Column("ID", INTEGER), Column("PRICE", t))
    assert [(row.index, row.reason) for row in decoded.bad] == [(1, reason)]
    assert decoded.batch.num_rows == 5
    assert decoded.batch.to_pylist()[1] == {"ID": None, "PRICE": None}


def test_names_match_exactly_first_then_by_their_upper_case() -> None:
    columns = (Column("ID", INTEGER), Column("id", INTEGER), Column("Name", INTEGER))
    decoded = decode(
        [b'{"id":1,"ID":2,"NAME":3}', b'{"id":1}', b'{"Id":1,"iD":2}', b'{"ID":null,"id":5,"Name":6}'], *columns
    )
    assert decoded.bad == ()
    assert [tuple(row.values()) for row in decoded.batch.to_pylist()] == [
        (2, 1, None),
        (1, 1, None),
        (2, None, None),
        (None, 5, 6),
    ]


def test_a_bare_column() -> None:
    decoded = decode([b"[1, 2]", b"null", None, b'"x"'], Column("V", Array(STRING)), wrap=False)
    assert decoded.batch.column(0).to_pylist() == [["1", "2"], None, None, None]
    assert [row.reason for row in decoded.bad] == ['field V: cannot read "x" as ARRAY<STRING>']
