"""Declared tables that answer pull queries from what is kept."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ssql.engine.history import read_all
from ssql.errors import SourceNotFound
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

SOURCE = "CREATE SOURCE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');"
PLAIN = SOURCE.replace("SOURCE ", "")


def write(bench: Bench, *records: tuple[bytes, bytes | None]) -> None:
    rows = [{"key": k, "value": v, "timestamp": 0, "headers": None} for k, v in records]
    bench.engine._log.append("t", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA))


@pytest.fixture
def from_the_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that were answered by reading the log."""
    read: list[str] = []

    def noting(worker: object, log: object, analysis: object, plan: object) -> object:
        read.append(plan.query_id)  # type: ignore[attr-defined]
        return read_all(worker, log, analysis, plan)  # type: ignore[arg-type]

    monkeypatch.setattr("ssql.engine.pull.read_all", noting)
    return read


def running(bench: Bench) -> list[str]:
    return [q.query_id for q in bench.engine._core.worker.status()]


def test_a_source_table_is_kept(bench: Bench, from_the_log: list[str]) -> None:
    bench.engine._log.create_topic("t", 2)
    write(bench, (b"a", b'{"V":1}'), (b"b", b'{"V":2}'))
    bench.run(SOURCE)
    write(bench, (b"a", b'{"V":3}'), (b"b", None), (b"c", b'{"V":4}'))
    assert bench.rows("SELECT * FROM t;") == [("a", 3), ("c", 4)]
    assert bench.rows("SELECT v FROM t WHERE k = 'c';") == [(4,)]
    assert from_the_log == []
    assert running(bench) == ["CST_T_0"]


def test_it_is_kept_over_a_restart_and_forgotten_when_it_is_dropped(bench: Bench, from_the_log: list[str]) -> None:
    bench.run(SOURCE)
    write(bench, (b"a", b'{"V":1}'))
    assert bench.rows("SELECT * FROM t;") == [("a", 1)]
    bench.reopen()
    write(bench, (b"b", b'{"V":2}'))
    assert bench.rows("SELECT * FROM t;") == [("a", 1), ("b", 2)]
    assert from_the_log == []
    bench.run("DROP TABLE t;")
    assert running(bench) == []
    assert not [t.name for t in bench.engine._log.topics() if "state" in t.name]
    with pytest.raises(SourceNotFound):
        bench.rows("SELECT * FROM t;")
    bench.run(SOURCE)
    assert bench.rows("SELECT * FROM t;") == [("a", 1), ("b", 2)]


def test_what_reads_it_does_not_hold_it_and_others_do(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE TABLE u AS SELECT k, v + 1 AS w FROM t;")
    write(bench, (b"a", b'{"V":1}'))
    assert bench.rows("SELECT * FROM u;") == [("a", 2)]
    assert "read from this source: [U]" in bench.fails("DROP TABLE t;").message
    bench.run("DROP TABLE u; DROP TABLE t;")


def test_its_query_cannot_be_terminated(bench: Bench) -> None:
    bench.run(SOURCE)
    assert 'query "CST_T_0" does not exist' in bench.fails("TERMINATE CST_T_0;").message
    bench.run("TERMINATE ALL;")
    write(bench, (b"a", b'{"V":1}'))
    assert bench.rows("SELECT * FROM t;") == [("a", 1)]


def test_a_table_that_a_query_reads_is_kept_for_it(bench: Bench, from_the_log: list[str]) -> None:
    bench.run(PLAIN)
    write(bench, (b"a", b'{"V":1}'))
    assert bench.rows("SELECT * FROM t;") == [("a", 1)]
    assert len(from_the_log) == 1
    bench.run("CREATE TABLE u AS SELECT k, v + 1 AS w FROM t;")
    assert bench.rows("SELECT * FROM t;") == [("a", 1)]
    assert len(from_the_log) == 1
    bench.run("DROP TABLE u;")
    assert bench.rows("SELECT * FROM t;") == [("a", 1)]
    assert len(from_the_log) == 2


def test_headers_and_windows_are_kept(bench: Bench, from_the_log: list[str]) -> None:
    bench.run(
        "CREATE SOURCE TABLE h (k STRING PRIMARY KEY, v INT, h BYTES HEADER('x')) "
        "WITH (kafka_topic='t', value_format='JSON');"
        "CREATE SOURCE TABLE w (k STRING PRIMARY KEY, v INT) "
        "WITH (kafka_topic='w', value_format='JSON', window_type='tumbling', window_size='1 second');"
        "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"
        "CREATE TABLE agg WITH (kafka_topic='w') AS "
        "SELECT k, SUM(v) AS v FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY k;"
    )
    row = {"key": b"a", "value": b'{"V":1}', "timestamp": 0, "headers": [{"key": "x", "value": b"!"}]}
    bench.engine._log.append("t", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))
    bench.engine.insert("s", [{"k": "a", "v": 2, "rowtime": 1500}])
    assert bench.rows("SELECT * FROM h;") == [("a", 1, b"!")]
    assert bench.rows("SELECT * FROM w WHERE k = 'a';") == [("a", 1000, 2000, 2)]
    assert from_the_log == []
