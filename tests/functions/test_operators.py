from __future__ import annotations

import decimal
import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import TypeMismatch
from ssql.functions import install, used_in
from ssql.functions.operators import (
    arithmetic,
    cast,
    castable,
    common_type,
    comparison,
    decimal_result,
    negate,
    subscript,
)
from ssql.functions.udf import to_arrow, to_python
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
    Decimal,
    Map,
    SqlType,
    Struct,
)

from .aggregation import connect

EDGES = {
    INTEGER: [0, 1, -1, 7, -7, 2**31 - 1, -(2**31), None],
    BIGINT: [0, 1, -1, 10, 2**63 - 1, -(2**63), 2**31, None],
}
BITS = {INTEGER: 32, BIGINT: 64}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as opened:
        yield opened


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, result: SqlType, columns: dict[str, tuple[SqlType, Sequence[Any]]]
) -> list[Any]:
    """The values of an expression over columns; its type must be the promised one."""
    install(connection, used_in(sql))
    connection.register("rows", pa.table({n: to_arrow(list(v), t) for n, (t, v) in columns.items()}))
    table = connection.execute(f"SELECT {sql} AS r FROM rows").to_arrow_table().combine_chunks()
    assert table.schema.field("r").type == result.arrow, (sql, table.schema.field("r").type)
    return to_python(table.column("r").chunk(0))


def wrapped(value: int, bits: int) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def java(op: str, a: int, b: int, bits: int) -> int | None:
    if op in "+-*":
        return wrapped({"+": a + b, "-": a - b, "*": a * b}[op], bits)
    if b == 0:
        return None
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return wrapped(quotient if op == "/" else a - quotient * b, bits)


@pytest.mark.parametrize("op", "+-*/%")
@pytest.mark.parametrize("left", [INTEGER, BIGINT])
@pytest.mark.parametrize("right", [INTEGER, BIGINT])
def test_integers_wrap_around_and_never_fail(
    connection: duckdb.DuckDBPyConnection, op: str, left: SqlType, right: SqlType
) -> None:
    pairs = [(a, b) for a in EDGES[left] for b in EDGES[right]]
    sql, result = arithmetic(op, "a", left, "b", right)
    assert result == (BIGINT if BIGINT in (left, right) else INTEGER)
    columns = {"a": (left, [a for a, _ in pairs]), "b": (right, [b for _, b in pairs])}
    expected = [None if a is None or b is None else java(op, a, b, BITS[result]) for a, b in pairs]
    assert run(connection, sql, result, columns) == expected


def test_division_by_an_integer_literal(connection: duckdb.DuckDBPyConnection) -> None:
    sql, _ = arithmetic("/", "a", BIGINT, "3", INTEGER)
    assert run(connection, sql, BIGINT, {"a": (BIGINT, [7, -7, None])}) == [2, -2, None]


def test_doubles_follow_ieee(connection: duckdb.DuckDBPyConnection) -> None:
    columns = {"a": (DOUBLE, [1.0, -1.0, 0.0, 7.5, 1e308]), "b": (INTEGER, [0, 0, 0, 2, 1])}
    sql, result = arithmetic("/", "a", DOUBLE, "b", INTEGER)
    found = run(connection, sql, result, columns)
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])
    assert found[3] == 3.75
    sql, _ = arithmetic("%", "a", DOUBLE, "b", INTEGER)
    assert run(connection, sql, DOUBLE, columns)[3] == 1.5
    sql, _ = arithmetic("*", "a", DOUBLE, "a", DOUBLE)
    assert run(connection, sql, DOUBLE, columns)[4] == math.inf


