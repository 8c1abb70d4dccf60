"""Subscriptions on Kafka, where commits take offsets too: a client goes on behind its token after a restart."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from ssql.config import BATCH_MAX_ROWS, SERVICE_ID, Config
from ssql.engine.api import Frame, Session, Subscription
from ssql.engine.engine import LocalEngine
from ssql.log.api import RECORD_SCHEMA
from ssql.log.kafka import KafkaLog

WAIT_S = 60.0
QUERIES = {
    "a stream": "SELECT k, v FROM {s} WHERE v <> 2",
    "a derived stream": "SELECT k, w FROM {d}",
    "a table": "SELECT k, v FROM {t} WHERE v > 1",
    "a view": "SELECT * FROM {c}",
    "a group": "SELECT k, SUM(v) AS total FROM {s} GROUP BY k",
}

pytestmark = [pytest.mark.kafka]


class Bench:
    """An engine on a broker, with streams and tables whose names are its own."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        run = uuid.uuid4().hex[:8]
        self.names = {name: f"{name}_{run}" for name in "stcd"}
        self._config = Config().with_values({BATCH_MAX_ROWS.key: 2, SERVICE_ID.key: f"test_{run}_"})
        self.session = Session(properties={"auto.offset.reset": "earliest"})
        self.open()
        self.engine.execute(
            "CREATE STREAM {s} (k STRING KEY, v INT) WITH (kafka_topic='{s}', value_format='JSON', partitions=1);"
            "CREATE TABLE {t} (k STRING PRIMARY KEY, v INT) "
            "WITH (kafka_topic='{t}', value_format='JSON', partitions=1);"
            "CREATE TABLE {c} AS SELECT k, COUNT(*) AS n FROM {s} GROUP BY k;"
            "CREATE STREAM {d} AS SELECT k, v + 1 AS w FROM {s};".format(**self.names),
            self.session,
        )

    def open(self) -> None:
        self.log = KafkaLog(self._bootstrap)
        self.engine = LocalEngine(self._config, self.log)

    def close(self) -> None:
        self.engine.close()

    def insert(self, *rows: tuple[str, int]) -> None:
        for name in "st":
            acks = self.engine.insert(self.names[name], [{"k": k, "v": v} for k, v in rows])
            assert all(ack.error is None for ack in acks)
        assert self.engine.caught_up(WAIT_S)

    def by_others(self, *values: int) -> None:
        """Records in the derived stream's topic that no query wrote."""
        records = [{"key": b"x", "value": b'{"W":%d}' % v, "timestamp": v, "headers": None} for v in values]
        batch = pa.RecordBatch.from_pylist(records, schema=RECORD_SCHEMA)
        self.log.append(self.names["d"].upper(), batch)
        assert self.engine.caught_up(WAIT_S)

    def subscribe(self, sql: str, after: str | None = None) -> Subscription:
        found = self.engine.subscribe(sql.format(**self.names), self.session, after=after, every_change=True)
        assert self.engine.caught_up(WAIT_S)
        return found


@pytest.fixture
def make(kafka: str) -> Iterator[Callable[[], Bench]]:
    made: list[Bench] = []

    def build() -> Bench:
        made.append(Bench(kafka))
        return made[-1]

    yield build
    for bench in made:
        bench.close()


def rest(subscription: Subscription) -> list[Frame]:
    found: list[Frame] = []
    while (frame := subscription.take(timeout_s=0.2)) is not None:
        found.append(frame)
    assert subscription.error is None
    return found


def told(frames: list[Frame]) -> list[tuple[Any, ...]]:
    assert not any(frame.snapshot for frame in frames)
    return [tuple(row.values()) for frame in frames for row in frame.rows.to_pylist()]


@pytest.mark.parametrize("name", QUERIES)
def test_a_client_goes_on_after_a_restart(make: Callable[[], Bench], name: str) -> None:
    bench = make()
    bench.insert(("a", 1), ("b", 2))
    bench.by_others(50)
    watched = bench.subscribe(QUERIES[name])
    token = rest(watched)[-1].token
    frames: list[Frame] = []
    for n in range(3, 8):
        bench.insert(("a", n), ("b", n % 3))
        if n % 2:
            bench.by_others(n * 10)
        frames += rest(watched)
    for passed in (0, 1, len(frames) // 2, len(frames)):
        at = frames[passed - 1].token if passed else token
        bench.close()
        bench.open()
        again = bench.subscribe(QUERIES[name], at)
        # Between rows of queries and of others there is no order but that of the topic.
        assert sorted(told(rest(again))) == sorted(told(frames[passed:]))
        again.close()
    bench.insert(("a", 9))
    again = bench.subscribe(QUERIES[name], frames[-1].token)
    assert {row[1] for row in told(rest(again))} == {"a"}
