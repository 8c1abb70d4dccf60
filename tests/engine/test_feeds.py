"""Feeds whose worker is the test: what is told when is decided here, so that every order can be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from ssql.engine.context import Request
from ssql.engine.running import Running
from ssql.engine.subscriptions.feed import Feed
from ssql.engine.subscriptions.feeds import Feeds
from ssql.engine.subscriptions.start import _wish
from ssql.engine.subscriptions.subscription import LocalSubscription
from ssql.runtime.api import Reached
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"


class Telling:
    """The worker, as feeds know it: it has them told what the test says, each at a tick of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.running = Running(10)
        self.feeds = Feeds(self, self.running, 1 << 20)  # type: ignore[arg-type]
        self.begun: list[Feed] = []
        self._tick = 0

    def follow(self, plan: Any, follower: Feed, **places: Any) -> None:
        self.begun.append(follower)

    def drop(self, query_id: str) -> None: ...

    def resume(self, query_id: str) -> None: ...

    def subscribe(self, reset: str) -> tuple[LocalSubscription, Feed]:
        self._bench.session.properties["auto.offset.reset"] = reset
        request = Request(self._bench.engine._core, self._bench.session)
        return self.feeds.subscribe(_wish(request, "SELECT v FROM s"), None), self.begun[-1]

    def tell(self, feed: Feed, offset: int, *values: int, joined: bool = False) -> None:
        """It has read up to `offset`; `joined`: in one dataflow with the others."""
        self._tick += 1
        rows = {"K": pa.array(["k"] * len(values)), "V": pa.array(values, pa.int32())}
        rows["_diff"] = pa.array([1] * len(values), pa.int8())
        wanted = [*feed.shape.schema.names, "_diff"]
        batch = pa.record_batch([rows[name] for name in wanted], names=wanted) if values else None
        feed.told(batch, Reached({("s", 0): offset}, {}, self._tick, quiet=False, begun=True, joined=joined))

    def settle(self) -> None:
        """Until what was told has had its consequences."""
        self.feeds._aside.submit(lambda: None).result()


@pytest.fixture
def telling(bench: Bench) -> Iterator[Telling]:
    bench.run(STREAM + "INSERT INTO s VALUES ('k', 0);")
    found = Telling(bench)
    yield found
    found.running.close_all()
    found.feeds.close()


def told(subscription: LocalSubscription) -> list[int]:
    found: list[int] = []
    while (frame := subscription.take(0.0)) is not None:
        found += frame.rows.column("V").to_pylist()
    return found


def test_who_goes_over_is_not_told_again_what_the_other_told_on_its_way(telling: Telling) -> None:
    late, shared = telling.subscribe("latest")
    early, patient = telling.subscribe("earliest")
    assert (shared.patient, patient.patient) == (False, True)
    telling.tell(shared, 1)
    telling.tell(patient, 0)
    assert told(late) == []
    # The one from the beginning is there first; the shared one comes by the same records after it.
    telling.tell(patient, 3, 0, 1, 2)
    telling.tell(patient, 3, joined=True)
    telling.tell(shared, 3, 1, 2)
    telling.tell(shared, 3, joined=True)
    telling.settle()
    assert patient.successor is shared
    telling.tell(shared, 4, 3, joined=True)
    assert (told(early), told(late)) == ([0, 1, 2, 3], [1, 2, 3])
