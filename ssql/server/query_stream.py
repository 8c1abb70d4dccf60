"""POST /query-stream: one SELECT, answered line by line, as a JSON array, or in the first version's form."""

from __future__ import annotations

from aiohttp import web

from ssql.server.framing import DELIMITED_TYPE, JSON_TYPE, V1_TYPE, framing_of
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import QueryStreamRequest, body_of, check_query, negotiated


async def post_query_stream(request: web.Request) -> web.StreamResponse:
    content_type = negotiated(request, (DELIMITED_TYPE, JSON_TYPE, V1_TYPE))
    body = await body_of(request, QueryStreamRequest)
    check_query(body.sql, "/query-stream")
    result = await run_query(request, body.sql, body.session())
    return await send_rows(request, result, framing_of(content_type, push=is_push(result)), content_type)
