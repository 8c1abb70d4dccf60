"""ksqlDB's operators as DuckDB expressions: arithmetic, comparison, subscripts. `cast` and `common_type` are here too.

Every operand's text is used as often as the expression needs it (once, but for integer division), so the text of
nested expressions grows in proportion to the statement.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable

from ssql.errors import InternalError, Span, TypeMismatch
from ssql.functions.casts import cast, castable, wrap32, wrap64
from ssql.functions.udf import by_row, define
from ssql.functions.widening import clipped, common_type, widen_to_decimal
from ssql.types import BIGINT, DOUBLE, INTEGER, MAX_PRECISION, STRING, Array, Decimal, Map, SqlType, is_numeric

__all__ = [
    "arithmetic",
    "cast",
    "castable",
    "common_type",
    "comparison",
    "decimal_result",
    "negate",
    "subscript",
]

ARITHMETIC = ("+", "-", "*", "/", "%")
COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")

_WORD_DIGITS = 18  # of a DECIMAL that DuckDB keeps in 64 bits
_EXACT = decimal.Context(prec=120, rounding=decimal.ROUND_HALF_UP)


def decimal_result(op: str, left: Decimal, right: Decimal) -> Decimal:
    """The type of a DECIMAL operation by ksqlDB's rules, brought to the 38 digits there are room for."""
    p1, s1, p2, s2 = left.precision, left.scale, right.precision, right.scale
    if op in "+-":
        scale = max(s1, s2)
        return clipped(scale + max(p1 - s1, p2 - s2) + 1, scale)
    if op == "*":
        return clipped(p1 + p2 + 1, s1 + s2)
    if op == "/":
        scale = max(6, s1 + p2 + 1)
        return clipped(p1 - s1 + s2 + scale, scale)
    if op == "%":
        scale = max(s1, s2)
        return clipped(min(p1 - s1, p2 - s2) + scale, scale)
    raise InternalError(f"no decimal operator {op}")


def arithmetic(
    op: str,
    left_sql: str,
    left_type: SqlType | None,
    right_sql: str,
    right_type: SqlType | None,
    *,
    span: Span | None = None,
) -> tuple[str, SqlType]:
    """`left op right` and its type; a NULL operand (type None: the literal) gives NULL.

    INT and BIGINT wrap around, their division truncates and by zero is NULL; DOUBLE by zero is Infinity or NaN;
    DECIMAL is exact and rounds half up; `+` joins STRINGs. Raises TypeMismatch.
    """
    left_type = left_type or right_type or INTEGER
    right_type = right_type or left_type
    if op == "+" and left_type == right_type == STRING:
        return f"({left_sql} || {right_sql})", STRING
    if not (is_numeric(left_type) and is_numeric(right_type)):
        raise TypeMismatch(
            f"operator {op} does not accept {left_type} and {right_type}", span=span, hint="Use CAST on one side."
        )
    if DOUBLE in (left_type, right_type):
        left, right = cast(left_sql, left_type, DOUBLE), cast(right_sql, right_type, DOUBLE)
        return (f"fmod({left}, {right})" if op == "%" else f"({left} {op} {right})"), DOUBLE
    if isinstance(left_type, Decimal) or isinstance(right_type, Decimal):
        return _decimals(op, left_sql, left_type, right_sql, right_type)
    if BIGINT in (left_type, right_type):
        return _integers(op, left_sql, right_sql, "HUGEINT", BIGINT), BIGINT
    return _integers(op, left_sql, right_sql, "BIGINT", INTEGER), INTEGER


