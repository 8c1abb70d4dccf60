"""GET /endpoints, GET and POST /endpoints/{name}: the queries that CREATE ENDPOINT defined, called with their values.

What is answered, and in which forms, is as for /sql; of an endpoint that is followed, as for a push query.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from ssql.errors import ParameterRefused
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import decoded, negotiated, session_of
from ssql.server.state import engine_of, in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The forms of an answer, and of one that goes on.
READ_TYPES = (JSON_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)
FOLLOWED_TYPES = (LINES_TYPE, CSV_TYPE, ARROW_TYPE)


async def get_endpoints(request: web.Request) -> web.Response:
    """The endpoints that there are, with their parameters."""
    from ssql.engine.endpoints import as_json

    content_type = negotiated(request, (JSON_TYPE,))
    listed = [as_json(endpoint) for endpoint in engine_of(request).endpoints()]
    return web.Response(body=msgspec.json.encode({"endpoints": listed}), content_type=content_type)


async def get_endpoint(request: web.Request) -> web.StreamResponse:
    """Call an endpoint; its parameters are those of the address."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise ParameterRefused(name, value, "it is given twice")
        given[name] = value
    return await _answer(request, given)


async def post_endpoint(request: web.Request) -> web.StreamResponse:
    """Call an endpoint; its parameters are the fields of a JSON object."""
    body = await request.read()
    fields = decoded(body, dict[str, msgspec.Raw]) if body.strip() else {}
    return await _answer(
        request, {name: text for name, raw in fields.items() if (text := _text(name, raw)) is not None}
    )


def _text(name: str, value: msgspec.Raw) -> str | None:
    """A JSON value as a caller of GET would write it; None for null, which is no value."""
    raw = bytes(value).decode()
    match raw[0]:
        case '"':
            return str(msgspec.json.decode(value))
        case "{" | "[":
            raise ParameterRefused(name, raw, "expected one value")
    return None if raw == "null" else raw


async def _answer(request: web.Request, values: Mapping[str, str]) -> web.StreamResponse:
    call = await in_thread(request, engine_of(request).call, request.match_info["name"], values)
    content_type = negotiated(request, FOLLOWED_TYPES if call.endpoint.follows else READ_TYPES)
    session = replace(session_of(request, dict(call.properties), None), full_sql=not call.endpoint.follows)
    result = await run_query(request, call.sql, session)
    from ssql.server.tabular import TABULAR

    return await send_rows(request, result, TABULAR[content_type](changes=is_push(result)), content_type)
