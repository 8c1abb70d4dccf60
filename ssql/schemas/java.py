"""The order in which Java iterates a hash map of texts: where ksqlDB's column order comes from, for JSON schemas."""

from __future__ import annotations

from collections.abc import Iterable

_LOAD = 0.75


def hash_order(names: Iterable[str]) -> list[str]:
    """Distinct names as a `java.util.HashMap` of default size yields them, put in in this order."""
    listed = list(names)
    size = 16
    while len(listed) > size * _LOAD:
        size *= 2
    return sorted(listed, key=lambda name: _spread(name) & (size - 1))


def _spread(name: str) -> int:
    code = 0
    data = name.encode("utf-16-be")
    for at in range(0, len(data), 2):
        code = (code * 31 + int.from_bytes(data[at : at + 2])) & 0xFFFFFFFF
    return code ^ (code >> 16)
