"""GET and POST /sql: one SELECT in all of SQL, on the last committed epoch, as JSON, NDJSON, CSV or Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

import msgspec
from aiohttp import web

from ssql.errors import BadRequest, WrongEndpoint
from ssql.server.described import BYTES, TEXT, Query, described
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.pump import close, is_push, run_query, send_pull
from ssql.server.requests import (
    OneSelect,
    Properties,
    Variables,
    body_of,
    check_query,
    emit_clause,
    json_parameter,
    negotiated,
    session_of,
)
from ssql.server.state import engine_of

if TYPE_CHECKING:
    from ssql.engine.api import PullResult, PushQuery, Session

PATH = "/sql"
OFFERED = (JSON_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)


class SqlRequest(msgspec.Struct):
    """Body of /sql."""

    sql: OneSelect
    properties: Properties = None
    variables: Variables = None


class NamedColumn(TypedDict):
    name: str
    type: str


class Table(TypedDict):
    """Columns with their types, and rows of their values."""

    columns: list[NamedColumn]
    rows: list[list[Any]]


_ANSWERS = {JSON_TYPE: Table, LINES_TYPE: TEXT, CSV_TYPE: TEXT, ARROW_TYPE: BYTES}


@described(
    query={
        "sql": Query(str, "One SELECT.", required=True),
        "properties": Query(str, "Settings for this request, as a JSON object."),
        "variables": Query(str, "What stands for `${name}`, as a JSON object."),
    },
    answers=_ANSWERS,
    errors=(403, 408),
    tag="sql",
)
async def get_sql(request: web.Request) -> web.StreamResponse:
    """Answer one SELECT in all of SQL."""
    if "sql" not in request.query:
        raise BadRequest('the parameter "sql" is missing', hint="Call /sql?sql=SELECT..., or send it with POST.")
    properties, variables = (json_parameter(request, name) for name in ("properties", "variables"))
    return await _answer(request, SqlRequest(request.query["sql"], properties, variables))


@described(body={JSON_TYPE: SqlRequest}, answers=_ANSWERS, errors=(403,), tag="sql")
async def post_sql(request: web.Request) -> web.StreamResponse:
    """Answer one SELECT in all of SQL; with settings and variables of its own."""
    return await _answer(request, await body_of(request, SqlRequest))


async def _answer(request: web.Request, body: SqlRequest) -> web.StreamResponse:
    content_type = negotiated(request, OFFERED)
    session = session_of(request, body.properties, body.variables, full_sql=True)
    result = engine_of(request).look_up(body.sql, session) or await _asked(request, body, session)
    from ssql.server.tabular import TABULAR

    return await send_pull(request, result, TABULAR[content_type](changes=False), content_type)


async def _asked(request: web.Request, body: SqlRequest, session: Session) -> PullResult:
    if check_query(body.sql, PATH):
        raise WrongEndpoint("PRINT", PATH, instead="/query-stream").within(body.sql, statement=body.sql.strip())
    if (emit := emit_clause(body.sql)) is not None:
        raise _followed(emit).within(body.sql, statement=body.sql.strip())
    result = await run_query(request, body.sql, session)
    if is_push(result):
        close(request, cast("PushQuery", result))
        raise _followed(None).within(body.sql, statement=body.sql.strip())
    return cast("PullResult", result)


def _followed(emit: Any) -> WrongEndpoint:
    return WrongEndpoint("SELECT ... EMIT", PATH, instead="/subscribe, or leave EMIT away", span=emit)
