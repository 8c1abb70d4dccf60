"""POST /query: one SELECT, answered in the first version's form, or a PRINT, answered in lines of text."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ssql.server.described import TEXT, described
from ssql.server.framing import JSON_TYPE, TEXT_TYPE, V1, V1_TYPE, Text
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import KsqlRequest, body_of, check_query, negotiated
from ssql.server.state import engine_of


@described(
    body={V1_TYPE: KsqlRequest, JSON_TYPE: KsqlRequest},
    answers={V1_TYPE: list[dict[str, Any]], JSON_TYPE: list[dict[str, Any]], TEXT_TYPE: TEXT},
    errors=(400, 403),
)
async def post_query(request: web.Request) -> web.StreamResponse:
    """Answer one SELECT, or PRINT a topic: a header, then a row an element, for as long as the query goes on."""
    body = await body_of(request, KsqlRequest)
    session = body.session(request)
    found = engine_of(request).look_up(body.text, session)
    prints = found is None and check_query(body.text, "/query")
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE, TEXT_TYPE) if prints else (V1_TYPE, JSON_TYPE))
    result = found or await run_query(request, body.text, session)
    if prints:
        return await send_rows(request, result, Text(), TEXT_TYPE)
    return await send_rows(request, result, V1(push=is_push(result)), content_type)
