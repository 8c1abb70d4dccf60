"""A feed: one running computation, and its last frames, shared by all who follow the same query.

The worker tells a feed the rows of each epoch once, and they are kept in a ring for as long as they are recent. Each
subscriber only remembers how far it is; so what a subscriber costs is a few hundred bytes, however slow it is. One that
falls behind the ring goes on by its own token, as if it had come again.

A feed that catches up for somebody (behind a token, or from the beginning) is *patient*: the worker holds it back until
its first reader has taken what it told, so that it is read from the log at the reader's speed. Once it runs with all
other queries it is at the place of the feed that is shared, or becomes that.
"""

from __future__ import annotations

import itertools
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import pyarrow as pa

from ssql.engine.api import Frame
from ssql.engine.subscriptions.frames import Entry, Place, Shape, Snapshot, Telling, net_frame
from ssql.engine.subscriptions.places import Begin
from ssql.engine.subscriptions.result import Result
from ssql.engine.subscriptions.routes import Reader, Route, Slot
from ssql.errors import QueryFailed
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import Demand, Offsets, Reached

#: A query that has no changes to tell says how far it is all the same, this long (s) after what it told last: a token
#: is not to grow old where records come and none is for the client.
PROGRESS_S = 10.0

#: Frames that are held for who takes them next.
KEPT_FRAMES = 8

#: What a feed takes beside its entries (bytes), about.
_FEED_BYTES = 4096

