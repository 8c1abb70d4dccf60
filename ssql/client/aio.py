"""The connection with `await`: see `connection`, whose words hold here too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from typing import Any, Self, Unpack

from ssql.client import asking
from ssql.client.backends import AsyncBackend, AsyncPieces, Entity, Start
from ssql.client.connection import RECONNECT_S, Changes
from ssql.client.following import PASSING, Follower
from ssql.client.parameters import Parameters, json_values
from ssql.client.results import Ack, Delta, Result
from ssql.client.rows import Rows
from ssql.client.sessions import ClientSession
from ssql.client.targets import Options, Server, Target, opened
from ssql.errors import ConnectionClosed


def connect_async(target: Target = "ssql-data", **options: Unpack[Options]) -> AsyncConnection:
    """`connect` for asyncio: `async with connect_async(...) as db:`, or `db = await connect_async(...)`."""
    return AsyncConnection(target, options)


class AsyncConnection:
    """A session with an engine, here (in threads) or on a server, for one event loop. See `Connection`."""

    def __init__(self, target: Target, options: Options) -> None:
        self._target, self._options = target, options
        self._opening = asyncio.Lock()
        self._open: AsyncBackend | None = None
        self._closed = False
        self.session = ClientSession()

    async def _backend(self) -> AsyncBackend:
        async with self._opening:
            if self._closed:
                raise ConnectionClosed
            if self._open is None:
                self._open = await _open(self._target, self._options)
            return self._open

    async def execute(self, sql: str, parameters: Parameters | None = None, /, **variables: str) -> list[Entity]:
        """Carry out statements that are no queries."""
        statement = self.session.statement(sql, parameters, variables)
        entities = await (await self._backend()).execute(statement)
        self.session.carried_out(statement, variables)
        return entities

    async def query(self, sql: str, parameters: Parameters | None = None) -> Result:
        """Ask one SELECT for what is true now."""
        statement = self.session.statement(sql, parameters)
        return Result(await (await self._backend()).query(statement))

    async def call(self, endpoint: str, /, **values: Any) -> Result:
        """Call an endpoint with the values of its parameters."""
        return Result(await (await self._backend()).call(endpoint, json_values(values)))

    async def insert(self, target: str, rows: Rows) -> list[Ack]:
        """Append rows; each has its outcome."""
        return await (await self._backend()).insert(target, rows, dict(self.session.properties))

    def subscribe(
        self,
        sql: str,
        parameters: Parameters | None = None,
        *,
        after: str | None = None,
        snapshot: bool = True,
        changes: Changes = "net",
        reconnect_s: float = RECONNECT_S,
    ) -> AsyncSubscription:
        """Follow one SELECT: `async for delta in db.subscribe(...)`."""
        start = Start(self.session.statement(sql, parameters), after, snapshot, changes == "every")
        return AsyncSubscription(self, start, reconnect_s)

    async def streams(self) -> list[str]:
        """The names of all streams."""
        return asking.names(await self.execute(asking.STREAMS))

    async def tables(self) -> list[str]:
        """The names of all tables."""
        return asking.names(await self.execute(asking.TABLES))

    async def describe(self, name: str) -> dict[str, Any]:
        """What is known of a stream or table."""
        return asking.description(await self.execute(asking.describe(name)))

    async def close(self) -> None:
        """Close what the connection holds. Closing twice is nothing."""
        async with self._opening:
            self._closed = True
            backend, self._open = self._open, None
        if backend is not None:
            await backend.close()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        await self._backend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncSubscription:
    """Deltas in order, for ever. It begins with `async with`, or with the first delta that is asked for."""

    def __init__(self, connection: AsyncConnection, start: Start, reconnect_s: float) -> None:
        self._connection = connection
        self._follower = Follower(start, reconnect_s)
        self._closed = asyncio.Event()
        self._pieces: AsyncPieces | None = None

    @property
    def token(self) -> str | None:
        """The token of the last delta that was told."""
        return self._follower.start.after

    async def _begin(self) -> AsyncPieces:
        if self._pieces is None:
            self._pieces = await (await self._connection._backend()).follow(self._follower.start)
        return self._pieces

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self

    async def __anext__(self) -> Delta:
        while not self._closed.is_set():
            try:
                async for piece in await self._begin():
                    if (delta := self._follower.take(piece)) is not None:
                        return delta
                await self.close()
            except PASSING as lost:
                await self._let_go()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._follower.lost(lost)):
                        await self._closed.wait()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Stop following. Closing twice is nothing."""
        self._closed.set()
        await self._let_go()

    async def _let_go(self) -> None:
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            await pieces.aclose()

    async def __aenter__(self) -> Self:
        with contextlib.suppress(*PASSING):  # a server that is on its way up is tried again as one that went
            await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _open(target: Target, options: Options) -> AsyncBackend:
    found = await asyncio.to_thread(opened, target, options)
    if isinstance(found, Server):
        from ssql.client.http import AsyncHttpBackend

        return AsyncHttpBackend(found)
    from ssql.client.local import ThreadedBackend

    return ThreadedBackend(found)
