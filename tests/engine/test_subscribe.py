"""Subscriptions: a snapshot, then changes; each frame with the place that it leads to, from which another goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from ssql.engine.api import Frame, Session, Subscription
from ssql.engine.subscriptions import feed, feeds, wanted
from ssql.errors import InvalidStatement, TokenExpired, TokenRefused
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import WAIT_S, Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON');"
TABLE = "CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');"
COUNTS = "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;"


def insert(bench: Bench, target: str, *rows: tuple[str, int]) -> None:
    assert all(a.error is None for a in bench.engine.insert(target, [{"k": k, "v": v} for k, v in rows]))
    bench.settle()


def delete(bench: Bench, key: bytes) -> None:
    row = {"key": key, "value": None, "timestamp": 0, "headers": None}
    bench.engine._log.append("t", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))
    bench.settle()


def subscribe(bench: Bench, sql: str, after: str | None = None, **wishes: Any) -> Subscription:
    return bench.engine.subscribe(sql, bench.session, after=after, **wishes)


def frame(subscription: Subscription) -> Frame:
    found = subscription.take(timeout_s=WAIT_S)
    assert found is not None, subscription.error
    return found


def rows(found: Frame) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in found.rows.to_pylist()]


def taken(subscription: Subscription, count: int) -> list[tuple[Any, ...]]:
    """The next rows, from as many frames as it takes."""
    seen: list[tuple[Any, ...]] = []
    while len(seen) < count:
        seen += rows(frame(subscription))
    return seen


def rest(subscription: Subscription) -> Iterator[Frame]:
    while (found := subscription.take(timeout_s=0.0)) is not None:
        yield found


def test_a_table_gives_a_snapshot_and_then_its_changes(bench: Bench) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 1), ("b", 1), ("a", 1))
    subscription = subscribe(bench, "SELECT * FROM c")
    assert ([str(c) for c in subscription.columns], subscription.keys) == (["`K` STRING KEY", "`N` BIGINT"], ("K",))
    first = frame(subscription)
    assert (first.snapshot, first.frontier) == (True, {("C", 0): 2})
    assert sorted(rows(first)) == [(1, "a", 2), (1, "b", 1)]
    insert(bench, "s", ("b", 1), ("d", 1))
    then = frame(subscription)
    assert (then.snapshot, then.frontier) == (False, {("C", 0): 4})
    assert rows(then) == [(1, "b", 2), (1, "d", 1)]


def test_an_empty_table_says_so(bench: Bench) -> None:
    bench.run(TABLE)
    found = frame(subscribe(bench, "SELECT * FROM t"))
    assert (found.snapshot, found.rows.num_rows) == (True, 0)
    assert found.token is not None


def test_a_stream_tells_where_it_starts_and_then_its_rows(bench: Bench) -> None:
    bench.run(STREAM)
    insert(bench, "s", ("a", 1))
    subscription = subscribe(bench, "SELECT v FROM s EMIT CHANGES;")
    first = frame(subscription)
    assert (first.snapshot, first.rows.num_rows, first.frontier) == (False, 0, {("s", 0): 0})
    assert rows(frame(subscription)) == [(1, 1)]
    bench.session.properties["auto.offset.reset"] = "latest"
    late = subscribe(bench, "SELECT v FROM s")
    assert frame(late).frontier == {("s", 0): 1}
    insert(bench, "s", ("a", 2))
    assert rows(frame(late)) == rows(frame(subscription)) == [(1, 2)]


def test_every_change_tells_old_rows_too(make: Callable[..., Bench]) -> None:
    bench = make(**{"batch.max.rows": 1})
    bench.run(TABLE)
    insert(bench, "t", ("a", 1))
    every = subscribe(bench, "SELECT * FROM t", every_change=True)
    net = subscribe(bench, "SELECT * FROM t")
    assert rows(frame(every)) == rows(frame(net)) == [(1, "a", 1)]
    insert(bench, "t", ("a", 2), ("b", 1))
    delete(bench, b"b")
    delete(bench, b"nobody")
    assert [rows(f) for f in rest(every)] == [
        [(-1, "a", 1), (1, "a", 2)],
        [(1, "b", 1)],
        [(-1, "b", 1)],
    ]
    # What waited is told as its net effect: of "b" nothing is left.
    assert [rows(f) for f in rest(net)] == [[(1, "a", 2)]]


def test_rows_without_their_key_are_told_with_what_they_replace(bench: Bench) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 1))
    subscription = subscribe(bench, "SELECT n FROM c")
    assert subscription.keys == ()
    assert rows(frame(subscription)) == [(1, 1)]
    insert(bench, "s", ("a", 1))
    assert rows(frame(subscription)) == [(-1, 1), (1, 2)]


@pytest.mark.parametrize("sql", ["SELECT v FROM s WHERE v > 9", "SELECT k, n FROM c WHERE n > 9", "SELECT * FROM s"])
def test_a_query_without_changes_says_how_far_it_is(bench: Bench, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PROGRESS_S", 0.0)
    bench.run(STREAM + COUNTS)
    subscription = subscribe(bench, sql)
    before = frame(subscription)
    bench.settle()
    insert(bench, "s", ("a", 1))
    then = frame(subscription)
    assert then.rows.num_rows == (sql == "SELECT * FROM s")
    assert next(iter(then.frontier.values())) == next(iter(before.frontier.values())) + 1
    assert then.token not in {None, before.token}
    insert(bench, "s", ("a", 10))
    again = subscribe(bench, sql, then.token)
    insert(bench, "s", *[("a", 10)] * 9)
    assert rows(frame(again)) != []


def test_without_a_snapshot_only_changes_are_told(bench: Bench) -> None:
    bench.run(TABLE)
    insert(bench, "t", ("a", 1))
    subscription = subscribe(bench, "SELECT * FROM t", snapshot=False)
    assert (frame(subscription).rows.num_rows, subscription.ended) == (0, False)
    insert(bench, "t", ("b", 2))
    assert rows(frame(subscription)) == [(1, "b", 2)]


QUERIES = {
    "a table": ("SELECT * FROM t", "t"),
    "a filtered table": ("SELECT k, v FROM t WHERE v > 1", "t"),
    "a view": ("SELECT * FROM c", "s"),
    "a group": ("SELECT k, SUM(v) AS total FROM s GROUP BY k", "s"),
    "a stream": ("SELECT k, v FROM s WHERE v <> 2", "s"),
    "a derived stream": ("SELECT k, w FROM d", "s"),
}


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("name", QUERIES)
def test_a_token_goes_on_where_it_stands(make: Callable[..., Bench], name: str, reopened: bool) -> None:
    sql, source = QUERIES[name]
    bench = make(**{"batch.max.rows": 1})
    bench.run(STREAM + TABLE + COUNTS + "CREATE STREAM d AS SELECT k, v + 1 AS w FROM s;")
    insert(bench, source, ("a", 1), ("b", 2), ("a", 3))
    watched = subscribe(bench, sql, every_change=True)
    bench.settle()
    token = None
    for found in rest(watched):
        token = found.token
    assert token is not None
    insert(bench, source, ("a", 4))
    frames = list(rest(watched))
    insert(bench, source, ("b", 0), ("d", 5), ("a", 6))
    frames += rest(watched)
    for at in [token, frames[0].token, frames[-1].token]:
        watched.close()
        if reopened:
            bench.reopen()
        again = subscribe(bench, sql, at, every_change=True)
        bench.settle()
        expected = frames if at == token else frames[1:] if at == frames[0].token else []
        found = [row for f in rest(again) for row in rows(f)]
        assert found == [row for f in expected for row in rows(f)]
        again.close()


def append(bench: Bench, topic: str, *values: int) -> None:
    """As another program does: the worker's own records are told apart from these."""
    records = [{"key": b"x", "value": b'{"W":%d}' % v, "timestamp": v, "headers": None} for v in values]
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist(records, schema=RECORD_SCHEMA))