def _integers(op: str, left: str, right: str, wide: str, result: SqlType) -> str:
    wrap = wrap32 if result == INTEGER else wrap64
    if op in "+-*":
        return wrap(f"(CAST({left} AS {wide}) {op} CAST({right} AS {wide}))")
    if wide == "BIGINT":
        wider = f"(CAST({left} AS BIGINT) {'//' if op == '/' else '%'} nullif(CAST({right} AS BIGINT), 0))"
        return wrap32(wider)
    # DuckDB raises for the smallest BIGINT divided by -1, and 128-bit division is 20 times slower.
    safe = f"(CAST({left} AS BIGINT) {'//' if op == '/' else '%'} nullif(CAST({right} AS BIGINT), 0))"
    if right.isdigit():
        return safe
    minus_one = "0" if op == "%" else wrap64(f"(-CAST({left} AS HUGEINT))")
    return f"CASE WHEN {right} = -1 AND {left} IS NOT NULL THEN {minus_one} ELSE {safe} END"


def _decimals(op: str, left: str, left_type: SqlType, right: str, right_type: SqlType) -> tuple[str, SqlType]:
    a, b = widen_to_decimal(left_type), widen_to_decimal(right_type)
    assert a is not None
    assert b is not None
    result = decimal_result(op, a, b)
    left, right = cast(left, left_type, a), cast(right, right_type, b)
    if op in "+-*" and max(a.precision, b.precision) <= _WORD_DIGITS < result.precision:
        # DuckDB stays in 64 bits while both sides fit there, and fails where the result does not.
        left = f"CAST({left} AS DECIMAL({_WORD_DIGITS + 1},{a.scale}))"
    if op in "+-" and max(a.precision, b.precision, result.precision) < MAX_PRECISION:
        return f"CAST({left} {op} {right} AS {result.duckdb})", result
    if op == "*" and a.precision + b.precision <= MAX_PRECISION:
        return f"CAST({left} * {right} AS {result.duckdb})", result
    if op == "%" and result.precision < MAX_PRECISION:
        both = common_type([a, b])
        assert both is not None
        if isinstance(both, Decimal) and both.precision < MAX_PRECISION:
            return f"CAST({cast(left, a, both)} % nullif({cast(right, b, both)}, 0) AS {result.duckdb})", result
    name = define(f"decimal_{_WORDS[op]}", by_row(_exactly(op, result), result), [a, b], result)
    return f"{name}({left}, {right})", result


_WORDS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "remainder"}
_COMPUTE = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _EXACT.divide,
    "%": _EXACT.remainder,
}


def _exactly(op: str, result: Decimal) -> Callable[[decimal.Decimal, decimal.Decimal], decimal.Decimal]:
    compute, unit = _COMPUTE[op], decimal.Decimal(1).scaleb(-result.scale)

    def call(a: decimal.Decimal, b: decimal.Decimal) -> decimal.Decimal:
        return _EXACT.quantize(compute(a, b), unit)

    return call


def negate(sql: str, operand: SqlType | None, *, span: Span | None = None) -> tuple[str, SqlType]:
    """`-operand`; the smallest INT and BIGINT stay as they are, as in Java."""
    if operand is None or operand == INTEGER:
        return wrap32(f"(-CAST({sql} AS BIGINT))"), INTEGER
    if operand == BIGINT:
        return wrap64(f"(-CAST({sql} AS HUGEINT))"), BIGINT
    if not is_numeric(operand):
        raise TypeMismatch(f"operator - does not accept {operand}", span=span)
    return f"(-{sql})", operand


def comparison(op: str, left: str, right: str) -> str:
    """`left op right`, TRUE or FALSE: with a NULL operand FALSE, but for IS [NOT] DISTINCT FROM."""
    if op not in COMPARISONS:
        raise InternalError(f"no comparison operator {op}")
    if "DISTINCT" in op:
        return f"({left} {op} {right})"
    return f"coalesce({left} {op} {right}, FALSE)"


def subscript(sql: str, container: SqlType, index_sql: str, *, span: Span | None = None) -> tuple[str, SqlType]:
    """`container[index]`: the first element of an array is 1, negative ones count from its end; NULL if absent."""
    if isinstance(container, Array):
        return f"({sql})[{index_sql}]", container.element
    if isinstance(container, Map):
        return f"({sql})[{index_sql}]", container.value
    raise TypeMismatch(f"{container} has no elements", span=span)
