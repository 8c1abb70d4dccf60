"""Push queries: rows as they come, deletions of tables, LIMIT, slow readers, and how they end."""

from __future__ import annotations

import random
import threading
import time as clock
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ssql.engine.api import PushQuery
from ssql.engine.subscriptions.feed import Feed
from ssql.engine.subscriptions.feeds import FEW
from ssql.engine.subscriptions.net import visible_changes
from ssql.errors import ColumnNotFound, NegativeLimit, ReaderTooSlow, TooManyPushQueries, WrongEndpoint
from tests.engine.conftest import WAIT_S, Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"
TABLE = "CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');"


def insert(bench: Bench, target: str, *rows: tuple[str, int]) -> None:
    assert all(a.error is None for a in bench.engine.insert(target, [{"k": k, "v": v} for k, v in rows]))


def delete(bench: Bench, key: bytes) -> None:
    row = {"key": key, "value": None, "timestamp": 0, "headers": None}
    from ssql.log.api import RECORD_SCHEMA

    bench.engine._log.append("t", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))


def taken(query: PushQuery, rows: int) -> list[tuple[Any, ...]]:
    """The next rows, as tuples that end in `_diff`."""
    found: list[tuple[Any, ...]] = []
    while len(found) < rows:
        batch = query.take(rows - len(found), timeout_s=WAIT_S)
        assert batch is not None
        assert batch.num_rows, "no more rows came"
        found += [tuple(r.values()) for r in batch.to_pylist()]
    return found


def feeds(bench: Bench) -> list[Feed]:
    """What push queries are read from."""
    return list(bench.engine._core.feeds._running.values())


def test_a_stream_gives_its_history_and_then_what_comes(bench: Bench) -> None:
    bench.run(STREAM)
    insert(bench, "s", ("a", 1))
    query = bench.push("SELECT k, v * 10 AS w FROM s WHERE v > 0 EMIT CHANGES;")
    assert [str(c) for c in query.columns] == ["`K` STRING KEY", "`W` INTEGER"]
    assert query.query_id.startswith("transient_S_")
    assert taken(query, 1) == [("a", 10, 1)]
    insert(bench, "s", ("b", -1), ("c", 3))
    assert taken(query, 1) == [("c", 30, 1)]
    query.close()


def test_latest_starts_at_the_end(bench: Bench) -> None:
    bench.run(STREAM + "SET 'auto.offset.reset'='latest';")
    insert(bench, "s", ("a", 1))
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    insert(bench, "s", ("b", 2))
    assert taken(query, 1) == [(2, 1)]


