"""The statements behind the methods that tell what there is, and what their answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssql.types import quote

STREAMS, TABLES = "SHOW STREAMS;", "SHOW TABLES;"


def describe(name: str) -> str:
    """DESCRIBE; the name ignores case unless it is back-quoted."""
    exact = name[1:-1].replace("``", "`") if name[:1] == "`" == name[-1:] and len(name) > 1 else name.upper()
    return f"DESCRIBE {quote(exact)};"


def names(entities: Sequence[dict[str, Any]]) -> list[str]:
    """The names in the answer of SHOW STREAMS or SHOW TABLES."""
    (entity,) = entities
    return sorted(found["name"] for found in entity.get("streams", entity.get("tables", ())))


def description(entities: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the answer of DESCRIBE says of a stream or table."""
    (entity,) = entities
    found: dict[str, Any] = entity["sourceDescription"]
    return found
