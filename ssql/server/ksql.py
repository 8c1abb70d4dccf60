"""POST /ksql: statements in, one entity a statement out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import KsqlRequest, body_of, check_script, negotiated
from ssql.server.state import STATE, engine_of, to_the_end

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Entity, Session


def carry_out(engine: Engine, script: str, session: Session) -> list[Entity]:
    check_script(script)
    return engine.execute(script, session)


async def post_ksql(request: web.Request) -> web.Response:
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE))
    body = await body_of(request, KsqlRequest)
    entities = await to_the_end(request, carry_out, engine_of(request), body.ksql, body.session(request))
    request.app[STATE].note_statuses(entities)
    return web.Response(body=msgspec.json.encode(entities), content_type=content_type)
