"""One stream: an exchange of HTTP/1.1 with aiohttp in memory, whose answer is sent as frames.

To aiohttp an `Exchange` is the transport of a connection that brings one request. Both directions have back pressure:
what aiohttp does not read is not acknowledged to the client, and while the client does not read aiohttp is told to
pause.

A WebSocket (an extended CONNECT, RFC 8441) is an upgrade to aiohttp; once it has agreed, bytes pass as they are.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import h11
from aiohttp import web
from h2.errors import ErrorCodes

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

#: Bytes of an answer that may wait for the client before aiohttp is told to pause, and to go on.
HIGH_WATER = 64 << 10
LOW_WATER = 16 << 10

#: Headers that speak of one connection of HTTP/1.1 (RFC 9113, section 8.2.2).
_OF_A_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"}
)
#: How long (s) the server may take to end a WebSocket whose client has.
_LAST_WORDS_S = 5.0
#: What a request line cannot hold.
_NOT_IN_A_PATH = frozenset(range(0x21)) | {0x7F}


class BadRequest(Exception):
    """A request that HTTP/1.1 has no words for."""


class Connection(Protocol):
    """What an exchange needs of its connection."""

    transport: asyncio.Transport

    def room(self, stream_id: int) -> int: ...

    def send_headers(self, stream_id: int, headers: list[tuple[bytes, bytes]], *, end: bool) -> None: ...

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None: ...

    def consumed(self, stream_id: int, length: int) -> None: ...

    def done(self, stream_id: int, reset: ErrorCodes | None) -> None: ...


class Exchange(asyncio.Transport):
    """See the module. Used by the event loop's thread only."""

    def __init__(self, connection: Connection, stream_id: int) -> None:
        super().__init__()
        self._connection = connection
        self._stream_id = stream_id
        self._h11 = h11.Connection(h11.CLIENT)
        self._handler: RequestHandler | None = None
        self._reading = True
        #: what came of the body while aiohttp did not read, and its length on the wire
        self._unread: list[bytes] = []
        self._unread_length = 0
        self._request_ended = False
        #: it is a WebSocket; and aiohttp has agreed
        self._tunnel = self._switched = False
        #: what is to be sent, each as aiohttp wrote it: that is a frame, where it fits into one
        self._out: deque[bytes] = deque()
        self._waiting = 0
        self._answered = False
        self._sent_all = False
        self._paused = False
        #: aiohttp has closed: it writes no more
        self._ending = False
        #: nothing more is taken or sent
        self._closing = False

    # -- the request ---------------------------------------------------------------------------------------------

    def begin(self, headers: Iterable[tuple[bytes, bytes]], server: web.Server) -> None:
        """Hand the request's head to a new handler of aiohttp's.

        Raises:
            BadRequest: when there is no HTTP/1.1 for it.
        """
        request = _request(headers)
        head = self._h11.send(request) or b""
        self._tunnel = any(name == b"upgrade" for name, _ in request.headers)
        if self._tunnel:
            head += self._h11.send(h11.EndOfMessage()) or b""
        handler = self._handler = server()
        handler.connection_made(self)
        self._hand_in(head)

    def body(self, data: bytes, length: int) -> None:
        """Some of the request's body; `length` is what it took of the window, padding included."""
        if self._handler is None:
            return
        framed = data if self._tunnel else self._h11.send(h11.Data(data=data))
        self._unread_length += length
        self._unread.append(framed or b"")
        self._hand_on()

    def request_ended(self) -> None:
        if self._handler is None:
            return
        if self._tunnel:
            # The client says no more, as it goes away: who has not heard that from the WebSocket itself hears it so.
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.abort)
        else:
            self._unread.append(self._h11.send(h11.EndOfMessage()) or b"")
        self._request_ended = True
        self._hand_on()

    def _hand_on(self) -> None:
        if not self._reading:
            return
        framed, self._unread = b"".join(self._unread), []
        length, self._unread_length = self._unread_length, 0
        if framed:
            self._hand_in(framed)
        self._connection.consumed(self._stream_id, length)

    def _hand_in(self, data: bytes | None) -> None:
        if self._handler is not None and data:
            self._handler.data_received(data)

    def lost(self) -> None:
        """The client is gone, or wants no answer any more."""
        self._closing = True
        self._out.clear()
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.connection_lost(None)

    # -- the answer ----------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or not data:
            return
        if self._switched:
            self._out.append(bytes(data))
            self._waiting += len(data)
        else:
            self._h11.receive_data(bytes(data))
            self._take()
        self.send()
        if self._waiting > HIGH_WATER and not self._paused and self._handler is not None:
            self._paused = True
            self._handler.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def _take(self) -> None:
        """Take what the answer's bytes mean."""
        while True:
            event = self._h11.next_event()
            match event:
                case h11.InformationalResponse() if event.status_code != 101:
                    self._connection.send_headers(self._stream_id, _answer(event), end=False)
                case h11.InformationalResponse():
                    self._switched = True
                    self._connection.send_headers(self._stream_id, _agreed(event), end=False)
                    rest, _ = self._h11.trailing_data
                    if rest:
                        self._out.append(rest)
                        self._waiting += len(rest)
                    return
                case h11.Response():
                    self._connection.send_headers(self._stream_id, _answer(event), end=False)
                case h11.Data():
                    self._out.append(bytes(event.data))
                    self._waiting += len(event.data)
                case h11.EndOfMessage():
                    self._answered = True
                case _:  # more is needed, or nothing more comes
                    return

    def send(self) -> None:
        """Send what the client has room for."""
        while self._out and (room := self._connection.room(self._stream_id)) > 0:
            data = self._out.popleft()
            if len(data) > room:
                self._out.appendleft(data[room:])
                data = data[:room]
            self._waiting -= len(data)
            self._sent_all = self._answered and not self._out
            self._connection.send_data(self._stream_id, data, end=self._sent_all)
        if self._answered and not self._out and not self._sent_all:
            self._sent_all = True
            self._connection.send_data(self._stream_id, b"", end=True)
        if self._paused and self._waiting <= LOW_WATER and self._handler is not None:
            self._paused = False
            self._handler.resume_writing()
        if self._sent_all and not self._closing:
            self._finish()

    def _finish(self) -> None:
        """The answer is sent. Who has not sent all of the request may stop now."""
        self._connection.done(self._stream_id, None if self._request_ended else ErrorCodes.NO_ERROR)
        if self._ending or not self._request_ended:
            self._end()

    def _end(self) -> None:
        """aiohttp hears of the end of the connection, once it has returned from here."""
        self._closing = True
        handler, self._handler = self._handler, None
        if handler is not None:
            asyncio.get_running_loop().call_soon(handler.connection_lost, None)

    # -- as a transport ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """aiohttp writes no more; what it wrote before is still sent."""
        if self._closing or self._ending:
            return
        self._ending = True
        if self._switched:
            self._answered = True
        elif not self._answered:  # an answer may end with its connection
            self._h11.receive_data(b"")
            with suppress(h11.RemoteProtocolError):
                self._take()
        if not self._answered:
            self.abort()
        elif self._sent_all:
            self._end()
        else:
            self.send()

    def abort(self) -> None:
        if not self._closing:
            self.lost()
            self._connection.done(self._stream_id, ErrorCodes.INTERNAL_ERROR)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        if self._unread:
            asyncio.get_running_loop().call_soon(self._hand_on)

    def is_reading(self) -> bool:
        return self._reading

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the connection has it, but for the socket: no stream may change that for the others.

        "frames" is True: what is written at a time arrives at a time.
        """
        if name == "frames":
            return True
        return default if name == "socket" else self._connection.transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return LOW_WATER, HIGH_WATER

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Fixed here."""

    def can_write_eof(self) -> bool:
        return False


