"""Who writes and then reads sees what was written.

The worker comes to an appended record an epoch later, and to a new query when that has caught up. A pull query waits
until both are so, for what this engine was told a moment ago; what is older than that, it does not look at. So nobody
waits longer than the moment after the last change, however long a query catches up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ssql.log.api import Log
from ssql.runtime.api import Offsets, Worker


@dataclass(frozen=True)
class _Change:
    """A topic that was appended to, or a query that has begun; `until`: how long (monotonic s) a read waits for it."""

    name: str
    is_query: bool
    until: float


class Recent:
    """The changes that reads wait for, each at most `wait_s` seconds after it was made. For any thread."""

    def __init__(self, worker: Worker, log: Log, wait_s: float) -> None:
        self._worker, self._log, self._wait_s = worker, log, wait_s
        self._changes: dict[tuple[str, bool], _Change] = {}

    def appended(self, topic: str) -> None:
        self._note(topic, is_query=False)

    def began(self, query_id: str) -> None:
        self._note(query_id, is_query=True)

    def _note(self, name: str, *, is_query: bool) -> None:
        if self._wait_s > 0:
            self._changes[name, is_query] = _Change(name, is_query, time.monotonic() + self._wait_s)

    @property
    def pending(self) -> bool:
        """Whether a read might have to wait."""
        return bool(self._changes)

    def wait(self) -> None:
        """Wait until the tables are as of all changes that were made before this was called, or their time is over."""
        changes = list(self._changes.values())
        if not changes:
            return
        now = time.monotonic()
        young = [change for change in changes if change.until > now]
        if young:
            topics = {change.name for change in young if not change.is_query}
            queries = frozenset(change.name for change in young if change.is_query)
            self._worker.wait_for_cut(self._ends(topics), queries, max(change.until for change in young) - now)
        for change in changes:
            if self._changes.get((change.name, change.is_query)) is change:
                self._changes.pop((change.name, change.is_query), None)

    def _ends(self, topics: set[str]) -> Offsets:
        read = self._worker.cut().frontier
        return {tp: self._log.bounds(*tp)[1] for tp in read if tp[0] in topics}
