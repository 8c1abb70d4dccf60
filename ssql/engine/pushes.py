"""Subscriptions: a push query's buffer between worker and reader, and the register of those that are running."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from ssql.errors import QueryFailed, SsqlError, TooManyPushQueries
from ssql.planner.steps import Emit, QueryPlan
from ssql.runtime.api import Demand, ReaderStart, Worker
from ssql.runtime.changes import group_rows
from ssql.types import Column

LIMIT_REACHED = "Limit Reached"

T = TypeVar("T")

#: What a batch takes beside its values (bytes): Arrow's and Python's objects, about 1 kB a column.
_BATCH_BYTES = 1024


def visible_changes(batch: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """An epoch's changes of a table as a subscriber sees them: an update is its +1 only, a deletion its -1.

    A -1 is left out where the same place of the epoch (`_seq`) has a +1 for the same key.
    """
    diff = batch.column("_diff").to_numpy(zero_copy_only=False)
    if (diff > 0).all():
        return batch
    groups = group_rows([batch.column("_seq"), *(batch.column(k) for k in keys)], len(diff)).ids
    replaced = np.zeros(len(diff), dtype=bool)
    replaced[groups[diff > 0]] = True
    return batch.filter(pa.array((diff > 0) | ~replaced[groups]))


#: Who lets the worker go of a query that ends: the worker, which knows; a thread that it does not wait for; the caller.
Release = Literal["worker", "aside", "caller"]


class Push:
    """A running push query (see `api.PushQuery`). Rows wait in a buffer.

    When `buffer_bytes` are waiting the worker is told to hold the query back, and to go on with it (`resume`, called in
    the reader's thread) once half of them have been taken: the buffer never has more than this and one epoch's rows.
    `limit` counts what the subscriber sees; without `deletions` it sees no deleted rows. `release` is called once, when
    the query ends.
    """

    def __init__(
        self,
        plan: QueryPlan,
        columns: tuple[Column, ...],
        statement: str,
        *,
        limit: int | None,
        deletions: bool,
        buffer_bytes: int,
        release: Callable[[Release], None],
        resume: Callable[[], Any],
    ) -> None:
        self.query_id = plan.query_id
        self.statement = statement
        self.reads = plan.reads
        self.columns = columns
        self._error: Exception | None = None
        self._final_message: str | None = None
        self._schema = pa.schema([*(pa.field(c.name, c.type.arrow) for c in columns), pa.field("_diff", pa.int8())])
        end = plan.steps[-1]
        self._keys = end.keys if plan.kind == "TABLE" and isinstance(end, Emit) else None
        self._limit = self._left = limit
        self._deletions = deletions
        self._buffer_bytes = buffer_bytes
        self._release = release
        self._resume = resume
        self._waiting: deque[pa.RecordBatch] = deque()
        self._bytes = 0
        self._held = False
        self._ended = False
        self._changed = threading.Condition()
        self._wake: Callable[[], Any] | None = None

    @property
    def final_message(self) -> str | None:
        return self._final_message

    @property
    def error(self) -> Exception | None:
        return self._error

    @property
    def waiting_bytes(self) -> int:
        """What the rows take that wait for the reader."""
        return self._bytes

    def begin(self) -> None:
        """Called once the worker runs the query: LIMIT 0 ends before any row."""
        if self._limit == 0:  # not what is left: the worker may have seen the last row already
            self._end("caller", message=LIMIT_REACHED)

    # --- the worker's side ---------------------------------------------------

    def listen(self, batch: pa.RecordBatch | None, reason: str | None) -> Demand:
        """The worker's listener: rows of an epoch, or the failure of the query. Never blocks."""
        if batch is None:
            self._end("aside", error=QueryFailed(self.query_id, reason or "it was stopped"))
            return Demand.MORE
        rows = self._shown(batch)
        with self._changed:
            if self._ended:
                return Demand.MORE  # whoever ended it drops it
            if rows.num_rows:
                self._waiting.append(rows)
                self._bytes += self._size(rows)
                self._changed.notify_all()
            self._held = self._bytes >= self._buffer_bytes
            demand = Demand.WAIT if self._held else Demand.MORE
        if self._left == 0:
            self._end("worker", message=LIMIT_REACHED)
            return Demand.DONE
        if rows.num_rows and self._wake is not None:
            self._wake()
        return demand

    def _shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._keys is not None:
            batch = visible_changes(batch, self._keys)
            if not self._deletions:
                batch = batch.filter(pa.array(batch.column("_diff").to_numpy(zero_copy_only=False) > 0))
        if self._left is not None:
            batch = batch.slice(0, self._left)
            self._left -= batch.num_rows
        arrays = [batch.column(c.name) for c in self.columns]
        return pa.RecordBatch.from_arrays([*arrays, batch.column("_diff")], schema=self._schema)

    def _size(self, rows: pa.RecordBatch) -> int:
        return int(rows.nbytes) + _BATCH_BYTES * len(self._schema)

    def _end(self, release: Release, *, message: str | None = None, error: Exception | None = None) -> None:
        with self._changed:
            if self._ended:
                return
            self._ended = True
            self._final_message, self._error = message, error
            self._changed.notify_all()
        self._release(release)
        if self._wake is not None:
            self._wake()

    # --- the reader's side ---------------------------------------------------

    def on_rows(self, wake: Callable[[], Any]) -> None:
        self._wake = wake
        with self._changed:
            ready = self._ended or bool(self._waiting)
        if ready:
            wake()

    def take(self, max_rows: int = 10_000, timeout_s: float | None = None) -> pa.RecordBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._waiting), timeout_s)
            if not self._waiting:
                return None if self._ended else pa.RecordBatch.from_pylist([], schema=self._schema)
            taken: list[pa.RecordBatch] = []
            room = max_rows
            while room > 0 and self._waiting:
                batch = self._waiting.popleft()
                self._bytes -= self._size(batch)
                if batch.num_rows > room:
                    rest = batch.slice(room)
                    self._waiting.appendleft(rest)
                    self._bytes += self._size(rest)
                    batch = batch.slice(0, room)
                taken.append(batch)
                room -= batch.num_rows
            goes_on = self._held and not self._ended and self._bytes <= self._buffer_bytes // 2
            self._held &= not goes_on
        if goes_on:
            self._resume()
        return taken[0] if len(taken) == 1 else pa.concat_batches(taken)

    def stop(self, reason: str) -> None:
        """End the query with an error; what has come before can still be taken."""
        self._end("caller", error=QueryFailed(self.query_id, reason))

    def close(self) -> None:
        """End the query; what was not taken yet is dropped."""
        with self._changed:
            self._waiting.clear()
            self._bytes = 0
        self._end("caller")


