"""Arithmetic functions. Overloads for INT, BIGINT and DECIMAL keep the type; all others compute in DOUBLE."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping, Sequence
from math import asin, cos, isfinite, radians, sin, sqrt

from ssql.functions.casts import cast, wrap32, wrap64
from ssql.functions.registry import Translation, scalar
from ssql.functions.text import shortened
from ssql.types import BIGINT, DOUBLE, Decimal, SqlType


def _double(name: str, duckdb: Translation, doc: str, examples: Mapping[str, str], arity: int = 1) -> None:
    signature = f"{name}({', '.join(['DOUBLE'] * arity)}) -> DOUBLE"
    scalar(signature, duckdb=duckdb, category="math", doc=doc, examples=examples)


_double("ACOS", "acos({0})", "The arc cosine in radians; NaN outside -1..1.", {"ACOS(1)": "0.0", "ACOS(2)": "NaN"})
_double("ASIN", "asin({0})", "The arc sine in radians; NaN outside -1..1.", {"ASIN(0)": "0.0", "ASIN(2)": "NaN"})
_double("ATAN", "atan({0})", "The arc tangent in radians.", {"ATAN(0)": "0.0"})
_double(
    "ATAN2", "atan2({0}, {1})", "The angle of the point (x, y), given y and x, in radians.", {"ATAN2(0, 1)": "0.0"}, 2
)
_double("CBRT", "cbrt({0})", "The cube root.", {"CBRT(-8)": "-2.0"})
_double("COS", "cos({0})", "The cosine of an angle in radians.", {"COS(0)": "1.0"})
_double("COSH", "cosh({0})", "The hyperbolic cosine.", {"COSH(0)": "1.0"})
_double("COT", "(1e0 / tan({0}))", "The cotangent of an angle in radians.", {"COT(0)": "Infinity"})
_double("DEGREES", "degrees({0})", "Radians as degrees.", {"DEGREES(PI())": "180.0"})
_double("EXP", "exp({0})", "e to the power of the argument.", {"EXP(0)": "1.0"})
_double("LN", "ln({0})", "The natural logarithm.", {"LN(1)": "0.0", "LN(0)": "-Infinity", "LN(-1)": "NaN"})
_double("LOG", "ln({0})", "The natural logarithm, as LN; with two arguments, that of the second to the base of the"
        " first.", {"LOG(1)": "0.0"})  # fmt: skip
_double(
    "LOG",
    lambda a: f"CASE WHEN {a[0]} <= 0 OR {a[0]} = 1 THEN 'NaN'::DOUBLE ELSE ln({a[1]}) / ln({a[0]}) END",
    "The logarithm of the second argument to the base of the first.",
    {"LOG(2, 8)": "3.0"},
    2,
)
_double("POWER", "pow({0}, {1})", "The first argument to the power of the second.", {"POWER(2, 10)": "1024.0"}, 2)
_double("RADIANS", "radians({0})", "Degrees as radians.", {"RADIANS(0)": "0.0"})
_double("SIN", "sin({0})", "The sine of an angle in radians.", {"SIN(0)": "0.0"})
_double("SINH", "sinh({0})", "The hyperbolic sine.", {"SINH(0)": "0.0"})
_double("SQRT", "sqrt({0})", "The square root; NaN of a negative number.", {"SQRT(9)": "3.0", "SQRT(-1)": "NaN"})
_double("TAN", "tan({0})", "The tangent of an angle in radians.", {"TAN(0)": "0.0"})
_double("TANH", "tanh({0})", "The hyperbolic tangent.", {"TANH(0)": "0.0"})

scalar("PI() -> DOUBLE", duckdb="pi()", category="math", doc="The number pi.", examples={"PI()": "3.141592653589793"})
scalar(
    "RANDOM() -> DOUBLE",
    duckdb="random()",
    category="math",
    volatile=True,
    doc="A random number from 0 up to, not including, 1.",
)

_ABS = "The absolute value; that of the smallest INT or BIGINT is itself, as it has no positive counterpart."
scalar(
    "ABS(INT) -> INT",
    duckdb=lambda a: wrap32(f"abs(CAST({a[0]} AS BIGINT))"),
    category="math",
    doc=_ABS,
    examples={"ABS(-3)": "3"},
)
scalar("ABS(BIGINT) -> BIGINT", duckdb=lambda a: wrap64(f"abs(CAST({a[0]} AS HUGEINT))"), category="math", doc=_ABS)
scalar("ABS(DOUBLE) -> DOUBLE", duckdb="abs({0})", category="math", doc=_ABS, examples={"ABS(-2.5e0)": "2.5"})
scalar("ABS(DECIMAL) -> DECIMAL", duckdb="abs({0})", category="math", doc=_ABS, examples={"ABS(-1.20)": "1.20"})

_CEIL, _FLOOR = "The smallest whole number not below the argument.", "The largest whole number not above the argument."
for _name, _doc, _up in (("CEIL", _CEIL, "3"), ("FLOOR", _FLOOR, "2")):
    for _type in ("INT", "BIGINT"):
        scalar(f"{_name}({_type}) -> {_type}", duckdb="{0}", category="math", doc=_doc)
    scalar(
        f"{_name}(DOUBLE) -> DOUBLE",
        duckdb=_name.lower() + "({0})",
        category="math",
        doc=_doc,
        examples={f"{_name}(2.5e0)": f"{_up}.0"},
    )
    scalar(
        f"{_name}(DECIMAL) -> DECIMAL",
        duckdb=f"CAST({_name.lower()}({{0}}) AS {{result}})",
        category="math",
        doc=_doc,
        examples={f"{_name}(2.53)": f"{_up}.00"},
    )

_SIGN = "-1, 0 or 1 for a negative number, zero or a positive number."
scalar(
    "SIGN(DOUBLE) -> INT",
    duckdb="CAST(sign({0}) AS INTEGER)",
    category="math",
    doc=_SIGN,
    examples={"SIGN(-7)": "-1", "SIGN(0)": "0"},
)

_EXTREMES = ["STRING", "BYTES", "DATE", "TIME", "TIMESTAMP", "BOOLEAN"]
for _name, _doc, _examples in (
    ("GREATEST", "The largest of the arguments that are not NULL.", {"GREATEST(3, NULL, 7)": "7"}),
    ("LEAST", "The smallest of the arguments that are not NULL.", {"LEAST(3, NULL, 7)": "3", "LEAST('b', 'a')": "a"}),
):
    for _type in ["INT", "BIGINT", "DOUBLE", "DECIMAL", *_EXTREMES[:-1]]:
        scalar(
            f"{_name}({_type}, {_type}...) -> {_type}",
            duckdb=_name.lower() + "({args})",
            category="math",
            doc=_doc,
            examples=_examples if _type == "INT" else {},
        )


_PLACES = decimal.Context(prec=400)


def _whole(types: Sequence[SqlType]) -> SqlType:
    """The type of a DECIMAL without its digits after the point."""
    first = types[0]
    assert isinstance(first, Decimal)
    return Decimal(max(1, first.precision - first.scale), 0)


def _to_places(value: decimal.Decimal, places: int, positive: str, negative: str) -> decimal.Decimal:
    unit = decimal.Decimal(1).scaleb(-places)
    return value.quantize(unit, positive if value >= 0 else negative, _PLACES)


def _round(value: decimal.Decimal, places: int = 0) -> decimal.Decimal:
    return _to_places(value, places, decimal.ROUND_HALF_UP, decimal.ROUND_HALF_DOWN)


def _trunc(value: decimal.Decimal, places: int = 0) -> decimal.Decimal:
    return _to_places(value, places, decimal.ROUND_DOWN, decimal.ROUND_DOWN)


def _of_double(function: Callable[[decimal.Decimal, int], decimal.Decimal]) -> Callable[[float, int], float]:
    """For a DOUBLE: as the decimal that it prints as, so that 1.005 to two places is 1.01."""
    return lambda value, places: float(function(decimal.Decimal(repr(value)), places)) if isfinite(value) else value


for _name, _doc, _function, _one, _examples in (
    (
        "ROUND",
        "The number rounded to a whole one, or to so many places (negative ones lie before the point); ties go up.",
        _round,
        # Far values and NaN become what a cast to BIGINT makes of them.
        lambda a: cast(f"floor({a[0]} + 0.5e0)", DOUBLE, BIGINT),
        {"ROUND(2.5e0)": "3", "ROUND(-2.5e0)": "-2", "ROUND(1.005e0, 2)": "1.01", "ROUND(12.345, 2)": "12.350"},
    ),
    (
        "TRUNC",
        "The number without what is after its point, or after so many places (negative ones lie before the point).",
        _trunc,
        lambda a: cast(a[0], DOUBLE, BIGINT),
        {"TRUNC(2.9e0)": "2", "TRUNC(-2.9e0)": "-2", "TRUNC(1234.5e0, -2)": "1200.0", "TRUNC(12.345, 2)": "12.340"},
    ),
):
    scalar(f"{_name}(INT) -> BIGINT", duckdb="CAST({0} AS BIGINT)", category="math", doc=_doc, examples=_examples)
    scalar(f"{_name}(BIGINT) -> BIGINT", duckdb="{0}", category="math", doc=_doc)
    scalar(f"{_name}(DOUBLE) -> BIGINT", duckdb=_one, category="math", doc=_doc)
    scalar(f"{_name}(DOUBLE, INT) -> DOUBLE", python=_of_double(_function), category="math", doc=_doc)
    scalar(f"{_name}(DECIMAL) -> DECIMAL", python=_function, result=_whole, category="math", doc=_doc)
    scalar(f"{_name}(DECIMAL, INT) -> DECIMAL", python=_function, category="math", doc=_doc)

_EARTH_KM, _EARTH_MILES = 6371.0, 3959.0


def _geo_distance(
    lat1: float | None, lon1: float | None, lat2: float | None, lon2: float | None, unit: str | None = None
) -> float | None:
    if lat1 is None or lon1 is None or lat2 is None or lon2 is None:
        return None
    if abs(lat1) > 90 or abs(lat2) > 90 or abs(lon1) > 180 or abs(lon2) > 180:
        raise ValueError("a latitude is within 90 degrees, a longitude within 180")
    kind = (unit or "KM").upper()
    if not kind.startswith(("KM", "MI")):
        raise ValueError(f"{shortened(kind)} is no unit of distance: use KM or MILES")
    radius = _EARTH_MILES if kind.startswith("MI") else _EARTH_KM
    phi, lam = radians(lat2 - lat1), radians(lon2 - lon1)
    part = sin(phi / 2) ** 2 + sin(lam / 2) ** 2 * cos(radians(lat1)) * cos(radians(lat2))
    return 2 * radius * asin(sqrt(part))


_GEO = "The great-circle distance of two points (latitudes and longitudes in degrees), in KM (default) or MILES."
scalar(
    "GEO_DISTANCE(DOUBLE, DOUBLE, DOUBLE, DOUBLE) -> DOUBLE",
    python=_geo_distance,
    nulls="pass",
    category="geo",
    doc=_GEO,
    examples={"ROUND(GEO_DISTANCE(37.4439e0, -122.1663e0, 51.5257e0, -0.1122e0))": "8635"},
)
scalar(
    "GEO_DISTANCE(DOUBLE, DOUBLE, DOUBLE, DOUBLE, STRING) -> DOUBLE",
    python=_geo_distance,
    nulls="pass",
    category="geo",
    doc=_GEO,
)
