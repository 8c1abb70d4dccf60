"""POST /query-stream: one SELECT, answered line by line, as a JSON array, or in the first version's form, as JSON or
Protobuf; beside ksqlDB's forms, as NDJSON, CSV or Arrow.

PRINT is answered in lines of text, which are no JSON: only who takes lines gets them.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ssql.server.described import BYTES, TEXT, described
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
from ssql.server.state import engine_of

OFFERED = (DELIMITED_TYPE, JSON_TYPE, V1_TYPE, PROTOBUF_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)


@described(
    body={DELIMITED_TYPE: QueryStreamRequest, V1_TYPE: QueryStreamRequest, JSON_TYPE: QueryStreamRequest},
    answers={
        DELIMITED_TYPE: TEXT,
        JSON_TYPE: list[Any],
        V1_TYPE: list[dict[str, Any]],
        PROTOBUF_TYPE: list[dict[str, Any]],
        LINES_TYPE: TEXT,
        CSV_TYPE: TEXT,
        ARROW_TYPE: BYTES,
    },
    errors=(400, 403),
)
async def post_query_stream(request: web.Request) -> web.StreamResponse:
    """Answer one SELECT, or PRINT a topic: the columns, then a row a line, for as long as the query goes on."""
    body = await body_of(request, QueryStreamRequest)
    session = body.session(request)
    found = engine_of(request).look_up(body.sql, session)
    prints = found is None and check_query(body.sql, "/query-stream")
    content_type = negotiated(request, (DELIMITED_TYPE,) if prints else OFFERED)
    result = found or await run_query(request, body.sql, session)
    framing = Text() if prints else framing_of(content_type, push=is_push(result))
    return await send_rows(request, result, framing, content_type)
