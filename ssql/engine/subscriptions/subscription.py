"""One client's way through the frames of feeds."""

from __future__ import annotations

import time as clock
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ssql.engine.api import Frame
from ssql.engine.subscriptions.feed import Feed
from ssql.engine.subscriptions.frames import Entry, Shape, Telling, wanted_frame
from ssql.engine.subscriptions.places import Places
from ssql.engine.subscriptions.wanted import Wanted
from ssql.errors import ReaderTooSlow
from ssql.planner.steps import QueryPlan
from ssql.types import Column

Start = Literal["snapshot", "log", "now"]


class Feeds(Protocol):
    """What a subscription needs of those who run feeds."""

    def leave(self, subscriber: LocalSubscription) -> None:
        """It wants no more."""

    def go_on(self, subscriber: LocalSubscription) -> None:
        """It has fallen behind its feed: find it one that goes on behind its token. Does not wait for that."""


@dataclass(frozen=True)
class Wish:
    """A query, and how it is to be followed. `earliest`: where streams are begun.

    `start`: "snapshot" is what tables hold, then what changes; "log" is all that the log has of tables, and of streams
    from where they are begun, then what comes; "now" is what comes. In the latter two nothing is told anew: who cannot
    go on where it was is told so.
    """

    plan: QueryPlan
    shape: Shape
    statement: str
    places: Places
    earliest: bool
    start: Start = "snapshot"
    telling: Telling = "net"
    #: of the start "snapshot": whether tables' rows that are there already are told
    snapshot: bool = True
    #: how many rows are told, of a push query; and whether who follows is listed under an id of its own
    limit: int | None = None
    named: bool = False
    #: of its rows, those that are wanted; None: all
    wanted: Wanted | None = None
    #: the same as a query for many, of whose rows some are wanted
    among_many: Wish | None = None


