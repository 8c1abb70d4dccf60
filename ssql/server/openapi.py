"""GET /openapi.json: the HTTP API, as OpenAPI 3.1.

Routes are described beside their handlers (`described.py`); the endpoints that CREATE ENDPOINT defined are described by
their own parameters and columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ssql import __version__
from ssql.engine.progress import OpeningProgress
from ssql.server.described import Described, Query, Shape, described, description_of, text_of
from ssql.server.endpoints import READ_TYPES
from ssql.server.framing import JSON_TYPE
from ssql.server.requests import negotiated
from ssql.server.state import engine_of, in_thread
from ssql.server.subscribe import FOLLOWING, OFFERED

if TYPE_CHECKING:
    from ssql.catalog.endpoints import Endpoint

Json = dict[str, Any]

#: Whether requests need credentials.
SECURED: web.AppKey[bool] = web.AppKey("secured", bool)

_REF = "#/components/schemas/{name}"


class Place(msgspec.Struct):
    """Where in the text something is wrong, counted from 1."""

    line: int
    column: int


class ErrorBody(msgspec.Struct):
    """Every error: ksqlDB's fields, and a code, a place and a hint beside them. `progress`: while the server starts."""

    type: str = msgspec.field(name="@type")
    error_code: int
    message: str
    code: str
    summary: str | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET
    position: Place | msgspec.UnsetType = msgspec.UNSET
    statementText: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    entities: list[Any] | msgspec.UnsetType = msgspec.UNSET
    progress: OpeningProgress | msgspec.UnsetType = msgspec.UNSET


@described(answers={JSON_TYPE: {"type": "object"}}, tag="about")
async def get_openapi(request: web.Request) -> web.Response:
    """This document: every route, and every endpoint with its parameters and the columns that it answers."""
    content_type = negotiated(request, (JSON_TYPE,))
    endpoints = engine_of(request).endpoints()
    secured = request.app[SECURED]
    body = await in_thread(request, lambda: msgspec.json.encode(document(request.app, endpoints, secured=secured)))
    return web.Response(body=body, content_type=content_type)


def document(app: web.Application, endpoints: Iterable[Endpoint], *, secured: bool) -> Json:
    """The API of an application, as an OpenAPI document."""
    schemas = _Schemas()
    paths: dict[str, Json] = {}
    # The addresses of endpoints go before the one with a name in it, as OpenAPI has it.
    for endpoint in endpoints:
        paths |= _endpoint(endpoint, schemas, secured=secured)
    for route in app.router.routes():
        if route.method == "HEAD" or route.resource is None:
            continue
        found = description_of(route.handler) or Described()
        operation = _operation(found, text_of(route.handler), schemas, secured=secured)
        operation["operationId"] = _operation_id(route.method, route.resource.canonical)
        names = [part[1:-1] for part in route.resource.canonical.split("/") if part.startswith("{")]
        if names:
            operation["parameters"] = [*(_path(name, found) for name in names), *operation.get("parameters", ())]
        paths.setdefault(route.resource.canonical, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ssql",
            "version": __version__,
            "description": "A streaming SQL database: ksqlDB's REST API, answers to SQL, and endpoints of its users.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas.all(), **(_SECURITY if secured else {})},
        **({"security": [{"basic": []}, {"key": []}]} if secured else {}),
    }


_SECURITY: Json = {
    "securitySchemes": {
        "basic": {"type": "http", "scheme": "basic", "description": "A user with a password, or an API key."},
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, as NAME:SECRET."},
    }
}


class _Schemas:
    """The JSON schemas of shapes; what has a name is a component."""

    def __init__(self) -> None:
        self._named: dict[str, Json] = {}

    def of(self, shape: Shape) -> Json:
        if isinstance(shape, dict):
            return shape
        (schema,), named = msgspec.json.schema_components([shape], ref_template=_REF)
        self._named |= named
        return schema

    def all(self) -> dict[str, Json]:
        return dict(sorted(self._named.items()))


def _operation_id(method: str, path: str) -> str:
    """One name for each method and path, as generated clients call it: `get_status_type_entity_action`."""
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _operation(found: Described, text: str, schemas: _Schemas, *, secured: bool) -> Json:
    summary, _, more = text.partition("\n")
    operation: Json = {"summary": summary.rstrip("."), "tags": [found.tag], "x-right": found.right.name.lower()}
    if more.strip():
        operation["description"] = more.strip()
    if found.query:
        operation["parameters"] = [_query(name, query, schemas) for name, query in found.query.items()]
    if found.body:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": schemas.of(shape)} for kind, shape in found.body.items()},
        }
    success: Json = {"description": HTTPStatus(found.status).phrase}
    if found.answers:
        success["content"] = {kind: {"schema": schemas.of(shape)} for kind, shape in found.answers.items()}
    responses: Json = {str(found.status): success}
    for status in sorted({*found.errors, *_errors(found, secured=secured)}):
        content = {JSON_TYPE: {"schema": schemas.of(ErrorBody)}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return operation | {"responses": responses}


def _errors(found: Described, *, secured: bool) -> Iterable[int]:
    """The errors that any route of this kind may answer."""
    if found.answers:
        yield from (400, 406)
    if found.body:
        yield from (400, 408, 413)
    if found.status == HTTPStatus.OK:
        yield 503
    if secured:
        yield from (401, 403)


def _query(name: str, query: Query, schemas: _Schemas) -> Json:
    parameter = {"name": name, "in": "query", "required": query.required, "schema": schemas.of(query.shape)}
    return parameter | ({"description": query.text} if query.text else {})


def _path(name: str, found: Described) -> Json:
    text = found.path.get(name)
    parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return parameter | ({"description": text} if text else {})


def _endpoint(endpoint: Endpoint, schemas: _Schemas, *, secured: bool) -> dict[str, Json]:
    """An endpoint of a user's as a path of its own."""
    from ssql.engine.endpoints import path_of
    from ssql.server.json_schema import or_null, parameter_schema, row_schema, table_schema

    query = {p.name: Query(parameter_schema(p), "", p.required) for p in endpoint.parameters}
    if endpoint.follows:
        query |= FOLLOWING
    lines = {"type": "string", "x-row": row_schema(endpoint.columns)}
    answers: dict[str, Shape] = dict.fromkeys(_forms(endpoint), lines)
    if not endpoint.follows:
        answers[JSON_TYPE] = table_schema(endpoint.columns)
    fields: Json = {
        "type": "object",
        "properties": {name: given.shape if given.required else or_null(given.shape) for name, given in query.items()},
        "required": [name for name, given in query.items() if given.required],
        "additionalProperties": False,
    }
    text = f"{endpoint.name}\n{endpoint.statement}"
    operations = {}
    for method, described_as in (
        ("get", Described(answers=answers, query=query, tag="endpoints")),
        ("post", Described(answers=answers, body={JSON_TYPE: fields}, tag="endpoints")),
    ):
        operation = _operation(described_as, text, schemas, secured=secured)
        operations[method] = operation | {"operationId": f"{method}_endpoint_{endpoint.name}"}
    return {path_of(endpoint): operations}


def _forms(endpoint: Endpoint) -> Sequence[str]:
    return OFFERED if endpoint.follows else READ_TYPES
