"""Reads in full SQL, held against plain DuckDB over the same rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ssql.engine.api import PullResult
from ssql.engine.waiter import WAITER, Waiter
from ssql.errors import (
    ColumnNotFound,
    EvaluationFailed,
    FunctionNotFound,
    InvalidStatement,
    PullQueryRefused,
    PullTooLarge,
    ReadTimedOut,
    ReadTooLarge,
    SourceNotFound,
    SqlError,
    SyntaxSqlError,
)
from tests.engine.conftest import Bench

DEFINITIONS = """
    CREATE STREAM orders (k STRING KEY, id INT, amount INT) WITH (kafka_topic='o', value_format='JSON', partitions=3);
    CREATE TABLE totals AS SELECT k, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY k;
    CREATE STREAM doubled AS SELECT k, id, amount * 2 AS twice FROM orders;
    CREATE TABLE people (k STRING PRIMARY KEY, name STRING) WITH (kafka_topic='p', value_format='JSON', partitions=2);
"""
ORDERS = [("a", 1, 10), ("b", 2, 20), ("a", 3, 30), ("c", 4, -5), (None, 5, 7), ("b", 6, None)]
PEOPLE = [("a", "old"), ("b", "Bea"), ("a", "Ann"), ("z", "Zed")]


@pytest.fixture
def filled(bench: Bench) -> Bench:
    return fill(bench)


def fill(bench: Bench) -> Bench:
    bench.session.full_sql = True
    bench.run(DEFINITIONS)
    bench.engine.insert(
        "orders", [{"k": k, "id": i, "amount": a, "rowtime": 1000 * i} for k, i, a in ORDERS], bench.session
    )
    bench.engine.insert("people", [{"k": k, "name": n} for k, n in PEOPLE], bench.session)
    bench.settle()
    return bench


def oracle() -> duckdb.DuckDBPyConnection:
    """The same relations, computed from scratch."""
    plain = duckdb.connect(config={"integer_division": True})
    strings, ints = pa.string(), pa.int32()
    orders = [*zip(*ORDERS, strict=True)]
    arrays = [pa.array(orders[0], strings), pa.array(orders[1], ints), pa.array(orders[2], ints)]
    plain.register("o", pa.table(arrays, names=["K", "ID", "AMOUNT"]))
    plain.execute("CREATE VIEW orders AS SELECT * FROM o")
    plain.execute(
        "CREATE VIEW totals AS SELECT K, COUNT(*) AS N, CAST(SUM(AMOUNT) AS INTEGER) AS TOTAL FROM o "
        "WHERE K IS NOT NULL GROUP BY K"
    )
    plain.execute("CREATE VIEW doubled AS SELECT K, ID, AMOUNT * 2 AS TWICE FROM o")
    people = dict(PEOPLE)
    plain.register("people", pa.table({"K": list(people), "NAME": list(people.values())}))
    return plain


def ask(bench: Bench, sql: str) -> PullResult:
    result = bench.engine.query(sql, bench.session)
    assert isinstance(result, PullResult)
    assert [c.type.arrow for c in result.columns] == result.rows.schema.types
    assert [c.name for c in result.columns] == result.rows.schema.names
    return result


def in_order(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(c.to_pylist() for c in table.columns), strict=True))


QUERIES = [
    "SELECT t.k, n, name FROM totals t LEFT JOIN people p ON t.k = p.k ORDER BY t.k",
    "SELECT o.id, d.twice, t.total FROM orders o JOIN doubled d USING (id) JOIN totals t ON t.k = o.k ORDER BY 1",
    "WITH big AS (SELECT * FROM totals WHERE n > 1) SELECT k, total FROM big ORDER BY k",
    "WITH totals AS (SELECT k, n FROM totals WHERE n = 2) SELECT * FROM totals ORDER BY k",
    "WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM c WHERE x < 5) SELECT x FROM c ORDER BY x",
    "SELECT k, total, RANK() OVER (ORDER BY total DESC) AS place FROM totals ORDER BY place",
    "SELECT id, SUM(amount) OVER (PARTITION BY k ORDER BY id) AS running FROM orders ORDER BY id",
    "SELECT k FROM totals EXCEPT SELECT k FROM people ORDER BY k",
    "SELECT k FROM totals UNION SELECT k FROM people ORDER BY k LIMIT 2 OFFSET 1",
    "SELECT * FROM totals WHERE total > (SELECT AVG(total) FROM totals) ORDER BY k",
    "SELECT k FROM totals t WHERE EXISTS (SELECT 1 FROM people p WHERE p.k = t.k) ORDER BY k",
    "SELECT k, n FROM totals WHERE (k, n) > ('a', 2) ORDER BY k, n LIMIT 1",
    "SELECT CASE WHEN n > 1 THEN 'many' ELSE 'one' END AS w, COUNT(*) AS c FROM totals GROUP BY ALL ORDER BY w",
    "SELECT k, n FROM totals GROUP BY ROLLUP (k, n) ORDER BY k NULLS LAST, n NULLS LAST",
    "SELECT total / 4 AS q FROM totals, (VALUES (1), (2)) v(x) WHERE x = 1 ORDER BY q",
    "FROM totals SELECT MAX(n) AS m",
    "SELECT k, list(id ORDER BY id) AS ids FROM orders WHERE k IS NOT NULL GROUP BY k QUALIFY COUNT(*) OVER () > 1 "
    "ORDER BY k",
    "SELECT * FROM (SELECT k, n FROM totals) a NATURAL JOIN (SELECT k, total FROM totals) b ORDER BY k",
    "SELECT x.* FROM totals x JOIN totals y ON x.k < y.k ORDER BY x.k, y.k",
    "SELECT * FROM totals PIVOT (SUM(total) FOR k IN ('a', 'b')) ORDER BY n",
    "VALUES (1, 'x'), (2, 'y')",
    "SELECT 'é' AS accented, * FROM people p, range(2) r(i) WHERE name <> 'ü' ORDER BY p.k, i",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_it_says_what_duckdb_says(filled: Bench, sql: str) -> None:
    expected = in_order(oracle().execute(sql).to_arrow_table())
    assert expected
    assert in_order(ask(filled, sql + ";").rows) == expected


def test_without_it_ksqldb_refuses(filled: Bench) -> None:
    filled.session.full_sql = False
    with pytest.raises(PullQueryRefused):
        ask(filled, "SELECT t.k FROM totals t JOIN people p ON t.k = p.k;")
    with pytest.raises(SqlError):
        ask(filled, "WITH x AS (SELECT * FROM totals) SELECT * FROM x;")
    filled.session.properties["sql.extensions"] = True
    assert len(ask(filled, "WITH x AS (SELECT * FROM totals) SELECT * FROM x;").rows) == 3


def test_columns_are_named_as_everywhere(filled: Bench) -> None:
    columns = ask(filled, 'SELECT t.k, n AS many, total AS "Total", `N` FROM totals t, people p LIMIT 1;').columns
    assert [str(c) for c in columns] == ["`K` STRING", "`MANY` BIGINT", "`Total` INTEGER", "`N` BIGINT"]
    columns = ask(filled, "SELECT * FROM totals a JOIN totals b ON a.k = b.k;").columns
    assert [c.name for c in columns] == ["K", "N", "TOTAL", "K_1", "N_1", "TOTAL_1"]


def test_a_star_does_not_show_the_columns_that_every_row_has(filled: Bench) -> None:
    rows = in_order(ask(filled, "SELECT * FROM orders o, (SELECT 1) x WHERE ROWTIME > 4000 ORDER BY ROWTIME;").rows)
    assert rows == [(None, 5, 7, 1), ("b", 6, None, 1)]
    rows = in_order(
        ask(filled, "SELECT o.*, o.rowtime, o.rowoffset >= 0 FROM orders o, people p WHERE id = 1 LIMIT 1").rows
    )
    assert rows == [("a", 1, 10, 1000, True)]
    assert in_order(
        ask(filled, "SELECT k, ROWTIME FROM totals t WHERE n = (SELECT MAX(n) FROM totals) ORDER BY k").rows
    )


def test_a_natural_join_is_not_by_the_time_of_rows(filled: Bench) -> None:
    sql = "SELECT * FROM orders NATURAL JOIN totals WHERE 'ROWTIME' <> '' ORDER BY id"
    assert [row[1] for row in in_order(ask(filled, sql).rows)] == [1, 2, 3, 4, 6]
    with pytest.raises(ColumnNotFound):
        ask(filled, "SELECT o.ROWTIME FROM orders o NATURAL JOIN totals")


def test_whole_rows(filled: Bench) -> None:
    rows = in_order(ask(filled, "SELECT t, #2 AS second FROM totals t WHERE (SELECT TRUE) ORDER BY k LIMIT 1").rows)
    assert rows == [({"K": "a", "N": 2, "TOTAL": 40}, 2)]


def test_what_ksqldbs_dialect_has_not_is_taken_from_duckdb(filled: Bench) -> None:
    rows = ask(filled, "SELECT k FROM totals WHERE regexp_matches(k, '[ab]') ORDER BY k;").rows
    assert in_order(rows) == [("a",), ("b",)]
    assert in_order(ask(filled, "SELECT n AS m, m + 1 FROM totals WHERE k = 'a';").rows) == [(2, 3)]


def test_what_ksqldbs_dialect_says_is_still_said_with_extensions(filled: Bench) -> None:
    filled.session.properties["sql.extensions"] = True
    assert in_order(ask(filled, "SELECT k, COUNT(*) AS c FROM orders GROUP BY k ORDER BY k;").rows)[-1][0] == "c"
    lambdas = "SELECT o.k AS k, TRANSFORM(ARRAY[id], x => x + 1) AS t FROM orders o JOIN totals t ON o.k = t.k;"
    assert ("a", [4]) in in_order(ask(filled, lambdas).rows)


def test_an_answer_has_no_more_rows_than_it_may(filled: Bench) -> None:
    filled.session.properties["query.pull.max.rows"] = 2
    with pytest.raises(PullTooLarge):
        ask(filled, "SELECT * FROM totals, people")
    assert ask(filled, "SELECT * FROM totals, people LIMIT 2").rows.num_rows == 2


def test_a_group_of_all_rows_is_there_without_any(bench: Bench) -> None:
    bench.session.full_sql = True
    bench.run(DEFINITIONS)
    for source in ("orders", "totals", "doubled", "people"):
        assert bench.rows(f"SELECT COUNT(*) AS n FROM {source};") == [(0,)]
        assert bench.rows(f"SELECT k, COUNT(*) AS n FROM {source} GROUP BY k;") == []


def test_names_in_any_case(bench: Bench) -> None:
    bench.session.full_sql = True
    bench.run(
        "CREATE TABLE `lower` (`id` INT PRIMARY KEY, v INT) WITH (kafka_topic='l', value_format='JSON', partitions=1);"
    )
    bench.engine.insert("`lower`", [{"`id`": 1, "v": 2}], bench.session)
    rows = ask(bench, 'SELECT a.id, b."ID", LOWER.v FROM LOWER JOIN "lower" a USING (v) JOIN `lower` b USING (v);').rows
    assert in_order(rows) == [(1, 1, 2)]


def test_fields_of_structs(bench: Bench) -> None:
    bench.session.full_sql = True
    bench.run(
        "CREATE STREAM s (p STRUCT<x INT, y STRUCT<z STRING>>)"
        " WITH (kafka_topic='s', value_format='JSON', partitions=1);"
    )
    bench.engine.insert("s", [{"p": {"x": 1, "y": {"z": "deep"}}}], bench.session)
    assert in_order(ask(bench, "SELECT p->x, p->y->`Z` AS z, p.y.z, q FROM s, (SELECT 1 AS q) r;").rows) == [
        (1, "deep", "deep", 1)
    ]


def test_variables(filled: Bench) -> None:
    filled.run("DEFINE who = 'a'; DEFINE what = 'total';")
    sql = "WITH x AS (SELECT * FROM totals WHERE k = '${who}') SELECT ${what} FROM x"
    assert in_order(ask(filled, sql).rows) == [(40,)]
    with pytest.raises(ColumnNotFound) as caught:
        ask(filled, "WITH x AS (SELECT * FROM totals WHERE k = '${who}') SELECT ${what}s, nono FROM x")
    assert filled.marked(caught.value) in ("${what}s", "${what}")


def test_windows_have_their_bounds(bench: Bench) -> None:
    bench.session.full_sql = True
    bench.run(DEFINITIONS)
    bench.run("CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY k;")
    bench.engine.insert("orders", [{"k": "a", "id": i, "rowtime": 1000 * i} for i in range(5)], bench.session)
    bench.settle()
    sql = "WITH x AS (SELECT * FROM w) SELECT * FROM x ORDER BY windowstart DESC LIMIT 2"
    assert in_order(ask(bench, sql).rows) == [("a", 4000, 6000, 1), ("a", 2000, 4000, 2)]


@pytest.mark.parametrize(
    ("expression", "type_", "value"),
    [
        ("SUM(n)", "BIGINT", 5),
        ("CAST(1 AS UTINYINT)", "INTEGER", 1),
        ("CAST(1 AS UBIGINT)", "BIGINT", 1),
        ("CAST(1.5 AS FLOAT)", "DOUBLE", 1.5),
        ("1.25", "DECIMAL(3, 2)", Decimal("1.25")),
        ("CAST('0c0d3b50-5a3f-4a0e-9a7b-3f0e3b0e3b0e' AS UUID)", "STRING", "0c0d3b50-5a3f-4a0e-9a7b-3f0e3b0e3b0e"),
        ("INTERVAL 90 MINUTE", "STRING", "01:30:00"),
        ("NULL", "STRING", None),
        ("[CAST(1 AS HUGEINT), NULL]", "ARRAY<BIGINT>", [1, None]),
        ("MAP {'a': CAST(2 AS SMALLINT)}", "MAP<STRING, INTEGER>", [("a", 2)]),
        ("{'x': SUM(n), 'y': [CAST(1 AS TINYINT)]}", "STRUCT<`x` BIGINT, `y` ARRAY<INTEGER>>", {"x": 5, "y": [1]}),
        ("CAST('b' AS ENUM ('a', 'b'))", "STRING", "b"),
        ("EPOCH_MS(TIMESTAMPTZ '2020-01-01 00:00:00+01')", "BIGINT", 1577833200000),
        ("row(1, 2)", "STRING", "(1, 2)"),
    ],
)
def test_types_of_answers(filled: Bench, expression: str, type_: str, value: object) -> None:
    result = ask(filled, f"WITH x AS (SELECT * FROM totals) SELECT {expression} AS v FROM x LIMIT 1")
    assert str(result.columns[0].type) == type_
    assert in_order(result.rows) == [(value,)]


# --- one moment --------------------------------------------------------------

ACCOUNTS = """
    CREATE STREAM moves (account INT, amount INT) WITH (kafka_topic='m', value_format='JSON', partitions=1);
    CREATE TABLE balances AS SELECT account, SUM(amount) AS balance FROM moves GROUP BY account;
    CREATE TABLE shifted AS SELECT account + 10 AS account, SUM(amount) AS balance FROM moves GROUP BY account + 10;
    CREATE STREAM mirror AS SELECT account, amount FROM moves;
    CREATE TABLE mirrored AS SELECT account, COUNT(*) AS n FROM mirror GROUP BY account;
