"""GET /clusterStatus, POST /heartbeat, POST /lag and POST /ksql/terminate: what ksqlDB's servers say to each other.

One process does all the work here. What others report of themselves is shown beside it, for as long as they go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, TypedDict

import msgspec
from aiohttp import web

from ssql.errors import Forbidden
from ssql.rights import Right
from ssql.server.auth import right_of
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.info import json_response
from ssql.server.requests import body_of, negotiated
from ssql.server.state import STATE, engine_of, in_thread, to_the_end

#: A server that said nothing for so long (ms) is not alive: ksqlDB's `heartbeat.window.ms`.
WINDOW_MS = 2000

#: Servers that are remembered; those that said nothing for the longest are forgotten first.
HOSTS_KEPT = 256


class HostInfo(msgspec.Struct, frozen=True):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class HeartbeatRequest(msgspec.Struct):
    """Body of /heartbeat. `timestamp` (ms) is the sender's clock: the time that counts is when it came."""

    hostInfo: HostInfo  # noqa: N815
    timestamp: int


class HostStoreLags(msgspec.Struct):
    stateStoreLags: dict[str, Any] = {}  # noqa: N815
    updateTimeMs: int = 0  # noqa: N815


class LagRequest(msgspec.Struct):
    """Body of /lag: what the queries of another server have still to read."""

    ksqlHost: HostInfo  # noqa: N815
    hostStoreLags: HostStoreLags  # noqa: N815


class TerminateRequest(msgspec.Struct):
    """Body of /ksql/terminate: names of topics, or regular expressions for them."""

    deleteTopicList: list[str] = []  # noqa: N815


@dataclass
class Host:
    """What another server said of itself."""

    last_ms: int = 0
    lags: HostStoreLags = field(default_factory=HostStoreLags)


class Hosts:
    """The other servers, those that spoke last at the end."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Host] = OrderedDict()

    def heard(self, name: str) -> Host:
        """The server of that name, which has said something."""
        found = self._known.setdefault(name, Host())
        self._known.move_to_end(name)
        if len(self._known) > HOSTS_KEPT:
            self._known.popitem(last=False)
        return found

    def as_json(self, now_ms: int) -> dict[str, Any]:
        return {
            name: {
                "hostAlive": now_ms - host.last_ms < WINDOW_MS,
                "lastStatusUpdateMs": host.last_ms,
                "activeStandbyPerQuery": {},
                "hostStoreLags": msgspec.to_builtins(host.lags),
            }
            for name, host in self._known.items()
        }


HOSTS: web.AppKey[Hosts] = web.AppKey("hosts", Hosts)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ClusterStatus(TypedDict):
    clusterStatus: dict[str, Any]


class Ok(TypedDict):
    ok: bool


@described(answers={V1_TYPE: ClusterStatus, JSON_TYPE: ClusterStatus})
async def get_cluster_status(request: web.Request) -> web.Response:
    """Which servers there are, whether they are alive, and what their queries have still to read."""
    ours = await in_thread(request, engine_of(request).cluster)
    now = _now_ms()
    host = request.host if request.url.explicit_port else f"{request.host}:{request.url.port}"
    own = {host: {"hostAlive": True, "lastStatusUpdateMs": now, **ours}}
    return json_response(request, {"clusterStatus": request.app[HOSTS].as_json(now) | own})


@described(
    body={V1_TYPE: HeartbeatRequest, JSON_TYPE: HeartbeatRequest},
    answers={V1_TYPE: Ok, JSON_TYPE: Ok},
    errors=(403,),
    right=Right.ADMIN,
)
async def post_heartbeat(request: web.Request) -> web.Response:
    """Another server is alive."""
    _require_admin(request)
    body = await body_of(request, HeartbeatRequest)
    request.app[HOSTS].heard(str(body.hostInfo)).last_ms = _now_ms()
    return json_response(request, {"ok": True})


@described(
    body={V1_TYPE: LagRequest, JSON_TYPE: LagRequest},
    answers={V1_TYPE: Ok, JSON_TYPE: Ok},
    errors=(403,),
    right=Right.ADMIN,
)
async def post_lag(request: web.Request) -> web.Response:
    """What the queries of another server have still to read."""
    _require_admin(request)
    body = await body_of(request, LagRequest)
    request.app[HOSTS].heard(str(body.ksqlHost)).lags = body.hostStoreLags
    return json_response(request, {"ok": True})


@described(
    body={V1_TYPE: TerminateRequest, JSON_TYPE: TerminateRequest},
    answers={V1_TYPE: list[dict[str, Any]], JSON_TYPE: list[dict[str, Any]]},
    errors=(400, 403),
    right=Right.ADMIN,
)
async def post_terminate(request: web.Request) -> web.Response:
    """End all queries and drop all definitions, delete the topics of results that match, and answer nothing more."""
    _require_admin(request)
    content_type = negotiated(request, (V1_TYPE, JSON_TYPE))
    body = await body_of(request, TerminateRequest)
    entity = await to_the_end(request, engine_of(request).terminate, body.deleteTopicList)
    state = request.app[STATE]
    state.terminated = True
    await asyncio.gather(*(pump.close() for pump in list(state.pumps)), return_exceptions=True)
    return web.Response(body=msgspec.json.encode([entity]), content_type=content_type)


def _require_admin(request: web.Request) -> None:
    right = right_of(request)
    if right < Right.ADMIN:
        raise Forbidden(right.name.lower(), Right.ADMIN.name.lower())
