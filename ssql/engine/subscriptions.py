"""Subscriptions: a push query's buffer between worker and reader, and the register of those that are running."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ssql.config import AUTO_OFFSET_RESET, PUSH_BUFFER_ROWS, Config
from ssql.errors import QueryFailed, SsqlError, SubscriberTooSlow, TooManyPushQueries
from ssql.planner.steps import Emit, QueryPlan
from ssql.runtime.api import Worker
from ssql.runtime.changes import group_rows
from ssql.types import Column

LIMIT_REACHED = "Limit Reached"


def visible_changes(batch: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """An epoch's changes of a table as a subscriber sees them: an update is its +1 only, a deletion its -1.

    A -1 is left out where the same place of the epoch (`_seq`) has a +1 for the same key. `keys` are key columns of
    the batch; where the query does not select the key, a place that has any +1 hides its -1.
    """
    diff = batch.column("_diff").to_numpy(zero_copy_only=False)
    if (diff > 0).all():
        return batch
    groups = group_rows([batch.column("_seq"), *(batch.column(k) for k in keys)], len(diff)).ids
    replaced = np.zeros(len(diff), dtype=bool)
    replaced[groups[diff > 0]] = True
    return batch.filter(pa.array((diff > 0) | ~replaced[groups]))


class Push:
    """A running push query (see `api.PushQuery`). Rows wait in a bounded buffer; a reader that is too slow is cut off.

    LIMIT counts what the subscriber sees. `release` is called once, when the query ends, with whether that happened in
    the worker's thread.
    """

    def __init__(
        self,
        plan: QueryPlan,
        columns: tuple[Column, ...],
        statement: str,
        buffer_rows: int,
        release: Callable[[bool], None],
    ) -> None:
        self.query_id = plan.query_id
        self.statement = statement
        self.reads = plan.reads
        self.columns = columns
        self._error: Exception | None = None
        self._final_message: str | None = None
        self._schema = pa.schema([*(pa.field(c.name, c.type.arrow) for c in columns), pa.field("_diff", pa.int8())])
        self._keys = tuple(c.name for c in plan.steps[-1].schema.keys) if plan.kind == "TABLE" else None
        end = plan.steps[-1]
        self._left = end.limit if isinstance(end, Emit) else None
        self._buffer_rows = buffer_rows
        self._release = release
        self._waiting: deque[pa.RecordBatch] = deque()
        self._rows = 0
        self._ended = False
        self._changed = threading.Condition()
        self._wake: Callable[[], Any] | None = None

    @property
    def final_message(self) -> str | None:
        return self._final_message

    @property
    def error(self) -> Exception | None:
        return self._error

    def begin(self) -> None:
        """Called once the worker runs the query: LIMIT 0 ends before any row."""
        if self._left == 0:
            self._end(message=LIMIT_REACHED, in_worker=False)

    # --- the worker's side ---------------------------------------------------

    def listen(self, batch: pa.RecordBatch | None, reason: str | None) -> None:
        """The worker's listener: rows of an epoch, or the end. Never blocks."""
        if batch is None:
            self._end(error=QueryFailed(self.query_id, reason or "it was stopped"), in_worker=True)
            return
        rows = self._shown(batch)
        with self._changed:
            if self._ended or not rows.num_rows:
                return
            too_slow = self._rows > 0 and self._rows + rows.num_rows > self._buffer_rows
            if not too_slow:
                self._waiting.append(rows)
                self._rows += rows.num_rows
                self._changed.notify_all()
        if too_slow:
            self._end(error=SubscriberTooSlow(self._buffer_rows), in_worker=True)
        elif self._left == 0:
            self._end(message=LIMIT_REACHED, in_worker=True)
        elif self._wake is not None:
            self._wake()

    def _shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._keys is not None:
            batch = visible_changes(batch, self._keys)
        if self._left is not None:
            batch = batch.slice(0, self._left)
            self._left -= batch.num_rows
        arrays = [batch.column(c.name) for c in self.columns]
        return pa.RecordBatch.from_arrays([*arrays, batch.column("_diff")], schema=self._schema)

    def _end(self, *, message: str | None = None, error: Exception | None = None, in_worker: bool) -> None:
        with self._changed:
            if self._ended:
                return
            self._ended = True
            self._final_message, self._error = message, error
            self._changed.notify_all()
        self._release(in_worker)
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
                if batch.num_rows > room:
                    self._waiting.appendleft(batch.slice(room))
                    batch = batch.slice(0, room)
                taken.append(batch)
                room -= batch.num_rows
            self._rows -= max_rows - room
        return taken[0] if len(taken) == 1 else pa.concat_batches(taken)

    def stop(self, reason: str) -> None:
        """End the query with an error; what has come before can still be taken."""
        self._end(error=QueryFailed(self.query_id, reason), in_worker=False)

    def close(self) -> None:
        """End the query; what was not taken yet is dropped."""
        with self._changed:
            self._waiting.clear()
            self._rows = 0
        self._end(in_worker=False)


class Pushes:
    """The push queries that are running."""

    def __init__(self, worker: Worker, limit: int) -> None:
        self._worker = worker
        self._limit = limit
        self._running: dict[str, Push] = {}
        self._lock = threading.Lock()
        # The worker's own thread cannot wait for itself: what ends there is dropped from here.
        self._reaper = ThreadPoolExecutor(1, thread_name_prefix="ssql-push-reaper")

    def open(self, plan: QueryPlan, columns: tuple[Column, ...], statement: str, config: Config) -> Push:
        """Start one. Raises `TooManyPushQueries`."""
        start: Literal["earliest", "latest"] = "earliest" if config[AUTO_OFFSET_RESET] == "earliest" else "latest"

        def release(in_worker: bool) -> None:
            self._ended(plan.query_id, in_worker)

        push = Push(plan, columns, statement, config[PUSH_BUFFER_ROWS], release)
        with self._lock:
            if len(self._running) >= self._limit:
                raise TooManyPushQueries(self._limit)
            self._running[plan.query_id] = push
        try:
            self._worker.subscribe(without_limit(plan), push.listen, start=start)
        except BaseException:
            with self._lock:
                self._running.pop(plan.query_id, None)
            raise
        push.begin()
        return push

    def _ended(self, query_id: str, in_worker: bool) -> None:
        with self._lock:
            known = self._running.pop(query_id, None)
        if known is not None and in_worker:
            self._reaper.submit(self._drop, query_id)
        elif known is not None:
            self._drop(query_id)

    def _drop(self, query_id: str) -> None:
        with contextlib.suppress(SsqlError):  # a worker that has failed has nothing to drop
            self._worker.drop(query_id)

    def get(self, query_id: str) -> Push | None:
        with self._lock:
            return self._running.get(query_id)

    def close(self, name: str) -> str | None:
        """End the one whose id this is (statements write ids in capitals): its id, None when there is none."""
        push = self.get(name) or next((p for p in self.all() if p.query_id.upper() == name.upper()), None)
        if push is None:
            return None
        push.close()
        return push.query_id

    def all(self) -> list[Push]:
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
        self._reaper.shutdown(wait=True)


def without_limit(plan: QueryPlan) -> QueryPlan:
    """The plan with LIMIT left to its reader, who counts rows: an update of a table is two changes."""
    end = plan.steps[-1]
    if not isinstance(end, Emit) or end.limit is None:
        return plan
    return replace(plan, steps=(*plan.steps[:-1], replace(end, limit=None)))
