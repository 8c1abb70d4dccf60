"""GET /healthcheck, /chc/live and /chc/ready: is it alive, may it be asked."""

from __future__ import annotations

from aiohttp import web

from ssql.server.info import json_response
from ssql.server.state import engine_of, in_thread


async def get_healthcheck(request: web.Request) -> web.Response:
    return json_response(request, await in_thread(request, engine_of(request).health))


async def get_live(request: web.Request) -> web.Response:
    """The process answers, whether or not its engine is open."""
    return json_response(request, {})


async def get_ready(request: web.Request) -> web.Response:
    engine_of(request)
    return json_response(request, {})
