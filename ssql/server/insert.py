"""POST /insert?into=NAME: rows as an Arrow stream, NDJSON or CSV, appended batch by batch as they come.

A batch is one transaction: a record batch of Arrow, or the lines that have arrived while the one before was written. A
row that does not fit is refused, the others are in. While a batch is written nothing more is read than the connection's
own buffer holds.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
from aiohttp import web

from ssql.errors import BadRequest, BodyTypeRefused
from ssql.rights import Right
from ssql.server.auth import right_of
from ssql.server.described import BYTES, TEXT, Query, described
from ssql.server.failures import error_response, log_error
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.requests import json_parameter, negotiated, session_of
from ssql.server.state import engine_of, in_thread

#: Refused rows that are told one by one, unless the request says how many.
TOLD_ROWS = 100


class Inserted(TypedDict):
    """How many rows are in, how many are not, and why the first of these are not: each an error with its `row`, which
    is its number in the request, from 1."""

    rows: int
    refused: int
    errors: list[dict[str, Any]]


@described(
    query={
        "into": Query(str, "The stream or table; in any case, unless it stands in back quotes.", required=True),
        "properties": Query({"type": "string"}, "Settings for this request, as a JSON object."),
        "errors": Query({"type": "integer", "minimum": 0, "default": TOLD_ROWS}, "How many refused rows are told."),
    },
    body={ARROW_TYPE: BYTES, LINES_TYPE: TEXT, CSV_TYPE: TEXT},
    answers={JSON_TYPE: Inserted},
    errors=(403, 413, 415),
    tag="sql",
    right=Right.WRITE,
)
async def post_insert(request: web.Request) -> web.Response:
    """Append rows, given as an Arrow stream, NDJSON or CSV; columns are found by their names.

    The answer says how many rows are in, how many were refused, and why the first of these were. Where the request
    breaks off, or is wrong from some batch on, the error has `rows` and `refused` too: what came before it is in.
    """
    from ssql.engine.rights import check_insert

    negotiated(request, (JSON_TYPE,))
    engine = engine_of(request)
    check_insert(right_of(request))
    target = request.query.get("into", "")
    if not target:
        raise BadRequest('the parameter "into" is missing', hint="Call /insert?into=NAME.")
    from ssql.engine.rows_json import stored_name
    from ssql.server.inserting import TAKEN, Insert

    session = session_of(request, json_parameter(request, "properties"), None)
    insert = Insert(engine, stored_name(target), session, _told(request))
    take = TAKEN.get(request.content_type)
    if take is None:
        raise BodyTypeRefused(request.content_type, tuple(TAKEN))
    # No rows yet: an unknown target is refused before anything is read.
    await in_thread(request, engine.insert, target, [], session)
    try:
        await take(request, insert)
    except ConnectionError:
        raise
    except Exception as error:
        log_error(request, error)
        return error_response(error, rows=insert.rows, refused=insert.refused)
    outcome: Inserted = {"rows": insert.rows, "refused": insert.refused, "errors": insert.errors}
    return web.Response(body=msgspec.json.encode(outcome), content_type=JSON_TYPE)


def _told(request: web.Request) -> int:
    try:
        told = int(request.query.get("errors", TOLD_ROWS))
    except ValueError:
        told = -1
    if told < 0:
        raise BadRequest('the parameter "errors" is not a number')
    return told
