"""The feeds that run: who follows the same query from the same place shares one."""

from __future__ import annotations

import contextlib
import itertools
import threading
from dataclasses import replace

from ssql.engine.pushes import Pushes
from ssql.engine.subscriptions import tokens
from ssql.engine.subscriptions.feed import Feed, FeedKey
from ssql.engine.subscriptions.places import Begin
from ssql.engine.subscriptions.subscription import LocalSubscription, Wish
from ssql.errors import QueryFailed, SsqlError, TokenExpired
from ssql.runtime.api import Worker


class Feeds:
    """The feeds of one engine. Locks: `_lock` before a feed's `changed`; neither while the worker is waited for."""

    def __init__(self, worker: Worker, pushes: Pushes, buffer_bytes: int) -> None:
        self._worker = worker
        self._pushes = pushes
        self._buffer_bytes = buffer_bytes
        self._lock = threading.Lock()
        #: all that run, and of each key the one that is shared
        self._running: dict[str, Feed] = {}
        self._shared: dict[FeedKey, Feed] = {}
        self._begun = itertools.count(1)
        self._noted: set[str] = set()

    # --- subscribers come and go -------------------------------------------------

    def subscribe(self, wish: Wish, after: str | None) -> LocalSubscription:
        """Raises `TokenRefused`, `TokenExpired`, `TooManyPushQueries`."""
        subscriber = LocalSubscription(self, wish)
        if after is None:
            self._from_the_start(subscriber)
        else:
            subscriber.token = after
            self._behind(subscriber, after)
        return subscriber

    def _from_the_start(self, subscriber: LocalSubscription) -> None:
        query = subscriber.wish
        begin = query.places.anew(earliest=query.earliest)
        # From its beginning a stream is told to each of its readers; all else is the same for those who come later.
        patient = query.earliest and not query.places.is_table
        key = query.shape.query, tuple(sorted(begin.origin.items()))
        subscriber.starts, subscriber.whole = True, patient
        if patient or not self._join(subscriber, key):
            self._begin(subscriber, begin, patient=patient)

    def _join(self, subscriber: LocalSubscription, key: FeedKey) -> bool:
        with self._lock:
            feed = self._shared.get(key)
            if feed is None:
                return False
            with feed.changed:
                if feed.ended:
                    return False
                subscriber.follow(feed, 0)
                return True

    def _behind(self, subscriber: LocalSubscription, after: str) -> None:
        query = subscriber.wish
        token = tokens.read(after, query.shape.query)
        origin = tokens.unpacked(token.origin)
        if self._join_behind(subscriber, (query.shape.query, tuple(sorted(origin.items()))), after):
            return
        try:
            begin = query.places.behind(token)
        except TokenExpired:
            if not query.places.is_table:
                raise
            subscriber.snapshot = True
            self._from_the_start(subscriber)
            return
        subscriber.goes_on = True
        self._begin(subscriber, begin, patient=True)

    def _join_behind(self, subscriber: LocalSubscription, key: FeedKey, after: str) -> bool:
        """Join the feed that is shared at the place of a token, where it still has what comes after."""
        with self._lock:
            feed = self._shared.get(key)
            if feed is None:
                return False
            with feed.changed:
                tick = feed.tick_of(after)
                if tick is None or feed.ended:
                    return False
                subscriber.follow(feed, tick)
                return True

    def _begin(self, subscriber: LocalSubscription, begin: Begin, *, patient: bool) -> None:
        query = subscriber.wish
        plan = replace(query.plan, query_id=f"{query.plan.query_id}_{next(self._begun)}")
        feed = Feed(
            plan, query.shape, query.statement, begin, self._buffer_bytes, patient, self._note, self._resume, self._stop
        )
        self._pushes.admit(feed)
        with self._lock:
            self._running[feed.query_id] = feed
            if not patient:
                self._shared[feed.key] = feed
            with feed.changed:
                subscriber.follow(feed, 0)
        try:
            self._worker.follow(plan, feed, begin=begin.offsets, quiet=begin.quiet)
        except BaseException as failure:
            with self._lock:
                self._forget(feed)
            feed.end(failure if isinstance(failure, SsqlError) else QueryFailed(feed.query_id, "it was not begun"))
            raise

    def leave(self, subscriber: LocalSubscription) -> None:
        left: list[Feed] = []
        with self._lock:
            feed: Feed | None = subscriber.feed
            while feed is not None:
                left += self._let_go(subscriber, feed)
                feed = feed.successor
        for feed in left:
            self._ended(feed)

    def _let_go(self, subscriber: LocalSubscription, feed: Feed) -> list[Feed]:
        """A subscriber leaves a feed: it, where nobody follows it any more. With `_lock` held."""
        with feed.changed:
            feed.readers.discard(subscriber)
            feed.taken()
            return [feed] if not feed.readers and self._forget(feed) else []

    def go_on(self, subscriber: LocalSubscription) -> None:
        self._pushes.later(self._again, subscriber)

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
        self._pushes.forget(feed.query_id)
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
        self._pushes.later(self._let_go_on, feed)

    def _let_go_on(self, feed: Feed) -> None:
        with contextlib.suppress(SsqlError):  # it may have ended in the meantime
            self._worker.resume(feed.query_id)

    # --- aside: what a feed was told has its consequences --------------------------------

    def _note(self, feed: Feed) -> None:
        """In the worker's thread: have it seen to, once for all that comes until then."""
        if feed.query_id not in self._noted:
            self._noted.add(feed.query_id)
            self._pushes.later(self._see_to, feed)

    def _see_to(self, feed: Feed) -> None:
        self._noted.discard(feed.query_id)
        for other in self._of_key(feed):
            self._unite(other)
        with feed.changed:
            readers = list(feed.readers)
        for reader in readers:
            reader.wake()
        if feed.ended and feed.successor is None:
            self._finish(feed)

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
                assert feed.place is not None
                feed.successor, feed.handover = shared, feed.place.reached.tick
                feed.ended = True
                for reader in feed.readers:
                    shared.readers.add(reader)
                feed.changed.notify_all()
            self._forget(feed)
        self._drop(feed)
