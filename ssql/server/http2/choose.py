"""The first bytes of a connection tell which version of HTTP it speaks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast

from aiohttp import web

from ssql.server.http2.connection import Http2Connection

#: What every HTTP/2 client says first (RFC 9113, section 3.4); no HTTP/1.1 request begins so.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: What a server with TLS offers, best first.
ALPN = ("h2", "http/1.1")


class Site(web.BaseSite):
    """A listening socket for both versions.

    Args:
        runner: set up; its application answers.
        listener: bound, listening.
        tls: with it, connections are encrypted and the client chooses the version by ALPN.
        backlog: connections that may wait to be accepted.
    """

    def __init__(
        self, runner: web.AppRunner, listener: socket.socket, *, tls: ssl.SSLContext | None, backlog: int
    ) -> None:
        super().__init__(runner, ssl_context=tls, backlog=backlog)
        self._listener = listener
        self._connections: set[Http2Connection] = set()
        if tls is not None:
            tls.set_alpn_protocols(list(ALPN))

    @property
    def name(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._listener.getsockname()}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Choosing(server, self._connections),
            sock=self._listener,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )

    async def stop(self) -> None:
        """No new connections, and no new streams on those of HTTP/2; what is under way goes on."""
        await super().stop()
        for connection in list(self._connections):
            connection.go_away()


class Choosing(asyncio.Protocol):
    """A connection that has not said yet which version it speaks; it is handed over when it has."""

    def __init__(self, server: web.Server, connections: set[Http2Connection]) -> None:
        self._server = server
        self._connections = connections
        self._said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is not None:
            self._hand_over(http2=encrypted.selected_alpn_protocol() == "h2")

    def data_received(self, data: bytes) -> None:
        self._said += data
        if len(self._said) < len(PREFACE) and PREFACE.startswith(self._said):
            return
        self._hand_over(http2=self._said.startswith(PREFACE))

    def _hand_over(self, *, http2: bool) -> None:
        protocol = Http2Connection(self._server, self._connections) if http2 else self._server()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._said:
            protocol.data_received(self._said)