def test_decimal_result_types() -> None:
    a, b = Decimal(5, 2), Decimal(4, 3)
    assert decimal_result("+", a, b) == Decimal(7, 3)
    assert decimal_result("*", a, b) == Decimal(10, 5)
    assert decimal_result("/", a, b) == Decimal(13, 7)
    assert decimal_result("%", a, b) == Decimal(4, 3)
    assert arithmetic("+", "a", a, "b", INTEGER)[1] == Decimal(13, 2)
    assert arithmetic("*", "a", BIGINT, "b", a)[1] == Decimal(25, 2)
    assert arithmetic("-", "a", a, "b", DOUBLE)[1] == DOUBLE
    assert decimal_result("*", Decimal(38, 18), Decimal(38, 18)) == Decimal(38, 6)


decimal_types = st.sampled_from([Decimal(4, 2), Decimal(5, 0), Decimal(3, 3), Decimal(18, 6), Decimal(30, 10), INTEGER])


def numbers(t: SqlType) -> st.SearchStrategy[Any]:
    if not isinstance(t, Decimal):
        return st.none() | st.integers(-1000, 1000)
    top = 10**t.precision - 1
    return st.none() | st.integers(-top, top).map(lambda v: decimal.Decimal(v).scaleb(-t.scale, decimal.Context(60)))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), op=st.sampled_from("+-*/%"), left=decimal_types, right=decimal_types)
def test_decimals_are_exact(
    connection: duckdb.DuckDBPyConnection, data: st.DataObject, op: str, left: SqlType, right: SqlType
) -> None:
    if not isinstance(left, Decimal) and not isinstance(right, Decimal):
        left = Decimal(5, 0)
    a, b = data.draw(numbers(left)), data.draw(numbers(right))
    sql, result = arithmetic(op, "a", left, "b", right)
    assert isinstance(result, Decimal)
    context = decimal.Context(prec=200, rounding=ROUND_HALF_UP)
    expected: decimal.Decimal | None = None
    if a is not None and b is not None and not (op in "/%" and b == 0):
        x, y = decimal.Decimal(a), decimal.Decimal(b)
        exact = {
            "+": context.add,
            "-": context.subtract,
            "*": context.multiply,
            "/": context.divide,
            "%": context.remainder,
        }[op](x, y)
        expected = context.quantize(exact, decimal.Decimal(1).scaleb(-result.scale))
        if len(expected.as_tuple().digits) > result.precision:
            expected = None
    found = run(connection, f"TRY({sql})", result, {"a": (left, [a]), "b": (right, [b])})[0]
    assert found == expected
    assert expected is None or found.as_tuple().exponent == -result.scale


def test_text_is_joined_and_other_operands_are_refused(connection: duckdb.DuckDBPyConnection) -> None:
    sql, result = arithmetic("+", "a", STRING, "b", STRING)
    assert run(connection, sql, result, {"a": (STRING, ["x", None]), "b": (STRING, ["y", "y"])}) == ["xy", None]
    with pytest.raises(TypeMismatch, match="operator - does not accept STRING and INTEGER"):
        arithmetic("-", "a", STRING, "b", INTEGER)


def test_negation(connection: duckdb.DuckDBPyConnection) -> None:
    for kind in (INTEGER, BIGINT):
        sql, result = negate("a", kind)
        low = -(2 ** (BITS[kind] - 1))
        assert run(connection, sql, result, {"a": (kind, [5, low, None])}) == [-5, low, None]
    with pytest.raises(TypeMismatch):
        negate("a", STRING)


def test_comparisons_know_two_truth_values(connection: duckdb.DuckDBPyConnection) -> None:
    columns = {"a": (INTEGER, [1, 1, None, None]), "b": (INTEGER, [1, 2, 1, None])}
    expected = {
        "=": [True, False, False, False],
        "<>": [False, True, False, False],
        "<": [False, True, False, False],
        ">=": [True, False, False, False],
        "IS DISTINCT FROM": [False, True, True, False],
        "IS NOT DISTINCT FROM": [True, False, False, True],
    }
    for op, wanted in expected.items():
        assert run(connection, comparison(op, "a", "b"), BOOLEAN, columns) == wanted