"""


def test_all_relations_are_read_as_of_one_moment(make: Callable[..., Bench]) -> None:
    """Each transfer takes from one account what it gives another, and each reader sees all of it or nothing."""
    bench = make(**{"batch.max.rows": 3})
    bench.session.full_sql = True
    bench.run(ACCOUNTS)
    ended = threading.Event()

    def write() -> None:
        for number in range(150):
            a, b = number % 5, (number * 7 + 1) % 5
            bench.engine.insert("moves", [{"account": a, "amount": -number}, {"account": b, "amount": number}])
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while True:
        last = ended.is_set()
        if last:
            bench.settle()
        ((difference, in_tables, in_stream, in_mirror, moves, mirrored),) = in_order(
            ask(
                bench,
                """SELECT (SELECT SUM(abs(a.balance - b.balance)) FROM balances a FULL JOIN shifted b
                           ON a.account + 10 = b.account),
                          (SELECT SUM(balance) FROM balances), (SELECT SUM(amount) FROM moves),
                          (SELECT SUM(amount) FROM mirror), (SELECT COUNT(*) FROM mirror),
                          (SELECT SUM(n) FROM mirrored)""",
            ).rows
        )
        assert difference in (None, 0)
        assert in_tables == in_stream == in_mirror
        assert moves == (mirrored or 0)
        if last:
            break
    writer.join()
    assert in_order(ask(bench, "WITH m AS (SELECT * FROM moves) SELECT COUNT(*), SUM(amount) FROM m").rows) == [
        (300, 0)
    ]


def test_a_stream_that_nobody_reads_any_more_is_read_to_its_end(filled: Bench) -> None:
    sql = "WITH x AS (SELECT * FROM lone) SELECT COUNT(*) FROM x"
    filled.run("CREATE STREAM lone (v INT) WITH (kafka_topic='lone', value_format='JSON', partitions=1);")
    for n in range(1, 5):
        filled.engine.insert("lone", [{"v": n}])
        assert in_order(ask(filled, sql).rows) == [(n,)]
        if n == 2:
            filled.run("CREATE TABLE counted AS SELECT v, COUNT(*) AS c FROM lone GROUP BY v;")
            filled.settle()
        if n == 3:
            filled.settle()
            filled.run("DROP TABLE counted;")


# --- files -------------------------------------------------------------------


def test_files_join_with_tables(make: Callable[..., Bench], tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    with duckdb.connect() as made:
        for name in ("a.parquet", "deep/b.csv", "c.ndjson"):
            kind = {"parquet": "PARQUET", "csv": "CSV", "ndjson": "JSON"}[name.rpartition(".")[2]]
            made.execute(f"COPY (SELECT 'a' AS key, 5 AS price) TO '{tmp_path}/data/{name}' (FORMAT {kind})")
    bench = fill(make(**{"files.directory": tmp_path / "data"}))
    for source in (
        *("'a.parquet'", "read_parquet('a.parquet')", "read_parquet(['a.parquet'])", "'deep/b.csv'"),
        *("read_csv('deep/*.csv', header => true)", "'c.ndjson'", "read_json('c.ndjson')", '"a.parquet"'),
        *(f"'{tmp_path}/data/a.parquet'", "'*.parquet'"),
    ):
        rows = ask(bench, f"SELECT t.k, f.price * n AS p FROM totals t JOIN {source} AS f ON f.key = t.k;").rows
        assert in_order(rows) == [("a", 10)], source


# --- errors ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "error", "marked", "hint"),
    [
        ("SELECT * FROM totls t, people p", SourceNotFound, "totls", "TOTALS"),
        ("SELECT 'é', nmae FROM people p, totals t", ColumnNotFound, "nmae", "NAME"),
        ("SELECT p.nmae FROM people p, totals t", ColumnNotFound, "p.nmae", "NAME"),
        ("WITH x AS (SELECT 1) SELECT * FROM x y, z", SourceNotFound, "z", None),
        ("SELECT k FROM totals UNION SELECT medan(n) FROM totals", FunctionNotFound, "medan(n)", None),
        ("SELECT k FROM totals UNION SELEC k FROM people", SyntaxSqlError, "SELEC", None),
        ("WITH x AS SELECT 1", SyntaxSqlError, "SELECT", None),
        ("SELECT k FROM totals t, people p", InvalidStatement, "k", None),
        ("SELECT * FROM main.totals", SourceNotFound, None, None),
    ],
)
def test_errors_have_a_place(filled: Bench, sql: str, error: type[SqlError], marked: str, hint: str | None) -> None:
    with pytest.raises(error) as caught:
        ask(filled, sql)
    assert caught.value.text == sql
    if marked is not None:
        assert filled.marked(caught.value) == marked
    if hint is not None:
        assert caught.value.hint == f'Did you mean "{hint}"?'
    assert "\n" not in caught.value.message


def test_a_query_that_needs_too_much_memory_is_ended(make: Callable[..., Bench]) -> None:
    bench = fill(make(**{"query.pull.memory.bytes": 4 << 20}))
    with pytest.raises(ReadTooLarge):
        ask(bench, "SELECT list(i) AS l FROM range(20000000) r(i)")
    assert in_order(ask(bench, "WITH x AS (SELECT 1 AS one) SELECT one FROM x").rows) == [(1,)]


def test_an_answer_of_very_many_rows_is_ended(make: Callable[..., Bench]) -> None:
    bench = fill(make(**{"query.pull.memory.bytes": 16 << 20}))
    with pytest.raises(ReadTooLarge):
        ask(bench, "SELECT 1 AS one FROM range(100000000000)")
    assert ask(bench, "SELECT range AS r FROM range(1000000)").rows.num_rows == 1_000_000


def test_an_error_behind_the_first_rows_is_that_of_the_values(filled: Bench) -> None:
    with pytest.raises(EvaluationFailed) as caught:
        ask(filled, "SELECT CAST(CASE r WHEN 900000 THEN 'x' ELSE '1' END AS INT) AS v FROM range(1000000) t(r)")
    assert "could not convert" in str(caught.value.hint).lower()


def test_a_query_ends_when_nobody_waits_for_it(filled: Bench) -> None:
    waiter, failed = Waiter(), []

    def wait() -> None:
        WAITER.set(waiter)
        with pytest.raises(ReadTimedOut) as ended:
            ask(filled, "SELECT COUNT(*) FROM range(1000000000) a, range(1000000000) b")
        failed.append(ended.value)

    thread = threading.Thread(target=wait)
    thread.start()
    waiter.leave()
    thread.join()
    assert len(failed) == 1


def test_a_query_that_takes_too_long_is_ended(make: Callable[..., Bench]) -> None:
    bench = fill(make(**{"query.pull.timeout.seconds": 1}))
    with pytest.raises(ReadTimedOut):
        ask(bench, "SELECT COUNT(*) FROM range(1000000000) a, range(1000000000) b")
    assert in_order(ask(bench, "WITH x AS (SELECT 1 AS one) SELECT one FROM x").rows) == [(1,)]


def test_text_that_a_time_is_compared_with_is_a_date_time(filled: Bench) -> None:
    filled.run("CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY k;")
    filled.settle()
    said = "FROM w JOIN totals AS t ON w.k = t.k WHERE"
    for condition, wanted in (
        ("w.windowstart >= '1970-01-01T00:00:02'", [("a", 2000), ("b", 2000), ("b", 6000), ("c", 4000)]),
        ("'1970-01-01T00:00:04' > windowstart", [("a", 0), ("a", 2000), ("b", 2000)]),
        (
            "w.WindowEnd BETWEEN '1970' AND '1970-01-01T00:00:04.000+0000'",
            [("a", 0), ("a", 2000), ("b", 2000)],
        ),
        ("windowstart IN ('1970', '1970-01-01T00:00:06') AND w.rowtime < '1971'", [("a", 0), ("b", 6000)]),
        ("windowstart = '2000'", []),
        ("windowstart = 6000 AND t.k <> '1970'", [("b", 6000)]),
    ):
        found = filled.rows(f"SELECT w.k, windowstart {said} {condition} ORDER BY ALL")
        assert found == wanted, condition
    # A column of another query is not meant.
    assert filled.rows("SELECT r.rowtime FROM (SELECT '1970' AS rowtime) AS r WHERE r.rowtime = '1970'") == [("1970",)]