@pytest.mark.parametrize("reopened", [False, True])
def test_a_stream_that_others_write_too_goes_on_behind_what_was_told(
    bench: Bench, reopened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run(STREAM + "CREATE STREAM d AS SELECT k, v AS w FROM s;")
    watched = subscribe(bench, "SELECT w FROM d")
    frame(watched)
    bench.settle()
    # Records of others come between what the worker has read and what it writes.
    writer = type(bench.engine._core.worker._flows.main.writer)
    begin = writer.begin

    def begin_late(self: Any) -> None:
        monkeypatch.undo()
        append(bench, "D", 100, 101)
        begin(self)

    monkeypatch.setattr(writer, "begin", begin_late)
    insert(bench, "s", ("a", 1), ("b", 2))
    first = frame(watched)
    assert (rows(first), first.frontier) == ([(1, 1), (1, 2)], {("D", 0): 4})
    append(bench, "D", 102)
    insert(bench, "s", ("c", 3))
    bench.settle()
    told = [row for f in rest(watched) for row in rows(f)]
    assert sorted(told) == [(1, 3), (1, 100), (1, 101), (1, 102)]
    watched.close()
    if reopened:
        bench.reopen()
    again = subscribe(bench, "SELECT w FROM d", first.token)
    insert(bench, "s", ("d", 4))
    assert sorted(taken(again, 5)) == sorted([*told, (1, 4)])
    assert again.take(timeout_s=0.0) is None


def test_a_token_is_of_one_statement(bench: Bench) -> None:
    bench.run(STREAM + TABLE)
    token = frame(subscribe(bench, "SELECT * FROM t")).token
    assert token is not None
    subscribe(bench, "select *  from T a", token)
    for sql, after in [("SELECT v FROM t", token), ("SELECT * FROM t", "nonsense"), ("SELECT * FROM t", "")]:
        with pytest.raises(TokenRefused):
            subscribe(bench, sql, after)


def test_a_stream_whose_records_are_gone_says_so(bench: Bench) -> None:
    bench.run(STREAM)
    subscription = subscribe(bench, "SELECT v FROM s")
    token = frame(subscription).token
    insert(bench, "s", ("a", 1), ("a", 2))
    subscription.close()
    bench.engine._log.truncate("s", 0, 1)
    with pytest.raises(TokenExpired, match='topic "s"'):
        subscribe(bench, "SELECT v FROM s", token)


def test_a_table_whose_records_are_gone_starts_again(bench: Bench) -> None:
    bench.run(TABLE)
    insert(bench, "t", ("a", 1), ("b", 2))
    subscription = subscribe(bench, "SELECT * FROM t")
    token = frame(subscription).token
    insert(bench, "t", ("a", 3))
    subscription.close()
    bench.engine._log.truncate("t", 0, 1)
    found = frame(subscribe(bench, "SELECT * FROM t", token))
    assert found.snapshot
    assert {row[1]: row for row in rows(found)}["b"] == (1, "b", 2)


def test_a_table_whose_log_was_compacted_starts_again(bench: Bench) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 1), ("b", 1))
    sql = "SELECT * FROM c WHERE n < 2"
    subscription = subscribe(bench, sql)
    token = frame(subscription).token
    subscription.close()
    insert(bench, "s", ("a", 2))
    log = bench.engine._log
    log.maintain(1 << 50)
    # That "a" was there once is no longer to be seen, so that nothing would say that it is gone.
    assert log.read("C", 0, 0, 10).batch.column("key").to_pylist() == [b"b", b"a"]
    found = frame(subscribe(bench, sql, token))
    assert (found.snapshot, rows(found)) == (True, [(1, "b", 1)])


