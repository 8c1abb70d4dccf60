"""POST /ksql: statements in, one entity a statement out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import KsqlRequest, body_of, check_script, negotiated
from ssql.server.state import STATE, engine_of, in_thread

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Entity, Session


def carry_out(engine: Engine, script: str, session: Session) -> list[Entity]:
    check_script(script)
    return engine.execute(script, session)


async def post_ksql(request: web.Request) -> web.Response:
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE))
    body = await body_of(request, KsqlRequest)
    # A client that goes away takes back nothing: the statements are carried out to the end.
    work = in_thread(request, carry_out, engine_of(request), body.ksql, body.session())
    entities = await asyncio.shield(asyncio.ensure_future(work))
    request.app[STATE].note_statuses(entities)
    return web.Response(body=msgspec.json.encode(entities), content_type=content_type)