#: The query, and where its streams were begun where its result depends on that.
FeedKey = tuple[bytes, tuple[tuple[tuple[str, int], int], ...]]


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
        shape = self.shape
        self._result = Result(shape.schema, shape.keys, shape.lifetime_ms) if shape.is_table else None
        self._bytes = 0
        self._held = False
        self._caught_up = False
        self._readers_of_all: set[Reader] = set()
        self._told_at = clock.monotonic()
        # What subscribers share: for as long as one of them has it, or it is among the last.
        self._frames: WeakValueDictionary[tuple[int, int | Telling], Frame] = WeakValueDictionary()
        self._last: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        #: kept until the next changes
        self._snapshot: Snapshot | None = None
        #: where a patient feed ended, and who goes on from there, behind which tick
        self.successor: Feed | None = None
        #: the tick at which it came beside the others: what it told before that, they may have told long ago
        self.joined = 0
        self.handover = 0
        self._routes: dict[tuple[str, ...], Route] = {}
        #: readers that are to be woken; None: all
        self._roused: set[Reader] | None = None
        #: patient feeds that went over into this one, by the place where they began, as long as they are small
        self.before: dict[Hashable, Feed] = {}

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
    def newest(self) -> int:
        """The tick of the last entry."""
        return self.entries[-1].tick if self.entries else self.dropped

    @property
    def listed(self) -> bool:
        """Whether it has readers that are named by it, as they have no ids of their own."""
        return any(not reader.named for reader in self.readers)

    @property
    def has_what_was_there(self) -> bool:
        """Whether it has, or begins with, all that was there when it was begun: not one that tells that still."""
        self._caught_up |= (self.begin.after is None and bool(self.begin.quiet)) or self.covers(self.begin.ends)
        return self._caught_up

    def covers(self, ends: Offsets) -> bool:
        """Whether it has told all that comes before these offsets."""
        if self.ended or not self.begun or self.place is None:
            return False
        there = self.place.frontier
        return all(there.get(place, 0) >= end for place, end in ends.items())

    @property
    def beside_others(self) -> bool:
        """Whether it has seen just what all other feeds have seen of which this is so."""
        return self.place is not None and self.place.reached.joined and not self._held

    # --- the worker's side ---------------------------------------------------

    def told(self, rows: pa.RecordBatch | None, reached: Reached) -> Demand:
        with self.changed:
            if self.ended:
                return Demand.MORE  # whoever ended it drops it
            changes = None if rows is None else self.shape.kept(rows)
            if rows is not None and self._result is not None:
                self._result.apply(rows)
                self._snapshot = None
            rows_there, digest = (self._result.rows, self._result.digest) if self._result is not None else (0, 0)
            before, self.place = self.place, Place(self.shape, reached, self.begin.origin, rows_there, digest)
            news = reached.joined and (self.patient or before is None or not before.reached.joined)
            if reached.joined and (before is None or not before.reached.joined):
                self.joined = reached.tick
            if changes is None and self._is_silent(reached):
                changes = self.shape.no_changes
            if news:
                self._roused = None
            if changes is not None and not reached.quiet:
                self._put(Entry(self.place, changes))
                news = True
            if reached.begun and not self.begun:
                self.begun, self.start = True, self.place
                after = self.begin.after
                self.exact = after is None or (after.rows, after.digest) == (rows_there, digest)
                self._roused, news = None, True
            if not news:
                return Demand.MORE
            self.changed.notify_all()
            self._held = self.patient and self._bytes >= self.buffer_bytes
            demand = Demand.WAIT if self._held else Demand.MORE
        self.notify(self)
        return demand

    def has_all_since(self, begin: Hashable) -> bool:
        """Whether it began at a place (see `Begin.key`), and has all that it told since."""
        return not self.ended and not self.dropped and self.begin.key == begin

    def hand_over(self, shared: Feed) -> None:
        """End, and have `shared` go on with its readers: both have seen the same. With `changed` of both held."""
        assert self.place is not None
        self.successor, self.ended = shared, True
        self.handover = max(self.place.reached.tick, shared.joined)
        for reader in self.readers:
            shared.admit(reader, self.handover)
        if not self.dropped and self.exact:
            shared.before[self.begin.key] = self
            self._result = self._snapshot = None  # nobody is told them from here
        while sum(feed._bytes + _FEED_BYTES for feed in shared.before.values()) > self.buffer_bytes:
            shared.before.pop(next(iter(shared.before)))
        self.changed.notify_all()

    def stop(self, reason: str) -> None:
        """End it with an error; what has come before can still be taken."""
        self.stop_all(self, reason)

    def close(self) -> None:
        """End it."""
        self.stop_all(self, None)

    def failed(self, reason: str) -> None:
        self.end(QueryFailed(self.query_id, reason))

    def _is_silent(self, reached: Reached) -> bool:
        """Whether it has gone on for long since it told something."""
        late = clock.monotonic() - self._told_at >= PROGRESS_S
        last = self.entries[-1].place if self.entries else self.start
        here = {**reached.offsets, **reached.own}
        return late and self.begun and last is not None and here != last.frontier

    def _put(self, entry: Entry) -> None:
        self._told_at = clock.monotonic()
        self.entries.append(entry)
        self._bytes += entry.size
        if self._roused is not None:
            self._roused |= self._readers_of_all
        for route in self._routes.values():
            hit = route.put(entry)
            if self._roused is not None:
                self._roused |= hit
        while not self.patient and self._bytes > self.buffer_bytes and len(self.entries) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self.entries.popleft()
        self._bytes -= oldest.size
        self.dropped = oldest.tick
        for route in self._routes.values():
            route.drop(oldest)

    def end(self, error: Exception | None = None) -> None:
        """No more comes; what is there can still be taken."""
        with self.changed:
            if self.ended:
                return
            self.ended, self.error = True, error
            self._roused = None
            self.changed.notify_all()
        self.notify(self)

    # --- the readers' side: with `changed` held --------------------------------

    def admit(self, reader: Reader, tick: int) -> None:
        """Take in a reader, that goes on behind a tick."""
        self.readers.add(reader)
        if reader.wanted is None or self.patient:
            self._readers_of_all.add(reader)
        else:
            route = self._routes.setdefault(reader.wanted.columns, Route(reader.wanted.columns))
            route.admit(reader, reader.wanted, self._after(tick), self.dropped)

    def dismiss(self, reader: Reader) -> None:
        self.readers.discard(reader)
        self._readers_of_all.discard(reader)
        wanted = reader.wanted
        if wanted is not None and (route := self._routes.get(wanted.columns)) is not None:
            route.dismiss(reader, wanted)
            if not route.leads_to_somebody:
                del self._routes[wanted.columns]

    def roused(self) -> list[Reader]:
        """The readers for whom there is something new since this was last asked."""
        found = list(self.readers if self._roused is None else self._roused)
        self._roused = set()
        return found

    def after(self, reader: Reader) -> list[Entry]:
        """The entries that a reader has not taken: those that have something for it, where that is known."""
        slot = self._slot(reader)
        return self._after(reader.tick, self.entries if slot is None else slot.entries)

    def is_behind(self, reader: Reader) -> bool:
        """Whether something that it has not taken is no longer there."""
        slot = self._slot(reader)
        return reader.tick < (self.dropped if slot is None else slot.dropped)

    def _slot(self, reader: Reader) -> Slot | None:
        route = None if reader.wanted is None else self._routes.get(reader.wanted.columns)
        return None if route is None or reader.wanted is None else route.slot(reader, reader.wanted)

    def _after(self, tick: int, entries: deque[Entry] | None = None) -> list[Entry]:
        """Those of `entries` (all) behind a tick: a reader has taken most of what is there."""
        newest_first = reversed(self.entries if entries is None else entries)
        found = list(itertools.takewhile(lambda entry: entry.tick > tick, newest_first))
        found.reverse()
        return found

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
        if self._snapshot is None:
            self._snapshot = Snapshot(self.place, self._result.view)
        return self._snapshot

    def taken(self) -> None:
        """A reader has gone on: a patient feed lets go of what all have taken, if it is much, and goes at the pace of
        the first. Who is too far behind that one goes on alone."""
        if not self.patient or self.successor is not None:
            return
        ticks = [reader.tick for reader in self.readers] or [0]
        # What is little is kept: others may begin at the same place.
        while self.entries and self._bytes > self.buffer_bytes // 2 and self.entries[0].tick <= min(ticks):
            self._drop_oldest()
        unread = sum(entry.size for entry in self._after(max(ticks)))
        if self._held and not self.ended and unread <= self.buffer_bytes // 2:
            while self._bytes > self.buffer_bytes // 2:
                self._drop_oldest()
            self._held = False
            self.resume(self)

    # --- without it ------------------------------------------------------------

    def each(self, entry: Entry, telling: Telling) -> Frame | None:
        """The changes of an entry, each; None where nothing is left of them."""
        if telling == "every":
            return self._made((entry.tick, telling), lambda: entry.place.frame(entry.changes))
        return self._made((entry.tick, telling), lambda: entry.place.some(self.shape.told(entry.changes, telling)))

    def net(self, entries: Sequence[Entry]) -> Frame | None:
        """The net effect of entries that follow each other; None where nothing is left of them."""
        return self._made((entries[0].tick, entries[-1].tick), lambda: net_frame(entries))

    def _made(self, span: tuple[int, int | Telling], make: Callable[[], Frame | None]) -> Frame | None:
        """One frame for all who take the same. Its forms may be large, so only the last few are held here."""
        found = self._frames.get(span)
        if found is None:
            found = make()
            if found is not None:
                found = self._frames.setdefault(span, found)
                self._last.append(found)
        return found
