"""Following a query: pieces put together to deltas, where to go on, and when to try again.

A delta is told once it is whole, with its token, and only then is that token what the next attempt starts after. So
however often the line is lost, every change is told once. There is no input and no output here: both kinds of
connection share it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from ssql.client.backends import Piece, Start
from ssql.client.results import Delta
from ssql.errors import ServerStarting, ServerStopping, ServerUnavailable, SsqlError

#: What passes: the line, or the server, is expected back.
PASSING = (ServerUnavailable, ServerStarting, ServerStopping)

#: Seconds before the first new attempt, doubled with each, up to the second.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0


class Follower:
    """One subscription's place. `patience_s`: how long nothing may answer before the subscription gives up."""

    def __init__(self, start: Start, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.start = start
        self._patience_s, self._clock = patience_s, clock
        self._parts: list[pa.RecordBatch] = []
        self._snapshot = False
        self._pause_s = FIRST_PAUSE_S
        self._lost_at: float | None = None

    def take(self, piece: Piece) -> Delta | None:
        """The delta that is whole with this piece."""
        self._pause_s, self._lost_at = FIRST_PAUSE_S, None
        self._parts.append(piece.rows)
        self._snapshot = self._snapshot or piece.snapshot
        if piece.token is None:
            return None
        delta = Delta(pa.Table.from_batches(self._parts), self._snapshot, piece.token, piece.frontier, piece.keys)
        self._forget()
        self.start = replace(self.start, after=piece.token)
        return delta

    def lost(self, error: SsqlError) -> float:
        """How long (s) to wait before the next attempt; what was not whole is forgotten. Raises `error` when nothing
        has answered for too long."""
        self._forget()
        now = self._clock()
        self._lost_at = now if self._lost_at is None else self._lost_at
        left = self._lost_at + self._patience_s - now
        if left <= 0:
            raise error
        pause, self._pause_s = self._pause_s, min(self._pause_s * 2, LONGEST_PAUSE_S)
        # Chance spreads the attempts of many clients of one server.
        return min(left, pause * random.uniform(0.5, 1.0))

    def _forget(self) -> None:
        self._parts, self._snapshot = [], False
