"""Persistent queries: what starts them, ends them, and keeps them over a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ssql.errors import (
    InvalidProperty,
    InvalidStatement,
    QueryExists,
    QueryNotFound,
    RefusedAsInKsqldb,
    SourceExists,
    SourceInUse,
    SsqlError,
    UpgradeRefused,
)
from tests.engine.conftest import Bench

SOURCE = "CREATE STREAM s (id INT KEY, v STRING, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=2);"
BIG = "CREATE STREAM big AS SELECT id, v, n * 2 AS m FROM s WHERE n > 1;"
COUNTS = "CREATE TABLE counts AS SELECT v, COUNT(*) AS c FROM big GROUP BY v;"


def insert(bench: Bench, *rows: tuple[int, str, int]) -> None:
    acks = bench.engine.insert("s", [{"id": i, "v": v, "n": n} for i, v, n in rows])
    assert [a.error for a in acks] == [None] * len(rows)


def counts(bench: Bench) -> dict[str, int]:
    bench.settle()
    rows = bench.engine._core.worker.cut().tables["COUNTS"].scan().to_pylist()
    return {r["V"]: r["C"] for r in rows}


def states(bench: Bench) -> dict[str, str]:
    return {q["id"]: q["state"] for q in bench.one("SHOW QUERIES;")["queries"]}


def test_ids_end_in_the_number_of_the_command(bench: Bench) -> None:
    answers = bench.run(SOURCE + BIG + COUNTS + "INSERT INTO big SELECT id, v, n AS m FROM s WHERE n < 0;")
    ids = [a["commandStatus"]["queryId"] for a in answers]
    assert ids == [None, "CSAS_BIG_1", "CTAS_COUNTS_2", "INSERTQUERY_3"]
    assert answers[1]["commandStatus"]["message"] == "Created query with ID CSAS_BIG_1"


def test_queries_read_each_other_and_go_on_after_a_restart(bench: Bench) -> None:
    bench.run(SOURCE + BIG + COUNTS)
    insert(bench, (1, "a", 1), (2, "a", 2), (3, "b", 3))
    assert counts(bench) == {"a": 1, "b": 1}
    before = bench.engine._core.catalog
    bench.reopen()
    assert bench.engine._core.catalog == before
    assert states(bench) == {"CSAS_BIG_1": "RUNNING", "CTAS_COUNTS_2": "RUNNING"}
    insert(bench, (4, "b", 4))
    assert counts(bench) == {"a": 1, "b": 2}
    assert bench.run(COUNTS.replace("counts", "more"))[0]["commandStatus"]["queryId"] == "CTAS_MORE_3"


def test_a_new_query_sees_history_or_not_as_the_session_asks(bench: Bench) -> None:
    bench.run(SOURCE + BIG)
    insert(bench, (2, "a", 2))
    bench.settle()
    bench.run(COUNTS + "SET 'auto.offset.reset'='latest';" + COUNTS.replace("counts", "news"))
    insert(bench, (3, "a", 2))
    assert counts(bench) == {"a": 2}
    assert [r["C"] for r in bench.engine._core.worker.cut().tables["NEWS"].scan().to_pylist()] == [1]


def test_the_sink_takes_after_the_left_most_source(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM d (k STRING KEY, a INT, b INT) WITH (kafka_topic='d', format='DELIMITED', value_delimiter='|', "
        "partitions=3); CREATE STREAM o AS SELECT k, a + b AS c, a FROM d; "
        "CREATE STREAM j WITH (value_format='JSON', kafka_topic='elsewhere', partitions=1) AS SELECT * FROM d;"
    )
    o, j = (bench.engine._core.catalog.relation(n) for n in ("O", "J"))
    assert o is not None
    assert j is not None
    assert (o.key_format.name, o.value_format.name, o.value_format.properties) == (
        "DELIMITED",
        "DELIMITED",
        {"delimiter": "|"},
    )
    assert o.topic == "O"
    assert (j.value_format.name, j.value_format.properties, j.topic) == ("JSON", {}, "elsewhere")
    topics = {t.name: t.partitions for t in bench.engine._log.topics()}
    assert (topics["O"], topics["elsewhere"]) == (3, 1)
    bench.engine.insert("d", [{"k": "x", "a": 1, "b": 2}])
    bench.settle()
    assert [r for p in range(3) for r in bench.topic("O", p)] == [(b"x", b"3|1")]


def test_partition_by_null_takes_the_key_away(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM o AS SELECT id, v FROM s PARTITION BY NULL;")
    relation = bench.engine._core.catalog.relation("O")
    assert relation is not None
    assert relation.key_format.name == "NONE"
    error = bench.fails("CREATE STREAM p WITH (key_format='JSON') AS SELECT id FROM s PARTITION BY NULL;")
    assert error.message == "Key format specified for stream without key columns."


def test_pause_and_resume_survive_a_restart(bench: Bench) -> None:
    bench.run(SOURCE + BIG + COUNTS)
    insert(bench, (2, "a", 2))
    bench.settle()
    bench.run("PAUSE CTAS_COUNTS_2;")
    assert states(bench)["CTAS_COUNTS_2"] == "PAUSED"
    bench.reopen()
    assert states(bench) == {"CSAS_BIG_1": "RUNNING", "CTAS_COUNTS_2": "PAUSED"}
    insert(bench, (3, "a", 3))
    assert counts(bench) == {"a": 1}
    bench.run("RESUME ALL;")
    assert counts(bench) == {"a": 2}
    assert states(bench) == {"CSAS_BIG_1": "RUNNING", "CTAS_COUNTS_2": "RUNNING"}


def test_terminate_leaves_the_sink(bench: Bench) -> None:
    bench.run(SOURCE + BIG + "TERMINATE CSAS_BIG_1;")
    assert states(bench) == {}
    relation = bench.engine._core.catalog.relation("BIG")
    assert relation is not None
    assert not relation.derived
    bench.run(COUNTS + "TERMINATE ALL; DROP TABLE counts; DROP STREAM big; DROP STREAM s;")
    bench.reopen()
    assert states(bench) == {}


def test_drop_ends_the_query_of_a_create_as(bench: Bench) -> None:
    bench.run(SOURCE + BIG + "DROP STREAM big DELETE TOPIC;")
    assert states(bench) == {}
    assert bench.engine._core.worker.status() == []
    assert bench.engine._log.topic("BIG") is None
    insert(bench, (2, "a", 2))
    bench.settle()
    assert bench.engine._log.topic("BIG") is None


def test_what_is_used_cannot_be_dropped(bench: Bench) -> None:
    bench.run(SOURCE + BIG + COUNTS + "INSERT INTO big SELECT id, v, n AS m FROM s WHERE n < 0;")
    error = bench.fails("DROP STREAM s;")
    assert isinstance(error, SourceInUse)
    assert error.message == (
        "Cannot drop S.\nThe following queries read from this source: [INSERTQUERY_3].\n"
        "The following queries write into this source: [].\nYou need to terminate them before dropping S."
    )
    assert error.hint == "And drop BIG too: it reads from S."
    error = bench.fails("DROP STREAM big;")
    assert error.message == (
        "Cannot drop BIG.\nThe following queries read from this source: [].\n"
        "The following queries write into this source: [INSERTQUERY_3].\n"
        "You need to terminate them before dropping BIG."
    )
    bench.run("TERMINATE INSERTQUERY_3;")
    assert bench.fails("DROP STREAM big;").message == (
        "Cannot drop BIG.\nThe following streams and/or tables read from this source: [COUNTS].\n"
        "You need to drop them before dropping BIG."
    )
    bench.run("DROP TABLE counts; DROP STREAM big; DROP STREAM s;")


def test_select_star_is_expanded_when_the_query_is_made(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM o AS SELECT * FROM s; ALTER STREAM s ADD COLUMN w INT;")
    bench.reopen()
    bench.engine.insert("s", [{"id": 1, "v": "a", "n": 1, "w": 9}])
    bench.settle()
    assert [v for p in (0, 1) for _, v in bench.topic("O", p)] == [b'{"V":"a","N":1}']


def test_query_id_of_insert_into(bench: Bench) -> None:
    bench.run(SOURCE + BIG)
    bench.run("INSERT INTO big WITH (query_id='mine') SELECT id, v, n AS m FROM s;")
    assert "MINE" in states(bench)
    error = bench.fails("INSERT INTO big WITH (query_id='MINE') SELECT id, v, n AS m FROM s;")
    assert isinstance(error, QueryExists)
    assert bench.marked(error) == "'MINE'"
    error = bench.fails("INSERT INTO big WITH (query_id='CSAS_X') SELECT id, v, n AS m FROM s;")
    assert isinstance(error, InvalidProperty)


REFUSED: list[tuple[str, type[SsqlError], str]] = [
    (BIG, SourceExists, "big"),
    (BIG.replace("CREATE", "CREATE OR REPLACE").replace("n * 2", "v"), UpgradeRefused, "big"),
    ("CREATE TABLE x AS SELECT * FROM s;", InvalidStatement, "x"),
    ("CREATE STREAM x AS SELECT nope FROM s;", SsqlError, "nope"),
    ("CREATE STREAM x WITH (partitons=1) AS SELECT * FROM s;", SsqlError, "partitons"),
    ("CREATE STREAM x WITH (kafka_topic='s', partitions=5) AS SELECT * FROM s;", InvalidProperty, "5"),
    ("INSERT INTO counts SELECT v, COUNT(*) AS c FROM s GROUP BY v;", InvalidStatement, "counts"),
    ("INSERT INTO ssql_late SELECT * FROM ssql_late;", SsqlError, "ssql_late"),
    ("INSERT INTO nope SELECT * FROM s;", SsqlError, "nope"),
    ("TERMINATE csas_bog_1;", QueryNotFound, "csas_bog_1"),
]


@pytest.mark.parametrize(("sql", "kind", "marked"), REFUSED, ids=[r[0][:50] for r in REFUSED])
def test_refused(bench: Bench, sql: str, kind: type[SsqlError], marked: str) -> None:
    bench.run(SOURCE + BIG + COUNTS)
    before, topics = bench.engine._core.catalog, bench.engine._log.topics()
    error = bench.fails(sql)
    assert isinstance(error, kind)
    assert bench.marked(error) == marked
    assert bench.engine._core.catalog is before
    assert bench.engine._log.topics() == topics


def test_explain_of_a_statement_does_nothing(bench: Bench) -> None:
    bench.run(SOURCE)
    described = bench.one("EXPLAIN " + BIG)["queryDescription"]
    assert described["sources"] == ["S"]
    assert described["sinks"] == ["BIG"]
    assert [f["name"] for f in described["fields"]] == ["ID", "V", "M"]
    assert "SELECT" in described["topology"]
    assert "Source S" in described["executionPlan"]
    assert states(bench) == {}
    assert bench.one("EXPLAIN SELECT v FROM s EMIT CHANGES;")["queryDescription"]["queryType"] == "PUSH"


def test_explain_of_a_query_tells_its_state(bench: Bench) -> None:
    bench.run(SOURCE + BIG)
    described = bench.one("EXPLAIN CSAS_BIG_1;")["queryDescription"]
    assert (described["id"], described["state"]) == ("CSAS_BIG_1", "RUNNING")
    assert described["overriddenProperties"] == {"auto.offset.reset": "earliest"}
    assert isinstance(bench.fails("EXPLAIN CSAS_NONE_1;"), QueryNotFound)


def test_queries_from_before_and_after_an_alter_run_side_by_side(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM old AS SELECT id, v FROM s;")
    insert(bench, (1, "a", 1))
    bench.settle()
    bench.run("ALTER STREAM s ADD COLUMN w INT; CREATE STREAM new AS SELECT id, w FROM s;")
    for _ in range(2):
        bench.engine.insert("s", [{"id": 2, "v": "b", "w": 7}])
        bench.settle()
        bench.reopen()
    olds, news = ([v for p in (0, 1) for _, v in bench.topic(name, p)] for name in ("OLD", "NEW"))
    assert sorted(v or b"" for v in olds) == [b'{"V":"a"}', b'{"V":"b"}', b'{"V":"b"}']
    assert sorted(v or b"" for v in news) == [b'{"W":7}', b'{"W":7}', b'{"W":null}']


def test_explain_of_a_pull_query_tells_how_it_finds_its_rows(bench: Bench) -> None:
    bench.run(SOURCE + BIG + COUNTS)
    by_key = bench.one("EXPLAIN SELECT c FROM counts WHERE v = 'a';")["queryDescription"]
    assert by_key["queryType"] == "PULL"
    assert by_key["executionPlan"].startswith("Look up keys of COUNTS")
    scan = bench.one("EXPLAIN SELECT * FROM counts ORDER BY c LIMIT 3;")["queryDescription"]
    assert scan["executionPlan"] == "Scan COUNTS"
    assert "ORDER BY" in scan["topology"]


def test_queries_in_a_circle_are_refused_and_leave_nothing(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE STREAM o AS SELECT * FROM s;")
    before = bench.engine._core.catalog
    for source in ("o", "s"):
        error = bench.fails(f"INSERT INTO s SELECT * FROM {source};")
        assert isinstance(error, InvalidStatement)
        assert "would feed itself" in error.message
        assert bench.marked(error) == "s"
    assert bench.engine._core.catalog == before
    bench.reopen()
    assert bench.engine._core.catalog == before
    assert states(bench) == {"CSAS_O_1": "RUNNING"}


def test_definitions_from_several_threads_take_their_turn(bench: Bench) -> None:
    bench.run(SOURCE)
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda n: bench.one(f"CREATE STREAM o{n} AS SELECT id, v FROM s;"), range(8))
        ids = {m["commandStatus"]["queryId"].rsplit("_", 1)[1] for m in made}
    assert ids == {str(n) for n in range(1, 9)}
    insert(bench, (1, "a", 1))
    bench.settle()
    assert all(any(bench.topic(f"O{n}", p) for p in (0, 1)) for n in range(8))


# --- settings that a query keeps ----------------------------------------------------------------------------------


def test_a_query_keeps_the_settings_that_it_was_made_under(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE TABLE t (id INT PRIMARY KEY, n INT) WITH (kafka_topic='t', value_format='JSON');")
    bench.run("SET 'sql.extensions' = 'true'; SET 'ksql.functions.collect_list.limit' = '2';")
    bench.run("SET 'functions.collect_set.limit' = '1';")
    bench.run(
        "CREATE TABLE lists AS SELECT v, COLLECT_LIST(n) AS l, COLLECT_SET(n) AS s FROM s GROUP BY v;"
        "CREATE TABLE least AS SELECT n, MIN(id) AS m FROM t GROUP BY n;"
    )
    bench.run("UNSET 'sql.extensions'; UNSET 'ksql.functions.collect_list.limit'; UNSET 'functions.collect_set.limit';")
    insert(bench, (1, "a", 7), (2, "a", 8))
    bench.settle()
    bench.reopen()
    insert(bench, (3, "a", 9))
    bench.run("INSERT INTO t VALUES (5, 1); INSERT INTO t VALUES (4, 1);")
    bench.settle()
    assert bench.rows("SELECT l, s FROM lists;") == [([7, 8], [7])]
    assert bench.rows("SELECT m FROM least;") == [(4,)]
    assert isinstance(bench.fails("CREATE TABLE more AS SELECT n, MIN(id) FROM t GROUP BY n;"), RefusedAsInKsqldb)


def test_a_stream_without_its_key_columns(bench: Bench) -> None:
    bench.run(SOURCE)
    assert "Key missing from projection" in bench.fails("CREATE STREAM values_ AS SELECT v FROM s;").message
    bench.run("SET 'ksql.new.query.planner.enabled' = 'true'; CREATE STREAM values_ AS SELECT v FROM s;")
    insert(bench, (1, "a", 7))
    bench.settle()
    assert bench.topic("VALUES_") == [(None, b'{"V":"a"}')]


def test_topics_of_different_sizes_are_not_joined(bench: Bench) -> None:
    bench.run(SOURCE + "CREATE TABLE t (id INT PRIMARY KEY, n INT) "
              "WITH (kafka_topic='t', value_format='JSON', partitions=3);")  # fmt: skip
    error = bench.fails("CREATE STREAM j AS SELECT s.id, v FROM s JOIN t ON s.id = t.id;")
    assert "`S` partitions = 2; `T` partitions = 3." in error.message
    assert bench.marked(error) == "s JOIN t ON s.id = t.id"


def test_the_columns_of_properties_are_looked_at_before_the_keys(bench: Bench) -> None:
    bench.run(SOURCE)
    error = bench.fails("CREATE STREAM j WITH (timestamp='nope') AS SELECT v FROM s;")
    assert "The TIMESTAMP column set in the WITH clause does not exist in the schema: 'NOPE'" in error.message
