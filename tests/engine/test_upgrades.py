"""CREATE OR REPLACE of queries and of what they read: the new query goes on from where the old one stood."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from ssql.errors import InvalidStatement, ReadOnlySource, SourceExists, UpgradeRefused
from ssql.runtime.delta import Delta
from ssql.runtime.operators.aggregate import Aggregate
from ssql.schemas.api import subject_of
from tests.engine.conftest import Bench
from tests.engine.test_push import taken

S = "CREATE STREAM s (id INT KEY, v INT, w INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
T = "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);"
T_MORE = "ALTER TABLE t ADD COLUMN w INT;"


def put(bench: Bench, target: str, *rows: dict[str, Any]) -> None:
    acks = bench.engine.insert(target, list(rows))
    assert [a.error for a in acks] == [None] * len(rows)
    bench.settle()


def raw(bench: Bench, topic: str, key: int, value: bytes | None) -> None:
    """A record as others write it, with more columns than are declared."""
    import pyarrow as pa

    from ssql.log.api import RECORD_SCHEMA

    row = {"key": key.to_bytes(4, "big"), "value": value, "timestamp": 0, "headers": None}
    bench.engine._log.append(topic, pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 0)
    bench.settle()


def values(bench: Bench, topic: str) -> list[bytes | None]:
    return [value for _, value in bench.topic(topic)]


def states(bench: Bench) -> dict[str, str]:
    return {q["id"]: q["state"] for q in bench.one("SHOW QUERIES;")["queries"]}


# --- streams -----------------------------------------------------------------


def test_a_stream_goes_on_with_other_filters_and_more_columns(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o AS SELECT id, v FROM s WHERE v > 0;")
    put(bench, "s", {"id": 1, "v": 1, "w": 5}, {"id": 1, "v": 0})
    answer = bench.one("CREATE OR REPLACE STREAM o AS SELECT id, v, w * 2 AS x FROM s WHERE v < 1;")
    assert answer["commandStatus"]["queryId"] == "CSAS_O_1"
    assert answer["commandStatus"]["message"] == "Created query with ID CSAS_O_1"
    assert answer["commandSequenceNumber"] == 2
    put(bench, "s", {"id": 1, "v": 1}, {"id": 1, "v": 0, "w": 7})
    assert values(bench, "O") == [b'{"V":1}', b'{"V":0,"X":14}']
    bench.reopen()
    put(bench, "s", {"id": 1, "v": 1}, {"id": 1, "v": 0, "w": 8})
    assert values(bench, "O")[2:] == [b'{"V":0,"X":16}']
    assert states(bench) == {"CSAS_O_1": "RUNNING"}
    described = bench.one("DESCRIBE o;")["sourceDescription"]
    assert [f["name"] for f in described["fields"]] == ["ID", "V", "X"]
    assert described["statement"].startswith("CREATE OR REPLACE STREAM o")


def test_readers_go_on_with_the_columns_that_they_know(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o AS SELECT id, v FROM s; CREATE STREAM r AS SELECT * FROM o;")
    push = bench.push("SELECT * FROM o EMIT CHANGES;")
    put(bench, "s", {"id": 1, "v": 1, "w": 5})
    bench.run("CREATE OR REPLACE STREAM o AS SELECT id, v, w FROM s; CREATE STREAM n AS SELECT * FROM o;")
    put(bench, "s", {"id": 1, "v": 2, "w": 6})
    assert values(bench, "R") == [b'{"V":1}', b'{"V":2}']
    assert values(bench, "N") == [b'{"V":1,"W":null}', b'{"V":2,"W":6}']
    assert [row[:2] for row in taken(push, 2)] == [(1, 1), (1, 2)]
    push.close()
    # The reader is replaced too, in its turn.
    bench.run("CREATE OR REPLACE STREAM r AS SELECT * FROM o;")
    put(bench, "s", {"id": 1, "v": 3, "w": 7})
    bench.reopen()
    put(bench, "s", {"id": 1, "v": 4, "w": 8})
    assert values(bench, "R")[2:] == [b'{"V":3,"W":7}', b'{"V":4,"W":8}']
    assert values(bench, "N")[2:] == [b'{"V":3,"W":7}', b'{"V":4,"W":8}']


def test_replacing_by_the_same_statement_changes_nothing(bench: Bench) -> None:
    join = "CREATE OR REPLACE STREAM j AS SELECT s.id, s.v, t.v AS tv FROM s JOIN t ON s.id = t.id;"
    first = bench.run(S + T + join)[2]
    before, end = bench.engine._core.catalog, bench.engine._core.commands.next_sequence()
    assert bench.one(join)["commandStatus"] == first["commandStatus"]
    assert bench.engine._core.catalog is before
    assert bench.engine._core.commands.next_sequence() == end
    # Said in other words it is written down anew, and runs on.
    bench.run(join.replace("s.v, ", "s.v  , "))
    assert states(bench) == {"CSAS_J_2": "RUNNING"}
    error = bench.fails(join.replace("id;", "id WHERE s.v > 0;"))
    assert isinstance(error, UpgradeRefused)
    assert error.message == "Upgrades not yet supported for StreamTableJoin"
    assert bench.marked(error) == "j"


def test_what_is_new_is_made_and_what_is_to_be_kept_is_kept(bench: Bench) -> None:
    bench.run(S)
    made = bench.one("CREATE OR REPLACE STREAM o AS SELECT id, v FROM s;")
    assert made["commandStatus"]["queryId"] == "CSAS_O_1"
    kept = bench.one("CREATE OR REPLACE STREAM IF NOT EXISTS o AS SELECT id, v, w FROM s;")
    assert kept["@type"] == "warning_entity"
    assert isinstance(bench.fails("CREATE STREAM o AS SELECT id, v, w FROM s;"), SourceExists)
    relation = bench.engine._core.catalog.relation("O")
    assert relation is not None
    assert relation.schema.names == ("ID", "V")


# --- tables ------------------------------------------------------------------


def test_a_table_gets_no_tombstones_for_what_its_old_query_wrote(bench: Bench) -> None:
    bench.run(T + "CREATE TABLE o AS SELECT * FROM t;")
    put(bench, "t", {"id": 1, "v": 0}, {"id": 2, "v": 5})
    bench.run("CREATE OR REPLACE TABLE o AS SELECT * FROM t WHERE v > 0;")
    for key, value in ((1, 0), (1, 1), (1, 0), (2, 0)):
        put(bench, "t", {"id": key, "v": value})
    bench.reopen()
    put(bench, "t", {"id": 1, "v": 0}, {"id": 2, "v": 6})
    assert values(bench, "O") == [b'{"V":0}', b'{"V":5}', b'{"V":1}', None, None, b'{"V":6}']
    assert bench.rows("SELECT * FROM o;") == [(2, 6)]


def test_a_kept_table_gets_new_columns_empty_and_then_full(bench: Bench) -> None:
    bench.run(S + "CREATE TABLE o AS SELECT id, SUM(v) AS a FROM s GROUP BY id; CREATE TABLE r AS SELECT * FROM o;")
    put(bench, "s", {"id": 1, "v": 1}, {"id": 2, "v": 2})
    bench.run("CREATE OR REPLACE TABLE o AS SELECT id, SUM(v) AS a, CAST(id AS STRING) AS name FROM s GROUP BY id;")
    assert bench.rows("SELECT * FROM o;") == [(1, 1, None), (2, 2, None)]
    put(bench, "s", {"id": 1, "v": 1})
    assert bench.rows("SELECT * FROM o;") == [(1, 2, "1"), (2, 2, None)]
    bench.reopen()
    assert bench.rows("SELECT * FROM o;") == [(1, 2, "1"), (2, 2, None)]
    put(bench, "s", {"id": 2, "v": 1})
    assert bench.rows("SELECT * FROM o;") == [(1, 2, "1"), (2, 3, "2")]
    assert bench.rows("SELECT * FROM r;") == [(1, 2), (2, 3)]


AGGREGATES = [
    f"CREATE {{}} TABLE o AS SELECT id, COUNT(v) AS c, SUM(w) AS t, COUNT(DISTINCT w) AS d FROM s {where} GROUP BY id;"
    for where in ("", "WHERE v > 2", "WHERE w < 3")
]


@pytest.mark.parametrize("seed", range(4))
def test_an_aggregate_goes_on_from_its_state_wherever_it_is_replaced(make: Callable[..., Bench], seed: int) -> None:
    """Random rows, replacements, epochs of random length and restarts: the table is what plain Python computes."""
    choose = random.Random(seed)
    bench = make(**{"batch.max.rows": choose.choice([1, 3, 1000])})
    bench.run(S + AGGREGATES[0].format(""))
    groups: dict[int, tuple[int, int, set[int]]] = {}
    at = 0
    for _ in range(12):
        rows = [{"id": choose.randrange(3), "v": choose.randrange(5), "w": choose.randrange(5)} for _ in range(7)]
        for row in rows:
            if at == 0 or (at == 1 and row["v"] > 2) or (at == 2 and row["w"] < 3):
                count, total, seen = groups.get(row["id"], (0, 0, set()))
                groups[row["id"]] = (count + 1, total + row["w"], seen | {row["w"]})
        bench.engine.insert("s", rows)
        bench.settle()
        match choose.randrange(3):
            case 0:
                bench.reopen()
            case 1:
                at = choose.randrange(3)
                bench.run(AGGREGATES[at].format("OR REPLACE"))
    expected = sorted((k, c, t, len(seen)) for k, (c, t, seen) in groups.items())
    assert bench.rows("SELECT id, c, t, d FROM o;") == expected


# --- what happens in between -------------------------------------------------

UPGRADES = [
    ("s", "CREATE STREAM o AS SELECT id, v FROM s;",
     "CREATE OR REPLACE STREAM o AS SELECT id, v, w FROM s WHERE v > 1;"),
    ("s", AGGREGATES[0].format(""), AGGREGATES[1].format("OR REPLACE")),
    ("t", "CREATE TABLE o AS SELECT id, v FROM t;",
     "CREATE OR REPLACE TABLE o AS SELECT id, v, v + 1 AS x FROM t WHERE v > 1;"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "old", "new"), UPGRADES)
def test_a_replacement_that_the_worker_did_not_see_is_made_when_it_starts_again(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, source: str, old: str, new: str
) -> None:
    """The process may end right after the command is written: opening it again comes to the same."""
    plain, cut = make(), make()
    for bench in (plain, cut):
        bench.run(S + T + old)
        put(bench, source, *({"id": k % 2, "v": k} for k in range(4)))
    plain.run(new)
    worker = cut.engine._core.worker
    monkeypatch.setattr(worker, "replace", lambda *_, **__: None)
    cut.run(new)
    cut.reopen()
    for bench in (plain, cut):
        put(bench, source, *({"id": k % 2, "v": k % 5} for k in range(7)))
        bench.reopen()
        put(bench, source, {"id": 0, "v": 1}, {"id": 1, "v": 3})
    assert values(cut, "O") == values(plain, "O")
    assert cut.topic("O") == plain.topic("O")
    if "TABLE" in new:
        assert cut.rows("SELECT * FROM o;") == plain.rows("SELECT * FROM o;")
    assert cut.engine._core.catalog == plain.engine._core.catalog


def test_a_paused_query_stays_paused_and_goes_on_as_the_new_one(bench: Bench) -> None:
    bench.run(S + "CREATE TABLE o AS SELECT id, COUNT(v) AS c FROM s GROUP BY id; CREATE TABLE r AS SELECT * FROM o;")
    put(bench, "s", {"id": 1, "v": 1})
    bench.run("PAUSE CTAS_O_1;")
    put(bench, "s", {"id": 1, "v": 2})
    bench.run("CREATE OR REPLACE TABLE o AS SELECT id, COUNT(v) AS c, id + 1 AS x FROM s WHERE v > 2 GROUP BY id;")
    put(bench, "s", {"id": 1, "v": 3})
    assert states(bench) == {"CTAS_O_1": "PAUSED", "CTAS_R_2": "RUNNING"}
    assert bench.rows("SELECT * FROM o;") == [(1, 1, None)]
    bench.reopen()
    assert states(bench)["CTAS_O_1"] == "PAUSED"
    assert bench.rows("SELECT * FROM o;") == [(1, 1, None)]
    bench.run("RESUME CTAS_O_1;")
    bench.settle()
    assert states(bench)["CTAS_O_1"] == "RUNNING"
    assert bench.rows("SELECT * FROM o;") == [(1, 2, 2)]
    assert bench.rows("SELECT * FROM r;") == [(1, 2)]
    bench.reopen()
    put(bench, "s", {"id": 1, "v": 4})
    assert bench.rows("SELECT * FROM o;") == [(1, 3, 2)]
    assert bench.rows("SELECT * FROM r;") == [(1, 3)]


@pytest.mark.parametrize("in_between", [False, True])
def test_a_query_that_failed_runs_again_as_the_new_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, in_between: bool
) -> None:
    def broken(*_: object) -> Delta:
        raise InvalidStatement("broken")

    total = "CREATE {} TABLE o AS SELECT id, SUM(v) AS t FROM s WHERE v < {} GROUP BY id;"
    bench.run(S + total.format("", 1000) + "CREATE STREAM other AS SELECT * FROM s;")
    put(bench, "s", {"id": 1, "v": 1})
    with monkeypatch.context() as patched:
        patched.setattr(Aggregate, "on_deltas", broken)
        put(bench, "s", {"id": 1, "v": 300}, {"id": 1, "v": 5})
    assert states(bench)["CTAS_O_1"] == "ERROR"
    bench.reopen()
    assert states(bench)["CTAS_O_1"] == "ERROR"
    with monkeypatch.context() as patched:
        if in_between:
            patched.setattr(bench.engine._core.worker, "replace", lambda *_, **__: None)
        bench.run(total.format("OR REPLACE", 100))
    if in_between:
        bench.reopen()
    bench.settle()
    assert states(bench)["CTAS_O_1"] == "RUNNING"
    assert bench.rows("SELECT id, t FROM o;") == [(1, 6)]


# --- who writes --------------------------------------------------------------


def test_several_writers_cannot_be_replaced_at_once(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o AS SELECT id, v FROM s; INSERT INTO o SELECT id, w AS v FROM s;")
    error = bench.fails("CREATE OR REPLACE STREAM o AS SELECT id, v FROM s WHERE v > 0;")
    assert isinstance(error, UpgradeRefused)
    assert error.message == (
        "REPLACE for sink `O` is not supported because there are multiple queries writing into it: "
        "[CSAS_O_1, INSERTQUERY_2]"
    )
    bench.run("TERMINATE INSERTQUERY_2; CREATE OR REPLACE STREAM o AS SELECT id, v FROM s WHERE v > 0;")
    put(bench, "s", {"id": 1, "v": 1, "w": 2}, {"id": 1, "v": 0})
    assert values(bench, "O") == [b'{"V":1}']


def test_others_that_write_go_on_with_the_columns_that_they_know(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o (id INT KEY, v INT) WITH (kafka_topic='o', value_format='JSON', partitions=1);")
    bench.run("INSERT INTO o SELECT id, v FROM s; ALTER STREAM o ADD COLUMN x INT;")
    put(bench, "s", {"id": 1, "v": 1})
    bench.reopen()
    put(bench, "s", {"id": 1, "v": 2})
    assert values(bench, "o") == [b'{"V":1}', b'{"V":2}']
    bench.fails("INSERT INTO o SELECT id, v FROM s;")


def test_a_declared_stream_becomes_the_result_of_a_query(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o (id INT KEY, v INT) WITH (kafka_topic='O', value_format='JSON', partitions=1);")
    bench.run("CREATE STREAM r AS SELECT * FROM o;")
    put(bench, "o", {"id": 9, "v": 9})
    assert isinstance(
        bench.fails("CREATE OR REPLACE STREAM o AS SELECT id, CAST(v AS STRING) v FROM s;"), UpgradeRefused
    )
    assert isinstance(bench.fails("CREATE OR REPLACE STREAM o AS SELECT * FROM o;"), InvalidStatement)
    assert isinstance(bench.fails("CREATE OR REPLACE STREAM s AS SELECT id, v, v AS w FROM r;"), UpgradeRefused)
    made = bench.one("CREATE OR REPLACE STREAM o AS SELECT id, v FROM s;")
    assert made["commandStatus"]["queryId"] == "CSAS_O_3"
    put(bench, "s", {"id": 1, "v": 1})
    assert values(bench, "R") == [b'{"V":9}', b'{"V":1}']
    # It is the query's now.
    assert isinstance(bench.fails("ALTER STREAM o ADD COLUMN x INT;"), InvalidStatement)
    bench.run("DROP STREAM r; DROP STREAM o;")
    assert states(bench) == {}


def test_a_terminated_query_gives_way_to_any_that_fits_its_topic(bench: Bench) -> None:
    bench.run(S + "CREATE STREAM o AS SELECT id, v FROM s; TERMINATE CSAS_O_1;")
    made = bench.one("CREATE OR REPLACE STREAM o AS SELECT w AS id, v FROM s PARTITION BY w;")
    assert made["commandStatus"]["queryId"] == "CSAS_O_3"
    put(bench, "s", {"id": 1, "v": 1, "w": 2})
    assert bench.topic("O") == [((2).to_bytes(4, "big"), b'{"V":1}')]


def test_what_is_over_a_topic_of_others_stays(bench: Bench) -> None:
    source = "CREATE SOURCE STREAM o (id INT KEY, v INT) WITH (kafka_topic='O', value_format='JSON', partitions=1);"
    bench.run(S + source)
    error = bench.fails("CREATE OR REPLACE STREAM o AS SELECT id, v FROM s;")
    assert error.message == "Cannot add stream 'O': CREATE OR REPLACE is not supported on source streams."
    for system in ("CREATE OR REPLACE STREAM ssql_late AS SELECT * FROM s;", "DROP STREAM ssql_late;"):
        assert isinstance(bench.fails(system), InvalidStatement | ReadOnlySource)


# --- sources that queries read -----------------------------------------------


def test_a_table_gets_columns_while_it_is_read(bench: Bench) -> None:
    """The running query goes on unaffected; a new one sees what the topic holds, back to its beginning."""
    bench.run(T + "CREATE TABLE o AS SELECT id, v FROM t; CREATE TABLE n AS SELECT v, COUNT(*) AS c FROM t GROUP BY v;")
    for key, value in ((1, b'{"V":1,"W":10}'), (2, b'{"V":1,"W":20}'), (3, b'{"V":2,"W":30}')):
        raw(bench, "t", key, value)
    bench.run(T_MORE + "CREATE TABLE x AS SELECT v, SUM(w) AS total FROM t GROUP BY v;")
    assert bench.rows("SELECT * FROM x;") == [(1, 30), (2, 30)]
    for reopened in (False, True):
        if reopened:
            bench.reopen()
        raw(bench, "t", 1, b'{"V":2,"W":10}')
        assert bench.rows("SELECT * FROM x;") == [(1, 20), (2, 40)]
        assert bench.rows("SELECT * FROM n;") == [(1, 1), (2, 2)]
        raw(bench, "t", 1, b'{"V":1,"W":10}')
        assert bench.rows("SELECT * FROM x;") == [(1, 30), (2, 30)]
        assert bench.rows("SELECT * FROM n;") == [(1, 2), (2, 1)]
    assert bench.rows("SELECT * FROM o;") == [(1, 1), (2, 1), (3, 2)]
    bench.run("DROP TABLE x;")
    bench.reopen()
    raw(bench, "t", 3, None)
    assert bench.rows("SELECT * FROM o;") == [(1, 1), (2, 1)]
    assert bench.rows("SELECT * FROM n;") == [(1, 2), (2, 0)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_column_that_came_late_is_known_to_those_who_read_from_the_beginning(bench: Bench, restart: bool) -> None:
    """A replaced query does not look back: rows that were there have NULL in a column that it reads anew. One that
    starts later reads them all, and the rows that both share are what the topic says."""
    bench.run(T + "CREATE TABLE o AS SELECT id, v FROM t;")
    raw(bench, "t", 1, b'{"V":1,"W":10}')
    raw(bench, "t", 2, b'{"V":1,"W":20}')
    bench.run(T_MORE + "CREATE OR REPLACE TABLE o AS SELECT id, v, w FROM t;")
    assert bench.rows("SELECT * FROM o;") == [(1, 1, None), (2, 1, None)]
    if restart:
        bench.reopen()
    bench.run("CREATE TABLE x AS SELECT v, SUM(w) AS total FROM t GROUP BY v;")
    assert bench.rows("SELECT * FROM x;") == [(1, 30)]
    raw(bench, "t", 1, b'{"V":2,"W":10}')
    assert bench.rows("SELECT * FROM x;") == [(1, 20), (2, 10)]
    assert bench.rows("SELECT * FROM o;") == [(1, 2, 10), (2, 1, None)]
    bench.reopen()
    raw(bench, "t", 2, b'{"V":2,"W":20}')
    assert bench.rows("SELECT * FROM x;") == [(1, 0), (2, 30)]


def test_pushes_over_a_table_go_on_while_it_gets_columns(bench: Bench) -> None:
    bench.run(T)
    push = bench.push("SELECT * FROM t EMIT CHANGES;")
    bench.run("CREATE OR REPLACE " + T.removeprefix("CREATE ").replace("v INT", "v INT, w INT"))
    put(bench, "t", {"id": 1, "v": 1, "w": 2})
    more = bench.push("SELECT * FROM t EMIT CHANGES;")
    put(bench, "t", {"id": 2, "v": 3, "w": 4})
    assert [row[:2] for row in taken(push, 2)] == [(1, 1), (2, 3)]
    assert [row[:3] for row in taken(more, 2)] == [(1, 1, 2), (2, 3, 4)]
    push.close()
    more.close()


# --- what is refused leaves nothing ------------------------------------------

AVRO = "CREATE STREAM o WITH (value_format='AVRO', kafka_topic='o-topic') AS SELECT id, v FROM s;"


@pytest.mark.parametrize("sql", [AVRO, AVRO.replace("CREATE", "CREATE OR REPLACE").replace("v FROM", "v, w FROM")])
def test_a_query_that_the_worker_refuses_leaves_nothing_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    bench.run(S)
    if "REPLACE" in sql:
        bench.run(AVRO)
        put(bench, "s", {"id": 1, "v": 1})
    core = bench.engine._core
    before, topics = core.catalog, {t.name for t in core.log.topics()}
    subjects = core.schemas.subjects()

    def refuse(*_: object, **__: object) -> None:
        raise InvalidStatement("the worker does not want it")

    with monkeypatch.context() as patched:
        patched.setattr(core.worker, "add", refuse)
        patched.setattr(core.worker, "replace", refuse)
        assert bench.fails(sql).message == "the worker does not want it"
    assert core.catalog == before
    assert {t.name for t in core.log.topics()} == topics
    assert core.schemas.subjects() == subjects
    bench.reopen()
    assert bench.engine._core.catalog == before
    bench.run(sql)
    assert subject_of("o-topic", is_key=False) in bench.engine._core.schemas.subjects()


def test_a_schema_that_the_registry_does_not_take_leaves_no_topic(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssql.errors import SchemaRefused

    bench.run(S)
    core = bench.engine._core

    def refuse(*_: object, **__: object) -> None:
        raise SchemaRefused("no")

    monkeypatch.setattr(core.schemas, "register", refuse)
    assert isinstance(bench.fails(AVRO), SchemaRefused)
    assert core.log.topic("o-topic") is None
    assert core.catalog.relation("O") is None
