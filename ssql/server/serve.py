"""A server process: it listens at once, opens the engine, and ends on SIGTERM or SIGINT.

Ending: no new connections, push queries get their end, requests under way finish, the engine closes at a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from ssql import tracing
from ssql.config import AUTH_FILE, LISTEN, MAX_CONNECTIONS, REQUEST_TIMEOUT_S, TLS_CERTIFICATE, TLS_KEY, Config
from ssql.engine.opening import Opening
from ssql.errors import ConfigError, TooManyConnections
from ssql.rights import Right
from ssql.server.access_log import AccessLog
from ssql.server.app import make_app
from ssql.server.auth import Credentials
from ssql.server.failures import RETRY_AFTER_S, error_response
from ssql.server.http2.choose import Limits, Site
from ssql.server.signals import set_by_signals
from ssql.server.state import STATE, logger

if TYPE_CHECKING:
    from ssql.engine.api import Engine

#: Seconds that requests under way have to finish once the server ends.
SHUTDOWN_TIMEOUT_S = 10.0

#: After how many new objects, and how many collections, the garbage collector looks at the young, the older and all.
#: What thousands of connections hold lives for long, and by Python's own (700, 10, 10) is looked at all the time.
COLLECT_AFTER = (50_000, 20, 100)

#: Connections that may wait to be accepted.
BACKLOG = 1024

#: Longest line (bytes) of a request's head: the first one may hold a statement.
MAX_LINE_BYTES = 64 << 10

#: Files that the process may need beside connections: the log's, those of the libraries, refusals.
FILES_KEPT = 512


def serve(
    config: Config,
    *,
    ready: Callable[[str], None] | None = None,
    open_engine: Callable[[], Engine] | None = None,
    opening: Opening | None = None,
    most: Right = Right.ADMIN,
) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called with the URL once statements are answered.

    `open_engine` opens the engine in place of `LocalEngine(config)`, and says in `opening` how far that is; it may
    carry out statements before it returns.
    `most`: no client may do more than that.

    Raises:
        ConfigError: `listen` is no address, the certificate or the file of credentials cannot be used, or traces are
            wanted without their libraries.
        SsqlError: the engine cannot be opened.
        OSError: the address is in use.
    """
    tls = _tls(config[TLS_CERTIFICATE], config[TLS_KEY])
    credentials = Credentials(Path(config[AUTH_FILE])) if config[AUTH_FILE] else None
    listener = _listener(config[LISTEN], "http" if tls is None else "https")
    opening = opening or Opening()
    app = make_app(
        open_engine or functools.partial(_local_engine, config, opening),
        credentials=credentials,
        most=most,
        config=config,
        opening=opening,
    )
    gc.set_threshold(*COLLECT_AFTER)
    with contextlib.closing(listener), tracing.exporting(config):
        asyncio.run(_serve(listener, tls, app, ready, config))


async def _serve(
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    app: web.Application,
    ready: Callable[[str], None] | None,
    config: Config,
) -> None:
    url = _url(listener, "http" if tls is None else "https")
    stop = asyncio.Event()
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        access_log_class=AccessLog,
        access_log=logging.getLogger("ssql.server.access"),
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        keepalive_timeout=config[REQUEST_TIMEOUT_S],
        max_line_size=MAX_LINE_BYTES,
    )
    with set_by_signals(stop):
        await runner.setup()
        try:
            await Site(runner, listener, tls=tls, backlog=BACKLOG, limits=_limits(config)).start()
            logger.info("listening url=%s", url)
            opening = app[STATE].opened
            assert opening is not None
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()  # an engine that cannot be opened ends the server
                threading.Thread(target=_warm_up, name="ssql-warm-up").start()
                if ready is not None:
                    ready(url)
            await stopping
            logger.info("stopping")
        finally:
            await runner.cleanup()


def _limits(config: Config) -> Limits:
    """What connections may take: no more of them than the process may open beside its files."""
    connections = min(config[MAX_CONNECTIONS], _files() - FILES_KEPT)
    if connections < config[MAX_CONNECTIONS]:
        logger.warning("fewer connections than max.connections: the limit of open files is low (ulimit -n)")
    refused = error_response(TooManyConnections(connections))
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Retry-After: {RETRY_AFTER_S}\r\nContent-Length: {refused.content_length}\r\n\r\n"
    )
    assert isinstance(refused.body, bytes)
    return Limits(max(connections, 1), config[REQUEST_TIMEOUT_S], head.encode() + refused.body)


def _files() -> int:
    """How many files the process may open: as many as it may ask for."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _local_engine(config: Config, opening: Opening) -> Engine:
    from ssql.engine.engine import LocalEngine

    return LocalEngine(config, opening=opening)


def _warm_up() -> None:
    """Compile the kernels before the first rows need them."""
    from ssql.kernels import warm_up

    warm_up()


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    """What connections are encrypted with, if they are."""
    if not certificate:
        if key:
            raise ConfigError('setting "tls.key" has no certificate', hint="Set tls.certificate as well.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise ConfigError(f'the certificate "{certificate}" cannot be used: {reason}') from error
    return context


def _listener(address: str, scheme: str) -> socket.socket:
    """A listening socket on `host:port`, or on the first of ksqlDB's `http://host:port,...`; port 0 takes any."""
    first = address.split(",", maxsplit=1)[0].strip()
    try:
        parts = urlsplit(first if "://" in first else "//" + first)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("", scheme):
        raise ConfigError(f'setting "listen" cannot be "{address}"', hint="Write an address as 127.0.0.1:8088.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
