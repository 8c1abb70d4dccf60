"""GET /healthcheck, /chc/live and /chc/ready: is it alive, may it be asked."""

from __future__ import annotations

from typing import Any, TypedDict

from aiohttp import web

from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.info import json_response
from ssql.server.state import engine_of, in_thread


class Health(TypedDict):
    isHealthy: bool
    details: dict[str, Any]
    serverState: str


class Nothing(TypedDict):
    """An empty object."""


@described(answers={V1_TYPE: Health, JSON_TYPE: Health}, tag="about")
async def get_healthcheck(request: web.Request) -> web.Response:
    """Whether the server can do its work."""
    return json_response(request, await in_thread(request, engine_of(request).health))


@described(answers={V1_TYPE: Nothing, JSON_TYPE: Nothing}, tag="about")
async def get_live(request: web.Request) -> web.Response:
    """The process answers, whether or not its engine is open."""
    return json_response(request, {})


@described(answers={V1_TYPE: Nothing, JSON_TYPE: Nothing}, tag="about")
async def get_ready(request: web.Request) -> web.Response:
    """The engine is open, and may be asked."""
    engine_of(request)
    return json_response(request, {})
