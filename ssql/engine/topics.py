"""ASSERT TOPIC: wait until a topic is there (or gone), as the statement says."""

from __future__ import annotations

import time

from ssql.engine import properties
from ssql.engine.api import Entity
from ssql.engine.context import Request, entity
from ssql.errors import AssertionNotMet
from ssql.sql.statements import AssertTopic

_TIMEOUT_MS = 1000  # as ksqlDB's, where the statement gives none
_LOOK_S = 0.05


def assert_topic(request: Request, statement: AssertTopic) -> Entity:
    """Raises `AssertionNotMet` (417) when it is not so in time."""
    with_ = properties.read(statement.properties, "ASSERT TOPIC")
    name, log = statement.topic.text, request.core.log
    deadline = time.monotonic() + (statement.timeout.ms if statement.timeout else _TIMEOUT_MS) / 1000
    while True:
        topic = log.topic(name)
        if (topic is not None) == statement.exists:
            break
        if time.monotonic() >= deadline:
            state = "does not exist" if statement.exists else "exists"
            raise AssertionNotMet(f"Topic {name} {state}", span=statement.topic.span)
        time.sleep(_LOOK_S)
    if topic is not None:
        wanted = {"partitions": with_[properties.PARTITIONS], "replicas": with_[properties.REPLICAS]}
        for what, count in wanted.items():
            found = getattr(topic, what)
            if count is not None and count != found:
                raise AssertionNotMet(
                    f"Mismatched configuration for topic {name}: For config '{what}', expected {count} got {found}",
                    span=statement.topic.span,
                )
    return entity("assert_topic", statement, topicName=name, exists=statement.exists)