def test_a_subscription_has_no_limit(bench: Bench) -> None:
    bench.run(STREAM)
    with pytest.raises(InvalidStatement) as caught:
        subscribe(bench, "SELECT v FROM s LIMIT 2")
    assert bench.marked(caught.value) == "2"


def test_it_ends_with_its_source_and_with_the_engine(bench: Bench) -> None:
    bench.run(STREAM + TABLE)
    first, second = subscribe(bench, "SELECT * FROM s"), subscribe(bench, "SELECT * FROM t")
    list(rest(first))
    frame(second)
    bench.run("DROP STREAM s;")
    assert first.take(timeout_s=WAIT_S) is None
    assert first.ended
    assert "was dropped" in str(first.error)
    bench.engine.close()
    assert second.take(timeout_s=WAIT_S) is None
    assert (second.ended, second.error) == (True, None)


def test_a_session_may_say_where_streams_begin(bench: Bench) -> None:
    bench.run(STREAM)
    insert(bench, "s", ("a", 1))
    session = Session(properties={"auto.offset.reset": "latest"})
    assert frame(bench.engine.subscribe("SELECT v FROM s", session)).frontier == {("s", 0): 1}


# --- many, and slow ones -------------------------------------------------------


def running(bench: Bench) -> list[str]:
    """The queries that readers follow."""
    return [q.query_id for q in bench.engine._core.worker.status() if q.query_id.startswith("transient_")]


