"""Definitions as ksqlDB prints them in its messages, for clients that match these."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.formats.api import FormatSpec
from ssql.planner.relation import Relation
from ssql.types import quote

#: Formats that hold a single key column either bare or in a record: ksqlDB notes that it is bare.
_BARE_KEYS = ("JSON", "JSON_SR", "AVRO")


def column_list(names: Iterable[str]) -> str:
    return f"[{', '.join(map(quote, names))}]"


def optional(text: str | None) -> str:
    return "Optional.empty" if text is None else f"Optional[{text}]"


def timestamp_text(relation: Relation) -> str | None:
    """Where ROWTIME comes from; None where the record has it."""
    time = relation.timestamp
    return None if time is None else f"TimestampColumn{{column={quote(time.column)}, format={optional(time.format)}}}"


def topic_text(relation: Relation) -> str:
    """The topic, its formats and its window."""
    window = relation.window
    shown = None if window is None else f"WindowInfo{{type={window.type}, size={optional(_ms(window.size_ms))}}}"
    return (
        f"KsqlTopic{{kafkaTopicName='{relation.topic}', keyFormat=KeyFormat{{{_key(relation)}, "
        f"window={optional(shown)}}}, valueFormat=ValueFormat{{{_value(relation)}}}}}"
    )


def formats_text(relation: Relation) -> str:
    """The formats of keys and values."""
    return f"Formats{{keyFormat={{{_key(relation)}}}, valueFormat={{{_value(relation)}}}}}"


def _ms(size: int | None) -> str | None:
    return None if size is None else str(size)


def _key(relation: Relation) -> str:
    bare = len(relation.key_names) == 1 and relation.key_format.name in _BARE_KEYS
    return _format(relation.key_format, False if bare else relation.key_format.wrap)


def _value(relation: Relation) -> str:
    return _format(relation.value_format, relation.value_format.wrap)


def _format(spec: FormatSpec, wrap: bool | None) -> str:
    properties = ", ".join(f"{name}={value}" for name, value in spec.properties.items())
    features = "" if wrap is None else "WRAP_SINGLES" if wrap else "UNWRAP_SINGLES"
    return f"format=FormatInfo{{format={spec.name}, properties={{{properties}}}}}, features=[{features}]"