def test_subscripts_count_from_1_and_from_the_end(connection: duckdb.DuckDBPyConnection) -> None:
    sql, result = subscript("a", Array(STRING), "i")
    columns = {"a": (Array(STRING), [["x", "y"]] * 4), "i": (INTEGER, [1, -1, 3, 0])}
    assert run(connection, sql, result, columns) == ["x", "y", None, None]
    sql, result = subscript("m", Map(STRING, INTEGER), "'k'")
    assert run(connection, sql, result, {"m": (Map(STRING, INTEGER), [[("k", 1)], []])}) == [1, None]


AS_TEXT: list[tuple[SqlType, Any, str]] = [
    (BOOLEAN, True, "true"),
    (INTEGER, -5, "-5"),
    (DOUBLE, 1.0, "1.0"),
    (DOUBLE, 1e10, "1.0E10"),
    (DOUBLE, 1234567.5, "1234567.5"),
    (DOUBLE, 12345678.0, "1.2345678E7"),
    (DOUBLE, 0.001, "0.001"),
    (DOUBLE, -0.00012, "-1.2E-4"),
    (DOUBLE, 5e-324, "5.0E-324"),
    (DOUBLE, -0.0, "-0.0"),
    (DOUBLE, math.inf, "Infinity"),
    (Decimal(5, 2), decimal.Decimal("1.50"), "1.50"),
    (TIMESTAMP, 1651182287943, "2022-04-28T21:44:47.943"),
    (TIMESTAMP, -1, "1969-12-31T23:59:59.999"),
    (DATE, 18993, "2022-01-01"),
    (TIME, 0, "00:00"),
    (TIME, 3_723_000_000, "01:02:03"),
    (TIME, 3_723_120_000, "01:02:03.120"),
    (Array(DOUBLE), [1.0, None], "[1.0, null]"),
    (Map(STRING, Array(INTEGER)), [("a", [1, 2])], "{a=[1, 2]}"),
    (
        Struct((("F0", INTEGER), ("f1", STRING), ("g", DATE))),
        {"F0": 1, "f1": None, "g": 0},
        "Struct{F0=1,g=1970-01-01}",
    ),
]


@pytest.mark.parametrize(("source", "value", "text"), AS_TEXT)
def test_text_of_values(connection: duckdb.DuckDBPyConnection, source: SqlType, value: Any, text: str) -> None:
    sql = cast("a", source, STRING)
    assert run(connection, sql, STRING, {"a": (source, [value, None])}) == [text, None]


