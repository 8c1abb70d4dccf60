"""A server, over HTTP: connections are kept and shared, answers are Arrow."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from os import PathLike, fspath
from typing import Any, TypedDict, TypeVar

import httpx2
import pyarrow as pa

from ssql.client import exchange
from ssql.client.arrow_frames import FrameReader
from ssql.client.backends import FOLLOWED, AsyncPieces, Entity, Piece, Pieces, Start, Statement, Values
from ssql.client.exchange import Call
from ssql.client.results import Ack
from ssql.client.rows import Rows
from ssql.client.targets import Server, Verify
from ssql.errors import BadParameter, BadTarget, ServerUnavailable

T = TypeVar("T")

#: A line whose other end is gone without a word is noticed after 30 s of silence and three probes, 10 s apart.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)  # not every system lets a program choose these
    ),
]

_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)


class _Settings(TypedDict):
    base_url: str
    auth: httpx2.BasicAuth | None
    headers: dict[str, str]
    timeout: httpx2.Timeout


def _settings(server: Server) -> _Settings:
    """What both kinds of client are made with. Only connecting has a limit: statements may take long, and a
    subscription is silent for as long as nothing changes."""
    auth, headers = None, {"User-Agent": "ssql-python"}
    if isinstance(server.authorization, str):
        headers["Authorization"] = f"Bearer {server.authorization}"
    elif server.authorization is not None:
        auth = httpx2.BasicAuth(*server.authorization)
    return {
        "base_url": server.url,
        "auth": auth,
        "headers": headers,
        "timeout": httpx2.Timeout(None, connect=server.connect_timeout_s),
    }


class _Line(TypedDict):
    verify: ssl.SSLContext | bool
    http1: bool
    http2: bool
    limits: httpx2.Limits
    socket_options: list[tuple[int, int, int]]


def _line(server: Server) -> _Line:
    """What both kinds of transport are made with. Without TLS no version is agreed on: the one asked for is spoken."""
    return {
        "verify": _verified(server.verify),
        "http1": not server.http2 or server.url.startswith("https:"),
        "http2": server.http2,
        "limits": _LIMITS,
        "socket_options": _KEEPALIVE,
    }


def _verified(verify: Verify) -> ssl.SSLContext | bool:
    if not isinstance(verify, str | PathLike):
        return verify
    try:
        return ssl.create_default_context(cafile=fspath(verify))
    except OSError as bad:
        raise BadTarget(f'the certificates in "{fspath(verify)}" cannot be used: {bad.strerror or bad}') from None


class HttpBackend:
    """A server, asked with blocking calls."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._client = httpx2.Client(transport=httpx2.HTTPTransport(**_line(server)), **_settings(server))

    def execute(self, statement: Statement) -> list[Entity]:
        return self._answer(exchange.execute(statement))

    def query(self, statement: Statement) -> pa.Table:
        return self._answer(exchange.query(statement))

    def call(self, endpoint: str, values: Values) -> pa.Table:
        call = exchange.call(endpoint, values)
        response = self._send(call, stream=True)
        with contextlib.closing(response):
            if exchange.goes_on(response.headers):
                raise BadParameter(FOLLOWED)
            return call.answer(self._url, response.status_code, self._rest(response))

    def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]:
        calls = exchange.insert(target, rows, properties)
        call = next(calls)
        while True:
            try:
                call = calls.send(self._answer(call))
            except StopIteration as done:
                acks: list[Ack] = done.value
                return acks

    def follow(self, start: Start) -> Pieces:
        call = exchange.subscribe(start)
        response = self._send(call, stream=True)
        if response.status_code != httpx2.codes.OK:
            with contextlib.closing(response):
                call.answer(self._url, response.status_code, self._rest(response))
        return _Pieces(response, self._url, call.sql)

    def close(self) -> None:
        self._client.close()

    def _answer(self, call: Call[T]) -> T:
        response = self._send(call)
        return call.answer(self._url, response.status_code, response.content)

    def _send(self, call: Call[Any], *, stream: bool = False) -> httpx2.Response:
        request = self._client.build_request("POST", call.path, content=call.body, headers=call.headers)
        try:
            return self._client.send(request, stream=stream)
        except httpx2.TransportError as bad:
            raise _lost(self._url, bad) from None

    def _rest(self, response: httpx2.Response) -> bytes:
        try:
            return response.read()
        except httpx2.TransportError as bad:
            raise _lost(self._url, bad) from None


