"""POST /query: one SELECT, answered in the first version's form, or a PRINT, answered in lines of text."""

from __future__ import annotations

from aiohttp import web

from ssql.server.framing import JSON_TYPE, TEXT_TYPE, V1, V1_TYPE, Text
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import KsqlRequest, body_of, check_query, negotiated


async def post_query(request: web.Request) -> web.StreamResponse:
    body = await body_of(request, KsqlRequest)
    prints = check_query(body.ksql, "/query")
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE, TEXT_TYPE) if prints else (V1_TYPE, JSON_TYPE))
    result = await run_query(request, body.ksql, body.session(request))
    if prints:
        return await send_rows(request, result, Text(), TEXT_TYPE)
    return await send_rows(request, result, V1(push=is_push(result)), content_type)
