"""GET /is_valid_property/{name}: may a client set this property."""

from __future__ import annotations

from aiohttp import web

from ssql.config import SETTINGS, lookup
from ssql.errors import UnknownSetting
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.info import json_response


@described(answers={V1_TYPE: bool, JSON_TYPE: bool}, path={"name": "A setting's name."}, errors=(400,))
async def get_is_valid_property(request: web.Request) -> web.Response:
    """Whether a client may set this property."""
    from ssql.engine.session import has_no_effect

    name = request.match_info["name"]
    if lookup(name) is None and not has_no_effect(name):
        raise UnknownSetting(name, candidates=[known for s in SETTINGS.values() for known in (s.key, *s.aliases)])
    return json_response(request, True)
