"""The topic and the schemas of a query's result: made before the query runs, and taken away again where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ssql.engine import properties, schemas
from ssql.engine.context import Request
from ssql.engine.relations import TopicWanted, check_topic, ensure_topic
from ssql.errors import SsqlError
from ssql.planner.relation import Relation
from ssql.sql.statements import CreateAs


@contextmanager
def provided(request: Request, statement: CreateAs, sink: Relation, topic: TopicWanted) -> Iterator[None]:
    """Within it the sink's topic and schemas are there; what of them is new goes with an error.

    Raises:
        InvalidProperty, FormatError, SchemaRefused: where the topic or the registry holds something else.
    """
    log, registry = request.core.log, request.core.schemas
    schemas.check_ids(sink, registry, properties.read(statement.properties, "AS"))
    check_topic(log, topic)
    new_topic = log.topic(topic.name) is None
    new_subjects = schemas.missing(sink, registry)
    try:
        schemas.register(sink, registry, at=statement.name.span, over=True)
        ensure_topic(log, topic)
        yield
    except BaseException:
        with suppress(SsqlError):  # the first error is the one to tell
            if new_topic:
                log.delete_topic(topic.name)
            for subject in new_subjects:
                registry.delete_subject(subject)
        raise
