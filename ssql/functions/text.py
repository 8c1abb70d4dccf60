"""Values as the text that CAST(.. AS STRING) gives, and text as values: Java's forms, not DuckDB's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as PyDecimal
from math import isnan
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ssql.types import BOOLEAN, DATE, DOUBLE, TIME, TIMESTAMP, Array, Decimal, Map, SqlType, Struct

_DAY_US = 86_400_000_000


def shortened(value: str, most: int = 60) -> str:
    """A value as reasons name it: in quotes, and not too long."""
    return f'"{value}"' if len(value) <= most else f'"{value[:most]}..."'


def double_text(value: float) -> str:
    """A DOUBLE as Java's Double.toString has it: 1.0, 1.0E10, NaN, -Infinity."""
    if isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        return repr(value) if "e" not in repr(value) else format(PyDecimal(repr(value)), "f")
    sign, digits, exponent = PyDecimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{exponent + len(digits) - 1}"


def doubles_text(column: pa.Array) -> pa.Array:
    """`double_text` of a column."""
    return pa.array([None if v is None else double_text(v) for v in column.to_pylist()], pa.string())


def date_text(days: int) -> str:
    """Epoch days as yyyy-MM-dd (years beyond four digits are signed, as in ISO 8601)."""
    year, month, day = civil(days)
    return f"{year_text(year)}-{month:02}-{day:02}"


def year_text(year: int) -> str:
    """A year with at least four digits; `+` before one with more."""
    if year > 9999:
        return f"+{year}"
    return f"{year:04}" if year >= 0 else f"-{-year:04}"


def time_text(micros: int) -> str:
    """µs of day as HH:mm, with :ss and a fraction of 3 digits only where they are not zero."""
    seconds, fraction = divmod(micros % _DAY_US, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or fraction:
        text += f":{seconds % 60:02}"
    return f"{text}.{fraction // 1000:03}" if fraction else text


def timestamp_text(millis: int) -> str:
    """Epoch ms as yyyy-MM-ddTHH:mm:ss.SSS."""
    days, ms = divmod(millis, 86_400_000)
    seconds = ms // 1000
    return f"{date_text(days)}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms % 1000:03}"


def civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of an epoch day in the proleptic Gregorian calendar, for any year."""
    z = days + 719_468
    era, doe = divmod(z, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, doy - (153 * mp + 2) // 5 + 1


def epoch_day(year: int, month: int, day: int) -> int:
    """The inverse of `civil`."""
    year -= month <= 2
    era, yoe = divmod(year, 400)
    doy = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468


def formatter(t: SqlType) -> Callable[[Any], str]:
    """How a value of type `t` (as `udf.to_python` has it) is written inside a container; NULL is "null"."""
    inner = _formatter(t)
    return lambda value: "null" if value is None else inner(value)


def _formatter(t: SqlType) -> Callable[[Any], str]:
    if t == DOUBLE:
        return double_text
    if t == BOOLEAN:
        return lambda v: "true" if v else "false"
    if t == DATE:
        return date_text
    if t == TIME:
        return time_text
    if t == TIMESTAMP:
        return timestamp_text
    if isinstance(t, Decimal):
        return lambda v: format(v, "f")
    if isinstance(t, Array):
        element = formatter(t.element)
        return lambda v: "[" + ", ".join(map(element, v)) + "]"
    if isinstance(t, Map):
        key, item = formatter(t.key), formatter(t.value)
        return lambda v: "{" + ", ".join(f"{key(k)}={item(e)}" for k, e in v) + "}"
    if isinstance(t, Struct):
        fields = [(name, formatter(field)) for name, field in t.fields]

        def struct(v: Any) -> str:
            # A NULL field is left out, as Kafka Connect's Struct prints itself.
            return "Struct{" + ",".join(f"{n}={f(v[n])}" for n, f in fields if v[n] is not None) + "}"

        return struct
    return str


def to_boolean(column: pa.Array) -> pa.Array:
    """Text as BOOLEAN: true for any prefix of "true" or "yes", else false."""
    word = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    truths = ["true", "tru", "tr", "t", "yes", "ye", "y"]
    return pc.if_else(pc.is_valid(word), pc.is_in(word, pa.array(truths)), pa.scalar(None, pa.bool_()))
