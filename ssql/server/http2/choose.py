"""Connections as they come: how many there may be, and which version of HTTP each speaks, as its first bytes tell."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from hyperframe.frame import GoAwayFrame, SettingsFrame

from ssql.server.http2.connection import Http2Connection

#: What every HTTP/2 client says first (RFC 9113, section 3.4); no HTTP/1.1 request begins so.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: What a server with TLS offers, best first.
ALPN = ("h2", "http/1.1")

#: How long (s) a connection that is refused may stay to hear why, and how many may at a time.
REFUSAL_S = 2.0
MAX_REFUSALS = 100

#: HTTP/2's ENHANCE_YOUR_CALM: a client does too much.
_TOO_MUCH = 0xB


@dataclass(frozen=True)
class Limits:
    """What connections may take.

    `connections`: how many there may be. `idle_s`: how long one may be without a request, or take for the head of one.
    `refusal`: the answer to whoever is one too many, as HTTP/1.1 writes it.
    """

    connections: int = 10_000
    idle_s: float = 60.0
    refusal: bytes = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Open:
    """The connections of a site."""

    all: set[Connection] = field(default_factory=set)
    refused: set[Connection] = field(default_factory=set)
    http2: set[Http2Connection] = field(default_factory=set)


class Site(web.BaseSite):
    """A listening socket for both versions.

    Args:
        runner: set up; its application answers.
        listener: bound, listening.
        tls: with it, connections are encrypted and the client chooses the version by ALPN.
        backlog: connections that may wait to be accepted.
        limits: what connections may take.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        backlog: int,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=tls, backlog=backlog)
        self._listener = listener
        self._limits = limits or Limits()
        self.open = Open()
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
            lambda: Connection(server, self._limits, self.open),
            sock=self._listener,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self._limits.idle_s if self._ssl_context else None,
            backlog=self._backlog,
        )

    async def stop(self) -> None:
        """No new connections, and no new streams on those of HTTP/2; what is under way goes on."""
        await super().stop()
        for connection in list(self.open.http2):
            connection.go_away()


class Connection(asyncio.Protocol):
    """A connection: counted while it lasts, and handed to its version's protocol when it has said which that is."""

    def __init__(self, server: web.Server, limits: Limits, open_: Open) -> None:
        self._server = server
        self._limits = limits
        self._open = open_
        self._said = b""
        self._speaks: asyncio.Protocol | None = None
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _send_at_once(self._transport)
        self._refused = len(self._open.all) >= self._limits.connections
        if self._refused and len(self._open.refused) >= MAX_REFUSALS:
            self._transport.abort()
            return
        (self._open.refused if self._refused else self._open.all).add(self)
        allowed_s = REFUSAL_S if self._refused else self._limits.idle_s
        self._deadline = asyncio.get_running_loop().call_later(allowed_s, self._transport.abort)
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is not None:
            self._begin(http2=encrypted.selected_alpn_protocol() == "h2")

    def data_received(self, data: bytes) -> None:
        if self._speaks is not None:
            self._speaks.data_received(data)
            return
        self._said += data
        if len(self._said) < len(PREFACE) and PREFACE.startswith(self._said):
            return
        self._begin(http2=self._said.startswith(PREFACE))

    def eof_received(self) -> bool | None:
        return self._speaks.eof_received() if self._speaks is not None else None

    def pause_writing(self) -> None:
        if self._speaks is not None:
            self._speaks.pause_writing()

    def resume_writing(self) -> None:
        if self._speaks is not None:
            self._speaks.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.all.discard(self)
        self._open.refused.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._speaks is not None:
            self._speaks.connection_lost(exc)
            self._speaks = None

    def _begin(self, *, http2: bool) -> None:
        if self._refused:
            self._refuse(http2=http2)
            return
        assert self._deadline is not None
        self._deadline.cancel()  # from here on the version's protocol sees to it
        said, self._said = self._said, b""
        if http2:
            self._speaks = Http2Connection(self._server, self._open.http2, self._limits.idle_s)
        else:
            self._speaks = self._server()
        self._speaks.connection_made(self._transport)
        if said:
            self._speaks.data_received(said)

    def _refuse(self, *, http2: bool) -> None:
        """Say why. The connection is closed by the client, or in a moment: closed at once, with something of the
        request unread, it would be reset, and the client would not hear."""
        self._speaks = asyncio.Protocol()  # what else it says is passed over
        if http2:
            frame = GoAwayFrame(0, last_stream_id=0, error_code=_TOO_MUCH, additional_data=b"too many connections")
            self._transport.write(SettingsFrame(0).serialize() + frame.serialize())
        else:
            self._transport.write(self._limits.refusal)
        if self._transport.can_write_eof():
            self._transport.write_eof()


def _send_at_once(transport: asyncio.Transport) -> None:
    """Have the system send what is written as it comes: else a small write waits until the client has acknowledged the
    one before (Nagle's algorithm), which a client that has nothing to say puts off for 40 ms."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
