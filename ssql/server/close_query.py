"""POST /close-query: end a running push query."""

from __future__ import annotations

import msgspec
from aiohttp import web

from ssql.errors import BadRequest
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import body_of
from ssql.server.state import STATE, engine_of, in_thread


class CloseQueryRequest(msgspec.Struct):
    queryId: str  # noqa: N815


@described(body={V1_TYPE: CloseQueryRequest, JSON_TYPE: CloseQueryRequest}, errors=(400,))
async def post_close_query(request: web.Request) -> web.Response:
    """End a running push query."""
    query_id = (await body_of(request, CloseQueryRequest)).queryId
    query = await in_thread(request, engine_of(request).push_query, query_id)
    if query is None:
        raise BadRequest(f'push query "{query_id}" does not exist')
    await in_thread(request, query.close)
    for pump in request.app[STATE].pumps:
        if pump.query_id == query_id:
            pump.wake()
    return web.Response()
