"""The application: routes, middlewares, and what opens and closes with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ssql.config import Config
from ssql.rights import Right
from ssql.server import asyncapi, auth, cluster, endpoints, identified, metrics, openapi
from ssql.server.auth import Credentials
from ssql.server.close_query import post_close_query
from ssql.server.cors import Cors
from ssql.server.failures import errors_as_json
from ssql.server.health import get_healthcheck, get_live, get_ready
from ssql.server.info import get_info, get_metadata, get_metadata_id, get_root
from ssql.server.insert import post_insert
from ssql.server.inserts_stream import post_inserts_stream
from ssql.server.ksql import post_ksql
from ssql.server.progress import get_progress, tell
from ssql.server.properties import get_is_valid_property
from ssql.server.query import post_query
from ssql.server.query_stream import post_query_stream
from ssql.server.sql import get_sql, post_sql
from ssql.server.state import STATE, ServerState, logger
from ssql.server.status import get_status, get_statuses
from ssql.server.subscribe import get_subscribe, post_subscribe
from ssql.server.ws_query import get_ws_query

if TYPE_CHECKING:
    from ssql.engine.api import Engine
    from ssql.engine.opening import Opening

#: Largest body (bytes) of requests that are read as a whole.
MAX_BODY_BYTES = 32 << 20

ROUTES = (
    web.get("/", get_root),
    web.get("/info", get_info),
    web.get("/healthcheck", get_healthcheck),
    web.get("/chc/live", get_live),
    web.get("/chc/ready", get_ready),
    web.get("/progress", get_progress),
    web.get("/metrics", metrics.get_metrics),
    web.get("/v1/metadata", get_metadata),
    web.get("/v1/metadata/id", get_metadata_id),
    web.get("/is_valid_property/{name}", get_is_valid_property),
    web.get("/status", get_statuses),
    web.get("/status/{type}/{entity}/{action}", get_status),
    web.get("/clusterStatus", cluster.get_cluster_status),
    web.post("/heartbeat", cluster.post_heartbeat),
    web.post("/lag", cluster.post_lag),
    web.post("/ksql", post_ksql),
    web.post("/ksql/terminate", cluster.post_terminate),
    web.post("/query", post_query),
    web.post("/query-stream", post_query_stream),
    web.post("/close-query", post_close_query),
    web.post("/inserts-stream", post_inserts_stream),
    web.get("/openapi", openapi.get_openapi),
    web.get("/openapi.json", openapi.get_openapi),
    web.get("/asyncapi", asyncapi.get_asyncapi),
    web.get("/asyncapi.json", asyncapi.get_asyncapi),
    web.get("/endpoints", endpoints.get_endpoints),
    web.get("/endpoints/{name}", endpoints.get_endpoint),
    web.post("/endpoints/{name}", endpoints.post_endpoint),
    web.post("/insert", post_insert),
    web.get("/sql", get_sql, allow_head=False),
    web.post("/sql", post_sql),
    web.get("/subscribe", get_subscribe, allow_head=False),
    web.post("/subscribe", post_subscribe),
    web.get("/ws/query", get_ws_query, allow_head=False),
)


def make_app(
    engine: Engine | Callable[[], Engine],
    *,
    credentials: Credentials | None = None,
    most: Right = Right.ADMIN,
    config: Config | None = None,
    opening: Opening | None = None,
) -> web.Application:
    """The REST API over an engine, for whoever has `credentials`; nobody may do more than `most`.

    Given an open engine, the application serves it and leaves it open. Given a function that opens one, it calls
    that in a thread once it runs, answers "starting" (503) until then, and closes the engine when it ends;
    `app[STATE].opened` tells when and whether it could be opened, `opening` how far that is. `config`: how the server
    behaves.
    """
    config = config or Config()
    cors = Cors(config, open_to_all=credentials is None)
    app = web.Application(
        middlewares=[
            identified.identified,
            metrics.counted,
            errors_as_json,
            *cors.middlewares,
            auth.middleware(credentials, most),
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app[openapi.SECURED] = credentials is not None
    app[STATE] = ServerState(config=config, opening=opening)
    app[cluster.HOSTS] = cluster.Hosts()
    metrics.add_to(app)
    app.on_response_prepare.extend((identified.tell, *cors.marks))
    app.add_routes(ROUTES)
    if callable(engine):
        app.cleanup_ctx.append(_threads)
        app.cleanup_ctx.append(_opened_by(engine))
        app.cleanup_ctx.append(tell)
    else:
        app[STATE].engine = engine
        app.cleanup_ctx.append(_threads)
    app.on_shutdown.append(_end_push_queries)
    return app


async def _threads(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(app[STATE].threads.shutdown)


def _opened_by(open_engine: Callable[[], Engine]) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        state = app[STATE]
        state.opened = asyncio.get_running_loop().create_future()
        state.opened.add_done_callback(_retrieve)
        opening = asyncio.create_task(_open(state, open_engine))
        yield
        await opening
        if state.engine is not None:
            await asyncio.to_thread(state.engine.close)
            logger.info("engine closed")

    return context


async def _open(state: ServerState, open_engine: Callable[[], Engine]) -> None:
    assert state.opened is not None
    try:
        state.engine = await asyncio.to_thread(open_engine)
    except Exception as error:
        state.opened.set_exception(error)
    else:
        state.opened.set_result(None)
        logger.info("engine open")


def _retrieve(opened: asyncio.Future[None]) -> None:
    """Take note of a failure, so that asyncio does not report it a second time; whoever waits for it still gets it."""
    if not opened.cancelled() and opened.exception() is not None:
        logger.error("engine not opened error=%r", str(opened.exception()))


async def _end_push_queries(app: web.Application) -> None:
    """New requests are refused from here on; streams get their end."""
    state = app[STATE]
    state.stopping = True
    await asyncio.gather(*(pump.close() for pump in list(state.pumps)), return_exceptions=True)
