"""Row streams to a client: the answer of a pull query, and a push query for as long as both sides want it.

The engine wakes the pump from its own threads; the pump takes what is there, writes it, and waits for the client to
read before it takes more: what a slow client has not read stays with the engine, which has a bound for it. One
batch and the socket's own buffer are all that is held here.

A stream ends when the query does (limit, error, closed by /close-query, server shutting down) or when the client goes
away, which cancels the handler; either way the query is closed, once, outside the event loop. A client that stays and
takes nothing is cut off in the end: what it holds back is not held for ever.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

from aiohttp import web

from ssql.engine.waiter import WAITER, Waiter
from ssql.errors import ReaderIdle
from ssql.server.failures import error_body, log_error
from ssql.server.lines import write_lines
from ssql.server.rendered import INLINE_ROWS, rendered
from ssql.server.state import STATE, engine_of, in_thread, logger

if TYPE_CHECKING:
    from ssql.engine.api import PullResult, PushQuery, PushRows, Session, Subscription
    from ssql.server.framing import Framing

Write = Callable[[bytes], Awaitable[None]]

#: Rows written at a time: large enough to be cheap, small enough to keep in memory for every slow client.
ROWS_AT_ONCE = 4096

#: What a connection whose client has taken all takes at once (bytes); asyncio's own bound is 64 kB.
SMALL_BYTES = 16 << 10

#: Without an event the pump looks this often (s) whether its client is still there. Only servers that do not cancel
#: the handlers of lost connections need it.
LOST_CLIENT_CHECK_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")

QUERY_COMPLETED = "Query Completed"


async def begun(request: web.Request, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Begin something in a thread; what a client that goes away meanwhile has begun is ended, or closed as soon as it
    has begun."""
    waiter = Waiter()
    WAITER.set(waiter)
    started = asyncio.ensure_future(in_thread(request, call, *args, **kwargs))
    try:
        return await asyncio.shield(started)
    except asyncio.CancelledError:
        waiter.leave()
        started.add_done_callback(lambda done: _close_unwanted(request, done))
        raise


async def run_query(request: web.Request, sql: str, session: Session) -> PullResult | PushQuery:
    return await begun(request, engine_of(request).query, sql, session)


def _close_unwanted(request: web.Request, started: asyncio.Future[Any]) -> None:
    if not started.cancelled() and started.exception() is None and hasattr(started.result(), "close"):
        close(request, started.result())


def is_push(result: PullResult | PushQuery) -> bool:
    return hasattr(result, "take")


def close(request: web.Request, query: PushQuery | Subscription) -> asyncio.Future[None]:
    """Close a query in a thread (it may wait for an epoch), whether or not anyone waits for it."""
    closing = asyncio.get_running_loop().run_in_executor(request.app[STATE].threads, query.close)
    closing.add_done_callback(lambda done: _note_close(query.query_id, done))
    return closing


def _note_close(query_id: str, done: asyncio.Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        logger.error("push query not closed query_id=%s", query_id, exc_info=error)
    else:
        logger.info("push query ended query_id=%s", query_id)


async def taken(request: web.Request, writing: Awaitable[None], size: int | None = None) -> None:
    """Wait until the client has room for more. One that takes nothing for too long loses its connection.

    `size`: how many bytes are written, where that is known: a few need no clock, which costs as much as they do.
    """
    if size is not None and size <= SMALL_BYTES and _has_taken_all(request):
        await writing
        return
    idle_s = request.app[STATE].idle_timeout_s
    try:
        async with asyncio.timeout(idle_s):
            await writing
    except TimeoutError:
        idle = ReaderIdle(idle_s)
        log_error(request, idle)
        if request.transport is not None:
            request.transport.abort()  # there is no room to say why
        raise ConnectionResetError(idle.message) from None


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "X-Content-Type-Options": "nosniff"}


def _has_taken_all(request: web.Request) -> bool:
    """Whether nothing waits to be sent to the client: then it has room."""
    transport = request.transport
    return transport is not None and transport.get_write_buffer_size() == 0


class _Errors(Protocol):
    def error(self, body: dict[str, Any]) -> bytes | None: ...