@pytest.mark.parametrize("sql", ["SELECT * FROM c", "SELECT k, n * 2 AS m FROM c WHERE n > 0 EMIT CHANGES;"])
def test_ten_thousand_subscribers_cost_one_computation(bench: Bench, sql: str) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 1), ("b", 1))
    many = [subscribe(bench, sql) for _ in range(10_000)]
    first = frame(many[0])
    assert all(frame(s).rows is first.rows for s in many[1:])
    allocated = pa.total_allocated_bytes()
    for n in range(5):
        insert(bench, "s", ("a", n), (f"new {n}", 1))
        bench.settle()
    # Nobody took anything: what waits is there once.
    assert pa.total_allocated_bytes() - allocated < 1 << 20
    assert len(running(bench)) == 1
    net = frame(many[0])
    assert net.rows.num_rows == 6
    assert all(frame(s) is net for s in many[1:])
    insert(bench, "s", ("b", 1))
    one = frame(many[0])
    assert all(frame(s) is one for s in many[1:])
    for subscription in many:
        subscription.close()
    assert running(bench) == []


def test_a_thousand_who_follow_a_key_each_cost_one_computation_and_are_told_of_theirs(bench: Bench) -> None:
    bench.run(STREAM + COUNTS)
    insert(bench, "s", *((f"k{n}", 1) for n in range(500)))
    many = [subscribe(bench, f"SELECT n FROM c WHERE k = 'k{n}' AND n > 0") for n in range(1000)]
    assert len(running(bench)) == feeds.FEW + 1
    assert [rows(frame(s)) for s in many] == [[(1, 1)]] * 500 + [[]] * 500
    woken: list[int] = []
    for n, subscription in enumerate(many):
        subscription.on_frame(lambda n=n: woken.append(n))
    woken.clear()
    for n in (700, 20, 700):
        insert(bench, "s", (f"k{n}", 1))
        found = frame(many[n])
        assert found.token is not None
    assert set(woken) == {20, 700}
    assert rows(found) == [(-1, 1), (1, 2)]
    assert many[21].take(timeout_s=0.0) is None
    # On with its token: of its key alone.
    many[700].close()
    insert(bench, "s", ("k701", 1), ("k700", 1), ("k20", 1))
    with pytest.raises(TokenRefused):
        subscribe(bench, "SELECT n FROM c WHERE k = 'k701' AND n > 0", after=found.token)
    again = subscribe(bench, "SELECT n FROM c WHERE k = 'k700' AND n > 0", after=found.token)
    assert rows(frame(again)) == [(-1, 2), (1, 3)]
    for subscription in [*many, again]:
        subscription.close()
    assert running(bench) == []


def test_who_starts_with_a_key_is_not_looked_up_in_what_came_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "FEW", 0)
    bench.run(STREAM + COUNTS)
    insert(bench, "s", ("a", 1))
    first = subscribe(bench, "SELECT n FROM c WHERE k = 'a'")
    assert rows(frame(first)) == [(1, 1)]
    for n in range(3):
        insert(bench, "s", ("a", n), ("b", n))
    looked_up: list[Any] = []
    places = wanted.Index.places
    monkeypatch.setattr(wanted.Index, "places", lambda self, key: looked_up.append(key) or places(self, key))
    other = subscribe(bench, "SELECT n FROM c WHERE k = 'b'")
    assert rows(frame(other)) == [(1, 3)]
    assert looked_up == []
    assert rows(frame(first))[-1] == (1, 4)
    assert len(looked_up) == 3
    for subscription in (first, other):
        subscription.close()
    assert running(bench) == []


