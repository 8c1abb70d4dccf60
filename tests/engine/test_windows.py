"""Windowed tables through the engine: what is read by key, what a restart keeps, and results that are given once."""

from __future__ import annotations

from tests.engine.conftest import Bench

SOURCE = "CREATE STREAM s (k STRING KEY, at BIGINT) WITH (kafka_topic='s', format='JSON', timestamp='at');"
SESSIONS = (
    "CREATE TABLE sessions AS SELECT k, COUNT(*) AS n FROM s "
    "WINDOW SESSION (10 MILLISECONDS, RETENTION 1 HOUR, GRACE PERIOD 100 MILLISECONDS) GROUP BY k;"
)
FINAL = (
    "CREATE TABLE done AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 10 MILLISECONDS) GROUP BY k EMIT FINAL;"
)


def insert(bench: Bench, *rows: tuple[str, int]) -> None:
    for key, at in rows:  # one by one: each is one epoch at most
        assert bench.engine.insert("s", [{"k": key, "at": at}])[0].error is None
        bench.settle()


def test_sessions_are_read_by_key_and_go_on_after_a_restart(bench: Bench) -> None:
    bench.run(SOURCE + SESSIONS)
    insert(bench, ("a", 1000), ("a", 1005), ("a", 1020), ("b", 1000))
    of_a = "SELECT WINDOWSTART, WINDOWEND, n FROM sessions WHERE k = 'a'"
    assert bench.rows(of_a + ";") == [(1000, 1005, 2), (1020, 1020, 1)]
    assert bench.rows(of_a + " AND WINDOWSTART >= 1010;") == [(1020, 1020, 1)]
    bench.reopen()
    assert bench.rows(of_a + ";") == [(1000, 1005, 2), (1020, 1020, 1)]
    insert(bench, ("a", 1013))  # joins both
    assert bench.rows("SELECT k, WINDOWSTART, WINDOWEND, n FROM sessions;") == [
        ("a", 1000, 1020, 4),
        ("b", 1000, 1000, 1),
    ]
    bench.reopen()
    assert bench.rows(of_a + ";") == [(1000, 1020, 4)]


def test_late_rows_of_sessions_are_told(bench: Bench) -> None:
    bench.run(SOURCE + SESSIONS)
    insert(bench, ("a", 1000), ("a", 2000), ("b", 1880), ("a", 1890))
    assert bench.rows("SELECT k, WINDOWSTART, n FROM sessions;") == [("a", 1000, 1), ("a", 1890, 1), ("a", 2000, 1)]
    assert bench.engine._core.worker._flows.rejects.late_total == 1


def test_final_results_come_once_and_wait_over_a_restart(bench: Bench) -> None:
    bench.run(SOURCE + FINAL)
    insert(bench, ("a", 1000), ("b", 1001), ("a", 1002))
    assert bench.rows("SELECT * FROM done;") == []
    bench.reopen()
    insert(bench, ("a", 1010))
    assert bench.rows("SELECT k, WINDOWSTART, n FROM done;") == [("a", 1000, 2), ("b", 1000, 1)]
    bench.reopen()
    insert(bench, ("a", 1009), ("b", 1020))
    assert bench.rows("SELECT k, WINDOWSTART, n FROM done;") == [("a", 1000, 2), ("a", 1010, 1), ("b", 1000, 1)]
