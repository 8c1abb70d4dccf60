"""Whether a schema may follow another one: rows written with the old one are still read as columns of the new one.

This is the rule by which ssql reads (fields by name, numbers widen, what is missing is null), so it is the same for
all types of schemas. Registries elsewhere have rules of their own.
"""

from __future__ import annotations

from ssql.types import BIGINT, DOUBLE, INTEGER, STRING, Array, Decimal, Map, SqlType, Struct

_WIDENING: tuple[SqlType, ...] = (INTEGER, BIGINT, DOUBLE)


def problems(old: SqlType, new: SqlType, where: str = "") -> tuple[str, ...]:
    """Why what was written as `old` cannot be read as `new`, one reason each."""
    if isinstance(old, Struct) and isinstance(new, Struct):
        held = {name.upper(): kind for name, kind in reversed(old.fields)} | old.by_name
        found: list[str] = []
        for name, kind in new.fields:
            before = held.get(name) or held.get(name.upper())
            if before is not None:
                found += problems(before, kind, f"{where}.{name}" if where else name)
        return tuple(found)
    if isinstance(old, Array) and isinstance(new, Array):
        return problems(old.element, new.element, f"{where}[]")
    if isinstance(old, Map) and isinstance(new, Map):
        return problems(old.key, new.key, f"{where}.key") + problems(old.value, new.value, f"{where}[]")
    if _widens(old, new):
        return ()
    return (f"{where or 'the value'} was {old} and would be {new}",)


def _widens(old: SqlType, new: SqlType) -> bool:
    if old == new or (new == STRING and not isinstance(old, Array | Map | Struct)):
        return True
    if isinstance(new, Decimal):
        return (
            isinstance(old, Decimal)
            and old.scale <= new.scale
            and old.precision - old.scale <= new.precision - new.scale
        )
    return old in _WIDENING and new in _WIDENING and _WIDENING.index(old) <= _WIDENING.index(new)
