"""A stream or table in the words of a test: kind, columns, formats, window and wrapping."""

from __future__ import annotations

from ssql.formats.api import FormatSpec
from ssql.planner.relation import Relation
from ssql.testing.records import Json

#: Formats that can hold a single key column both in a record and bare; they say which of the two it is.
_WRAPS_KEYS = ("JSON", "JSON_SR", "AVRO")


def described(relation: Relation) -> dict[str, Json]:
    """A relation in the words of an expectation."""
    window = relation.window
    return {
        "type": relation.kind,
        "schema": str(relation.schema),
        "key_format": relation.key_format.name,
        "window": [window.type, window.size_ms] if window else [None, None],
        "value_format": relation.value_format.name,
        "key_features": _key_features(relation),
        "value_features": _wrapping(relation.value_format),
        "is_source": relation.read_only,
    }


def _wrapping(spec: FormatSpec) -> list[str]:
    return [] if spec.wrap is None else ["WRAP_SINGLES" if spec.wrap else "UNWRAP_SINGLES"]


def _key_features(relation: Relation) -> list[str]:
    if len(relation.key_names) == 1 and relation.key_format.name in _WRAPS_KEYS:
        return ["UNWRAP_SINGLES"]
    return _wrapping(relation.key_format)


def asserted(relation: Relation) -> dict[str, Json]:
    """What an assertion on a definition compares, in this order."""
    shown = described(relation)
    time = relation.timestamp
    return {
        "type": shown["type"],
        "schema": shown["schema"],
        "kafka topic": relation.topic,
        "key format": relation.key_format.name,
        "key format properties": dict(relation.key_format.properties),
        "value format": relation.value_format.name,
        "value format properties": dict(relation.value_format.properties),
        "key serde features": shown["key_features"],
        "value serde features": shown["value_features"],
        "window": shown["window"],
        "timestamp column": time.column if time else None,
        "timestamp format": time.format if time else None,
    }
