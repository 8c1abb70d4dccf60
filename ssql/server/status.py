"""GET /status and /status/{type}/{entity}/{action}: how statements ended.

Statements are carried out before /ksql answers, so these are the outcomes that it gave, the latest of them kept.
"""

from __future__ import annotations

from aiohttp import web

from ssql.errors import PathNotFound
from ssql.server.info import json_response
from ssql.server.state import STATE


async def get_statuses(request: web.Request) -> web.Response:
    known = request.app[STATE].statuses
    return json_response(request, {"commandStatuses": {command: s.get("status") for command, s in known.items()}})


async def get_status(request: web.Request) -> web.Response:
    command = "{type}/{entity}/{action}".format_map(request.match_info)
    status = request.app[STATE].statuses.get(command)
    if status is None:
        raise PathNotFound(request.path)
    return json_response(request, status)
