"""GET /asyncapi.json: streams and tables with their topics, and what is pushed to clients, as AsyncAPI 3.0."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ssql import __version__
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE
from ssql.server.openapi import SECURED
from ssql.server.requests import negotiated
from ssql.server.state import engine_of, in_thread

if TYPE_CHECKING:
    from ssql.planner.relation import Relation

Json = dict[str, Any]

_CONTENT_TYPES = {
    "JSON": "application/json",
    "JSON_SR": "application/schema+json",
    "AVRO": "application/vnd.apache.avro",
    "PROTOBUF": "application/x-protobuf",
    "PROTOBUF_NOSR": "application/x-protobuf",
    "DELIMITED": "text/csv",
}

#: The paths that push, and what is said of them where the application has them.
_PUSHES = {
    "/subscribe": "What a query finds, then what changes: server-sent events, or a WebSocket.",
    "/ws/query": "A query's rows, as ksqlDB sends them over a WebSocket.",
}


@described(answers={JSON_TYPE: {"type": "object"}}, tag="about")
async def get_asyncapi(request: web.Request) -> web.Response:
    """Streams and tables with their topics and rows, and the paths that push, as an AsyncAPI document."""
    content_type = negotiated(request, (JSON_TYPE,))
    engine = engine_of(request)
    paths = [path for path in _PUSHES if any(r.canonical == path for r in request.app.router.resources())]
    body = await in_thread(
        request,
        lambda: msgspec.json.encode(
            document(
                engine.relations(),
                host=request.host,
                brokers=engine.brokers(),
                paths=paths,
                secured=request.app[SECURED],
            )
        ),
    )
    return web.Response(body=body, content_type=content_type)


def document(relations: Sequence[Relation], *, host: str, brokers: str, paths: Sequence[str], secured: bool) -> Json:
    """The document of these streams and tables. `brokers`: Kafka's, "" where the log is a directory; `paths`: those
    that push, on `host`."""
    servers: Json = {"http": {"host": host, "protocol": "http"}, "ws": {"host": host, "protocol": "ws"}}
    if secured:
        for server in servers.values():
            server["security"] = [{"$ref": "#/components/securitySchemes/basic"}]
    for n, broker in enumerate(filter(None, (part.strip() for part in brokers.split(",")))):
        servers[f"kafka{n}"] = {"host": broker, "protocol": "kafka"}
    kafka = [name for name in servers if name.startswith("kafka")]
    messages = {_id(relation): _record(relation) for relation in relations}
    channels = {_id(relation): _channel(relation, kafka) for relation in relations}
    operations = {
        f"{'write' if relation.derived else 'read'}_{_id(relation)}": {
            "action": "send" if relation.derived else "receive",
            "channel": {"$ref": f"#/channels/{_id(relation)}"},
            "summary": f"{'Results of queries' if relation.derived else 'Rows that queries read'}: {relation.name}",
        }
        for relation in relations
    }
    for path in paths:
        name = path.strip("/").replace("/", "_")
        frames = {f"{name}_{_id(relation)}": _frame(relation) for relation in relations}
        messages |= frames
        channels[name] = {
            "address": path,
            "description": _PUSHES[path],
            "servers": [{"$ref": "#/servers/http"}, {"$ref": "#/servers/ws"}],
            "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in frames},
        }
        operations[f"push_{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": _PUSHES[path].partition(":")[0].rstrip("."),
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ssql",
            "version": __version__,
            "description": "Streams and tables over their topics, and what is pushed to clients.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON_TYPE,
        "servers": servers,
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            **({"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}} if secured else {}),
        },
    }


def _id(relation: Relation) -> str:
    """A relation's name as a key of the document, which takes letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", lambda found: f"-{ord(found.group()):x}-", relation.name)


def _channel(relation: Relation, kafka: Sequence[str]) -> Json:
    channel: Json = {
        "address": relation.topic,
        "title": relation.name,
        "description": f"{relation.kind} {relation.name}: {relation.schema}",
        "messages": {_id(relation): {"$ref": f"#/components/messages/{_id(relation)}"}},
    }
    if kafka:
        channel["servers"] = [{"$ref": f"#/servers/{name}"} for name in kafka]
        channel["bindings"] = {"kafka": {"topic": relation.topic}}
    return channel


def _record(relation: Relation) -> Json:
    """A record of a relation's topic: its value, and its key beside it."""
    from ssql.server.json_schema import row_schema

    headers = {h.name for h in relation.headers}
    message: Json = {
        "name": relation.name,
        "title": f"A record of {relation.kind.lower()} {relation.name}",
        "contentType": _CONTENT_TYPES.get(relation.value_format.name, "application/octet-stream"),
        "payload": row_schema([c for c in relation.schema.values if c.name not in headers]),
    }
    if relation.schema.keys:
        message["bindings"] = {"kafka": {"key": row_schema(relation.schema.keys)}}
    return message


def _frame(relation: Relation) -> Json:
    """What a client that follows all of a relation is sent."""
    from ssql.server.json_schema import row_schema

    row = row_schema(relation.schema.columns)
    row["properties"] = {"_diff": {"enum": [1, -1]}, **row["properties"]}
    return {
        "name": relation.name,
        "title": f"Rows of {relation.kind.lower()} {relation.name}",
        "contentType": JSON_TYPE,
        "payload": {
            "type": "object",
            "properties": {
                "type": {"enum": ["snapshot", "changes", "end", "error"]},
                "rows": {"type": "array", "items": row},
                "frontier": {"type": "object"},
                "token": {"type": ["string", "null"]},
            },
        },
    }
