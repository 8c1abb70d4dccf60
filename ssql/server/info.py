"""GET /info, /v1/metadata and /v1/metadata/id: which server this is."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import negotiated
from ssql.server.state import engine_of, in_thread


def json_response(request: web.Request, body: Any) -> web.Response:
    """A small JSON answer in whichever of the two JSON types the client prefers."""
    return web.Response(body=msgspec.json.encode(body), content_type=negotiated(request, (V1_TYPE, JSON_TYPE)))


async def get_root(_request: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("/info")


async def get_info(request: web.Request) -> web.Response:
    return json_response(request, {"KsqlServerInfo": await in_thread(request, engine_of(request).info)})


async def get_metadata(request: web.Request) -> web.Response:
    info = await in_thread(request, engine_of(request).info)
    return json_response(request, {"version": info["version"], "clusterId": _cluster(info)})


async def get_metadata_id(request: web.Request) -> web.Response:
    return json_response(request, _cluster(await in_thread(request, engine_of(request).info)))


def _cluster(info: dict[str, Any]) -> dict[str, Any]:
    clusters = {"kafka-cluster": info["kafkaClusterId"], "ksql-cluster": info["ksqlServiceId"]}
    return {"id": "", "scope": {"path": [], "clusters": clusters}}