def test_limit_ends_it(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES LIMIT 2;")
    insert(bench, "s", ("a", 1), ("b", 2), ("c", 3))
    assert taken(query, 2) == [(1, 1), (2, 1)]
    assert query.take(timeout_s=WAIT_S) is None
    assert query.final_message == "Limit Reached"
    assert query.error is None
    assert bench.engine.push_query(query.query_id) is None


def test_limit_0_gives_nothing(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES LIMIT 0;")
    assert query.take(timeout_s=WAIT_S) is None
    assert query.final_message == "Limit Reached"


def test_limit_below_0_is_refused(bench: Bench) -> None:
    bench.run(STREAM)
    with pytest.raises(NegativeLimit, match="Push queries don't support negative integers") as caught:
        bench.push("SELECT v FROM s EMIT CHANGES LIMIT -2;")
    assert bench.marked(caught.value) == "-2"


def test_a_table_gives_updates_as_rows_and_deletions_apart(make: Callable[..., Bench]) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(TABLE)
    query = bench.push("SELECT * FROM t EMIT CHANGES LIMIT 4;")
    insert(bench, "t", ("a", 1), ("a", 2))
    delete(bench, b"a")
    delete(bench, b"nobody")
    insert(bench, "t", ("b", 3))
    assert taken(query, 4) == [("a", 1, 1), ("a", 2, 1), ("a", 2, -1), ("b", 3, 1)]
    assert query.take(timeout_s=WAIT_S) is None


def test_an_aggregate_is_followed(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT k, SUM(v) AS total FROM s GROUP BY k EMIT CHANGES;")
    insert(bench, "s", ("a", 1))
    assert taken(query, 1) == [("a", 1, 1)]
    insert(bench, "s", ("a", 4))
    assert taken(query, 1) == [("a", 5, 1)]


def test_an_empty_batch_on_timeout_and_a_wake_when_there_is_more(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    empty = query.take(timeout_s=0.0)
    assert empty is not None
    assert empty.num_rows == 0
    woken = threading.Event()
    query.on_rows(woken.set)
    insert(bench, "s", ("a", 1))
    assert woken.wait(WAIT_S)
    assert taken(query, 1) == [(1, 1)]


def test_a_slow_reader_holds_up_nobody_and_misses_nothing(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 2})
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    quick = bench.push("SELECT v FROM s WHERE v < 0 EMIT CHANGES;")
    insert(bench, "s", *(("a", n) for n in range(20)), ("a", -1))
    bench.settle()
    # The others went on, and of what waits for it no more is held than the rows of an epoch.
    assert taken(quick, 1) == [(-1, 1)]
    held = [sum(entry.changes.num_rows for entry in feed.entries) for feed in feeds(bench)]
    assert max(held) <= 2
    insert(bench, "s", ("a", 99))
    assert taken(query, 22) == [(n, 1) for n in (*range(20), -1, 99)]
    insert(bench, "s", ("a", 100))
    assert taken(query, 1) == [(100, 1)]


def test_a_table_is_held_back_and_goes_on_where_it_stood(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM + "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;")
    query = bench.push("SELECT * FROM c EMIT CHANGES;")
    own = bench.push("SELECT k, SUM(v) AS t FROM s GROUP BY k EMIT CHANGES;")
    for n in range(10):
        insert(bench, "s", ("a", n))
    bench.settle()
    assert taken(query, 10) == [("a", n + 1, 1) for n in range(10)]
    assert taken(own, 10) == [("a", sum(range(n + 1)), 1) for n in range(10)]


def test_a_held_query_ends_at_once(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    insert(bench, "s", ("a", 1), ("a", 2))
    bench.settle()
    query.close()
    assert query.take() is None
    assert bench.engine._core.worker.status() == []


def test_close_and_terminate_end_it(bench: Bench) -> None:
    bench.run(STREAM)
    first, second = (bench.push("SELECT v FROM s EMIT CHANGES;") for _ in range(2))
    assert bench.engine.push_query(first.query_id) is first
    listed = bench.one("SHOW QUERIES;")["queries"]
    assert [(q["id"], q["queryType"]) for q in listed] == [(first.query_id, "PUSH"), (second.query_id, "PUSH")]
    first.close()
    first.close()
    answer = bench.one(f"TERMINATE `{second.query_id}`;")
    assert (answer["@type"], answer["wasTerminated"]) == ("terminate_query", True)
    assert first.take() is second.take() is None
    assert bench.engine._core.worker.status() == []


def test_there_may_be_only_so_many(make: Callable[..., Bench]) -> None:
    bench = make(**{"max.push.queries": 1})
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    with pytest.raises(TooManyPushQueries) as caught:
        bench.push("SELECT v FROM s EMIT CHANGES;")
    assert caught.value.ksql_code == 40003
    query.close()
    bench.push("SELECT v FROM s EMIT CHANGES;").close()


def test_an_engine_that_closes_ends_its_readers(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    bench.engine.close()
    assert query.take(timeout_s=WAIT_S) is None


def test_errors_have_their_place(bench: Bench) -> None:
    bench.run(STREAM)
    sql = "SELECT nope FROM s EMIT CHANGES;"
    with pytest.raises(ColumnNotFound) as caught:
        bench.push(sql)
    assert bench.marked(caught.value) == "nope"
    with pytest.raises(WrongEndpoint):
        bench.push("SHOW STREAMS;")


# --- many, and slow ones -----------------------------------------------------

COUNTS = "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;"


def computed(bench: Bench) -> list[str]:
    """The queries that the worker runs for readers."""
    return [q.query_id for q in bench.engine._core.worker.status() if q.query_id.startswith("transient_")]


def share(bench: Bench, computations: int = 1) -> None:
    """Those that catch up go over to what is shared, until so many are left."""
    deadline = clock.monotonic() + WAIT_S
    while len(computed(bench)) > computations:
        assert clock.monotonic() < deadline, computed(bench)
        bench.settle()
    assert len(computed(bench)) == computations


def test_push_queries_of_one_view_are_one_computation_each_with_its_own_limit(make: Callable[..., Bench]) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 0), ("b", 0), ("a", 0))
    bench.settle()
    sql = "SELECT * FROM c EMIT CHANGES"
    many = [bench.push(f"{sql};") for _ in range(50)]
    few = [bench.push(f"{sql} LIMIT {n};") for n in range(1, 7)]
    share(bench)
    history = [("a", 1, 1), ("b", 1, 1), ("a", 2, 1)]
    assert taken(many[0], 3) == history
    allocated = pa.total_allocated_bytes()
    for _ in range(3):
        insert(bench, "s", ("a", 0))
    bench.settle()
    # Nobody took anything: what waits is there once, for those who were there and for who comes.
    assert pa.total_allocated_bytes() - allocated < 1 << 20
    told = [*history, *(("a", n, 1) for n in (3, 4, 5))]
    many.append(bench.push(f"{sql};"))
    assert [taken(query, 3 if query is many[0] else 6) for query in many] == [told[3:], *[told] * 50]
    for limit, query in enumerate(few, 1):
        assert taken(query, limit) == told[:limit]
        assert query.take(timeout_s=WAIT_S) is None
        assert query.final_message == "Limit Reached"
    assert len({q["id"] for q in bench.one("SHOW QUERIES;")["queries"] if q["queryType"] == "PUSH"}) == 51
    assert bench.engine.metrics().push_queries == 51
    share(bench)
    for query in many:
        query.close()
    assert computed(bench) == []


def test_each_push_query_starts_where_its_session_says(bench: Bench) -> None:
    bench.run(STREAM)
    insert(bench, "s", ("a", 1), ("a", 2))
    sql = "SELECT v FROM s EMIT CHANGES;"
    early = [bench.push(sql) for _ in range(3)]
    bench.session.properties["auto.offset.reset"] = "latest"
    late = [bench.push(sql) for _ in range(3)]
    insert(bench, "s", ("a", 3))
    later = [bench.push(sql) for _ in range(3)]
    insert(bench, "s", ("a", 4))
    for queries, first in ((early, 1), (late, 3), (later, 4)):
        for query in queries:
            assert taken(query, 5 - first) == [(v, 1) for v in range(first, 5)]
    share(bench)


def test_a_subscription_and_push_queries_share_a_computation(bench: Bench) -> None:
    bench.run(TABLE)
    insert(bench, "t", ("a", 1))
    push = bench.push("SELECT * FROM t EMIT CHANGES;")
    followed = bench.engine.subscribe("SELECT * FROM t", bench.session)
    assert followed.take(timeout_s=WAIT_S) is not None
    share(bench)
    # What is listed: the push query, and the computation that the subscription is known by.
    listed = [q["id"] for q in bench.one("SHOW QUERIES;")["queries"]]
    assert listed == [push.query_id, followed.query_id]
    bench.run(f"TERMINATE `{push.query_id}`;")
    assert push.take() is None
    insert(bench, "t", ("a", 2))
    told = followed.take(timeout_s=WAIT_S)
    assert told is not None
    assert told.rows.to_pylist() == [{"_diff": 1, "K": "a", "V": 2}]


def test_push_queries_for_a_key_each_share_a_computation(bench: Bench) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", *((f"k{n}", 0) for n in range(50)))
    bench.settle()
    many = [bench.push(f"SELECT n FROM c WHERE k = 'k{n}' EMIT CHANGES;") for n in range(50)]
    insert(bench, "s", ("k7", 0), ("k49", 0))
    for n, query in enumerate(many):
        assert taken(query, 2 if n in {7, 49} else 1) == [(1, 1), (2, 1)][: 2 if n in {7, 49} else 1]
    share(bench, FEW + 1)


def test_a_slow_reader_of_a_shared_computation_misses_nothing_and_holds_nothing(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM + TABLE)
    quick, slow = (bench.push("SELECT * FROM t EMIT CHANGES;") for _ in range(2))
    for n in range(10):
        insert(bench, "t", ("a", n), ("b", n))
        assert taken(quick, 2) == [("a", n, 1), ("b", n, 1)]
    delete(bench, b"a")
    assert taken(quick, 1) == [("a", 9, -1)]
    bench.settle()
    assert max(len(feed.entries) for feed in feeds(bench)) <= 1
    assert taken(slow, 21) == [*((k, n, 1) for n in range(10) for k in "ab"), ("a", 9, -1)]
    insert(bench, "t", ("c", 1))
    assert taken(slow, 1) == taken(quick, 1) == [("c", 1, 1)]
    share(bench)


@pytest.mark.parametrize(
    ("sql", "source", "last", "buffer"),
    [
        ("SELECT k, v FROM s WHERE v <> 2", "s", ("z", 99, 1), 1),
        ("SELECT v FROM t WHERE v > 3", "t", (99, 1), 5000),
        ("SELECT * FROM c", "s", ("z", 2, 1), 1),
        ("SELECT k, SUM(v) AS total FROM s GROUP BY k", "s", ("z", 100, 1), 5000),
    ],
)
def test_readers_of_any_pace_are_told_the_same(
    make: Callable[..., Bench], sql: str, source: str, last: tuple[Any, ...], buffer: int
) -> None:
    bench = make(**{"query.push.buffer.bytes": buffer, "batch.max.rows": 1})  # else groups tell what an epoch comes to
    bench.run(STREAM + TABLE + COUNTS)
    insert(bench, "s", ("a", 1), ("z", 1), ("a", 1))
    bench.settle()
    pace = random.Random(buffer)
    readers = [(bench.push(f"{sql} EMIT CHANGES;"), chance, list[tuple[Any, ...]]()) for chance in (1.0, 0.4, 0.0)]
    for n in range(5):
        insert(bench, source, *((pace.choice("abc"), pace.randrange(8)) for _ in range(2)))
        if source == "t" and n == 3:
            delete(bench, b"a")
        for query, chance, told in readers:
            if pace.random() < chance and (batch := query.take(3, 0.0)) is not None:
                told.extend(tuple(row.values()) for row in batch.to_pylist())
        if n == 2:
            bench.settle()
            readers.append((bench.push(f"{sql} EMIT CHANGES;"), 0.5, []))
    insert(bench, source, ("z", 99))
    for query, _, told in readers:
        while told[-1:] != [last]:
            told.extend(taken(query, 1))
    assert [told for _, _, told in readers] == [readers[0][2]] * len(readers)


@pytest.mark.parametrize("sql", ["SELECT v FROM s EMIT CHANGES;", "SELECT k, n FROM c WHERE n < 2 EMIT CHANGES;"])
def test_what_is_gone_before_a_slow_reader_reads_it_is_told(make: Callable[..., Bench], sql: str) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM + COUNTS)
    slow = bench.push(sql)
    insert(bench, "s", ("a", 1))
    assert taken(slow, 1)[0][-1] == 1
    share(bench)
    insert(bench, "s", ("b", 1), ("a", 2), ("d", 3))
    bench.settle()
    bench.engine._log.truncate("s", 0, 3)
    bench.engine._log.maintain(1 << 50)
    while (batch := slow.take(timeout_s=WAIT_S)) is not None:
        assert batch.num_rows, "it waits for what does not come"
    assert isinstance(slow.error, ReaderTooSlow)
    assert slow.query_id not in {running.query_id for running in bench.engine._core.running.all()}


# --- which changes are seen --------------------------------------------------


def changes(*rows: tuple[str, int, int]) -> pa.RecordBatch:
    keys, diffs, seqs = zip(*rows, strict=True)
    return pa.RecordBatch.from_pydict(
        {"k": list(keys), "_diff": np.array(diffs, np.int8), "_seq": np.array(seqs, np.int64)}
    )


def seen(batch: pa.RecordBatch) -> list[tuple[str, int]]:
    return list(zip(batch.column("k").to_pylist(), batch.column("_diff").to_pylist(), strict=True))


def test_updates_of_several_keys_at_one_place_are_told_apart() -> None:
    batch = changes(("a", -1, 5), ("b", -1, 5), ("a", 1, 5), ("c", 1, 5))
    assert seen(visible_changes(batch, ["k"])) == [("b", -1), ("a", 1), ("c", 1)]


def test_a_deletion_and_a_later_row_are_both_seen() -> None:
    batch = changes(("a", -1, 5), ("a", 1, 6))
    assert seen(visible_changes(batch, ["k"])) == [("a", -1), ("a", 1)]


def test_without_a_key_a_place_with_a_new_row_hides_the_old() -> None:
    batch = changes(("old", -1, 5), ("new", 1, 5), ("gone", -1, 6))
    assert seen(visible_changes(batch, [])) == [("new", 1), ("gone", -1)]


@pytest.mark.parametrize(
    ("select", "columns", "rows"),
    [
        ("*", [True, True, True, False], [("a", 0, 1000, 5, 1), ("a", 0, 1000, 5, -1), ("a", 0, 1000, 7, 1)]),
        ("total", [False], [(5, 1), (5, -1), (7, 1)]),
        ("total, windowend", [False, True], [(5, 1000, 1), (5, 1000, -1), (7, 1000, 1)]),
        ("k AS x, UCASE(k) AS u", [True, False], [("a", "A", 1), ("a", "A", -1), ("a", "A", 1)]),
    ],
)
def test_deletions_keep_what_tells_rows_apart(
    make: Callable[..., Bench], select: str, columns: list[bool], rows: list[tuple[Any, ...]]
) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(
        STREAM + "CREATE TABLE w AS SELECT k, SUM(v) AS total FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY k "
        "HAVING SUM(v) > 0;"
    )
    query = bench.push(f"SELECT {select} FROM w EMIT CHANGES;")
    assert [c.key for c in query.columns] == columns
    bench.engine.insert("s", [{"k": "a", "v": v, "rowtime": 1} for v in (5, -6, 8)])
    assert taken(query, 3) == rows


def test_rows_of_several_windows_are_told_apart_without_their_keys(make: Callable[..., Bench]) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(
        STREAM + "CREATE TABLE w AS SELECT k, SUM(v) AS total FROM s "
        "WINDOW HOPPING (SIZE 2 SECONDS, ADVANCE BY 1 SECOND) GROUP BY k HAVING SUM(v) < 10;"
    )
    query = bench.push("SELECT total FROM w EMIT CHANGES;")
    bench.engine.insert("s", [{"k": "a", "v": v, "rowtime": t} for v, t in ((6, 1000), (5, 2000))])
    # The second row takes the window from 1 s on out of the table and puts the one from 2 s on into it.
    assert sorted(taken(query, 4)) == [(5, 1), (6, -1), (6, 1), (6, 1)]


# --- scalable push queries ---------------------------------------------------

SCALABLE = {"query.push.v2.enabled": True, "batch.max.rows": 1}


@pytest.fixture
def scalable(make: Callable[..., Bench]) -> Bench:
    bench = make(**SCALABLE)
    bench.run(
        STREAM + "CREATE STREAM d AS SELECT * FROM s;"
        "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k HAVING COUNT(*) <> 3;"
    )
    insert(bench, "s", ("old", 0))
    bench.settle()
    bench.session.properties["auto.offset.reset"] = "latest"
    return bench


@pytest.mark.parametrize(
    ("sql", "shared"),
    [
        ("SELECT * FROM d EMIT CHANGES;", True),
        ("SELECT v + 1 AS w FROM d WHERE k <> 'x' EMIT CHANGES LIMIT 3;", True),
        ("SELECT ROWTIME, k FROM d a EMIT CHANGES;", True),
        ("SELECT * FROM c EMIT CHANGES;", True),
        ("SELECT * FROM s EMIT CHANGES;", False),  # no query fills it
        ("SELECT k, ROWOFFSET FROM d EMIT CHANGES;", False),
        ("SELECT k FROM d WHERE ROWPARTITION = 0 EMIT CHANGES;", False),
        ("SELECT k, COUNT(*) FROM d GROUP BY k EMIT CHANGES;", False),
        ("SELECT COUNT(*) FROM d EMIT CHANGES;", False),
        ("SELECT * FROM d PARTITION BY v EMIT CHANGES;", False),
        ("SELECT d.k FROM d JOIN c ON d.k = c.k EMIT CHANGES;", False),
        ("SELECT EXPLODE(ARRAY[v]) FROM d EMIT CHANGES;", False),
    ],
)
def test_which_queries_are_scalable(scalable: Bench, sql: str, shared: bool) -> None:
    assert scalable.push(sql).query_id.startswith("SCALABLE_PUSH_QUERY_" if shared else "transient_")


def test_none_is_scalable_from_the_earliest_or_unless_asked_for(scalable: Bench) -> None:
    scalable.session.properties["auto.offset.reset"] = "earliest"
    assert scalable.push("SELECT * FROM d EMIT CHANGES;").query_id.startswith("transient_")
    scalable.session.properties |= {"auto.offset.reset": "latest", "ksql.query.push.v2.enabled": "false"}
    assert scalable.push("SELECT * FROM d EMIT CHANGES;").query_id.startswith("transient_")


def test_a_stream_that_two_queries_fill_is_not_shared(scalable: Bench) -> None:
    scalable.run("INSERT INTO d SELECT k, v FROM s;")
    assert scalable.push("SELECT * FROM d EMIT CHANGES;").query_id.startswith("transient_")


def test_a_scalable_query_gives_what_comes_and_has_a_key(scalable: Bench) -> None:
    query = scalable.push("SELECT * FROM d EMIT CHANGES LIMIT 2;")
    scalable.engine.insert("s", [{"v": 1}, {"k": "a", "v": None}, {"k": "b", "v": 3}])
    assert taken(query, 2) == [("a", None, 1), ("b", 3, 1)]
    assert query.take(timeout_s=WAIT_S) is None
    assert query.final_message == "Limit Reached"


def test_a_scalable_query_over_a_table_tells_neither_what_is_there_nor_what_goes(scalable: Bench) -> None:
    query = scalable.push("SELECT * FROM c EMIT CHANGES;")
    insert(scalable, "s", ("old", 0), ("old", 0), ("new", 0), ("old", 0))
    # Of "old" there is one row; the third one takes it out of the table, the fourth puts it in again.
    assert taken(query, 3) == [("old", 2, 1), ("new", 1, 1), ("old", 4, 1)]


def test_limit_0_of_a_scalable_query(scalable: Bench) -> None:
    query = scalable.push("SELECT * FROM d EMIT CHANGES LIMIT 0;")
    assert query.take(timeout_s=WAIT_S) is None
    assert query.final_message == "Limit Reached"


def test_a_dropped_source_ends_its_readers(bench: Bench) -> None:
    bench.run(STREAM)
    query = bench.push("SELECT v FROM s EMIT CHANGES;")
    insert(bench, "s", ("a", 1))
    bench.settle()
    bench.run("DROP STREAM s;")
    assert taken(query, 1) == [(1, 1)]
    assert query.take(timeout_s=WAIT_S) is None
    assert 'stream "S" was dropped' in str(query.error)
    assert bench.engine._core.worker.status() == []