@pytest.mark.parametrize("name", QUERIES)
def test_those_who_come_again_with_the_same_token_share_the_way(
    make: Callable[..., Bench], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql, source = QUERIES[name]
    bench = make(**{"batch.max.rows": 1})
    bench.run(STREAM + TABLE + COUNTS + "CREATE STREAM d AS SELECT k, v + 1 AS w FROM s;")
    first = subscribe(bench, sql)
    seen: list[Frame] = [frame(first)]
    for n in range(3, 6):
        insert(bench, source, ("a", n))
        seen.append(frame(first))
    bench.reopen()
    begun: list[str] = []
    follow = type(bench.engine._core.worker).follow

    def counted(worker: Any, plan: Any, *rest: Any, **places: Any) -> None:
        begun.append(plan.query_id)
        follow(worker, plan, *rest, **places)

    monkeypatch.setattr(type(bench.engine._core.worker), "follow", counted)
    again = [(n, subscribe(bench, sql, seen[n].token)) for _ in range(50) for n in range(4)]
    bench.settle()
    for n, subscription in again:
        left = [row for f in rest(subscription) for row in rows(f)]
        assert left[-1:] == [row for f in seen[n + 1 :] for row in rows(f)][-1:]
    assert len(begun) <= 4
    insert(bench, source, ("b", 9))
    assert len({id(frame(subscription)) for _, subscription in again}) == 1
    assert len(running(bench)) == 1


def test_streams_are_shared_by_those_who_are_there(bench: Bench) -> None:
    bench.run(STREAM)
    insert(bench, "s", ("a", 1), ("a", 2))
    early = [subscribe(bench, "SELECT v FROM s") for _ in range(3)]
    bench.session.properties["auto.offset.reset"] = "latest"
    late = subscribe(bench, "SELECT v FROM s")
    frame(late)
    for subscription in early:
        assert taken(subscription, 2) == [(1, 1), (1, 2)]
    insert(bench, "s", ("a", 3))
    shared = frame(late)
    assert rows(shared) == [(1, 3)]
    assert [frame(s) for s in early] == [shared] * 3
    assert len(running(bench)) == 1


def test_groups_of_a_stream_from_now_on_are_everyone_s_own(bench: Bench) -> None:
    bench.run(STREAM + "SET 'auto.offset.reset'='latest';")
    sql = "SELECT k, COUNT(*) AS n FROM s GROUP BY k"
    first = subscribe(bench, sql)
    frame(first)
    insert(bench, "s", ("a", 1))
    second = subscribe(bench, sql)
    assert rows(frame(second)) == []
    insert(bench, "s", ("a", 1))
    assert (rows(frame(second)), taken(first, 1)) == ([(1, "a", 1)], [(1, "a", 2)])
    token = second.take(timeout_s=0.0)
    assert token is None


@pytest.mark.parametrize("every_change", [False, True])
@pytest.mark.parametrize("name", QUERIES)
def test_a_slow_subscriber_misses_nothing_and_holds_nothing(
    make: Callable[..., Bench], name: str, every_change: bool
) -> None:
    sql, source = QUERIES[name]
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 2})
    bench.run(STREAM + TABLE + COUNTS + "CREATE STREAM d AS SELECT k, v + 1 AS w FROM s;")
    insert(bench, source, ("a", 5), ("b", 7))
    slow = subscribe(bench, sql, every_change=every_change)
    start = frame(slow)
    told = {row[1:] for row in rows(start)}
    for n in range(20):
        insert(bench, source, (f"k{n % 3}", n + 3))
    kept = [len(feed.entries) for feed in bench.engine._core.feeds._running.values()]
    assert kept == [1]
    other = subscribe(bench, sql)
    expected = {row[1:] for row in rows(frame(other))} if other.keys else None
    while expected is not None and told != expected:
        found = frame(slow)
        told = set() if found.snapshot else told
        for diff, *row in rows(found):
            told = {r for r in told if r[0] != row[0]} | ({tuple(row)} if diff > 0 else set())
    if expected is None:
        assert len(taken(slow, 21 if name == "a stream" else 22)) >= 20
    assert slow.error is None


def test_who_catches_up_does_not_wait_for_another_who_does(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM)
    token = frame(subscribe(bench, "SELECT v FROM s")).token
    insert(bench, "s", *(("a", n) for n in range(6)))
    bench.reopen()
    slow, quick = subscribe(bench, "SELECT v FROM s", token), subscribe(bench, "SELECT v FROM s", token)
    assert slow.query_id == quick.query_id
    assert taken(quick, 6) == [(1, n) for n in range(6)]
    assert taken(slow, 6) == [(1, n) for n in range(6)]


def test_what_is_gone_before_a_slow_subscriber_reads_it_is_told(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.push.buffer.bytes": 1, "batch.max.rows": 1})
    bench.run(STREAM + "SET 'auto.offset.reset'='latest';")
    slow = subscribe(bench, "SELECT v FROM s")
    frame(slow)
    insert(bench, "s", ("a", 1), ("a", 2), ("a", 3))
    bench.engine._log.truncate("s", 0, 2)
    assert slow.take(timeout_s=WAIT_S) is None
    assert isinstance(slow.error, TokenExpired)


def test_windows_that_are_over_are_not_kept(bench: Bench) -> None:
    bench.run(
        STREAM + "CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s "
        "WINDOW TUMBLING (SIZE 1 SECOND, RETENTION 10 SECONDS, GRACE PERIOD 0 SECONDS) GROUP BY k;"
    )
    first = subscribe(bench, "SELECT k, windowstart AS ws, n FROM w")
    frame(first)
    for second in range(0, 40, 2):
        bench.engine.insert("s", [{"k": "a", "v": 1, "rowtime": second * 1000}])
    bench.settle()
    again = frame(subscribe(bench, "SELECT k, windowstart AS ws, n FROM w"))
    assert sorted(row[2] for row in rows(again)) == [30_000, 32_000, 34_000, 36_000, 38_000]
    assert len(running(bench)) == 1
