"""A feed: one running computation, and its last frames, shared by all who follow the same query.

The worker tells a feed the rows of each epoch once, and they are kept in a ring for as long as they are recent. Each
subscriber only remembers how far it is; so what a subscriber costs is a few hundred bytes, however slow it is. One that
falls behind the ring goes on by its own token, as if it had come again.

A feed that catches up for somebody (behind a token, or from the beginning) is *patient*: the worker holds it back until
what it has told is taken, so that it can be read from the log at the reader's speed. Once it runs with all other
queries it is at the place of the feed that is shared, or becomes that.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from ssql.engine.subscriptions.frames import Entry, Place, Shape, Snapshot
from ssql.engine.subscriptions.places import Begin
from ssql.engine.subscriptions.result import Result
from ssql.errors import QueryFailed
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import Demand, Reached

#: The query, and where its streams were begun where its result depends on that.
FeedKey = tuple[bytes, tuple[tuple[tuple[str, int], int], ...]]


class Reader(Protocol):
    """A subscriber, as its feed knows it."""

    #: the tick of the last entry that it has taken
    tick: int

    def wake(self) -> None: ...


@dataclass(eq=False)
class Feed:
    """See the module's text. All its fields are guarded by `changed`; the worker's thread never waits for long."""

    plan: QueryPlan
    shape: Shape
    statement: str
    begin: Begin
    buffer_bytes: int
    patient: bool
    #: has its readers woken, in another thread
    notify: Callable[[Feed], None]
    #: lets the worker go on with it, in another thread
    resume: Callable[[Feed], None]
    #: ends it for all its readers
    stop_all: Callable[[Feed, str | None], None]
    changed: threading.Condition = field(default_factory=threading.Condition)
    readers: set[Reader] = field(default_factory=set)
    entries: deque[Entry] = field(default_factory=deque)
    #: the tick of the last entry that is no longer there
    dropped: int = 0
    begun: bool = False
    #: whether a table's result is the one that the token told of
    exact: bool = True
    #: where it began to tell, and where it is
    start: Place | None = None
    place: Place | None = None
    error: Exception | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self._result = Result(self.shape.schema, self.shape.keys) if self.shape.is_table else None
        self._bytes = 0
        self._held = False

        #: where a patient feed ended, and who goes on from there, behind which tick
        self.successor: Feed | None = None
        self.handover = 0

    @property
    def query_id(self) -> str:
        return self.plan.query_id

    @property
    def reads(self) -> tuple[str, ...]:
        return self.plan.reads

    @property
    def key(self) -> FeedKey:
        """Feeds of one key tell the same from any place on."""
        return self.shape.query, tuple(sorted(self.begin.origin.items()))

    @property
    def beside_others(self) -> bool:
        """Whether it has seen just what all other feeds have seen of which this is so."""
        return self.place is not None and self.place.reached.joined and not self._held

    # --- the worker's side ---------------------------------------------------

    def told(self, rows: pa.RecordBatch | None, reached: Reached) -> Demand:
        with self.changed:
            if self.ended:
                return Demand.MORE  # whoever ended it drops it
            changes = None if rows is None else rows.select([*self.shape.schema.names, "_diff"])
            if changes is not None and self._result is not None:
                self._result.apply(changes)
            rows_there, digest = (self._result.rows, self._result.digest) if self._result is not None else (0, 0)
            self.place = Place(self.shape, reached, self.begin.origin, rows_there, digest)
            if changes is not None and not reached.quiet:
                self._put(Entry(self.place, changes))
            if reached.begun and not self.begun:
                self.begun, self.start = True, self.place
                after = self.begin.after
                self.exact = after is None or (after.rows, after.digest) == (rows_there, digest)
            elif (changes is None or reached.quiet) and not reached.joined:
                return Demand.MORE
            self.changed.notify_all()
            self._held = self.patient and self._bytes >= self.buffer_bytes
            demand = Demand.WAIT if self._held else Demand.MORE
        self.notify(self)
        return demand

    def stop(self, reason: str) -> None:
        """End it with an error; what has come before can still be taken."""
        self.stop_all(self, reason)

    def close(self) -> None:
        """End it."""
        self.stop_all(self, None)

    def failed(self, reason: str) -> None:
        self.end(QueryFailed(self.query_id, reason))

    def _put(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._bytes += entry.size
        while not self.patient and self._bytes > self.buffer_bytes and self.entries:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self.entries.popleft()
        self._bytes -= oldest.size
        self.dropped = oldest.tick

    def end(self, error: Exception | None = None) -> None:
        """No more comes; what is there can still be taken."""
        with self.changed:
            if self.ended:
                return
            self.ended, self.error = True, error
            self.changed.notify_all()
        self.notify(self)

    # --- the readers' side: with `changed` held --------------------------------

    def after(self, tick: int) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.tick > tick)

    def tick_of(self, token: str) -> int | None:
        """Behind which tick what comes after a token begins; None where that is not kept."""
        if not self.begun or self.start is None or self.place is None:
            return None
        given = [entry.place for entry in self.entries if entry.place.has_token]
        if not self.dropped:
            given.append(self.start)
        return next((p.reached.tick for p in [self.place, *given] if p.token == token), None)

    def snapshot(self) -> Snapshot:
        """What a table's query has come to."""
        assert self._result is not None
        assert self.place is not None
        return Snapshot(self.place, self._result.view)

    def taken(self) -> None:
        """A reader has gone on: a patient feed lets go of what all have taken."""
        if not self.patient:
            return
        least = min((reader.tick for reader in self.readers), default=0)
        while self.entries and self.entries[0].tick <= least:
            self._drop_oldest()
        if self._held and not self.ended and self._bytes <= self.buffer_bytes // 2:
            self._held = False
            self.resume(self)
