"""Meters: totals, records a second over a sliding time, and when the last one was."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ssql.log.api import RECORD_SCHEMA
from ssql.runtime.api import Throughput, Traffic
from ssql.runtime.rejects import Position, Reject
from ssql.runtime.statistics import WINDOW_S, Meter, Statistics


def test_a_meter_that_counted_nothing() -> None:
    meter = Meter()
    meter.add(0, 0, 5.0)
    assert meter.at(10.0) == Traffic()


@pytest.mark.parametrize(
    ("added", "now", "per_second"),
    [
        ([(10, 100.0)], 100.2, 10.0),  # less than a second counts as one
        ([(10, 100.0)], 105.0, 2.0),
        ([(10, 100.0), (30, 104.0)], 110.0, 4.0),
        ([(10, 100.0)], 100.0 + WINDOW_S, 0.0),
        ([(10, 100.0), (30, 100.0 + WINDOW_S)], 100.0 + WINDOW_S, 1.0),
        ([(1, 100.0 + s) for s in range(1000)], 1100.0, 29 / WINDOW_S),
    ],
)
def test_records_a_second_are_those_of_late(added: list[tuple[int, float]], now: float, per_second: float) -> None:
    meter = Meter()
    for records, at in added:
        meter.add(records, 2 * records, at)
    total = sum(records for records, _ in added)
    assert meter.at(now) == Traffic(total, 2 * total, pytest.approx(per_second), int(added[-1][1] * 1000))


def test_a_total_that_is_reached_counts_what_was_missing() -> None:
    meter = Meter()
    for total in (3, 3, 10, 0):
        meter.reach(total, 50.0)
    assert meter.at(50.0).records == 10


def records(*keys: bytes | None) -> pa.RecordBatch:
    rows = [{"key": k, "value": b"12345", "timestamp": 0, "headers": None} for k in keys]
    return pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA)


def test_what_is_written_and_what_is_read_of_it_from_memory() -> None:
    statistics = Statistics(lambda: 7.0)
    written = [("a", records(b"k", None, b"key")), ("b", records(b"k").slice(1)), ("b", records(b"kk", b"k").slice(1))]
    statistics.note(None, written, {"a"}, (), ())
    assert statistics.topics() == {
        "a": Throughput(written=Traffic(3, 19, 3.0, 7000), read=Traffic(3, 19, 3.0, 7000)),
        "b": Throughput(written=Traffic(1, 6, 1.0, 7000)),
    }


def test_failures_count_for_the_topic_and_for_each_query() -> None:
    statistics = Statistics(lambda: 7.0)
    unreadable = Reject("q,r", "no JSON", position=Position("t", 0, 3, 0, None, b"x"))
    statistics.note(None, (), (), (unreadable, Reject("q", "division by zero", seq=4)), ())
    assert statistics.topics()["t"].failed.records == 1
    assert [statistics.query(q).failed.records for q in ("q", "r", "s")] == [2, 1, 0]
    statistics.forget("q")
    assert statistics.query("q") == Throughput()
