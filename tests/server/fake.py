"""An engine whose answers a test sets, and the means to drive a real server over it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from aiohttp import ClientTimeout
from aiohttp.test_utils import TestClient, TestServer

from ssql.config import IDLE_TIMEOUT_S, Config
from ssql.engine.api import Entity, Frame, InsertAck, Metrics, PullResult, PushQuery, PushRows, Session
from ssql.engine.opening import Opening
from ssql.engine.progress import OpeningProgress, Progress, Stage
from ssql.errors import SourceNotFound
from ssql.rights import Right
from ssql.runtime.progress import PartitionLag, QueryProgress, QueryState, RestoreProgress
from ssql.server.app import make_app
from ssql.server.auth import Credentials
from ssql.types import BIGINT, STRING, Column

COLUMNS = (Column("ID", STRING, key=True), Column("N", BIGINT))


def changes(*rows: tuple[Any, ...], columns: Sequence[Column] = COLUMNS) -> pa.RecordBatch:
    """A batch of rows, each its values and its `_diff`."""
    by_column = list(zip(*rows, strict=True)) or [()] * (len(columns) + 1)
    arrays = [pa.array(v, c.type.arrow) for c, v in zip(columns, by_column, strict=False)]
    return pa.record_batch([*arrays, pa.array(by_column[-1], pa.int8())], names=[*(c.name for c in columns), "_diff"])


class FakePush:
    """A push query fed by the test."""

    def __init__(self, query_id: str = "transient_1", columns: Sequence[Column] = COLUMNS) -> None:
        self.query_id = query_id
        self.columns = tuple(columns)
        self.final_message: str | None = None
        self.error: Exception | None = None
        self.closed = threading.Event()
        self.closings = 0
        self.taken = 0
        self.source: Iterator[pa.RecordBatch] | None = None
        self._batches: deque[pa.RecordBatch] = deque()
        self._ended = False
        self._wake: Callable[[], None] = lambda: None

    def feed(self, *rows: tuple[Any, ...]) -> None:
        self._batches.append(changes(*rows, columns=self.columns))
        self._wake()

    def end(self, message: str | None = None, error: Exception | None = None) -> None:
        self.final_message, self.error, self._ended = message, error, True
        self._wake()

    def on_rows(self, wake: Any) -> None:
        self._wake = wake

    def take(self, max_rows: int = 10_000, timeout_s: float | None = None) -> pa.RecordBatch | None:
        assert timeout_s == 0, "the event loop must not wait in take"
        if self._batches:
            return self._batches.popleft()
        if self.source is not None and (batch := next(self.source, None)) is not None:
            self.taken += batch.num_rows
            return batch
        return None if self._ended else changes(columns=self.columns)

    def take_rows(self, max_rows: int = 10_000, timeout_s: float | None = None) -> PushRows | None:
        batch = self.take(max_rows, timeout_s)
        return batch if batch is None else PushRows(batch, 0, batch.num_rows)

    def close(self) -> None:
        self.closings += 1
        self._ended = True
        self.closed.set()
        self._wake()


def frame(
    *rows: tuple[Any, ...],
    token: str | None = None,
    snapshot: bool = False,
    offset: int = 0,
    columns: Sequence[Column] = COLUMNS,
) -> Frame:
    """A frame of rows, each its values and its `_diff`, that leads to an offset of partition 0 of topic "t"."""
    batch = changes(*rows, columns=columns)
    names = [c.name for c in columns]
    return Frame(batch.select(["_diff", *names]), snapshot, {("t", 0): offset}, token)


class FakeSubscription:
    """A subscription fed by the test."""

    def __init__(self, query_id: str = "transient_9", columns: Sequence[Column] = COLUMNS) -> None:
        self.query_id = query_id
        self.columns = tuple(columns)
        self.keys = tuple(c.name for c in columns if c.key)
        self.ended = False
        self.error: Exception | None = None
        self.closed = threading.Event()
        self.taken = 0
        self.source: Iterator[Frame] | None = None
        self._frames: deque[Frame] = deque()
        self._wake: Callable[[], None] = lambda: None

    def feed(self, *frames: Frame) -> None:
        self._frames.extend(frames)
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        self.error, self.ended = error, True
        self._wake()

    def on_frame(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        wake()

    def take(self, timeout_s: float | None = None) -> Frame | None:
        assert timeout_s == 0, "the server must not wait in take"
        if self._frames:
            return self._frames.popleft()
        if self.source is not None and (found := next(self.source, None)) is not None:
            self.taken += 1
            return found
        return None

    def close(self) -> None:
        self.ended = True
        self.closed.set()
        self._wake()


OPEN = OpeningProgress(Stage.OPEN, 0, 0, RestoreProgress())


def catching_up(records: int, total: int = 40) -> Progress:
    """The progress of a query that has read so many records of a topic, and runs when it has read all."""
    left = total - records
    state = QueryState.CATCHING_UP if left else QueryState.RUNNING
    at = (PartitionLag("s", 0, records, total),)
    return Progress(OPEN, [QueryProgress("CTAS_SPENT_1", "SPENT", state, records, total, 15.0, left / 15, left, 0, at)])


class FakeEngine:
    """Records what it is asked; answers what it was told to."""

    def __init__(self) -> None:
        self.scripts: list[tuple[str, Session]] = []
        self.queries: list[tuple[str, Session]] = []
        self.inserts: list[tuple[str, list[dict[str, Any]], Session]] = []
        self.entities: list[Entity] = []
        self.answer: PullResult | FakePush | Callable[[], PullResult | FakePush] | None = None
        self.raises: Exception | None = None
        self.refuse: dict[int, Exception] = {}
        self.subscriptions: list[tuple[str, Session, dict[str, Any]]] = []
        self.follow: Callable[[str | None], FakeSubscription] = lambda after: FakeSubscription()
        self.targets = {"S"}
        self.before_execute: Callable[[], None] = lambda: None
        self.before_insert: Callable[[], None] = lambda: None
        self.closed = threading.Event()
        self.at = Progress(OPEN, [])
        self.version = "0.1.0"

    def execute(self, text: str, session: Session | None = None) -> list[Entity]:
        assert session is not None
        self.before_execute()
        self.scripts.append((text, session))
        if self.raises is not None:
            raise self.raises
        return self.entities

    def query(self, sql: str, session: Session | None = None) -> PullResult | PushQuery:
        assert session is not None
        self.queries.append((sql, session))
        if self.raises is not None:
            raise self.raises
        answer = self.answer() if callable(self.answer) else self.answer
        assert answer is not None
        return answer

    def look_up(self, sql: str, session: Session | None = None) -> PullResult | None:
        return None

    def subscribe(self, sql: str, session: Session | None = None, **options: Any) -> FakeSubscription:
        assert session is not None
        self.subscriptions.append((sql, session, options))
        if self.raises is not None:
            raise self.raises
        return self.follow(options["after"])

    def push_query(self, query_id: str) -> PushQuery | None:
        found = self.answer
        return found if isinstance(found, FakePush) and found.query_id == query_id else None

    def insert(self, target: str, rows: Sequence[Mapping[str, Any]], session: Session | None = None) -> list[InsertAck]:
        assert session is not None
        if target not in self.targets:
            raise SourceNotFound(target, candidates=self.targets)
        if not rows:
            return []
        self.before_insert()
        before = sum(len(batch) for _, batch, _ in self.inserts)
        self.inserts.append((target, [dict(row) for row in rows], session))
        return [InsertAck(i, self.refuse.get(before + i)) for i in range(len(rows))]

    def info(self) -> dict[str, Any]:
        return {"version": self.version, "kafkaClusterId": "c1", "ksqlServiceId": "default_", "serverStatus": "RUNNING"}

    def health(self) -> dict[str, Any]:
        return {"isHealthy": True, "details": {"metastore": {"isHealthy": True}}, "serverState": "RUNNING"}

    def metrics(self) -> Metrics:
        return Metrics({}, (), 0, 0)

    def progress(self) -> Progress:
        return self.at

    def relations(self) -> Sequence[Any]:
        return ()

    def brokers(self) -> str:
        return ""

    def endpoints(self) -> Sequence[Any]:
        return ()

    def cluster(self) -> dict[str, Any]:
        return {"activeStandbyPerQuery": {}, "hostStoreLags": {"stateStoreLags": {}, "updateTimeMs": 0}}

    def terminate(self, delete_topics: Sequence[str]) -> Entity:
        self.close()
        return {"@type": "currentStatus", "statementText": "TERMINATE CLUSTER;"}

    def caught_up(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.closed.set()


Client = TestClient[Any, Any]


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """An async test as a plain one; it fails rather than hangs."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run


@contextlib.asynccontextmanager
async def serving(
    engine: Any,
    *,
    credentials: Credentials | None = None,
    most: Right = Right.ADMIN,
    idle_timeout_s: float = IDLE_TIMEOUT_S.default,
    config: Mapping[str, Any] = MappingProxyType({}),
    opening: Opening | None = None,
    **server_options: Any,
) -> AsyncIterator[Client]:
    """A client of a real server on a free port."""
    settings = Config({IDLE_TIMEOUT_S.key: idle_timeout_s, **config})
    server = TestServer(make_app(engine, credentials=credentials, most=most, config=settings, opening=opening))
    await server.start_server(**server_options)
    async with TestClient(server, timeout=ClientTimeout(total=15)) as client:
        yield client


async def happens(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds (the test's own limit ends a wait in vain)."""
    while not condition():
        await asyncio.sleep(0.001)
