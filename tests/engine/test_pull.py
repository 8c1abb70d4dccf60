"""Pull queries: tables by key and by scan, streams and plain tables from the log, and what SQL adds over them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from ssql.engine.api import PullResult
from ssql.errors import (
    ColumnNotFound,
    InvalidStatement,
    KeyTypeMismatch,
    PullQueryRefused,
    PullTooLarge,
    SourceNotFound,
    TableScanNeeded,
)
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=3);"
TOTALS = "CREATE TABLE totals AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY k;"
ROWS = [("a", 1), ("b", 2), ("a", 3), ("c", -1)]


@pytest.fixture
def filled(bench: Bench) -> Bench:
    bench.run(STREAM + TOTALS)
    bench.engine.insert("s", [{"k": k, "v": v, "rowtime": 1000 * i} for i, (k, v) in enumerate(ROWS)])
    bench.settle()
    return bench


def asked(bench: Bench, sql: str) -> PullResult:
    result = bench.engine.query(sql, bench.session)
    assert isinstance(result, PullResult)
    return result


def test_all_rows_of_a_table(filled: Bench) -> None:
    result = asked(filled, "SELECT * FROM totals;")
    assert [str(c) for c in result.columns] == ["`K` STRING KEY", "`N` BIGINT", "`TOTAL` INTEGER"]
    assert result.mark_keys
    assert result.final_message is None
    assert filled.rows("SELECT * FROM totals;") == [("a", 2, 4), ("b", 1, 2), ("c", 1, -1)]


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("k = 'a'", ["a"]),
        ("k = 'nobody'", []),
        ("k IN ('a', 'c', 'z')", ["a", "c"]),
        ("k = 'a' OR k = 'b'", ["a", "b"]),
        ("k = 'a' AND total > 100", []),
        ("n = 1", ["b", "c"]),
        ("k > 'a' AND total < 0", ["c"]),
        ("rowtime = 3000", ["c"]),
    ],
)
def test_where(filled: Bench, where: str, keys: list[str]) -> None:
    assert [k for (k,) in filled.rows(f"SELECT k FROM totals WHERE {where};")] == keys


def test_sql_over_a_table(filled: Bench) -> None:
    def in_order(sql: str) -> list[tuple[object, ...]]:
        return [tuple(r.values()) for r in asked(filled, sql).rows.to_pylist()]

    assert in_order("SELECT k FROM totals ORDER BY total DESC LIMIT 1 OFFSET 1;") == [("b",)]
    grouped = "(SELECT n, COUNT(*) AS c FROM totals GROUP BY n) q"
    assert in_order(f"SELECT * FROM {grouped} ORDER BY n;") == [(1, 2), (2, 1)]
    assert in_order("SELECT DISTINCT n FROM totals ORDER BY n;") == [(1,), (2,)]
    assert in_order("SELECT UCASE(k) AS u, total / 2 AS h FROM totals WHERE k = 'a';") == [("A", 2)]


def test_a_repeated_query_is_not_planned_again_and_sees_new_rows(
    filled: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT total FROM totals WHERE k = 'a';"
    assert filled.rows(sql) == [(4,)]
    monkeypatch.setattr("ssql.engine.engine.parse_statement", None)  # parsing now would fail
    filled.engine.insert("s", [{"k": "a", "v": 10}])
    assert filled.rows(sql) == [(14,)]


def test_a_kept_plan_goes_with_the_definitions(filled: Bench) -> None:
    sql = "SELECT * FROM totals WHERE k = 'a';"
    assert filled.rows(sql) == [("a", 2, 4)]
    filled.run("DROP TABLE totals;")
    with pytest.raises(SourceNotFound):
        asked(filled, sql)
    filled.run("CREATE TABLE totals AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;")
    assert filled.rows(sql) == [("a", 2)]


def test_windows(bench: Bench) -> None:
    bench.run(STREAM + TOTALS.replace("FROM s", "FROM s WINDOW TUMBLING (SIZE 2 SECONDS)"))
    bench.engine.insert("s", [{"k": k, "v": v, "rowtime": 1000 * i} for i, (k, v) in enumerate(ROWS)])
    assert bench.rows("SELECT * FROM totals WHERE k = 'a';") == [("a", 0, 2000, 1, 1), ("a", 2000, 4000, 1, 3)]
    assert bench.rows("SELECT k, total FROM totals WHERE windowstart >= 2000;") == [("a", 3), ("c", -1)]
    columns = asked(bench, "SELECT * FROM totals;").columns
    assert [(c.name, c.key) for c in columns[:3]] == [("K", True), ("WINDOWSTART", True), ("WINDOWEND", True)]


def test_a_stream_is_read_to_its_end(filled: Bench) -> None:
    result = asked(filled, "SELECT k, v FROM s WHERE v > 0;")
    assert result.final_message == "Query Completed"
    assert not result.mark_keys
    assert sorted(map(tuple, (r.values() for r in result.rows.to_pylist()))) == [("a", 1), ("a", 3), ("b", 2)]
    limited = asked(filled, "SELECT v FROM s LIMIT 2;")
    assert (limited.rows.num_rows, limited.final_message) == (2, "Limit Reached")
    assert asked(filled, "SELECT v FROM s LIMIT 9;").final_message == "Query Completed"
    assert filled.engine._core.worker.status()[0].query_id == "CTAS_TOTALS_1"
    assert len(filled.engine._core.worker.status()) == 1


def test_a_stream_that_is_empty(bench: Bench) -> None:
    bench.run(STREAM)
    assert bench.rows("SELECT * FROM s;") == []


def test_a_derived_stream_too(filled: Bench) -> None:
    filled.run("CREATE STREAM plus AS SELECT k, v + 1 AS w FROM s;")
    assert filled.rows("SELECT w FROM plus WHERE k = 'a';") == [(2,), (4,)]


def test_groups_and_order_over_a_stream(filled: Bench) -> None:
    assert filled.rows("SELECT * FROM (SELECT k, SUM(v) AS t FROM s GROUP BY k) q;") == [("a", 4), ("b", 2), ("c", -1)]
    rows = asked(filled, "SELECT v FROM s ORDER BY v DESC LIMIT 2;").rows.column("V").to_pylist()
    assert rows == [3, 2]
    assert filled.rows("SELECT DISTINCT k FROM s;") == [("a",), ("b",), ("c",)]


def test_a_plain_table_is_its_rows_now(bench: Bench) -> None:
    bench.run("CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');")
    bench.engine.insert("t", [{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "a", "v": 3}])
    row = {"key": b"b", "value": None, "timestamp": 0, "headers": None}
    bench.engine._log.append("t", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA))
    assert bench.rows("SELECT * FROM t;") == [("a", 3)]
    assert bench.rows("SELECT v FROM t WHERE k = 'b';") == []
    assert [r["V"] for r in asked(bench, "SELECT v FROM t ORDER BY v;").rows.to_pylist()] == [3]


def test_joins_answer_from_the_log(filled: Bench) -> None:
    filled.run(
        "CREATE TABLE t (k STRING PRIMARY KEY, w INT) WITH (kafka_topic='t', value_format='JSON', partitions=3);"
    )
    filled.engine.insert("t", [{"k": "a", "w": 7, "rowtime": 0}])
    rows = filled.rows("SELECT * FROM (SELECT s.k AS k, v, w FROM s JOIN t ON s.k = t.k) q;")
    assert rows == [("a", 1, 7), ("a", 3, 7)]


def test_a_stream_whose_query_was_terminated_keeps_its_rows(filled: Bench) -> None:
    filled.run("CREATE STREAM plus AS SELECT k, v + 1 AS w FROM s;")
    filled.settle()
    filled.engine.insert("s", [{"k": "a", "v": 5}])
    filled.settle()
    filled.run("TERMINATE CSAS_PLUS_2;")
    assert filled.rows("SELECT w FROM plus WHERE k = 'a';") == [(2,), (4,), (6,)]


def test_errors_stream_can_be_read(bench: Bench) -> None:
    bench.run(STREAM + "CREATE STREAM o AS SELECT * FROM s;")
    row = {"key": b"k", "value": b"{not json", "timestamp": 5, "headers": None}
    bench.engine._log.append("s", pa.RecordBatch.from_pylist([row], schema=RECORD_SCHEMA), 1)
    bench.settle()
    ((topic, partition, offset, value),) = bench.rows("SELECT topic, `PARTITION`, `OFFSET`, value FROM ssql_errors;")
    assert (topic, partition, offset, value) == ("s", 1, 0, b"{not json")


def test_too_many_rows(make: Callable[..., Bench]) -> None:
    bench = make(**{"query.pull.max.rows": 2})
    bench.run(STREAM + TOTALS)
    bench.engine.insert("s", [{"k": k, "v": v} for k, v in ROWS])
    with pytest.raises(PullTooLarge) as caught:
        bench.rows("SELECT * FROM totals;")
    assert caught.value.statement == "SELECT * FROM totals;"
    assert len(bench.rows("SELECT * FROM totals LIMIT 2;")) == 2


def test_errors_have_their_place(filled: Bench) -> None:
    with pytest.raises(ColumnNotFound) as caught:
        asked(filled, "SELECT\n nope FROM totals;")
    assert caught.value.position is not None
    assert (caught.value.position.line, caught.value.position.column) == (2, 2)


def test_limit_counts_rows_and_not_changes(bench: Bench) -> None:
    bench.run(STREAM + "CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');")
    for target in ("s", "t"):
        bench.engine.insert(target, [{"k": k, "v": v} for k, v in [("a", 1), ("a", 2), ("a", 3), ("b", 1)]])
    result = asked(bench, "SELECT * FROM t LIMIT 2;")
    assert [str(c) for c in result.columns] == ["`K` STRING KEY", "`V` INTEGER"]
    assert sorted(result.rows.column("V").to_pylist()) == [1, 3]
    grouped = asked(bench, "SELECT * FROM (SELECT k, COUNT(*) AS n FROM s GROUP BY k) q LIMIT 2;")
    assert sorted(grouped.rows.column("N").to_pylist()) == [1, 3]


# --- what a client may switch off --------------------------------------------


@pytest.mark.parametrize("name", ["query.pull.table.scan.enabled", "ksql.query.pull.table.scan.enabled"])
def test_a_client_that_allows_no_table_scans_must_name_keys(filled: Bench, name: str) -> None:
    sql = "SELECT k FROM totals WHERE n = 1;"
    assert filled.rows(sql) == [("b",), ("c",)]
    filled.session.properties[name] = False
    # What was planned for a client that allows them is not used for this one.
    with pytest.raises(TableScanNeeded, match="WHERE clause missing key column for disjunct") as caught:
        asked(filled, sql)
    assert filled.marked(caught.value) == "n = 1"
    assert caught.value.statement == sql
    assert filled.rows("SELECT k FROM totals WHERE k = 'b' AND n = 1;") == [("b",)]
    assert filled.rows("SELECT k FROM totals WHERE k >= 'b';") == [("b",), ("c",)]
    assert len(filled.rows("SELECT * FROM s;")) == 4, "a stream is read as ever"
    filled.session.properties["query.pull.range.scan.enabled"] = "false"
    with pytest.raises(TableScanNeeded, match="requires table scan"):
        asked(filled, "SELECT k FROM totals WHERE k >= 'b';")


def test_a_table_that_no_query_keeps_is_asked_by_the_same_rules(bench: Bench) -> None:
    bench.run("CREATE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON');")
    bench.engine.insert("t", [{"k": "a", "v": 1}])
    bench.session.properties["query.pull.table.scan.enabled"] = "false"
    assert bench.rows("SELECT v FROM t WHERE k = 'a';") == [(1,)]
    with pytest.raises(TableScanNeeded):
        asked(bench, "SELECT * FROM t;")


def test_a_key_is_asked_for_in_its_own_type(filled: Bench) -> None:
    filled.run("CREATE TABLE by_v AS SELECT v, COUNT(*) AS n FROM s GROUP BY v;")
    assert filled.rows("SELECT v FROM by_v WHERE v IN (1, 2);") == [(1,), (2,)]
    with pytest.raises(KeyTypeMismatch, match="'1' can not be converted to the type of the key column: V INTEGER KEY"):
        asked(filled, "SELECT v FROM by_v WHERE v IN ('1', 2);")


@pytest.mark.parametrize(
    "sql", ["SELECT k, COUNT(*) FROM s GROUP BY k;", "SELECT * FROM s JOIN totals ON s.k=totals.k;"]
)
def test_clauses_that_pull_queries_do_not_have(filled: Bench, sql: str) -> None:
    with pytest.raises(PullQueryRefused, match=r"Pull queries don't support (GROUP BY|JOIN) clauses"):
        asked(filled, sql)


def test_offset_is_not_negative(filled: Bench) -> None:
    with pytest.raises(InvalidStatement, match="OFFSET cannot be negative"):
        asked(filled, "SELECT k FROM totals ORDER BY k OFFSET -1;")


EXTENSIONS = {"sql.extensions": True}


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT n, COUNT(*) AS c FROM totals GROUP BY n;", [(1, 2), (2, 1)]),
        ("SELECT n FROM totals GROUP BY n HAVING COUNT(*) > 1;", [(1,)]),
        ("SELECT k, SUM(v) AS t FROM s GROUP BY k;", [("a", 4), ("b", 2), ("c", -1)]),
        ("SELECT s.k AS k, v, n FROM s JOIN totals ON s.k = totals.k WHERE v = 3;", [("a", 3, 2)]),
        ("SELECT ROWOFFSET, v FROM s WHERE k = 'a';", [(0, 1), (1, 3)]),
    ],
)
def test_what_ksqldb_has_no_answer_to_is_answered_for_who_asks_for_it(
    filled: Bench, sql: str, rows: list[tuple[object, ...]]
) -> None:
    with pytest.raises(PullQueryRefused):
        asked(filled, sql)
    filled.session.properties |= EXTENSIONS
    assert filled.rows(sql) == rows
    filled.session.properties.pop("sql.extensions")
    with pytest.raises(PullQueryRefused):
        asked(filled, sql)


@pytest.mark.parametrize(
    ("sql", "said", "marked"),
    [
        ("SELECT v, ROWOFFSET + 1 FROM s;", "SELECT clauses: `ROWOFFSET`.", "ROWOFFSET"),
        ("SELECT v FROM s WHERE ROWPARTITION = 0;", "WHERE clauses: `ROWPARTITION`.", "ROWPARTITION"),
        ("SELECT k, ROWPARTITION FROM totals;", "SELECT clauses: `ROWPARTITION`.", "ROWPARTITION"),
    ],
)
def test_places_of_records_are_no_columns_of_rows(filled: Bench, sql: str, said: str, marked: str) -> None:
    with pytest.raises(PullQueryRefused) as caught:
        asked(filled, sql)
    assert f"Pull queries don't support the following columns in {said}" in caught.value.message
    assert filled.marked(caught.value) == marked


# --- which rows LIMIT takes --------------------------------------------------


def test_limit_takes_rows_by_partition_and_key(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM n (k BIGINT KEY, v INT) WITH (kafka_topic='n', value_format='JSON', partitions=4);"
        "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM n GROUP BY k;"
    )
    bench.engine.insert("n", [{"k": k, "v": 0} for k in (15, 10, 3, 1, 2)])
    bench.settle()
    lies_in = {}
    for partition in range(4):
        lies_in |= {int.from_bytes(key, "big"): partition for key, _ in bench.topic("n", partition) if key}
    expected = sorted(lies_in, key=lambda k: (lies_in[k], k))
    assert len(set(lies_in.values())) > 1
    for limit in range(6):
        assert asked(bench, f"SELECT k FROM c LIMIT {limit};").rows.column("K").to_pylist() == expected[:limit]
    assert (
        asked(bench, "SELECT k FROM c WHERE k > 1 LIMIT 1;").rows.column("K").to_pylist()
        == [k for k in expected if k > 1][:1]
    )
    assert asked(bench, "SELECT k FROM c LIMIT 2 OFFSET 1;").rows.column("K").to_pylist() == expected[1:3]
    assert asked(bench, "SELECT k FROM c ORDER BY k DESC LIMIT 2;").rows.column("K").to_pylist() == [15, 10]


def test_limit_takes_windows_of_a_key_in_order(bench: Bench) -> None:
    bench.run(
        "CREATE STREAM n (k STRING KEY, v INT) WITH (kafka_topic='n', value_format='JSON');"
        "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM n WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY k;"
    )
    bench.engine.insert("n", [{"k": k, "v": 0, "rowtime": t} for k, t in (("b", 0), ("a", 3000), ("a", 1000))])
    bench.settle()
    rows = asked(bench, "SELECT k, windowstart AS w FROM c LIMIT 2;").rows.to_pylist()
    assert [tuple(r.values()) for r in rows] == [("a", 1000), ("a", 3000)]


def test_queries_in_from_over_a_kept_table(filled: Bench) -> None:
    rows = asked(filled, "SELECT u FROM (SELECT UCASE(k) AS u, n FROM totals WHERE n = 1) q ORDER BY u DESC;").rows
    assert rows.column("U").to_pylist() == ["C", "B"]
