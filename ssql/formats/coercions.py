"""Values as typed formats hold them -> values as columns take them, and which of these pairs there are.

A typed format (Avro, Protobuf) says of each value what it is: one of `Held`. A column may be of another type than what
was written: numbers widen, narrow within their range and lose fractions, any scalar becomes text, as ksqlDB has it.
A value is then what pyarrow builds the column's array from: dates as days, times as microseconds, timestamps as
milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal as PyDecimal
from typing import Any, Literal

from ssql.formats import scalars
from ssql.formats.scalars import INT32, INT64, MisfitError
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    MAX_PRECISION,
    STRING,
    TIME,
    TIMESTAMP,
    Decimal,
    SqlType,
)

#: What a format says that a value is. `int` is any integer, `double` any float, `days`, `millis` (since 1970),
#: `micros` (since 1970), `time_ms` and `time_us` (of the day) are integers too.
Held = Literal[
    "boolean", "int", "double", "string", "bytes", "decimal", "days", "millis", "micros", "time_ms", "time_us"
]
Convert = Callable[[Any], Any]

_INTEGERS = ("int", "days", "millis", "micros", "time_ms", "time_us")
_MICROS_A_DAY = scalars.DAY_MS * 1000


def _same(value: Any) -> Any:
    return value


def _whole(t: SqlType, bounds: tuple[int, int]) -> Convert:
    low, high = bounds

    def convert(value: int) -> int:
        if not low <= value <= high:
            raise scalars.out_of_range(str(value), t)
        return value

    return convert


def _cut(t: SqlType, bounds: tuple[int, int]) -> Convert:
    check = _whole(t, bounds)

    def convert(value: float | PyDecimal) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            raise scalars.out_of_range(scalars.double_text(value), t)
        return check(int(value))

    return convert


def _rescaled(t: Decimal) -> Convert:
    def convert(value: Any) -> PyDecimal:
        return scalars.decimal(format(value, "f"), t.precision, t.scale, t)

    return convert


def fitting(t: Decimal) -> Convert:
    """Decimals that have the scale of the type already: only their size is checked."""
    limit = PyDecimal(10) ** (min(t.precision, MAX_PRECISION) - t.scale)

    def convert(value: PyDecimal) -> PyDecimal:
        if not -limit < value < limit:
            raise scalars.out_of_range(str(value), t)
        return value

    return convert


def _time_of_micros(value: int) -> int:
    if not 0 <= value < _MICROS_A_DAY:
        raise scalars.out_of_range(str(value), TIME)
    return value // 1000 * 1000


def _time_of_millis(value: int) -> int:
    return scalars.time_of_day(value, TIME)


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


def converter(held: Held, t: SqlType) -> Convert | None:
    """What turns a value that is `held` into one of type `t`; None where it cannot be one. It raises `MisfitError`."""
    if isinstance(t, Decimal):
        return _rescaled(t) if held in ("int", "decimal") else None
    if t == STRING and held != "bytes":
        texts: Mapping[Held, Convert] = {
            "string": _same,
            "boolean": _boolean_text,
            "double": scalars.double_text,
            "decimal": lambda value: format(value, "f"),
        }
        return texts.get(held, str)
    if t in (INTEGER, BIGINT):
        bounds = INT32 if t == INTEGER else INT64
        return _whole(t, bounds) if held in _INTEGERS else _cut(t, bounds) if held in ("double", "decimal") else None
    if t == DOUBLE:
        doubles: Mapping[Held, Convert] = {"double": _same, "int": float, "decimal": float}
        return doubles.get(held)
    exact: Mapping[tuple[Held, SqlType], Convert] = {
        ("boolean", BOOLEAN): _same,
        ("bytes", BYTES): _same,
        ("days", DATE): _whole(DATE, INT32),
        ("int", DATE): _whole(DATE, INT32),
        ("time_ms", TIME): _time_of_millis,
        ("time_us", TIME): _time_of_micros,
        ("int", TIME): _time_of_millis,
        ("millis", TIMESTAMP): _whole(TIMESTAMP, INT64),
        ("micros", TIMESTAMP): lambda value: value // 1000,
        ("int", TIMESTAMP): _whole(TIMESTAMP, INT64),
    }
    return exact.get((held, t))


def misfit(held: str, t: SqlType) -> MisfitError:
    """A column of a type that what is held cannot be read as."""
    return MisfitError(f"cannot read {held} as {t}")
