"""Who writes and then reads sees what was written, without waiting for the engine to settle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from ssql.engine.api import PullResult
from tests.engine.conftest import WAIT_S, Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=3);"
TOTALS = "CREATE TABLE totals AS SELECT k, SUM(v) AS total FROM s GROUP BY k;"


def asked(bench: Bench, sql: str) -> list[tuple[Any, ...]]:
    result = bench.engine.query(sql, bench.session)
    assert isinstance(result, PullResult)
    return [tuple(row.values()) for row in result.rows.to_pylist()]


def test_a_new_query_and_what_is_inserted_are_there_at_the_next_read(bench: Bench) -> None:
    bench.run(STREAM + "INSERT INTO s VALUES ('a', 1);" + TOTALS)
    assert asked(bench, "SELECT total FROM totals WHERE k = 'a';") == [(1,)]
    bench.run("CREATE TABLE again AS SELECT k, total AS t FROM totals;")
    for total in range(2, 20):
        bench.run("INSERT INTO s VALUES ('a', 1);")
        assert asked(bench, "SELECT total FROM totals WHERE k = 'a';") == [(total,)]
        assert asked(bench, "SELECT t FROM again;") == [(total,)]


def test_a_look_up_that_is_answered_at_once_leaves_what_it_would_wait_for_to_others(bench: Bench) -> None:
    text = "SELECT total FROM totals WHERE k = 'a';"
    bench.run(STREAM + TOTALS)
    asked(bench, text)
    assert bench.engine.look_up(text, bench.session) is not None
    bench.run("INSERT INTO s VALUES ('a', 1);")
    assert bench.engine.look_up(text, bench.session) is None
    assert asked(bench, text) == [(1,)]
    assert bench.engine.look_up(text, bench.session) is not None


@pytest.mark.parametrize("wait_ms", [0, 1, 60_000])
def test_a_read_waits_as_long_as_is_set(make: Callable[..., Bench], wait_ms: int) -> None:
    bench = make(**{"query.pull.wait.ms": wait_ms})
    bench.run(STREAM + TOTALS)
    bench.settle()
    held, go_on = Event(), Event()
    with ThreadPoolExecutor() as pool:
        pool.submit(bench.engine._core.worker.between_epochs, lambda: (held.set(), go_on.wait(WAIT_S)))
        assert held.wait(WAIT_S)
        try:
            bench.run("INSERT INTO s VALUES ('a', 1);")
            answer = pool.submit(asked, bench, "SELECT total FROM totals;")
            if wait_ms < 1000:
                assert answer.result(WAIT_S) == []
        finally:
            go_on.set()
        if wait_ms > 1000:
            assert answer.result(WAIT_S) == [(1,)]
