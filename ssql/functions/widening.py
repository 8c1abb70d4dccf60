"""ksqlDB's implicit conversions: INT -> BIGINT -> DECIMAL -> DOUBLE, and the same inside arrays, maps and structs."""

from __future__ import annotations

from collections.abc import Sequence

from ssql.types import BIGINT, DOUBLE, INTEGER, MAX_PRECISION, Array, Decimal, Map, SqlType, Struct, is_numeric

INT_AS_DECIMAL = Decimal(10, 0)
BIGINT_AS_DECIMAL = Decimal(19, 0)

_RANK: dict[SqlType, int] = {INTEGER: 0, BIGINT: 1, DOUBLE: 3}
_AS_DECIMAL: dict[SqlType, Decimal] = {INTEGER: INT_AS_DECIMAL, BIGINT: BIGINT_AS_DECIMAL}


def _rank(t: SqlType) -> int:
    return 2 if isinstance(t, Decimal) else _RANK[t]


def widen_to_decimal(t: SqlType) -> Decimal | None:
    """The DECIMAL that a number counts as, or None for one that is none."""
    if isinstance(t, Decimal):
        return t
    return _AS_DECIMAL.get(t)


def clipped(precision: int, scale: int) -> Decimal:
    """DECIMAL(precision, scale), brought to the 38 digits there are room for.

    What does not fit is taken off the scale first, down to 6 digits, so that large values keep their whole part.
    """
    if precision > MAX_PRECISION:
        scale = max(min(scale, 6), scale - (precision - MAX_PRECISION))
        precision = MAX_PRECISION
    return Decimal(precision, min(scale, MAX_PRECISION))


def common_decimal(a: Decimal, b: Decimal) -> Decimal:
    """The smallest DECIMAL that holds every value of both."""
    scale = max(a.scale, b.scale)
    return clipped(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)


def distance(given: SqlType, target: SqlType) -> int | None:
    """How many steps an implicit conversion takes: 0 for the same type, None where there is none."""
    if given == target:
        return 0
    if is_numeric(given) and is_numeric(target):
        if isinstance(given, Decimal) and isinstance(target, Decimal):
            holds = target.scale >= given.scale and target.precision - target.scale >= given.precision - given.scale
            return 1 if holds or target.precision == MAX_PRECISION else None
        steps = _rank(target) - _rank(given)
        return steps if steps > 0 else None
    if isinstance(given, Array) and isinstance(target, Array):
        return distance(given.element, target.element)
    if isinstance(given, Map) and isinstance(target, Map):
        return _sum(distance(given.key, target.key), distance(given.value, target.value))
    if isinstance(given, Struct) and isinstance(target, Struct):
        total: int | None = 1
        for name, field in given.fields:
            other = target.by_name.get(name)
            total = _sum(total, None if other is None else distance(field, other))
        return total
    return None


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _common(a: SqlType, b: SqlType) -> SqlType | None:
    if a == b:
        return a
    if is_numeric(a) and is_numeric(b):
        if isinstance(a, Decimal) or isinstance(b, Decimal):
            left, right = widen_to_decimal(a), widen_to_decimal(b)
            return DOUBLE if left is None or right is None else common_decimal(left, right)
        return a if _rank(a) >= _rank(b) else b
    if isinstance(a, Array) and isinstance(b, Array):
        element = _common(a.element, b.element)
        return None if element is None else Array(element)
    if isinstance(a, Map) and isinstance(b, Map):
        key, value = _common(a.key, b.key), _common(a.value, b.value)
        return None if key is None or value is None else Map(key, value)
    if isinstance(a, Struct) and isinstance(b, Struct):
        fields: list[tuple[str, SqlType]] = []
        for name, field in b.fields:
            other = a.by_name.get(name)
            both = field if other is None else _common(other, field)
            if both is None:
                return None
            fields.append((name, both))
        fields += [(n, t) for n, t in a.fields if n not in b.by_name]
        return Struct(tuple(fields))
    return None


def common_type(types: Sequence[SqlType | None]) -> SqlType | None:
    """The type that values of all of `types` can be brought to without loss of meaning, or None.

    Numbers widen; arrays and maps go element by element, structs by field (the result has the fields of all, the
    last type's first).
    None stands for the untyped NULL, which fits any type.
    """
    found: SqlType | None = None
    for t in types:
        if t is None:
            continue
        found = t if found is None else _common(found, t)
        if found is None:
            return None
    return found
