"""ASSERT TOPIC and ASSERT SCHEMA: wait until what the statement says is so, at most for its TIMEOUT."""

from __future__ import annotations

import time
from collections.abc import Callable

from ssql.config import ASSERT_SCHEMA_TIMEOUT_MS, ASSERT_TOPIC_TIMEOUT_MS
from ssql.engine import properties
from ssql.engine.api import Entity
from ssql.engine.context import Request, entity
from ssql.errors import AssertionNotMet, Span
from ssql.log.api import Log
from ssql.schemas.api import SchemaRegistry
from ssql.sql.statements import AssertSchema, AssertTopic, Interval

_LOOK_S = 0.05


def assert_topic(request: Request, statement: AssertTopic) -> Entity:
    """ASSERT [NOT EXISTS] TOPIC, with the number of its partitions and replicas.

    Raises:
        AssertionNotMet: when it is not so in time.
    """
    with_ = properties.read(statement.properties, "ASSERT TOPIC")
    name, log = statement.topic.text, request.core.log
    _wait(
        lambda: _topic_trouble(log, name, with_, exists=statement.exists),
        _limit_ms(statement.timeout, request.config[ASSERT_TOPIC_TIMEOUT_MS]),
        statement.topic.span,
    )
    return entity("assert_topic", statement, topicName=name, exists=statement.exists)


def assert_schema(request: Request, statement: AssertSchema) -> Entity:
    """ASSERT [NOT EXISTS] SCHEMA of a subject, of an id, or of an id under a subject.

    Raises:
        AssertionNotMet: when it is not so in time.
    """
    schemas, subject, number = request.core.schemas, statement.subject, statement.id
    named = f"{'' if subject is None else f' subject name {subject}'}{'' if number is None else f' id {number}'}"

    def trouble() -> str | None:
        if _is_registered(schemas, subject, number) == statement.exists:
            return None
        return f"Schema with{named} {'does not exist' if statement.exists else 'exists'}"

    _wait(trouble, _limit_ms(statement.timeout, request.config[ASSERT_SCHEMA_TIMEOUT_MS]), statement.span)
    return entity("assert_schema", statement, subject=subject, id=number, exists=statement.exists)


def _topic_trouble(log: Log, name: str, with_: properties.With, *, exists: bool) -> str | None:
    """Why the assertion does not hold; None where it does."""
    topic = log.topic(name)
    if topic is None:
        return f"Topic {name} does not exist" if exists else None
    if not exists:
        return f"Topic {name} exists"
    wanted = (
        ("partitions", with_[properties.PARTITIONS], topic.partitions),
        ("replicas", with_[properties.REPLICAS], topic.replicas),
    )
    return "\n".join(
        f"Mismatched configuration for topic {name}: For config {what}, expected {count} got {found}"
        for what, count, found in wanted
        if count not in (None, found)
    )


def _is_registered(schemas: SchemaRegistry, subject: str | None, number: int | None) -> bool:
    if number is None:
        return subject is not None and schemas.latest(subject) is not None
    definition = schemas.by_id(number)
    if definition is None or subject is None:
        return definition is not None
    found = schemas.lookup(subject, definition)
    return found is not None and found.id == number


def _limit_ms(timeout: Interval | None, default: int) -> int:
    return timeout.ms if timeout is not None else default


def _wait(trouble: Callable[[], str | None], limit_ms: int, at: Span) -> None:
    """Look until there is no trouble."""
    deadline = time.monotonic() + limit_ms / 1000
    while reason := trouble():
        if time.monotonic() >= deadline:
            raise AssertionNotMet(reason, span=at)
        time.sleep(_LOOK_S)
