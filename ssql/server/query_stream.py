"""POST /query-stream: one SELECT, answered line by line, as a JSON array, or in the first version's form, as JSON or
Protobuf; beside ksqlDB's forms, as NDJSON, CSV or Arrow.

PRINT is answered in lines of text, which are no JSON: only who takes lines gets them.
"""

from __future__ import annotations

from aiohttp import web

from ssql.server.framing import (
    ARROW_TYPE,
    CSV_TYPE,
    DELIMITED_TYPE,
    JSON_TYPE,
    LINES_TYPE,
    PROTOBUF_TYPE,
    V1_TYPE,
    Text,
    framing_of,
)
from ssql.server.pump import is_push, run_query, send_rows
from ssql.server.requests import QueryStreamRequest, body_of, check_query, negotiated

OFFERED = (DELIMITED_TYPE, JSON_TYPE, V1_TYPE, PROTOBUF_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)


async def post_query_stream(request: web.Request) -> web.StreamResponse:
    body = await body_of(request, QueryStreamRequest)
    prints = check_query(body.sql, "/query-stream")
    content_type = negotiated(request, (DELIMITED_TYPE,) if prints else OFFERED)
    result = await run_query(request, body.sql, body.session(request))
    framing = Text() if prints else framing_of(content_type, push=is_push(result))
    return await send_rows(request, result, framing, content_type)
