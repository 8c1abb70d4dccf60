"""Checks on what a query yields that several kinds of queries share."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors import InvalidStatement
from ssql.types import Column, quote


def check_unique(columns: Iterable[Column]) -> None:
    """Refuse two columns of one name."""
    seen: set[str] = set()
    for c in columns:
        if c.name in seen:
            part = "key" if c.key else "value"
            raise InvalidStatement(
                f"Duplicate {part} columns found in schema: {quote(c.name)} {c.type}", hint="Use AS to rename one."
            )
        seen.add(c.name)
