"""The feeds that run: who follows the same query from the same place shares one."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ssql.engine.pull_plans import PullPlans
from ssql.engine.running import Running
from ssql.engine.subscriptions import tokens
from ssql.engine.subscriptions.feed import Feed, FeedKey
from ssql.engine.subscriptions.places import Begin
from ssql.engine.subscriptions.subscription import LocalSubscription, Wish
from ssql.errors import QueryFailed, ReaderTooSlow, SsqlError, TokenExpired
from ssql.runtime.api import Offsets, Worker

#: So many clients that want the rows of a key each have a query of their own; those who come then share one, which
#: holds the rows of all keys.
FEW = 8


class Feeds:
    """The feeds of one engine. Locks: `_lock` before a feed's `changed`; neither while the worker is waited for."""

    def __init__(self, worker: Worker, listed: Running, buffer_bytes: int) -> None:
        self._worker = worker
        self._listed = listed
        self._buffer_bytes = buffer_bytes
        self._lock = threading.Lock()
        #: all that run, and of each key the one that is shared
        self._running: dict[str, Feed] = {}
        self._shared: dict[FeedKey, Feed] = {}
        self._begun = itertools.count(1)
        #: those who want the rows of a key and have a query of their own, by the query for all keys
        self._alone: dict[bytes, set[LocalSubscription]] = {}
        #: what was followed of late
        self.plans: PullPlans[Wish] = PullPlans()
        self._noted: set[str] = set()
        # Wakes readers: not to be held up by what waits for the worker.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="ssql-feeds")

    def close(self) -> None:
        """Wait until all readers know what there is to know."""
        self._aside.shutdown(wait=True)

    # --- subscribers come and go -------------------------------------------------

    def subscribe(self, wish: Wish, after: str | None) -> LocalSubscription:
        """Raises `TokenRefused`, `TokenExpired`, `TooManyPushQueries`."""
        many = wish.among_many
        if many is not None and (self._is_shared(many) if after is None else "." in after):
            wish = replace(many, snapshot=wish.snapshot, start=wish.start, telling=wish.telling, named=wish.named)
        subscriber = LocalSubscription(self, wish)
        if wish.among_many is not None:
            with self._lock:
                self._alone.setdefault(wish.among_many.shape.query, set()).add(subscriber)
        if after is None:
            self._from_the_start(subscriber)
        else:
            subscriber.token = after if wish.wanted is None else wish.wanted.unmarked(after)
            self._behind(subscriber, subscriber.token)
        return subscriber

    def _is_shared(self, many: Wish) -> bool:
        """Whether who wants a key is one of many. The first few have queries of their own, with just their rows."""
        query = many.shape.query
        with self._lock:
            return len(self._alone.get(query, ())) >= FEW or any(key[0] == query for key in self._shared)

    def _from_the_start(self, subscriber: LocalSubscription) -> None:
        wish, places = subscriber.wish, subscriber.wish.places
        history = wish.start == "log"
        # From its beginning a stream is told to each of its readers, and so is all that a log has of a table.
        whole = history if places.is_table else wish.earliest
        subscriber.starts, subscriber.whole = True, whole or wish.start != "snapshot"
        snapshot = places.is_table and wish.start == "snapshot"
        if snapshot and not places.remembers and self._join(subscriber, (wish.shape.query, ())):
            return
        begin = places.anew(earliest=wish.earliest, history=history)
        key = wish.shape.query, tuple(sorted(begin.origin.items()))
        if self._join_at(subscriber, key, begin.key):
            return
        anywhere = not subscriber.whole or not (whole or places.remembers)
        ends = None if wish.start == "snapshot" else {**begin.offsets, **begin.quiet}
        if not (anywhere and self._join(subscriber, key, ends)):
            self._begin(subscriber, begin, patient=whole)

    def _join(self, subscriber: LocalSubscription, key: FeedKey, ends: Offsets | None = None) -> bool:
        """Join the feed that is shared, at what it has come to, if that is not before these offsets (None: before what
        there was when it was begun)."""
        with self._lock:
            feed = self._shared.get(key)
            if feed is None:
                return False
            with feed.changed:
                if feed.ended or not (feed.has_what_was_there if ends is None else feed.covers(ends)):
                    return False
                if subscriber.whole:
                    subscriber.go_on_at(feed)
                else:
                    subscriber.follow(feed, 0)
                return True

    def _behind(self, subscriber: LocalSubscription, after: str) -> None:
        wish = subscriber.wish
        token = tokens.read(after, wish.shape.query)
        key = wish.shape.query, tuple(sorted(tokens.unpacked(token.origin).items()))
        if self._join_behind(subscriber, key, after):
            return
        try:
            begin = wish.places.behind(token)
        except TokenExpired:
            if wish.start != "snapshot":
                raise ReaderTooSlow from None
            if not wish.places.is_table:
                raise
            subscriber.goes_on, subscriber.snapshot = False, True
            self._from_the_start(subscriber)
            return
        self._begin(subscriber, begin, patient=True)

    def _join_behind(self, subscriber: LocalSubscription, key: FeedKey, after: str) -> bool:
        """Join a feed at the place of a token, where one still has all that comes after."""
        with self._lock:
            shared = self._shared.get(key)
            if shared is not None:
                with shared.changed:
                    tick = None if shared.ended else shared.tick_of(after)
                    if tick is not None:
                        subscriber.follow(shared, tick)
                        return True
        subscriber.goes_on = True
        return self._join_at(subscriber, key, after)

    def _join_at(self, subscriber: LocalSubscription, key: FeedKey, begin: Hashable) -> bool:
        """Join a feed that began at a place (see `Begin.key`), where one still has all that it told since."""
        with self._lock:
            shared = self._shared.get(key)
            if shared is not None:
                with shared.changed:
                    before = shared.before.get(begin)
                    if before is not None and not shared.ended and shared.dropped <= before.handover:
                        shared.admit(subscriber, before.handover)
                        subscriber.follow(before, 0)
                        return True
            for feed in self._running.values():
                with feed.changed:
                    if feed.key == key and feed.has_all_since(begin):
                        subscriber.follow(feed, 0)
                        return True
        return False

    def _begin(self, subscriber: LocalSubscription, begin: Begin, *, patient: bool) -> None:
        query = subscriber.wish
        plan = replace(query.plan, query_id=f"{query.plan.query_id}_{next(self._begun)}")
        feed = Feed(
            plan, query.shape, query.statement, begin, self._buffer_bytes, patient, self._note, self._resume, self._stop
        )
        self._listed.admit_feed(feed, counts=not subscriber.named)
        with self._lock:
            self._running[feed.query_id] = feed
            feed.patient |= feed.key in self._shared
            if not feed.patient:
                self._shared[feed.key] = feed
            with feed.changed:
                subscriber.follow(feed, 0)
        try:
            self._worker.follow(plan, feed, begin=begin.offsets, quiet=begin.quiet, own=begin.own)
        except BaseException as failure:
            with self._lock:
                self._forget(feed)
            feed.end(failure if isinstance(failure, SsqlError) else QueryFailed(feed.query_id, "it was not begun"))
            raise

    def leave(self, subscriber: LocalSubscription) -> None:
        left: list[Feed] = []
        many = subscriber.wish.among_many
        with self._lock:
            if many is not None and (alone := self._alone.get(many.shape.query)) is not None:
                alone.discard(subscriber)
                if not alone:
                    del self._alone[many.shape.query]
            feed: Feed | None = subscriber.feed
            while feed is not None:
                left += self._let_go(subscriber, feed)
                feed = feed.successor
        for feed in left:
            self._ended(feed)

    def _let_go(self, subscriber: LocalSubscription, feed: Feed) -> list[Feed]:
        """A subscriber leaves a feed: it, where nobody follows it any more. With `_lock` held."""
        with feed.changed:
            feed.dismiss(subscriber)
            feed.taken()
            return [feed] if not feed.readers and self._forget(feed) else []

    def go_on(self, subscriber: LocalSubscription) -> None:
        self._listed.later(self._again, subscriber)

    def _again(self, subscriber: LocalSubscription) -> None:
        """A subscriber that fell behind, as if it had come again."""
        before = subscriber.feed
        if subscriber.ended or subscriber.token is None:
            return
        try:
            self._behind(subscriber, subscriber.token)
        except SsqlError as failure:
            subscriber.finish(failure)
        left: list[Feed] = []
        with self._lock:
            if subscriber.feed is not before or subscriber.ended:
                left = self._let_go(subscriber, before)
        for feed in left:
            self._ended(feed)
        with before.changed:
            before.changed.notify_all()
        subscriber.wake()

    # --- feeds end ------------------------------------------------------------------

    def _forget(self, feed: Feed) -> bool:
        """Nobody joins it any more; whether it was known. With `_lock` held."""
        if self._shared.get(feed.key) is feed:
            del self._shared[feed.key]
        self._listed.forget(feed.query_id)
        return self._running.pop(feed.query_id, None) is not None

    def _finish(self, feed: Feed, error: Exception | None = None) -> None:
        with self._lock:
            known = self._forget(feed)
        if known:
            self._ended(feed, error)

    def _ended(self, feed: Feed, error: Exception | None = None) -> None:
        feed.end(error)
        self._drop(feed)

    def _drop(self, feed: Feed) -> None:
        with contextlib.suppress(SsqlError):  # it has failed, or the worker has
            self._worker.drop(feed.query_id)

    def _stop(self, feed: Feed, reason: str | None) -> None:
        self._finish(feed, None if reason is None else QueryFailed(feed.query_id, reason))

    def _resume(self, feed: Feed) -> None:
        self._listed.later(self._let_go_on, feed)

    def _let_go_on(self, feed: Feed) -> None:
        with contextlib.suppress(SsqlError):  # it may have ended in the meantime
            self._worker.resume(feed.query_id)

    # --- aside: what a feed was told has its consequences --------------------------------

    def _note(self, feed: Feed) -> None:
        """In the worker's thread: have it seen to, once for all that comes until then."""
        if feed.query_id not in self._noted:
            self._noted.add(feed.query_id)
            with contextlib.suppress(RuntimeError):  # the engine closes: there is nothing left to do
                self._aside.submit(self._see_to, feed)

    def _see_to(self, feed: Feed) -> None:
        self._noted.discard(feed.query_id)
        for other in self._of_key(feed):
            self._unite(other)
        with feed.changed:
            readers = feed.roused()
        for reader in readers:
            reader.wake()
        if feed.ended and feed.successor is None:
            self._listed.later(self._finish, feed)

    def _of_key(self, feed: Feed) -> list[Feed]:
        with self._lock:
            return [f for f in self._running.values() if f.patient and f.key == feed.key]

    def _unite(self, feed: Feed) -> None:
        """Have a patient feed that is at the place of the shared one go over into it, or become it."""
        with self._lock:
            shared = self._shared.get(feed.key)
            with feed.changed:
                if not feed.beside_others or feed.ended:
                    return
                if shared is None or shared.ended:
                    feed.patient = False
                    self._shared[feed.key] = feed
                    return
            with shared.changed, feed.changed:
                if not shared.beside_others or feed.ended or shared.ended:
                    return
                feed.hand_over(shared)
            self._forget(feed)
        self._listed.later(self._drop, feed)