CASTS: list[tuple[SqlType, SqlType, Any, Any]] = [
    (STRING, INTEGER, " 12 ", 12),
    (STRING, INTEGER, "+7", 7),
    (STRING, INTEGER, "1.5", None),
    (STRING, INTEGER, "1_000", None),
    (STRING, INTEGER, "99999999999", None),
    (STRING, BIGINT, "-9223372036854775808", -(2**63)),
    (STRING, DOUBLE, "1e3", 1000.0),
    (STRING, DOUBLE, " .5 ", 0.5),
    (STRING, DOUBLE, "x", None),
    (STRING, Decimal(2, 1), "0.99", decimal.Decimal("1.0")),
    (STRING, Decimal(3, 1), "-0.25", decimal.Decimal("-0.3")),
    (STRING, Decimal(2, 1), "100", None),
    (STRING, BOOLEAN, "Yes", True),
    (STRING, BOOLEAN, "tru", True),
    (STRING, BOOLEAN, "nope", False),
    (STRING, BYTES, "YWI=", b"ab"),
    (STRING, BYTES, "?", None),
    (STRING, TIMESTAMP, "2022-04-28T21:44:47.943Z", 1651182287943),
    (STRING, TIMESTAMP, "2022-04-28T21:44:47.943+01:00", 1651178687943),
    (STRING, TIMESTAMP, "2020-02-24T24", 1582588800000),
    (STRING, TIMESTAMP, "2020", 1577836800000),
    (STRING, TIMESTAMP, "soon", None),
    (STRING, DATE, "2022-06-14", 19157),
    (STRING, DATE, "2022-02-30", None),
    (STRING, TIME, "09:16", 33_360_000_000),
    (BIGINT, INTEGER, 2**31, -(2**31)),
    (BIGINT, INTEGER, -(2**63), 0),
    (INTEGER, BIGINT, -3, -3),
    (DOUBLE, INTEGER, 1.9, 1),
    (DOUBLE, INTEGER, -1e20, -(2**31)),
    (DOUBLE, BIGINT, 1e300, 2**63 - 1),
    (DOUBLE, BIGINT, math.nan, 0),
    (DOUBLE, Decimal(3, 2), 1.005, decimal.Decimal("1.01")),
    (DOUBLE, Decimal(3, 2), math.inf, None),
    (Decimal(20, 1), INTEGER, decimal.Decimal("-4294967297.9"), -1),
    (Decimal(5, 2), BIGINT, decimal.Decimal("-1.99"), -1),
    (Decimal(5, 3), Decimal(4, 2), decimal.Decimal("1.005"), decimal.Decimal("1.01")),
    (Decimal(5, 3), Decimal(2, 1), decimal.Decimal("99.999"), None),
    (BIGINT, Decimal(5, 2), 1000, None),
    (TIMESTAMP, DATE, -1, -1),
    (TIMESTAMP, TIME, -1, 86_399_999_000),
    (DATE, TIMESTAMP, 1, 86_400_000),
    (Array(BIGINT), Array(INTEGER), [1, None, 2**31], [1, None, -(2**31)]),
    (Array(Array(BIGINT)), Array(Array(STRING)), [[1], None, []], [["1"], None, []]),
    (Map(STRING, STRING), Map(STRING, INTEGER), [("k", "10"), ("l", None)], [("k", 10), ("l", None)]),
    (
        Struct((("A", BIGINT), ("B", STRING))),
        Struct((("A", STRING), ("C", DOUBLE))),
        {"A": 1, "B": "x"},
        {"A": "1", "C": None},
    ),
    (
        Array(Struct((("A", Map(STRING, DOUBLE)),))),
        Array(Struct((("A", Map(STRING, INTEGER)),))),
        [{"A": [("k", 1.5)]}, None],
        [{"A": [("k", 1)]}, None],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "value", "expected"), CASTS)
def test_casts(
    connection: duckdb.DuckDBPyConnection, source: SqlType, target: SqlType, value: Any, expected: Any
) -> None:
    assert run(connection, cast("a", source, target), target, {"a": (source, [value, None])}) == [expected, None]


def test_casts_that_there_are_not() -> None:
    for source, target in (
        (BYTES, STRING),
        (BOOLEAN, INTEGER),
        (STRING, Array(INTEGER)),
        (TIME, TIMESTAMP),
        (Array(STRING), Array(Array(STRING))),
        (INTEGER, TIMESTAMP),
    ):
        assert not castable(source, target)
        with pytest.raises(TypeMismatch, match=r"cast of .* is not supported"):
            cast("a", source, target)
    assert castable(None, Array(STRING))
    assert cast("NULL", None, BIGINT) == "CAST(NULL AS BIGINT)"


def test_common_types() -> None:
    assert common_type([None, INTEGER, BIGINT]) == BIGINT
    assert common_type([INTEGER, Decimal(4, 2)]) == Decimal(12, 2)
    assert common_type([Decimal(9, 2), Decimal(7, 6)]) == Decimal(13, 6)
    assert common_type([Decimal(4, 2), DOUBLE]) == DOUBLE
    assert common_type([Array(INTEGER), Array(DOUBLE)]) == Array(DOUBLE)
    assert common_type([INTEGER, STRING]) is None
    assert common_type([None, None]) is None
    left, right = Struct((("X", INTEGER), ("Y", BIGINT))), Struct((("Y", INTEGER), ("Z", BIGINT)))
    assert common_type([left, right]) == Struct((("Y", BIGINT), ("Z", BIGINT), ("X", INTEGER)))