class _Pieces:
    """What arrives of a subscription, as it comes."""

    def __init__(self, response: httpx2.Response, url: str, sql: str | None) -> None:
        self._response = response
        self._pieces = self._read(url, sql)

    def _read(self, url: str, sql: str | None) -> Generator[Piece, None, None]:
        reader = FrameReader(sql)
        try:
            for data in self._response.iter_bytes():
                yield from reader.feed(data)
        except httpx2.TransportError as bad:
            raise _lost(url, bad) from None
        # A query that is followed has no end: the server stops, or the line was cut.
        raise ServerUnavailable(url, "the connection was lost")

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        return next(self._pieces)

    def close(self) -> None:
        # A thread that waits for bytes is not woken by a close, and holds the line: the server would not hear of it.
        stream = self._response.extensions.get("network_stream")
        line = None if stream is None or self._response.http_version == "HTTP/2" else stream.get_extra_info("socket")
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._response.close()


class AsyncHttpBackend:
    """A server, asked with `await`."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._client = httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(**_line(server)), **_settings(server))

    async def execute(self, statement: Statement) -> list[Entity]:
        return await self._answer(exchange.execute(statement))

    async def query(self, statement: Statement) -> pa.Table:
        return await self._answer(exchange.query(statement))

    async def call(self, endpoint: str, values: Values) -> pa.Table:
        call = exchange.call(endpoint, values)
        response = await self._send(call, stream=True)
        async with contextlib.aclosing(response):
            if exchange.goes_on(response.headers):
                raise BadParameter(FOLLOWED)
            return call.answer(self._url, response.status_code, await self._rest(response))

    async def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]:
        calls = exchange.insert(target, rows, properties)
        call = next(calls)
        while True:
            answer = await self._answer(call)
            try:
                call = calls.send(answer)
            except StopIteration as done:
                acks: list[Ack] = done.value
                return acks

    async def follow(self, start: Start) -> AsyncPieces:
        call = exchange.subscribe(start)
        response = await self._send(call, stream=True)
        if response.status_code != httpx2.codes.OK:
            async with contextlib.aclosing(response):
                call.answer(self._url, response.status_code, await self._rest(response))
        return _AsyncPieces(response, self._url, call.sql)

    async def close(self) -> None:
        await self._client.aclose()

    async def _answer(self, call: Call[T]) -> T:
        response = await self._send(call)
        return call.answer(self._url, response.status_code, response.content)

    async def _send(self, call: Call[Any], *, stream: bool = False) -> httpx2.Response:
        request = self._client.build_request("POST", call.path, content=call.body, headers=call.headers)
        try:
            return await self._client.send(request, stream=stream)
        except httpx2.TransportError as bad:
            raise _lost(self._url, bad) from None

    async def _rest(self, response: httpx2.Response) -> bytes:
        try:
            return await response.aread()
        except httpx2.TransportError as bad:
            raise _lost(self._url, bad) from None


class _AsyncPieces:
    """The same with `await`."""

    def __init__(self, response: httpx2.Response, url: str, sql: str | None) -> None:
        self._response = response
        self._pieces = self._read(url, sql)

    async def _read(self, url: str, sql: str | None) -> AsyncGenerator[Piece, None]:
        reader = FrameReader(sql)
        try:
            async for data in self._response.aiter_bytes():
                for piece in reader.feed(data):
                    yield piece
        except httpx2.TransportError as bad:
            raise _lost(url, bad) from None
        # A query that is followed has no end: the server stops, or the line was cut.
        raise ServerUnavailable(url, "the connection was lost")

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        await self._response.aclose()


def _lost(url: str, bad: httpx2.TransportError) -> ServerUnavailable:
    if isinstance(bad, httpx2.TimeoutException):
        return ServerUnavailable(url, "no answer in time")
    return ServerUnavailable(url, (str(bad) or type(bad).__name__).lower())
