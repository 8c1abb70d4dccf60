"""What runs for readers, by id: push queries, and the feeds that subscriptions follow."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from ssql.engine.api import PushQuery
from ssql.errors import TooManyPushQueries

T = TypeVar("T")


class Runs(Protocol):
    """What runs until it ends."""

    @property
    def query_id(self) -> str: ...

    @property
    def statement(self) -> str: ...

    @property
    def listed(self) -> bool:
        """Whether it is shown, and counted: not what has ended, nor a feed whose readers are all listed themselves."""

    def close(self) -> None: ...


class RunningFeed(Runs, Protocol):
    """A feed: what reads from streams and tables, for its readers."""

    @property
    def reads(self) -> tuple[str, ...]: ...

    def stop(self, reason: str) -> None:
        """End it with an error; what has come before can still be taken."""


class RunningPush(Runs, PushQuery, Protocol):
    """A push query among what runs."""


class Running:
    """What runs for readers: at most `limit` that are listed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._feeds: dict[str, RunningFeed] = {}
        self._pushes: dict[str, RunningPush] = {}
        self._lock = threading.Lock()
        # Calls to the worker that nobody is to wait for: the worker's own thread must not, an event loop should not.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="ssql-push")

    def admit_push(self, push: RunningPush) -> None:
        """Take in a push query that is about to run. Raises `TooManyPushQueries`."""
        with self._lock:
            self._check()
            self._pushes[push.query_id] = push

    def admit_feed(self, feed: RunningFeed, *, counts: bool) -> None:
        """Take in a feed that is about to run; it `counts` where its reader is not listed itself.

        Raises:
            TooManyPushQueries: there are as many as may be.
        """
        with self._lock:
            if counts:
                self._check()
            self._feeds[feed.query_id] = feed

    def _check(self) -> None:
        if len(self._feeds) + len(self._pushes) < self._limit:
            return
        self._forget_ended()
        if sum(feed.listed for feed in self._feeds.values()) + len(self._pushes) >= self._limit:
            raise TooManyPushQueries(self._limit)

    def _forget_ended(self) -> None:
        self._pushes = {query_id: push for query_id, push in self._pushes.items() if push.listed}

    def forget(self, query_id: str) -> None:
        """It has ended."""
        with self._lock:
            self._pushes.pop(query_id, None)
            self._feeds.pop(query_id, None)

    def later(self, call: Callable[[T], Any], about: T) -> None:
        """Have something done in a thread that may wait for the worker."""
        with contextlib.suppress(RuntimeError):  # the engine closes: there is nothing left to do
            self._aside.submit(call, about)

    def push(self, query_id: str) -> PushQuery | None:
        with self._lock:
            found = self._pushes.get(query_id)
        return found if found is not None and found.listed else None

    def close(self, name: str) -> str | None:
        """End the one whose id this is (statements write ids in capitals): its id, None when there is none."""
        with self._lock:
            found: dict[str, Runs] = {**self._feeds, **self._pushes}
        one = found.get(name) or next((r for r in found.values() if r.query_id.upper() == name.upper()), None)
        if one is None:
            return None
        one.close()
        return one.query_id

    def all(self) -> list[Runs]:
        """Those that are listed."""
        with self._lock:
            self._forget_ended()
            return [*self._pushes.values(), *(feed for feed in self._feeds.values() if feed.listed)]

    def stop_readers(self, name: str, reason: str) -> None:
        """End those that read from a stream or table; their readers are told why."""
        for feed in self._all_feeds():
            if name in feed.reads:
                feed.stop(reason)

    def _all_feeds(self) -> list[RunningFeed]:
        with self._lock:
            return list(self._feeds.values())

    def close_all(self) -> None:
        """End all, and wait until the worker has let go of them."""
        for running in [*self.all(), *self._all_feeds()]:
            running.close()
        self._aside.shutdown(wait=True)
