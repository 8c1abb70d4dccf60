"""WebSockets that bring rows to a client, which has nothing to say but that it goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from ssql.errors import BadRequest
from ssql.server.pump import taken

T = TypeVar("T")

#: The largest message (bytes) that a client may send: none of them means anything.
MAX_MESSAGE_BYTES = 64 << 10

#: How long (s) a client has to answer the end of a connection.
CLOSE_TIMEOUT_S = 5.0

#: Most bytes of the reason of a close frame (RFC 6455, section 5.5).
MAX_REASON_BYTES = 123


def is_upgrade(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


async def accepted(request: web.Request) -> web.WebSocketResponse:
    """The WebSocket that a request asks for. Not compressed: each message is made once, for all who read it.

    Raises:
        BadRequest: it asks for none.
    """
    if not is_upgrade(request):
        raise BadRequest(f"{request.path} speaks WebSocket alone", hint="Call it with an upgrade: ws://...")
    socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT_S, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    return socket


async def listen(socket: web.WebSocketResponse, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work while the client is there; None when it went away first."""
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(_until_it_goes(socket))
    try:
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return None
    except ConnectionError:
        return None
    finally:
        for task in (working, listening):
            task.cancel()
        await asyncio.gather(working, listening, return_exceptions=True)


async def _until_it_goes(socket: web.WebSocketResponse) -> None:
    """Pings are answered while this listens; what else the client says is passed over."""
    while (await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        pass


async def finish(request: web.Request, socket: web.WebSocketResponse, last: bytes, code: int, reason: str = "") -> None:
    """Say something (if there is something), and close."""
    with contextlib.suppress(ConnectionError):
        if last:
            await taken(request, socket.send_frame(last, WSMsgType.TEXT))
        await socket.close(code=code, message=cut(reason))


def cut(reason: str) -> bytes:
    """A reason as a close frame holds it: its beginning, where it is too long."""
    text = reason.encode()
    if len(text) <= MAX_REASON_BYTES:
        return text
    return text[: MAX_REASON_BYTES - 3].decode(errors="ignore").encode() + b"..."