class LocalSubscription:
    """See `ssql.engine.api.Subscription`. Holds no rows but those of a snapshot that is being taken."""

    def __init__(self, feeds: Feeds, wish: Wish) -> None:
        self._feeds = feeds
        self.wish = wish
        self.feed: Feed
        self.tick = 0
        #: the token of the last frame that was taken
        self.token: str | None = None
        #: whether the first frame is to come: a snapshot, or one without rows that tells where it starts; and whether
        #: that is where its feed started
        self.starts = self.whole = False
        #: whether it goes on behind a token, which the feed may not have come to
        self.goes_on = False
        self.snapshot = wish.snapshot and wish.start == "snapshot"
        self._parts: deque[Frame] = deque()
        self._waits = False
        self._wake: Callable[[], None] | None = None
        self._ended = False
        self._error: Exception | None = None

    @property
    def wanted(self) -> Wanted | None:
        return self.wish.wanted

    @property
    def named(self) -> bool:
        return self.wish.named

    # --- set by those who run feeds --------------------------------------------

    def go_on_at(self, feed: Feed) -> None:
        """Follow `feed` from where it is. With `feed.changed` held."""
        assert feed.place is not None
        self.starts, self.token = False, feed.place.token
        self.follow(feed, feed.place.reached.tick)

    def follow(self, feed: Feed, tick: int) -> None:
        """Go on with the entries of `feed` after a tick. With `feed.changed` held."""
        self.feed, self.tick, self._waits = feed, tick, False
        # Who starts is told of what the feed has come to: nothing that came before is looked through for it.
        feed.admit(self, feed.newest if self.starts and not self.whole else tick)

    def wake(self) -> None:
        if self._wake is not None:
            self._wake()

    def finish(self, error: Exception | None) -> None:
        feed = self.feed
        with feed.changed:
            self._ended, self._error = True, error
            feed.changed.notify_all()
        self.wake()

    # --- the client's side -----------------------------------------------------

    @property
    def query_id(self) -> str:
        feed = self.feed
        while feed.successor is not None:  # it may have gone over, though its readers have not taken the rest yet
            feed = feed.successor
        return feed.query_id

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.feed.shape.columns

    @property
    def keys(self) -> tuple[str, ...]:
        return self.feed.shape.keys if self.feed.shape.visible else ()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def feed_ended(self) -> bool:
        """Whether no more comes, though what has come may be to be taken yet."""
        return self._ended or (self.feed.ended and self.feed.successor is None)

    @property
    def error(self) -> Exception | None:
        return self._error

    def on_frame(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        wake()

    def take(self, timeout_s: float | None = None) -> Frame | None:
        deadline = None if timeout_s is None else clock.monotonic() + timeout_s
        while True:
            if self._parts:
                return self._given(self._parts.popleft())
            feed = self.feed
            with feed.changed:
                make = self._next(feed)
                if make is None and self._ended:
                    return None
                if make is None and self.feed is feed:
                    left = None if deadline is None else deadline - clock.monotonic()
                    if (left is not None and left <= 0) or not feed.changed.wait(left):
                        return None
            # Made without the lock, which the worker needs: it may be many rows.
            if make is not None:
                self._parts.extend(make())

    def _given(self, frame: Frame) -> Frame:
        if frame.token is not None:
            self.token = frame.token if self.wanted is None else self.wanted.unmarked(frame.token)
        return frame

    def close(self) -> None:
        self._ended = True
        self._parts.clear()
        self._feeds.leave(self)
        with self.feed.changed:
            self.feed.changed.notify_all()

    # --- with `feed.changed` held ------------------------------------------------

    def _next(self, feed: Feed) -> Callable[[], Sequence[Frame]] | None:
        """What makes the next frames, if there are any by now."""
        if self._waits or self._ended:
            return None
        if self.goes_on and feed.begun:
            self.goes_on = False
            # What the log still has leads to other rows than the client has: it gets them anew.
            if not feed.exact and self.wish.start != "snapshot":
                self._ended, self._error = True, ReaderTooSlow()
                return None
            self.starts = self.snapshot = not feed.exact
        if self.starts and feed.begun:
            return self._first(feed)
        if feed.is_behind(self):
            self._fell_behind()
            return None if self._waits else self._first(feed)
        if entries := feed.after(self):
            return self._changes(feed, entries)
        if feed.successor is not None:
            feed.readers.discard(self)
            self.feed, self.tick = feed.successor, feed.handover
        elif feed.ended:
            self._ended, self._error = True, feed.error
        return None

    def _first(self, feed: Feed) -> Callable[[], Sequence[Frame]]:
        self.starts = False
        wanted = self.wanted
        assert feed.place is not None
        assert feed.start is not None
        if feed.shape.is_table and self.snapshot:
            snapshot = feed.snapshot()
            self.tick = snapshot.place.reached.tick
            return lambda: snapshot.frames if wanted is None else snapshot.frames_of(wanted)
        place = feed.start if self.whole else feed.place
        self.tick = place.reached.tick
        return lambda: [place.frame(None) if wanted is None else wanted.marked(place.frame(None))]

    def _changes(self, feed: Feed, entries: list[Entry]) -> Callable[[], Sequence[Frame]]:
        telling = self.wish.telling if feed.shape.is_table else "every"
        told = entries if telling == "net" else entries[:1]
        self.tick = told[-1].tick
        feed.taken()
        wanted = self.wanted
        if wanted is not None:
            return lambda: [frame] if (frame := wanted_frame(told, wanted, telling)) is not None else []
        if telling != "net":
            return lambda: [frame] if (frame := feed.each(told[0], telling)) is not None else []
        return lambda: [frame] if (frame := feed.net(told)) is not None else []

    def _fell_behind(self) -> None:
        """What comes next is no longer kept. Of a table the rows as they are now say it all; else it is read again."""
        if self.feed.shape.is_table and self.wish.telling == "net":
            self.snapshot = True
            return
        self._waits = True
        self._feeds.go_on(self)
