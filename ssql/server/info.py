"""GET /info, /v1/metadata and /v1/metadata/id: which server this is."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
from aiohttp import web

from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.requests import negotiated
from ssql.server.state import engine_of, in_thread


def json_response(request: web.Request, body: Any) -> web.Response:
    """A small JSON answer in whichever of the two JSON types the client prefers."""
    return web.Response(body=msgspec.json.encode(body), content_type=negotiated(request, (V1_TYPE, JSON_TYPE)))


class ServerInfo(TypedDict):
    version: str
    kafkaClusterId: str
    ksqlServiceId: str
    serverStatus: str


class Info(TypedDict):
    KsqlServerInfo: ServerInfo


class Scope(TypedDict):
    path: list[str]
    clusters: dict[str, str]


class ClusterId(TypedDict):
    id: str
    scope: Scope


class Metadata(TypedDict):
    version: str
    clusterId: ClusterId


@described(status=307, tag="about")
async def get_root(_request: web.Request) -> web.Response:
    """On to /info."""
    raise web.HTTPTemporaryRedirect("/info")


@described(answers={V1_TYPE: Info, JSON_TYPE: Info}, tag="about")
async def get_info(request: web.Request) -> web.Response:
    """Which server this is."""
    return json_response(request, {"KsqlServerInfo": await in_thread(request, engine_of(request).info)})


@described(answers={V1_TYPE: Metadata, JSON_TYPE: Metadata}, tag="about")
async def get_metadata(request: web.Request) -> web.Response:
    """Which server this is, and of which cluster."""
    info = await in_thread(request, engine_of(request).info)
    return json_response(request, {"version": info["version"], "clusterId": _cluster(info)})


@described(answers={V1_TYPE: ClusterId, JSON_TYPE: ClusterId}, tag="about")
async def get_metadata_id(request: web.Request) -> web.Response:
    """Of which cluster this server is."""
    return json_response(request, _cluster(await in_thread(request, engine_of(request).info)))


def _cluster(info: dict[str, Any]) -> dict[str, Any]:
    clusters = {"kafka-cluster": info["kafkaClusterId"], "ksql-cluster": info["ksqlServiceId"]}
    return {"id": "", "scope": {"path": [], "clusters": clusters}}
