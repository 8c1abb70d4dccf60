"""Lines of a stream that a client reads as they come."""

from __future__ import annotations

from aiohttp import web


async def write_lines(request: web.Request, response: web.StreamResponse, text: bytes) -> None:
    """Write whole lines; returns when the client has room for more.

    Over HTTP/2 each is a frame of its own: clients of ksqlDB take what one frame brings for one JSON text.
    """
    if request.transport is not None and request.transport.get_extra_info("frames", False):
        for line in text.splitlines(keepends=True):
            await response.write(line)
    else:
        await response.write(text)
