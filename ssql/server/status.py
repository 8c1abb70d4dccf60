"""GET /status and /status/{type}/{entity}/{action}: how statements ended.

Statements are carried out before /ksql answers, so these are the outcomes that it gave, the latest of them kept.
"""

from __future__ import annotations

from typing import TypedDict

from aiohttp import web

from ssql.errors import PathNotFound
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.info import json_response
from ssql.server.state import STATE


class Statuses(TypedDict):
    commandStatuses: dict[str, str | None]


class Status(TypedDict, total=False):
    status: str
    message: str
    queryId: str | None


@described(answers={V1_TYPE: Statuses, JSON_TYPE: Statuses})
async def get_statuses(request: web.Request) -> web.Response:
    """How the statements that were carried out last ended."""
    known = request.app[STATE].statuses
    return json_response(request, {"commandStatuses": {command: s.get("status") for command, s in known.items()}})


@described(answers={V1_TYPE: Status, JSON_TYPE: Status}, errors=(404,))
async def get_status(request: web.Request) -> web.Response:
    """How one statement ended, by its `commandId`; the name in it may be quoted, as ksqlDB writes it."""
    command = "{type}/{entity}/{action}".format_map(request.match_info)
    known = request.app[STATE].statuses
    status = known.get(command) or known.get(command.replace("`", ""))
    if status is None:
        raise PathNotFound(request.path)
    return json_response(request, status)
