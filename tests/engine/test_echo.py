"""Streams and tables declared over topics that queries write: they get what is written, in every way it comes."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from ssql.errors import InvalidStatement
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT, w INT) WITH (kafka_topic='s', value_format='JSON');"
RESULT = "CREATE STREAM d WITH (kafka_topic='d') AS SELECT * FROM s;"
AGAIN = "CREATE STREAM again (k STRING KEY, w BIGINT, nope INT) WITH (kafka_topic='d', value_format='JSON');"


def insert(bench: Bench, *rows: tuple[str | None, int | None], **more: int) -> None:
    assert all(a.error is None for a in bench.engine.insert("s", [{"k": k, "v": v, "w": v, **more} for k, v in rows]))


@pytest.fixture(params=[1, 1000])
def cut(request: pytest.FixtureRequest, make: Callable[..., Bench]) -> Bench:
    """An engine with epochs of one row, or of all."""
    return make(**{"batch.max.rows": request.param})


def test_another_stream_over_a_result_has_its_own_columns(cut: Bench) -> None:
    cut.run(STREAM + RESULT)
    insert(cut, ("a", 1))
    cut.settle()
    cut.run(AGAIN + "CREATE STREAM e AS SELECT k, w + 1 AS x, nope FROM again;")
    cut.settle()
    insert(cut, ("b", 2), ("c", 3))
    cut.reopen()
    insert(cut, ("d", 4))
    assert cut.rows("SELECT * FROM e;") == [("a", 2, None), ("b", 3, None), ("c", 4, None), ("d", 5, None)]
    assert [k for k, _ in cut.topic("E")] == [b"a", b"b", b"c", b"d"]


def test_what_others_write_comes_in_order_with_it(cut: Bench) -> None:
    cut.run(STREAM + RESULT + AGAIN + "CREATE TABLE n AS SELECT k, COUNT(*) AS n, SUM(w) AS t FROM again GROUP BY k;")
    insert(cut, ("a", 1))
    row = {"key": b"a", "value": b'{"W":10}', "timestamp": 0, "headers": None}
    cut.settle()
    cut.engine._log.append("d", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))
    insert(cut, ("a", 100))
    assert cut.rows("SELECT * FROM n;") == [("a", 3, 111)]


def test_windows_are_read_from_the_keys(cut: Bench) -> None:
    cut.run(
        STREAM + "CREATE TABLE agg WITH (kafka_topic='w') AS "
        "SELECT k, SUM(v) AS t FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY k;"
        "CREATE STREAM win (k STRING KEY, t INT) "
        "WITH (kafka_topic='w', value_format='JSON', window_type='tumbling', window_size='1 second');"
        "CREATE STREAM e AS SELECT k, WINDOWSTART AS ws, t FROM win;"
    )
    insert(cut, ("a", 1), rowtime=500)
    insert(cut, ("a", 2), rowtime=1500)
    assert cut.rows("SELECT k, ws, t FROM e;") == [("a", 0, 1), ("a", 1000, 2)]


def test_a_stream_over_the_changes_of_a_table_sees_no_deletions(make: Callable[..., Bench]) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(
        STREAM + "CREATE TABLE c WITH (kafka_topic='c') AS SELECT k, SUM(v) AS n FROM s GROUP BY k HAVING SUM(v) > 0;"
        "CREATE STREAM cs (k STRING KEY, n INT) WITH (kafka_topic='c', value_format='JSON');"
        "CREATE STREAM e AS SELECT * FROM cs;"
    )
    insert(bench, ("a", 1), ("a", -5), ("a", 9))
    assert bench.rows("SELECT * FROM e;") == [("a", 1), ("a", 5)]


def test_keys_and_headers_go_along(cut: Bench) -> None:
    cut.run(
        STREAM + RESULT + "CREATE STREAM h (k STRING KEY, w INT, h BYTES HEADER('x')) "
        "WITH (kafka_topic='d', value_format='JSON');"
        "CREATE STREAM e AS SELECT k, w, h FROM h;"
    )
    rows = [
        {"key": None, "value": b'{"W":1}', "timestamp": 0, "headers": [{"key": "x", "value": b"!"}]},
        {"key": b"b", "value": None, "timestamp": 0, "headers": None},
        {"key": b"c", "value": b'{"W":3}', "timestamp": 0, "headers": None},
    ]
    cut.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA))
    cut.settle()
    assert cut.topic("E") == [(None, b'{"W":1,"H":"IQ=="}'), (b"b", None), (b"c", b'{"W":3,"H":null}')]


def test_what_cannot_be_read_is_reported(cut: Bench) -> None:
    cut.run(
        STREAM + RESULT + "CREATE STREAM bad (k INT KEY, w INT) WITH (kafka_topic='d', value_format='JSON');"
        "CREATE STREAM e AS SELECT * FROM bad;"
    )
    insert(cut, ("no number", 1), ("abcd", 2))
    assert [w for _, w in cut.rows("SELECT * FROM e;")] == [2]
    ((query, topic, reason),) = cut.rows("SELECT query_id, topic, reason FROM ssql_errors;")
    assert (query, topic) == ("CSAS_E_3", "s")
    assert reason.startswith("could not read the record: key: ")


def test_a_query_that_would_feed_itself_is_refused(bench: Bench) -> None:
    bench.run(STREAM + RESULT + AGAIN)
    error = bench.fails("INSERT INTO d SELECT k, CAST(w AS INT) AS v, nope AS w FROM again;")
    assert isinstance(error, InvalidStatement)
    assert "feed" in error.message
    insert(bench, ("a", 1))
    assert bench.rows("SELECT k, w FROM again;") == [("a", 1)]
