"""Whether a value is what a case expects.

An expectation is JSON: numbers stand for any numeric type, texts for decimals and bytes too. Objects are the same when
they have as many fields, and each expected one is the same by its exact name or in upper case.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation

from ssql.testing.records import Json
from ssql.types import DOUBLE, STRING, Array, Decimal, Map, SqlType, Struct

#: Doubles are the same when they differ by less, absolutely or relatively: how they are printed is not compared.
CLOSE = 1e-6


def same(expected: Json, got: Json, sql_type: SqlType | None = None) -> bool:
    """`got`: as `values.plain` gives it, or parsed JSON. `sql_type` is the column's, None where it is not known."""
    match expected:
        case None:
            return got is None
        case bool():
            return isinstance(got, bool) and expected == got
        case Mapping():
            return isinstance(got, Mapping) and _same_fields(expected, got, sql_type)
        case list():
            element = sql_type.element if isinstance(sql_type, Array) else None
            return (
                isinstance(got, list)
                and len(got) == len(expected)
                and all(same(e, g, element) for e, g in zip(expected, got, strict=True))
            )
        case str():
            return _same_text(expected, got, sql_type)
        case _:
            return _same_number(expected, got, sql_type)


def _same_fields(expected: Mapping[str, Json], got: Mapping[str, Json], sql_type: SqlType | None) -> bool:
    if len(expected) != len(got):
        return False
    for name, wanted in expected.items():
        # A field that is not there reads as null: the number of fields is what tells a missing one.
        value = got.get(name) if got.get(name) is not None else got.get(name.upper())
        if not same(wanted, value, _field_type(sql_type, name)):
            return False
    return True


def _field_type(sql_type: SqlType | None, name: str) -> SqlType | None:
    match sql_type:
        case Struct():
            return sql_type.by_name.get(name) or sql_type.by_name.get(name.upper())
        case Map(_, value):
            return value
        case _:
            return None


def _number(got: Json) -> bool:
    return isinstance(got, int | float | PyDecimal) and not isinstance(got, bool)


def _same_number(expected: int | PyDecimal, got: Json, sql_type: SqlType | None) -> bool:
    if sql_type == STRING or not _number(got):
        return False
    if sql_type == DOUBLE or isinstance(got, float):
        return _close(expected, got)
    if isinstance(sql_type, Decimal):
        return _same_decimal(PyDecimal(expected), got)
    if isinstance(got, int):
        return int(expected) == got
    return _close(expected, got) if sql_type is None else _same_decimal(PyDecimal(expected), got)


def _same_decimal(expected: PyDecimal, got: int | PyDecimal) -> bool:
    """Equal in value and scale; zeros of either sign are one zero."""
    other = PyDecimal(got)
    return expected == other and max(0, -_exponent(expected)) == max(0, -_exponent(other))


def _exponent(number: PyDecimal) -> int:
    exponent = number.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _close(expected: int | PyDecimal, got: float | PyDecimal) -> bool:
    wanted, found = float(expected), float(got)
    if wanted == found:
        return True
    return abs(wanted - found) < CLOSE * max(1.0, abs(wanted))


def _same_text(expected: str, got: Json, sql_type: SqlType | None) -> bool:
    if isinstance(got, str):
        return expected == got
    if isinstance(got, bytes):
        return _base64(expected) == got
    if not _number(got):
        return False
    try:
        wanted = PyDecimal(expected)
    except InvalidOperation:
        return isinstance(got, float) and expected == str(got)
    if isinstance(sql_type, Decimal):
        return _same_decimal(wanted, got)
    return isinstance(got, float | PyDecimal) and _close(wanted, got)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
