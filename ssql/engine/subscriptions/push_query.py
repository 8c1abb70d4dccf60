"""A push query of ksqlDB's: a reader of a feed, with rules of its own.

It is told each change, an update as its new row alone; of its LIMIT it counts what it is told. Its id is its own, that
of the feed is for nobody: others may share it.
"""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from ssql.engine.api import Frame, PushRows
from ssql.engine.running import Running
from ssql.engine.subscriptions.subscription import LocalSubscription, Wish
from ssql.errors import QueryFailed
from ssql.types import Column

LIMIT_REACHED = "Limit Reached"


class Push:
    """See `ssql.engine.api.PushQuery`. Holds nothing but the frame of which not all was taken."""

    def __init__(self, running: Running, query_id: str, statement: str, wish: Wish) -> None:
        self.query_id = query_id
        self.statement = statement
        self.columns: tuple[Column, ...] = wish.shape.columns
        self._running = running
        self._wish = wish
        self._left = wish.limit
        self._subscription: LocalSubscription | None = None
        self._rest: PushRows | None = None
        self._nothing = _rows(Frame(pa.RecordBatch.from_pylist([], schema=wish.shape.shown), False, {}, None))
        self._final_message: str | None = None
        self._ended = False
        # A query may be closed while its reader is in `take`.
        self._lock = threading.Lock()

    def begin(self, subscribe: Callable[[Wish, str | None], LocalSubscription]) -> None:
        """Start it. Raises `TooManyPushQueries`, and what `subscribe` raises."""
        self._running.admit_push(self)
        try:
            self._subscription = subscribe(self._wish, None)
        except BaseException:
            self._running.forget(self.query_id)
            raise
        if self._left == 0:
            self._reach_limit()

    # --- among what runs -----------------------------------------------------

    @property
    def listed(self) -> bool:
        return not self._ended and (self._subscription is None or not self._subscription.feed_ended)

    # --- the reader's side ---------------------------------------------------

    @property
    def final_message(self) -> str | None:
        return self._final_message

    @property
    def error(self) -> Exception | None:
        failure = self._subscription.error if self._subscription is not None and not self._ended else None
        return failure.of(self.query_id) if isinstance(failure, QueryFailed) else failure

    def on_rows(self, wake: Callable[[], Any]) -> None:
        assert self._subscription is not None
        self._subscription.on_frame(wake)

    def take(self, max_rows: int = 10_000, timeout_s: float | None = None) -> pa.RecordBatch | None:
        rows = self.take_rows(max_rows, timeout_s)
        return rows if rows is None else rows.batch

    def take_rows(self, max_rows: int = 10_000, timeout_s: float | None = None) -> PushRows | None:
        assert self._subscription is not None
        deadline = None if timeout_s is None else clock.monotonic() + timeout_s
        while True:
            with self._lock:
                if self._ended:
                    return None
                if self._rest is not None:
                    return self._taken(self._rest, max_rows)
            left = None if deadline is None else max(0.0, deadline - clock.monotonic())
            frame = self._subscription.take(left)
            if frame is not None:
                if frame.rows.num_rows:
                    self._rest = _rows(frame)
                continue
            if self._subscription.ended:
                self._leave()
                return None
            return self._nothing

    def _taken(self, rows: PushRows, max_rows: int) -> PushRows:
        count = min(rows.num_rows, max_rows) if self._left is None else min(rows.num_rows, max_rows, self._left)
        taken = rows if count == rows.num_rows else rows.part(0, count)
        self._rest = rows.part(count, rows.num_rows) if count < rows.num_rows else None
        if self._left is not None:
            self._left -= count
            if self._left == 0:
                self._reach_limit()
        return taken

    def _reach_limit(self) -> None:
        self._final_message = LIMIT_REACHED
        self._ended = True
        self._leave()

    def _leave(self) -> None:
        """Nothing is wanted any more of the feed, which nobody waits for."""
        assert self._subscription is not None
        self._running.forget(self.query_id)
        self._running.later(LocalSubscription.close, self._subscription)

    def close(self) -> None:
        """End the query; what was not taken yet is dropped."""
        assert self._subscription is not None
        with self._lock:
            if self._ended:
                return
            self._ended, self._rest = True, None
        self._running.forget(self.query_id)
        self._subscription.close()
        self._subscription.wake()


def _rows(frame: Frame) -> PushRows:
    """A frame's rows, with `_diff` behind their columns: once for all who take it."""
    rows: PushRows | None = frame.rendered.get(PushRows)
    if rows is None:
        diff, *columns = frame.rows.schema.names
        rows = PushRows(frame.rows.select([*columns, diff]), 0, frame.rows.num_rows)
        frame.rendered[PushRows] = rows
    return rows
