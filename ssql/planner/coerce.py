"""ksqlDB's implicit conversions of bound expressions: what a list, an argument or a sink takes without a CAST.

Numbers widen, in arrays, maps and structs too. Literals bend further: text becomes a number, a truth value, a time or
bytes where one is wanted, and any literal becomes text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal as Number
from decimal import InvalidOperation

from ssql.errors import TypeMismatch
from ssql.functions.operators import common_type
from ssql.functions.widening import distance
from ssql.planner import expr as e
from ssql.planner.expr_text import struct_names, text_of
from ssql.planner.timestamps import parse_temporal
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Map,
    SqlType,
    Struct,
    is_numeric,
)

_TEMPORAL = (DATE, TIME, TIMESTAMP)


def number_literal(text: str, literal: e.Literal) -> e.Literal | None:
    """Text that is a number as a literal: INTEGER, BIGINT or DECIMAL."""
    plain = text.strip()
    try:
        value = Number(plain)
    except InvalidOperation:
        return None
    if not value.is_finite():
        return None
    if "e" in plain.lower():
        value = Number(format(value, "f"))
        return e.Literal(decimal_type(value), value, span=literal.span)
    if "." in plain:
        return e.Literal(decimal_type(value), value, span=literal.span)
    return e.Literal(integer_type(int(value)), int(value), span=literal.span)


def integer_type(value: int) -> SqlType:
    return INTEGER if -(2**31) <= value < 2**31 else BIGINT


def decimal_type(value: Number) -> Decimal:
    """The smallest DECIMAL that holds the value as written."""
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    return Decimal(max(len(digits), scale, 1), scale)


def _boolean(text: str) -> bool | None:
    low = text.strip().lower()
    if low and any(word.startswith(low) for word in ("true", "yes")):
        return True
    if low and any(word.startswith(low) for word in ("false", "no")):
        return False
    return None


def text_literal_as(literal: e.Literal, target: SqlType) -> e.Expr | None:
    """A text literal as a literal of `target`, or None where it does not read as one."""
    text = str(literal.value)
    if is_numeric(target):
        number = number_literal(text, literal)
        return None if number is None else _widened(number, target)
    value: e.Value = None
    if target == BOOLEAN:
        value = _boolean(text)
    elif target in _TEMPORAL:
        value = parse_temporal(text, target)
    elif target == BYTES:
        try:
            value = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            value = None
    return None if value is None else e.Literal(target, value, span=literal.span)


def _widened(expr: e.Expr, target: SqlType) -> e.Expr | None:
    if expr.type == target:
        return expr
    if expr.type is None or distance(expr.type, target) is not None:
        return e.Cast(target, expr, implicit=True, span=expr.span)
    return None


def converted(expr: e.Expr, target: SqlType) -> e.Expr | None:
    """`expr` as `target` by implicit conversion, or None where there is none."""
    if expr.type == target:
        return expr
    if expr.type is None:
        return e.Cast(target, expr, implicit=True, span=expr.span)
    if isinstance(expr, e.Cast) and expr.implicit and isinstance(expr.operand, e.Literal):
        return converted(expr.operand, target)
    if isinstance(expr, e.Literal):
        if expr.type == STRING:
            return text_literal_as(expr, target)
        if target == STRING:
            return e.Literal(STRING, text_of(expr), span=expr.span)
    parts: Sequence[e.Expr | None]
    if isinstance(expr, e.ArrayOf) and isinstance(target, Array):
        parts = [converted(i, target.element) for i in expr.items]
        return None if None in parts else e.ArrayOf(target, tuple(p for p in parts if p), span=expr.span)
    if isinstance(expr, e.MapOf) and isinstance(target, Map):
        keys = [converted(k, target.key) for k in expr.keys]
        values = [converted(v, target.value) for v in expr.values]
        if None in keys or None in values:
            return None
        return e.MapOf(target, tuple(k for k in keys if k), tuple(v for v in values if v), span=expr.span)
    if isinstance(expr, e.StructOf) and isinstance(expr.type, Struct) and isinstance(target, Struct):
        given = {n: v for (n, _), v in zip(expr.type.fields, expr.values, strict=True)}
        if set(given) - set(target.by_name):
            return None
        parts = [converted(given.get(n, e.Literal(None, None, span=expr.span)), t) for n, t in target.fields]
        return None if None in parts else e.StructOf(target, tuple(p for p in parts if p), span=expr.span)
    return _widened(expr, target)


def coerced(expr: e.Expr, target: SqlType) -> e.Expr:
    """`expr` as `target` by implicit conversion. Raises TypeMismatch where there is none."""
    found = converted(expr, target)
    if found is not None:
        return found
    text = _unreadable(expr, target)
    if text is not None:
        raise TypeMismatch(f'invalid input syntax for type {text[1]}: "{text[0]}".', span=expr.span)
    raise TypeMismatch(
        f"operator does not exist: {target} = {expr.type} ({text_of(expr)})",
        span=expr.span,
        hint="You might need to add explicit type casts.",
    )


def _unreadable(expr: e.Expr, target: SqlType) -> tuple[str, SqlType] | None:
    """The first text literal in `expr` that does not read as the type wanted there, and that type."""
    if isinstance(expr, e.Literal) and expr.type == STRING and target != STRING:
        return (str(expr.value), target) if text_literal_as(expr, target) is None else None
    pairs: list[tuple[e.Expr, SqlType]] = []
    if isinstance(expr, e.ArrayOf) and isinstance(target, Array):
        pairs = [(i, target.element) for i in expr.items]
    elif isinstance(expr, e.MapOf) and isinstance(target, Map):
        pairs = [*((k, target.key) for k in expr.keys), *((v, target.value) for v in expr.values)]
    elif isinstance(expr, e.StructOf) and isinstance(target, Struct):
        named = zip(struct_names(expr), expr.values, strict=True)
        pairs = [(v, target.by_name[n]) for n, v in named if n in target.by_name]
    return next((found for part, want in pairs if (found := _unreadable(part, want)) is not None), None)


def common(exprs: Sequence[e.Expr]) -> tuple[tuple[e.Expr, ...], SqlType] | None:
    """The expressions brought to one type, which the first one that is not NULL leads; None when all are NULL.

    Raises TypeMismatch where one cannot be brought along.
    """
    lead = next((x.type for x in exprs if x.type is not None), None)
    if lead is None:
        return None
    for x in exprs:
        lead = _wider(lead, x)
    return tuple(coerced(x, lead) for x in exprs), lead


def _wider(lead: SqlType, x: e.Expr) -> SqlType:
    """`lead`, widened so that `x` fits if it can."""
    given = x.type
    if isinstance(x, e.Literal) and given == STRING and is_numeric(lead):
        number = number_literal(str(x.value), x)
        given = None if number is None else number.type
    elif isinstance(x, e.ArrayOf) and isinstance(lead, Array):
        element = lead.element
        for item in x.items:
            element = _wider(element, item)
        return Array(element)
    elif isinstance(x, e.MapOf) and isinstance(lead, Map):
        key, value = lead.key, lead.value
        for k, v in zip(x.keys, x.values, strict=True):
            key, value = _wider(key, k), _wider(value, v)
        return Map(key, value)
    return common_type([lead, given]) or lead
