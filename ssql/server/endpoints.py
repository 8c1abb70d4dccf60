"""GET /endpoints, GET and POST /endpoints/{name}: the queries that CREATE ENDPOINT defined, called with their values.

What is answered, and in which forms, is as for /sql; of an endpoint that is followed, as for /subscribe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from aiohttp import web

from ssql.errors import ParameterRefused
from ssql.server.described import BYTES, TEXT, described
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.pump import begun, is_push, send_rows
from ssql.server.requests import decoded, negotiated, read_body, session_of
from ssql.server.state import engine_of
from ssql.server.subscribe import FOLLOWING, SubscribeRequest, follow, subscribe_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ssql.engine.api import EndpointCall, PullResult, PushQuery

#: The forms of an answer; those of one that goes on are /subscribe's.
READ_TYPES = (JSON_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)


class Listed(TypedDict):
    name: str
    path: str
    parameters: list[dict[str, Any]]
    follows: bool
    statement: str


class Listing(TypedDict):
    endpoints: list[Listed]


_ANSWERS = {JSON_TYPE: {"type": "object"}, LINES_TYPE: TEXT, CSV_TYPE: TEXT, ARROW_TYPE: BYTES}
_NAME = {"name": "The endpoint's name."}


@described(answers={JSON_TYPE: Listing}, tag="endpoints")
async def get_endpoints(request: web.Request) -> web.Response:
    """The endpoints that there are, with their parameters."""
    from ssql.engine.endpoints import as_json

    content_type = negotiated(request, (JSON_TYPE,))
    listed = [as_json(endpoint) for endpoint in engine_of(request).endpoints()]
    return web.Response(body=msgspec.json.encode({"endpoints": listed}), content_type=content_type)


@described(answers=_ANSWERS, path=_NAME, errors=(404, 408), tag="endpoints")
async def get_endpoint(request: web.Request) -> web.StreamResponse:
    """Call an endpoint; its parameters are those of the address."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise ParameterRefused(name, value, "it is given twice")
        given[name] = value
    return await _answer(request, given, as_json=False)


@described(body={JSON_TYPE: dict[str, Any]}, answers=_ANSWERS, path=_NAME, errors=(404,), tag="endpoints")
async def post_endpoint(request: web.Request) -> web.StreamResponse:
    """Call an endpoint; its parameters are the fields of a JSON object."""
    body = await read_body(request)
    fields = decoded(body, dict[str, msgspec.Raw]) if body.strip() else {}
    return await _answer(request, {name: bytes(raw).decode() for name, raw in fields.items()}, as_json=True)


async def _answer(request: web.Request, values: Mapping[str, str], *, as_json: bool) -> web.StreamResponse:
    call = engine_of(request).call(request.match_info["name"], values, as_json=as_json)
    if call.endpoint.follows:
        return await follow(request, _wish(call, values, as_json=as_json))
    content_type = negotiated(request, READ_TYPES)
    session = session_of(request, call.properties, None, full_sql=True)
    engine = engine_of(request)
    result: PullResult | PushQuery | None = engine.look_up(call.sql, session)
    if result is None:
        result = await begun(request, engine.answer, call, session)
    from ssql.server.tabular import TABULAR

    return await send_rows(request, result, TABULAR[content_type](changes=is_push(result)), content_type)


def _wish(call: EndpointCall, values: Mapping[str, str], *, as_json: bool) -> SubscribeRequest:
    """The subscription that a call of a followed endpoint asks for."""
    way: dict[str, Any] = {name: value for name, value in values.items() if name in FOLLOWING}
    if as_json:
        way = {name: msgspec.json.decode(value) for name, value in way.items() if value != "null"}
    return subscribe_request({**way, "sql": call.sql, "properties": dict(call.properties)})
