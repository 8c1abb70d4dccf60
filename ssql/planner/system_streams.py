"""The streams that ssql writes itself: what could not be processed, and what came too late.

The runtime appends to their topics, the catalog registers them, so that people query them like any other stream.
"""

from __future__ import annotations

from ssql.formats.api import FormatSpec
from ssql.planner.relation import Relation
from ssql.types import BIGINT, BYTES, INTEGER, STRING, TIMESTAMP, Column, Schema, schema

#: What the names of our own topics begin with.
OWN_TOPICS = "_ssql_"

ERRORS = "SSQL_ERRORS"
LATE = "SSQL_LATE"

#: `TOPIC`, `PARTITION`, `OFFSET`: the record; `KEY`, `VALUE`: its raw bytes; `TIME`: its timestamp.
ERRORS_SCHEMA = schema(
    Column("QUERY_ID", STRING),
    Column("TOPIC", STRING),
    Column("PARTITION", INTEGER),
    Column("OFFSET", BIGINT),
    Column("REASON", STRING),
    Column("KEY", BYTES),
    Column("VALUE", BYTES),
    Column("TIME", TIMESTAMP),
)

#: As `ERRORS_SCHEMA`; the window that the row was late for (ms since the epoch), and the row as JSON text.
LATE_SCHEMA = schema(
    *ERRORS_SCHEMA.columns,
    Column("WINDOW_START", BIGINT),
    Column("WINDOW_END", BIGINT),
    Column("ROW", STRING),
)


def internal_topic(service_id: str, name: str) -> str:
    """The name of a topic of our own: `_ssql_<service.id>_<name>`."""
    return f"{OWN_TOPICS}{service_id}_{name}"


def _stream(name: str, columns: Schema, topic: str) -> Relation:
    return Relation(
        name=name,
        kind="STREAM",
        schema=columns,
        topic=topic,
        key_format=FormatSpec("KAFKA"),
        value_format=FormatSpec("JSON"),
        read_only=True,
    )


def errors_stream(service_id: str) -> Relation:
    """`SSQL_ERRORS`: records that could not be decoded, and rows on which an expression failed or a key was null."""
    return _stream(ERRORS, ERRORS_SCHEMA, internal_topic(service_id, "errors"))


def late_stream(service_id: str) -> Relation:
    """`SSQL_LATE`: rows that came after their window had closed."""
    return _stream(LATE, LATE_SCHEMA, internal_topic(service_id, "late"))
