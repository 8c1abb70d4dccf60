"""An engine in this process.

Its calls may block: where they are awaited they run in threads. Subscriptions wake the event loop, and hold none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ssql.client.backends import FOLLOWED, AsyncPieces, Entity, Piece, Pieces, Start, Statement, Values
from ssql.client.results import Ack
from ssql.client.rows import Rows, as_batches, as_objects
from ssql.client.targets import Local, Server
from ssql.engine.api import Engine, PullResult, Session, Subscription
from ssql.engine.rows_json import stored_name
from ssql.errors import BadParameter

if TYPE_CHECKING:
    from ssql.engine.api import Frame
    from ssql.engine.lock import DirectoryLock

#: Seconds after which a wait for changes looks for an interrupt.
PATIENCE_S = 0.2


def open_local(place: Local) -> LocalBackend | Server:
    """An engine at a place; or the server that works in the directory already.

    Raises:
        DirectoryInUse: another process that is no server works in the directory.
        SsqlError: the engine cannot be opened.
    """
    from ssql.config import from_environment
    from ssql.engine.engine import LocalEngine
    from ssql.engine.lock import DirectoryLock, take_or_find

    config = from_environment().with_values(place.settings)
    if place.directory is None:
        return LocalBackend(LocalEngine(config), owned=True)
    lock = take_or_find(Path(place.directory))
    if not isinstance(lock, DirectoryLock):
        return Server(lock)
    try:
        return LocalBackend(LocalEngine(config), owned=True, lock=lock)
    except BaseException:
        lock.release()
        raise


class LocalBackend:
    """An engine; `owned`: it is closed with the connection, and `lock` released then."""

    def __init__(self, engine: Engine, *, owned: bool = False, lock: DirectoryLock | None = None) -> None:
        self.engine = engine
        self._owned, self._lock = owned, lock

    def execute(self, statement: Statement) -> list[Entity]:
        return self.engine.execute(statement.sql, _session(statement))

    def query(self, statement: Statement) -> pa.Table:
        answer = self.engine.query(statement.sql, _session(statement))
        if not isinstance(answer, PullResult):
            answer.close()
            raise BadParameter("the query does not end", hint="Follow it with subscribe().")
        return answer.rows

    def call(self, endpoint: str, values: Values) -> pa.Table:
        call = self.engine.call(endpoint, values, as_json=True)
        if call.endpoint.follows:
            raise BadParameter(FOLLOWED)
        answer = self.engine.answer(call, Session(dict(call.properties), full_sql=True))
        assert isinstance(answer, PullResult), "an endpoint that is not followed has an answer that ends"
        return answer.rows

    def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]:
        session = Session(dict(properties))
        batches = as_batches(rows)
        if batches is None:
            return [Ack(a.seq, a.error) for a in self.engine.insert(target, as_objects(rows), session)]
        self.engine.insert(target, [], session)  # an unknown target is refused, whether there are rows or not
        acks: list[Ack] = []
        for batch in batches:
            refused = self.engine.insert_batch(stored_name(target), batch, session)
            acks += [Ack(len(acks) + row, refused.get(row)) for row in range(batch.num_rows)]
        return acks

    def subscribe(self, start: Start) -> Subscription:
        return self.engine.subscribe(
            start.statement.sql,
            _session(start.statement),
            after=start.after,
            snapshot=start.snapshot,
            every_change=start.every_change,
        )

    def follow(self, start: Start) -> Pieces:
        return _Waiting(self.subscribe(start))

    def close(self) -> None:
        if not self._owned:
            return
        try:
            self.engine.close()
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None


class ThreadedBackend:
    """The same for `await`."""

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend

    async def execute(self, statement: Statement) -> list[Entity]:
        return await asyncio.to_thread(self._backend.execute, statement)

    async def query(self, statement: Statement) -> pa.Table:
        return await asyncio.to_thread(self._backend.query, statement)

    async def call(self, endpoint: str, values: Values) -> pa.Table:
        return await asyncio.to_thread(self._backend.call, endpoint, values)

    async def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]:
        return await asyncio.to_thread(self._backend.insert, target, rows, properties)

    async def follow(self, start: Start) -> AsyncPieces:
        return _Woken(await asyncio.to_thread(self._backend.subscribe, start))

    async def close(self) -> None:
        await asyncio.to_thread(self._backend.close)


class _Waiting:
    """The frames of a subscription, waited for in this thread."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        while (frame := self._subscription.take(PATIENCE_S)) is None:
            if self._subscription.ended:
                _raise(self._subscription)
                raise StopIteration
        return _piece(frame, self._subscription.keys)

    def close(self) -> None:
        self._subscription.close()


class _Woken:
    """The frames of a subscription, waited for in an event loop."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._news = asyncio.Event()
        subscription.on_frame(_waking(asyncio.get_running_loop(), self._news))

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        while True:
            self._news.clear()  # before the look, so that what comes after it is not missed
            frame = self._subscription.take(0)
            if frame is not None:
                return _piece(frame, self._subscription.keys)
            if self._subscription.ended:
                _raise(self._subscription)
                raise StopAsyncIteration
            await self._news.wait()

    async def aclose(self) -> None:
        await asyncio.to_thread(self._subscription.close)


def _waking(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be woken
            loop.call_soon_threadsafe(news.set)

    return wake


def _raise(subscription: Subscription) -> None:
    if subscription.error is not None:
        raise subscription.error


def _piece(frame: Frame, keys: tuple[str, ...]) -> Piece:
    return Piece(frame.rows, frame.snapshot, frame.token, frame.frontier, keys)


def _session(statement: Statement) -> Session:
    return Session(dict(statement.properties), dict(statement.variables), full_sql=True)