class Running(Protocol):
    """What runs for readers: a push query, or the feed of subscriptions."""

    @property
    def query_id(self) -> str: ...

    @property
    def statement(self) -> str: ...

    @property
    def reads(self) -> tuple[str, ...]: ...

    def stop(self, reason: str) -> None: ...

    def close(self) -> None: ...


class Pushes:
    """What runs for readers, until it ends."""

    def __init__(self, worker: Worker, limit: int, buffer_bytes: int) -> None:
        self._worker = worker
        self._limit = limit
        self._buffer_bytes = buffer_bytes
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()
        # Calls to the worker that nobody is to wait for: the worker's own thread must not, an event loop should not.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="ssql-push")

    def open(
        self,
        plan: QueryPlan,
        columns: tuple[Column, ...],
        statement: str,
        *,
        limit: int | None,
        start: ReaderStart,
        deletions: bool = True,
    ) -> Push:
        """Start one. Raises `TooManyPushQueries`."""
        push = Push(
            plan,
            columns,
            statement,
            limit=limit,
            deletions=deletions,
            buffer_bytes=self._buffer_bytes,
            release=lambda release: self._ended(plan.query_id, release),
            resume=lambda: self.later(self._resume, plan.query_id),
        )
        self.admit(push)
        try:
            self._worker.subscribe(plan, push.listen, start=start)
        except BaseException:
            self.forget(plan.query_id)
            raise
        push.begin()
        return push

    def admit(self, running: Running) -> None:
        """Take in what is about to run. Raises `TooManyPushQueries`."""
        with self._lock:
            if len(self._running) >= self._limit:
                raise TooManyPushQueries(self._limit)
            self._running[running.query_id] = running

    def forget(self, query_id: str) -> bool:
        """What has ended; whether it was known."""
        with self._lock:
            return self._running.pop(query_id, None) is not None

    def _ended(self, query_id: str, release: Release) -> None:
        known = self.forget(query_id)
        if known and release == "caller":
            self._drop(query_id)
        elif known and release == "aside":
            self.later(self._drop, query_id)

    def later(self, call: Callable[[T], Any], about: T) -> None:
        """Have something done in a thread that may wait for the worker."""
        with contextlib.suppress(RuntimeError):  # the engine closes: there is nothing left to do
            self._aside.submit(call, about)

    def _drop(self, query_id: str) -> None:
        with contextlib.suppress(SsqlError):  # a worker that has failed has nothing to drop
            self._worker.drop(query_id)

    def _resume(self, query_id: str) -> None:
        with contextlib.suppress(SsqlError):  # it may have ended in the meantime
            self._worker.resume(query_id)

    def get(self, query_id: str) -> Push | None:
        with self._lock:
            running = self._running.get(query_id)
        return running if isinstance(running, Push) else None

    def close(self, name: str) -> str | None:
        """End the one whose id this is (statements write ids in capitals): its id, None when there is none."""
        found = {p.query_id: p for p in self.all()}
        push = found.get(name) or next((p for p in found.values() if p.query_id.upper() == name.upper()), None)
        if push is None:
            return None
        push.close()
        return push.query_id

    def all(self) -> list[Running]:
        with self._lock:
            return list(self._running.values())

    def readers(self, name: str) -> tuple[str, ...]:
        """The ids of those that read from a stream or table."""
        return tuple(push.query_id for push in self.all() if name in push.reads)

    def stop_readers(self, name: str, reason: str) -> None:
        """End those that read from a stream or table; their readers are told why."""
        for push in self.all():
            if name in push.reads:
                push.stop(reason)

    def close_all(self) -> None:
        """End all, and wait until the worker has let go of them."""
        for push in self.all():
            push.close()
        self._aside.shutdown(wait=True)
