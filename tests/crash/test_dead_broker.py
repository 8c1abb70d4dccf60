"""The broker dies under a running server, and comes back: queries go on where they were, and tables can be read
meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pytest

from ssql.config import BATCH_MAX_ROWS, Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine
from ssql.log.api import RECORD_SCHEMA
from ssql.log.kafka import KafkaLog
from tests.crash.support import records_of
from tests.support import java, kafka_broker

ROWS = 20_000
EPOCH_ROWS = 500
WAIT_S = 120.0
DEFINITIONS = """
CREATE STREAM numbers (id INT KEY, v INT) WITH (kafka_topic='numbers', value_format='JSON', partitions=1);
CREATE STREAM odd AS SELECT id, v, v * 2 AS twice FROM numbers WHERE v % 2 = 1 EMIT CHANGES;
CREATE TABLE sums AS SELECT v, COUNT(*) AS n, SUM(CAST(id AS BIGINT)) AS total FROM odd GROUP BY v EMIT CHANGES;
"""

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def broker() -> Iterator[kafka_broker.Broker]:
    """A broker of the test's own: the others' must not die."""
    java.need(kafka_broker.missing())
    with kafka_broker.Broker.running() as one:
        yield one


def numbers(begin: int, end: int) -> pa.RecordBatch:
    columns = [
        pa.array([n.to_bytes(4, "big") for n in range(begin, end)], pa.binary()),
        pa.array([b'{"V":%d}' % (n % 10) for n in range(begin, end)], pa.binary()),
        pa.array([1_700_000_000_000 + n for n in range(begin, end)], pa.int64()),
        pa.nulls(end - begin, RECORD_SCHEMA.field("headers").type),
    ]
    return pa.record_batch(columns, schema=RECORD_SCHEMA)


def sums(engine: LocalEngine) -> dict[int, tuple[int, int]]:
    answer = engine.query("SELECT v, n, total FROM sums;")
    assert isinstance(answer, PullResult)
    return {row["V"]: (row["N"], row["TOTAL"]) for row in answer.rows.to_pylist()}


def true_sums(rows: int) -> dict[int, tuple[int, int]]:
    return {v: (len(range(v, rows, 10)), sum(range(v, rows, 10))) for v in range(1, 10, 2)}


def test_a_broker_that_dies_and_comes_back(broker: kafka_broker.Broker) -> None:
    config = Config().with_values({BATCH_MAX_ROWS.key: EPOCH_ROWS})
    with (
        closing(KafkaLog(broker.bootstrap, timeout_s=5.0)) as outside,
        closing(LocalEngine(config, KafkaLog(broker.bootstrap, timeout_s=5.0))) as engine,
    ):
        engine.execute(DEFINITIONS, Session({"auto.offset.reset": "earliest"}))
        fed = 0
        # In the midst of a backlog, and when there is nothing to do.
        for seen in (ROWS // 4, 2 * ROWS):
            outside.append("numbers", numbers(fed, fed + ROWS), 0)
            fed += ROWS
            assert engine._core.worker.wait_for({("numbers", 0): seen}, WAIT_S)
            broker.stop()
            found = sums(engine)
            rows = sum(n for n, _ in found.values()) * 2
            assert seen <= rows <= fed
            assert found == true_sums(rows)
            broker.start()
        outside.append("numbers", numbers(fed, fed + ROWS), 0)
        fed += ROWS
        assert engine.caught_up(WAIT_S)
        assert sums(engine) == true_sums(fed)
        written = [json.loads(value or b"") for _, value, _ in records_of(outside, "ODD")[0]]
        assert written == [{"V": n % 10, "TWICE": n % 10 * 2} for n in range(1, fed, 2)]