def _request(headers: Iterable[tuple[bytes, bytes]]) -> h11.Request:
    """The head of a request as HTTP/1.1 has it."""
    pseudo: dict[bytes, bytes] = {}
    plain: list[tuple[bytes, bytes]] = []
    cookies: list[bytes] = []
    for name, value in headers:
        if name.startswith(b":"):
            pseudo[name] = value
        elif name == b"cookie":
            cookies.append(value)
        elif name not in _OF_A_CONNECTION and name != b"host":
            plain.append((name, value))
        elif name == b"host":
            pseudo.setdefault(b":authority", value)
    method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    connection = b"close"
    if method == b"CONNECT" and pseudo.get(b":protocol") == b"websocket":
        method, connection = b"GET", b"upgrade"
        # The key keeps a cache from taking an upgrade for a request; here nothing stands between.
        plain += [(b"upgrade", b"websocket"), (b"sec-websocket-key", base64.b64encode(os.urandom(16)))]
    if method == b"CONNECT" or not path or _NOT_IN_A_PATH.intersection(path):
        raise BadRequest(f"{method!r} {path!r}")
    if cookies:
        plain.append((b"cookie", b"; ".join(cookies)))
    if method not in (b"GET", b"HEAD") and not any(name == b"content-length" for name, _ in plain):
        plain.append((b"transfer-encoding", b"chunked"))
    plain += [(b"host", pseudo.get(b":authority", b"")), (b"connection", connection)]
    try:
        return h11.Request(method=method, target=path, headers=plain)
    except h11.LocalProtocolError as error:
        raise BadRequest(str(error)) from error


def _answer(response: h11.Response | h11.InformationalResponse) -> list[tuple[bytes, bytes]]:
    """The head of an answer as HTTP/2 has it."""
    plain = [(name, value) for name, value in response.headers if name not in _OF_A_CONNECTION]
    return [(b":status", b"%d" % response.status_code), *plain]


def _agreed(response: h11.InformationalResponse) -> list[tuple[bytes, bytes]]:
    """The head of the answer to a CONNECT that is taken."""
    plain = [(n, v) for n, v in response.headers if n not in _OF_A_CONNECTION and n != b"sec-websocket-accept"]
    return [(b":status", b"200"), *plain]
