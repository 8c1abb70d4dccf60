"""One HTTP/2 connection: its streams, its flow control, and its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import cast

from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import FlowControlError, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from ssql.server.http2.exchange import BadRequest, Exchange

logger = logging.getLogger("ssql.server.http2")

#: Streams that one client may have open at a time.
MAX_STREAMS = 1000
#: Bytes of a request's body that a client may send before they are read: a stream, and all of them together.
STREAM_WINDOW = 256 << 10
CONNECTION_WINDOW = 4 << 20
#: Largest head of a request (bytes).
MAX_HEAD = 64 << 10
#: A client that gives up more requests than this, and more than half of all, is sent away: it only makes work.
MAX_RESETS = 200
#: What is to be sent is collected, for one write a turn of the event loop, up to so many bytes.
COLLECTED = 16 << 10


class Http2Connection(asyncio.Protocol):
    """The protocol of one connection. A client that breaks the rules gets its reason (GOAWAY) and is let go.

    Args:
        server: aiohttp's, which makes a handler for each stream.
        connections: where this one is noted while it lasts.
        idle_s: how long the client may be without a request (s), or take for the head of one.
    """

    def __init__(self, server: web.Server, connections: set[Http2Connection], idle_s: float) -> None:
        self._server = server
        self._connections = connections
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                # what is sent are aiohttp's own answers, which `Exchange` has read with care
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._exchanges: dict[int, Exchange] = {}
        self._requests = 0
        self._resets = 0
        self._last_stream = 0
        self._paused = False
        self._leaving = False
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None
        #: bytes of bodies that were not written yet, and whether they will be in this turn of the event loop
        self._collected = 0
        self._flushing = False

    # -- the transport's side ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._count_idle()
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - self._h2.inbound_flow_control_window)
        self._write()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            self._end(f"protocol error: {error}")
            return
        for event in events:
            self._handle(event)
        if self.transport.is_closing():
            return
        self._write()

    def pause_writing(self) -> None:
        """The client does not read: what the streams still have stays with them."""
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send_all()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        for exchange in list(self._exchanges.values()):
            exchange.lost()
        self._exchanges.clear()

    # -- what the client says ------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event)
            case DataReceived():
                self._body(event)
            case StreamEnded():
                if (exchange := self._exchanges.get(event.stream_id)) is not None:
                    exchange.request_ended()
            case StreamReset():
                if (exchange := self._exchanges.pop(event.stream_id, None)) is not None:
                    exchange.lost()
                    self._count_idle()
                    self._count_reset()
            case WindowUpdated() if event.stream_id:
                if (exchange := self._exchanges.get(event.stream_id)) is not None:
                    exchange.send()
            case WindowUpdated() | RemoteSettingsChanged():
                self._send_all()
            case ConnectionTerminated():  # h2 sends nothing after it
                self._flush()
                self.transport.close()
            case _:
                pass

    def _begin(self, event: RequestReceived) -> None:
        stream_id = event.stream_id
        if self._leaving:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._requests += 1
        self._last_stream = stream_id
        exchange = Exchange(self, stream_id)
        try:
            exchange.begin(event.headers, self._server)
        except BadRequest as error:
            logger.info("request refused reason=%r", str(error))
            self._h2.reset_stream(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        self._exchanges[stream_id] = exchange
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _count_idle(self) -> None:
        """While there is no request, the client has a while for one."""
        if not self._exchanges and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._idle_for_too_long)

    def _idle_for_too_long(self) -> None:
        self._idle = None
        self.go_away()

    def _body(self, event: DataReceived) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is None:
            self._acknowledge(event.stream_id, event.flow_controlled_length)
        else:
            exchange.body(event.data, event.flow_controlled_length)

    def _count_reset(self) -> None:
        """A client may give up requests, but not live on it (as in the attack known as rapid reset)."""
        self._resets += 1
        if self._resets > MAX_RESETS and self._resets > self._requests / 2:
            self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._end("too many requests given up")

    def _send_all(self) -> None:
        for exchange in list(self._exchanges.values()):
            exchange.send()

    # -- what the streams say ------------------------------------------------------------------------------------

    def room(self, stream_id: int) -> int:
        """How many bytes of a body may be sent in one frame now."""
        if self._paused:
            return 0
        return min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)

    def send_headers(self, stream_id: int, headers: list[tuple[bytes, bytes]], *, end: bool) -> None:
        self._h2.send_headers(stream_id, headers, end_stream=end)
        self._write()

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None:
        self._h2.send_data(stream_id, data, end_stream=end)
        self._collected += len(data)
        if self._collected >= COLLECTED:
            self._flush()  # the transport has to see how much waits for the client
        else:
            self._write()

    def consumed(self, stream_id: int, length: int) -> None:
        """The application has taken so much of a body: the client may send as much again."""
        self._acknowledge(stream_id, length)
        self._write()

    def done(self, stream_id: int, reset: ErrorCodes | None) -> None:
        """A stream has ended; `reset`: what the client is told where either side was not whole."""
        if self._exchanges.pop(stream_id, None) is None:
            return
        if reset is not None and not self.transport.is_closing():
            with suppress(ProtocolError):  # the client has ended it at the same time
                self._h2.reset_stream(stream_id, reset)
            self._write()
        self._close_when_done()
        self._count_idle()

    # -- the end -------------------------------------------------------------------------------------------------

    def go_away(self) -> None:
        """Take no more streams; close when those that there are have ended."""
        if self._leaving:
            return
        self._leaving = True
        self._flush()
        # Not by h2: after its GOAWAY it sends nothing more, and what is under way has to be answered.
        self.transport.write(GoAwayFrame(last_stream_id=self._last_stream).serialize())
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._leaving and not self._exchanges:
            self._flush()
            self.transport.close()

    def _end(self, why: str) -> None:
        logger.info("connection ended reason=%r", why)
        self._flush()
        self.transport.close()

    def _acknowledge(self, stream_id: int, length: int) -> None:
        if not length:
            return
        with suppress(StreamClosedError, FlowControlError):
            self._h2.acknowledge_received_data(length, stream_id)

    def _write(self) -> None:
        """Send what there is to say at the end of this turn of the event loop, in one write."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._collected = 0
        if (data := self._h2.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)
