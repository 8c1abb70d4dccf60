"""GROUP BY over streams and tables, HAVING, tables of tables, and chains of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given

from tests.oracle.checks import LONG, QUICK, KeyOf, int_key, same_table, text_key
from tests.oracle.history import Cut, History, cuts, histories
from tests.oracle.replay import Replay
from tests.oracle.running import ran


@dataclass(frozen=True)
class Case:
    """Statements that fill the table `o`, and its rows: key, then values. `one`: for inputs of one partition only."""

    sql: str
    oracle: str
    key_of: KeyOf = text_key
    unordered: Sequence[int] = ()
    one: bool = False


#: What a group of a table has after it lost all its rows: ksqlDB keeps it too.
EVER = "(SELECT g FROM t_log WHERE g IS NOT NULL UNION SELECT old_g FROM t_log WHERE old_g IS NOT NULL)"

STREAM_CASES = {
    "count and sum": Case(
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, COUNT(v) AS c, SUM(v) AS s, SUM(d) AS sd FROM s GROUP BY g;",
        "SELECT g, count(*), count(v), coalesce(sum(v), 0), coalesce(sum(d), 0) FROM s WHERE g IS NOT NULL GROUP BY g",
    ),
    "average": Case(
        "CREATE TABLE o AS SELECT g, AVG(v) AS a, AVG(d) AS b FROM s WHERE v IS NOT NULL AND d IS NOT NULL GROUP BY g;",
        "SELECT g, avg(v), avg(d) FROM s WHERE g IS NOT NULL AND v IS NOT NULL AND d IS NOT NULL GROUP BY g",
    ),
    "least and greatest": Case(
        "CREATE TABLE o AS SELECT g, MIN(v) AS a, MAX(v) AS b, MIN(d) AS c, MAX(d) AS e FROM s GROUP BY g;",
        "SELECT g, min(v), max(v), min(d), max(d) FROM s WHERE g IS NOT NULL GROUP BY g",
    ),
    "distinct": Case(
        "CREATE TABLE o AS SELECT g, COUNT_DISTINCT(v) AS n, COLLECT_SET(v) AS a FROM s GROUP BY g;",
        "SELECT g, count(DISTINCT v), list(DISTINCT v) FROM s WHERE g IS NOT NULL GROUP BY g",
        unordered=(2,),
    ),
    "all values": Case(
        "CREATE TABLE o AS SELECT g, COLLECT_LIST(v) AS a FROM s GROUP BY g;",
        "SELECT g, list(v ORDER BY seq) FROM s WHERE g IS NOT NULL GROUP BY g",
    ),
    "last and first": Case(
        "CREATE TABLE o AS SELECT g, LATEST_BY_OFFSET(v) AS a, EARLIEST_BY_OFFSET(v) AS b FROM s GROUP BY g;",
        "SELECT g, arg_max(v, seq), arg_min(v, seq) FROM s WHERE g IS NOT NULL GROUP BY g",
    ),
    "top": Case(
        "CREATE TABLE o AS SELECT g, TOPK(v, 3) AS a, TOPKDISTINCT(v, 2) AS b FROM s GROUP BY g;",
        "SELECT g, coalesce(list(v ORDER BY v DESC) FILTER (v IS NOT NULL), [])[1:3], "
        "list_reverse_sort(coalesce(list(DISTINCT v) FILTER (v IS NOT NULL), []))[1:2] "
        "FROM s WHERE g IS NOT NULL GROUP BY g",
    ),
    "by an expression": Case(
        "CREATE TABLE o AS SELECT v % 2 AS p, COUNT(*) AS n, SUM(v) * 2 AS s FROM s WHERE v >= 0 GROUP BY v % 2;",
        "SELECT v % 2, count(*), sum(v) * 2 FROM s WHERE v >= 0 GROUP BY 1",
        int_key,
    ),
    "by key": Case(
        "CREATE TABLE o AS SELECT k, COUNT(*) AS n, MAX(ROWTIME) AS t FROM s GROUP BY k;",
        "SELECT k, count(*), max(ts) FROM s GROUP BY k",
    ),
    "having": Case(
        "CREATE TABLE o AS SELECT g, SUM(v) AS s FROM s GROUP BY g HAVING COUNT(*) > 2 AND SUM(v) % 2 = 0;",
        "SELECT g, coalesce(sum(v), 0) FROM s WHERE g IS NOT NULL GROUP BY g "
        "HAVING count(*) > 2 AND coalesce(sum(v), 0) % 2 = 0",
    ),
    "over a re-keyed stream": Case(
        "CREATE STREAM m AS SELECT v, k AS was, d FROM s WHERE v IS NOT NULL PARTITION BY v;"
        "CREATE TABLE o AS SELECT v, COUNT(*) AS n, SUM(d) AS s FROM m GROUP BY v;",
        "SELECT v, count(*), coalesce(sum(d), 0) FROM s WHERE v IS NOT NULL GROUP BY v",
        int_key,
    ),
    "in order over a stream of a stream": Case(
        "CREATE STREAM m AS SELECT k, g, v FROM s WHERE v > 0;"
        "CREATE TABLE o AS SELECT g, COLLECT_LIST(v) AS a, LATEST_BY_OFFSET(k) AS b FROM m GROUP BY g;",
        "SELECT g, list(v ORDER BY seq), arg_max(k, seq) FROM s WHERE v > 0 AND g IS NOT NULL GROUP BY g",
        one=True,
    ),
    "over what two queries fill": Case(
        "CREATE STREAM m (k STRING KEY, v INT) WITH (kafka_topic='M', value_format='JSON', partitions=1);"
        "INSERT INTO m SELECT k, v FROM s; INSERT INTO m SELECT k, v * 100 AS v FROM r;"
        "CREATE TABLE o AS SELECT k, COUNT(*) AS n, SUM(v) AS s, MAX(v) AS x FROM m GROUP BY k;",
        "SELECT k, count(*), coalesce(sum(v), 0), max(v) FROM "
        "(SELECT k, v FROM s UNION ALL SELECT k, v * 100 FROM r) GROUP BY k",
    ),
    "a group of groups": Case(
        "CREATE TABLE m AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;"
        "CREATE TABLE o AS SELECT n, COUNT(*) AS ks FROM m GROUP BY n HAVING COUNT(*) > 0;",
        "SELECT n, count(*) FROM (SELECT k, count(*) AS n FROM s GROUP BY k) GROUP BY n",
        int_key,
    ),
    "a group of groups in one query": Case(
        "CREATE TABLE o AS SELECT n, COUNT(*) AS ks FROM (SELECT k, COUNT(*) AS n FROM s GROUP BY k) x "
        "GROUP BY n HAVING COUNT(*) > 0;",
        "SELECT n, count(*) FROM (SELECT k, count(*) AS n FROM s GROUP BY k) GROUP BY n",
        int_key,
    ),
}

TABLE_CASES = {
    "filter": Case("CREATE TABLE o AS SELECT k, w * 2 AS x FROM t WHERE w > 2;", "SELECT k, w * 2 FROM t WHERE w > 2"),
    "everything": Case("CREATE TABLE o AS SELECT * FROM t;", "SELECT k, g, w FROM t"),
    "a table of a table": Case(
        "CREATE TABLE m AS SELECT k, w + 1 AS x, g FROM t WHERE g <> 'x'; CREATE TABLE o AS SELECT k, x FROM m "
        "WHERE x > 1;",
        "SELECT k, w + 1 FROM t WHERE g <> 'x' AND w > 0",
    ),
    "count and sum": Case(
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, COUNT(w) AS c, SUM(w) AS s FROM t GROUP BY g;",
        f"SELECT e.g, count(t.k), count(w), coalesce(sum(w), 0) FROM {EVER} e LEFT JOIN t ON e.g = t.g GROUP BY e.g",
    ),
    "average": Case(
        "CREATE TABLE o AS SELECT g, AVG(w) AS a FROM t GROUP BY g HAVING COUNT(w) > 0;",
        "SELECT g, avg(w) FROM t WHERE g IS NOT NULL GROUP BY g HAVING count(w) > 0",
    ),
    "all values": Case(
        "CREATE TABLE o AS SELECT g, COLLECT_LIST(w) AS a FROM t GROUP BY g HAVING COUNT(*) > 0;",
        "SELECT g, list(w) FROM t WHERE g IS NOT NULL GROUP BY g",
        unordered=(1,),
    ),
    "computed again": Case(
        "CREATE TABLE o AS SELECT g, MIN(w) AS a, MAX(w) AS b, COUNT_DISTINCT(w) AS c FROM t GROUP BY g "
        "HAVING COUNT(*) > 0;",
        "SELECT g, min(w), max(w), count(DISTINCT w) FROM t WHERE g IS NOT NULL GROUP BY g",
    ),
    "having": Case(
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM t GROUP BY g HAVING SUM(w) > 5;",
        "SELECT g, count(*) FROM t WHERE g IS NOT NULL GROUP BY g HAVING sum(w) > 5",
    ),
    "by an expression, and again": Case(
        "CREATE TABLE m AS SELECT w % 3 AS p, COUNT(*) AS n FROM t WHERE w >= 0 GROUP BY w % 3 HAVING COUNT(*) > 0;"
        "CREATE TABLE o AS SELECT n, COUNT(*) AS c, SUM(p) AS s FROM m GROUP BY n HAVING COUNT(*) > 0;",
        "SELECT n, count(*), sum(p) FROM (SELECT w % 3 AS p, count(*) AS n FROM t WHERE w >= 0 GROUP BY 1) GROUP BY n",
        int_key,
    ),
}


def check(case: Case, history: History, cut: Cut) -> None:
    replay = Replay(history, cut)
    with ran(history, cut, case.sql) as run:
        same_table(run, replay, "o", case.oracle, key_of=case.key_of, unordered=case.unordered)


@pytest.mark.parametrize("name", STREAM_CASES)
def test_groups_of_a_stream(name: str) -> None:
    case = STREAM_CASES[name]

    @QUICK
    @given(histories("s", "r", partitions=1 if case.one else None), cuts())
    def holds(history: History, cut: Cut) -> None:
        check(case, history, cut)

    holds()


@pytest.mark.parametrize("name", TABLE_CASES)
@QUICK
@given(histories("t"), cuts())
def test_tables_of_a_table(name: str, history: History, cut: Cut) -> None:
    check(TABLE_CASES[name], history, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAM_CASES)
def test_groups_of_a_stream_at_length(name: str) -> None:
    case = STREAM_CASES[name]

    @LONG
    @given(histories("s", "r", partitions=1 if case.one else None, max_size=60), cuts())
    def holds(history: History, cut: Cut) -> None:
        check(case, history, cut)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE_CASES)
@LONG
@given(histories("t", max_size=60), cuts())
def test_tables_of_a_table_at_length(name: str, history: History, cut: Cut) -> None:
    check(TABLE_CASES[name], history, cut)