async def stream(
    request: web.Request,
    framing: _Errors,
    content_type: str,
    header: bytes,
    write_rows: Callable[[web.StreamResponse], Awaitable[bytes | None]],
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.StreamResponse:
    """A row stream: the header, what `write_rows` writes, and the end that it returns.

    After the header the status is sent, so that an error can only be the last element; where the form has none for
    it, the answer is cut off.
    """
    response = web.StreamResponse(headers={**_headers(content_type), **headers})
    await response.prepare(request)
    await taken(request, response.write(header))
    try:
        last = await write_rows(response)
    except ConnectionError:
        raise
    except Exception as error:
        log_error(request, error)
        last = framing.error(error_body(error))
    if last is None:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer was cut off")
    await taken(request, response.write(last))
    await response.write_eof()
    return response


async def pull_rows(request: web.Request, result: PullResult, framing: Framing, write: Write) -> bytes:
    """Write the rows of a pull query; what is to be said last."""
    for batch in result.rows.to_batches(max_chunksize=ROWS_AT_ONCE):
        make = functools.partial(framing.rows, batch, result.columns)
        await taken(request, write(await rendered(request, {}, "", batch.num_rows, make)))
    return framing.end(result.final_message)


class Pump:
    """One push query and the client it goes to.

    Args:
        write: writes whole elements, and returns when the client has room for more.
    """

    def __init__(self, request: web.Request, query: PushQuery, framing: Framing, write: Write) -> None:
        self.request = request
        self.query = query
        self.framing = framing
        self._write = write
        self._bell = request.app[STATE].bell()
        self._news = asyncio.Event()

    @property
    def query_id(self) -> str:
        return self.query.query_id

    def wake(self) -> None:
        """Look for rows, or for the end. May be called from any thread, at any time."""
        self._bell.ring(self._news)

    async def close(self) -> None:
        """End the query; the client gets what was there before, and the end of the stream."""
        await close(self.request, self.query)
        self.wake()

    async def run(self) -> bytes | None:
        """Write rows until the end; what is to be said last (None: the form cannot say it)."""
        pumps = self.request.app[STATE].pumps
        pumps.add(self)
        self._look_for_client()
        try:
            self.query.on_rows(self.wake)
            return await self._rows()
        finally:
            self._clock.cancel()
            pumps.discard(self)

    async def _rows(self) -> bytes | None:
        while True:
            self._news.clear()  # before the look, so that rows that come after it are not missed
            rows = self.query.take_rows(ROWS_AT_ONCE, 0)
            if rows is None:
                break
            if rows.num_rows:
                text = await self._text(rows)
                await taken(self.request, self._write(text), len(text))
            else:
                await self._wait()
        if self.query.error is not None:
            log_error(self.request, self.query.error)
            return self.framing.error(error_body(self.query.error))
        return self.framing.end(self.query.final_message or QUERY_COMPLETED)

    async def _text(self, rows: PushRows) -> bytes:
        """The rows in the form: of those that are given to others too, made once."""
        framing, columns = self.framing, self.query.columns

        def make() -> tuple[bytes, int]:
            before = framing.left_out
            text = framing.rows(rows.batch, columns)
            left_out, framing.left_out = framing.left_out - before, before
            return text, left_out

        forms = {} if framing.shared is None else rows.rendered
        key = framing.shared, rows.start, rows.stop
        text, left_out = await rendered(self.request, forms, key, rows.num_rows, make)
        framing.left_out += left_out
        return text

    async def _wait(self) -> None:
        await self._news.wait()
        if self._client_is_gone():
            raise ConnectionResetError("the client is gone")

    def _client_is_gone(self) -> bool:
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def _look_for_client(self) -> None:
        """One timer for as long as it runs: one a wait would cost as much as what is waited for."""
        if self._client_is_gone():
            self._news.set()
        self._clock = asyncio.get_running_loop().call_later(LOST_CLIENT_CHECK_S, self._look_for_client)


async def send_pull(
    request: web.Request, result: PullResult, framing: Framing, content_type: str
) -> web.StreamResponse:
    """Write the answer of a pull query: a small one at once, as one message with its length."""
    if result.rows.num_rows <= INLINE_ROWS:
        text = framing.header(result.query_id, result.columns, result.mark_keys)
        for batch in result.rows.to_batches():
            text += framing.rows(batch, result.columns)
        text += framing.end(result.final_message)
        return web.Response(body=text, headers=_headers(content_type))

    async def rows(response: web.StreamResponse) -> bytes:
        return await pull_rows(request, result, framing, response.write)

    header = framing.header(result.query_id, result.columns, result.mark_keys)
    return await stream(request, framing, content_type, header, rows)


async def send_push(request: web.Request, query: PushQuery, framing: Framing, content_type: str) -> web.StreamResponse:
    """Write the rows of a push query for as long as it and its client last."""

    async def rows(response: web.StreamResponse) -> bytes | None:
        return await Pump(request, query, framing, functools.partial(write_lines, request, response)).run()

    try:
        header = framing.header(query.query_id, query.columns, mark_keys=False)
        return await stream(request, framing, content_type, header, rows)
    finally:
        close(request, query)
        if framing.left_out:
            logger.warning(
                "deletions left out query_id=%s rows=%d content_type=%s", query.query_id, framing.left_out, content_type
            )


async def send_rows(
    request: web.Request, result: PullResult | PushQuery, framing: Framing, content_type: str
) -> web.StreamResponse:
    """Write a query's rows, whichever kind it is."""
    if is_push(result):
        return await send_push(request, cast("PushQuery", result), framing, content_type)
    return await send_pull(request, cast("PullResult", result), framing, content_type)
