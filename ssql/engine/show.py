"""SHOW and LIST: what there is, as entities. One function a word after SHOW, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ssql.config import HIDDEN_TOPICS, SETTINGS, lookup, matches
from ssql.engine import connectors, endpoints
from ssql.engine.api import Entity
from ssql.engine.context import Request, entity
from ssql.engine.describe import describe_sources, progresses, query_description, statuses
from ssql.engine.entities import query_json, source_json, type_json
from ssql.functions.registry import REGISTRY
from ssql.log.api import Topic
from ssql.planner.system_streams import OWN_TOPICS
from ssql.sql.statements import Show


def show(request: Request, statement: Show) -> Entity:
    """SHOW and LIST."""
    return _SHOWS[statement.what](request, statement)


def _sources(kind: str) -> Callable[[Request, Show], Entity]:
    def list_them(request: Request, statement: Show) -> Entity:
        catalog = request.catalog
        found = [s for s in catalog.sources.values() if s.relation.kind == kind]
        if statement.extended:
            described = describe_sources(request, found, extended=True)
            return entity("source_descriptions", statement, sourceDescriptions=described)
        return entity(f"{kind.lower()}s", statement, **{f"{kind.lower()}s": [source_json(s) for s in found]})

    return list_them


def _topics(request: Request, statement: Show) -> Entity:
    def shown(topic: Topic) -> bool:
        own = topic.name.startswith(OWN_TOPICS)
        return statement.all or not (own or matches(request.config[HIDDEN_TOPICS], topic.name))

    readers: dict[str, int] = {}
    for query in request.catalog.queries.values():
        for relation in query.reads.values():
            readers[relation.topic] = readers.get(relation.topic, 0) + 1
    listed: list[dict[str, Any]] = []
    for topic in sorted(request.core.log.topics(), key=lambda t: t.name):
        if shown(topic):
            listed.append({"name": topic.name, "replicaInfo": [topic.replicas] * topic.partitions})
            if statement.extended:
                # One process reads a topic once, however many queries take from it.
                count = readers.get(topic.name, 0)
                listed[-1] |= {"consumerCount": min(count, 1), "consumerGroupCount": min(count, 1)}
    return entity("kafka_topics_extended" if statement.extended else "kafka_topics", statement, topics=listed)


def _queries(request: Request, statement: Show) -> Entity:
    catalog, running = request.catalog, statuses(request)
    queries = list(catalog.queries.values())
    if statement.extended:
        at = progresses(request)
        described = [query_description(request, q, running.get(q.id), at.get(q.id)) for q in queries]
        return entity("query_descriptions", statement, queryDescriptions=described)
    listed = [query_json(q, running.get(q.id), catalog) for q in queries]
    listed += [
        {
            "queryString": push.statement,
            "sinks": [],
            "sinkKafkaTopics": [],
            "id": push.query_id,
            "queryType": "PUSH",
            "statusCount": {"RUNNING": 1},
            "state": "RUNNING",
        }
        for push in request.core.running.all()
    ]
    return entity("queries", statement, queries=listed)


def _types(request: Request, statement: Show) -> Entity:
    types = {name: type_json(t) for name, t in sorted(request.catalog.types.items())}
    return entity("type_list", statement, types=types)


def _variables(request: Request, statement: Show) -> Entity:
    variables = [{"name": n, "value": v} for n, v in sorted(request.session.variables.items())]
    return entity("variables", statement, variables=variables)


def _properties(request: Request, statement: Show) -> Entity:
    config, own = request.config, request.session.properties
    listed = [
        _property(key, "[hidden]" if setting.secret and config[setting] else _shown(config[setting]), setting.per_query)
        for key, setting in sorted(SETTINGS.items())
    ]
    listed += [_property(key, str(value), True) for key, value in sorted(own.items()) if lookup(key) is None]
    return entity(
        "properties",
        statement,
        properties=listed,
        overwrittenProperties=sorted({found.key if (found := lookup(key)) else key for key in own}),
        defaultProperties=[key for key, setting in sorted(SETTINGS.items()) if config[setting] == setting.default],
    )


def _property(name: str, value: str, per_query: bool) -> dict[str, Any]:
    level = "QUERY" if per_query else "SERVER"
    return {"name": name, "scope": "KSQL", "value": value, "editable": per_query, "level": level}


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _functions(_: Request, statement: Show) -> Entity:
    functions = [
        {"name": name, "type": function.kind.upper(), "category": function.category.upper()}
        for name, function in sorted(REGISTRY.functions.items())
    ]
    return entity("function_names", statement, functions=functions)


_SHOWS: dict[str, Callable[[Request, Show], Entity]] = {
    "STREAMS": _sources("STREAM"),
    "TABLES": _sources("TABLE"),
    "TOPICS": _topics,
    "QUERIES": _queries,
    "TYPES": _types,
    "VARIABLES": _variables,
    "PROPERTIES": _properties,
    "FUNCTIONS": _functions,
    "ENDPOINTS": endpoints.show,
    "CONNECTORS": connectors.list_connectors,
    "CONNECTOR PLUGINS": connectors.list_plugins,
}
