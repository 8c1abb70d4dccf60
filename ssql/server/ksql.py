"""POST /ksql: statements in, one entity a statement out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import KsqlRequest, body_of, check_script, negotiated
from ssql.server.state import STATE, engine_of, to_the_end

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Entity, Session


def carry_out(engine: Engine, script: str, session: Session) -> list[Entity]:
    check_script(script)
    return engine.execute(script, session)


@described(
    body={V1_TYPE: KsqlRequest, JSON_TYPE: KsqlRequest},
    answers={V1_TYPE: list[dict[str, Any]], JSON_TYPE: list[dict[str, Any]]},
    errors=(400, 403, 404, 417, 422, 428),
)
async def post_ksql(request: web.Request) -> web.Response:
    """Carry out statements that are no queries; one entity (`@type`) a statement, where it has an answer.

    SHOW, DESCRIBE, EXPLAIN, SET, DEFINE and the ASSERT of topics and schemas need the right READ, INSERT VALUES needs
    WRITE, all else ADMIN. A request with a statement that is refused is refused as a whole; one that fails only when
    its turn comes (ASSERT, connectors, a registry) ends the request, and those before it stay carried out.
    """
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE))
    body = await body_of(request, KsqlRequest)
    entities = await to_the_end(request, carry_out, engine_of(request), body.text, body.session(request))
    request.app[STATE].note_statuses(entities)
    return web.Response(body=msgspec.json.encode(entities), content_type=content_type)
