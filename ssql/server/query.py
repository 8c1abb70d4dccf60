"""POST /query: one SELECT, answered in the first version's form as JSON or Protobuf, or line by line, as `Accept` says;
or a PRINT, answered in lines of text."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ssql.server.described import TEXT, described
from ssql.server.framing import DELIMITED_TYPE, JSON_TYPE, PROTOBUF_TYPE, TEXT_TYPE, V1, V1_TYPE, Text, framing_of
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import KsqlRequest, body_of, check_query, negotiated
from ssql.server.state import engine_of


@described(
    body={V1_TYPE: KsqlRequest, JSON_TYPE: KsqlRequest},
    answers={
        V1_TYPE: list[dict[str, Any]],
        JSON_TYPE: list[dict[str, Any]],
        DELIMITED_TYPE: TEXT,
        PROTOBUF_TYPE: list[dict[str, Any]],
        TEXT_TYPE: TEXT,
    },
    errors=(400, 403),
)
async def post_query(request: web.Request) -> web.StreamResponse:
    """Answer one SELECT, or PRINT a topic: a header, then a row an element, for as long as the query goes on."""
    body = await body_of(request, KsqlRequest)
    session = body.session(request)
    found = engine_of(request).look_up(body.text, session)
    prints = found is None and check_query(body.text, "/query")
    others = (DELIMITED_TYPE, TEXT_TYPE) if prints else (DELIMITED_TYPE, PROTOBUF_TYPE)
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE, *others))
    result = found or await run_query(request, body.text, session)
    if prints:
        return await send_rows(request, result, Text(), TEXT_TYPE)
    push = is_push(result)
    framing = V1(push) if content_type == JSON_TYPE else framing_of(content_type, push=push)
    return await send_rows(request, result, framing, content_type)
