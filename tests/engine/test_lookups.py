"""Key look-ups: answered from the arrangement, without DuckDB, as the general way answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql.engine.api import PullResult
from ssql.engine.lookups import shape_of
from ssql.engine.pull_plans import PullPlans
from ssql.engine.statements_pool import StatementPool
from tests.engine.conftest import Bench

DEFINITIONS = """
    CREATE STREAM s (a STRING, b INT, c BIGINT, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=2);
    CREATE TABLE one AS SELECT a, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY a;
    CREATE TABLE number AS SELECT c, COUNT(*) AS n FROM s GROUP BY c;
    CREATE TABLE two WITH (key_format='JSON') AS SELECT a, b, COUNT(*) AS n FROM s GROUP BY a, b;
    CREATE TABLE windowed AS SELECT a, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY a;
"""


@pytest.fixture(scope="module")
def module_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("lookups"))
    bench.run(DEFINITIONS)
    rows = [{"a": "abc'-"[i % 5], "b": i % 3, "c": (i % 4) * 2**31 - 1, "v": i, "rowtime": 700 * i} for i in range(40)]
    for start in range(0, 40, 8):  # several runs
        bench.engine.insert("s", rows[start : start + 8])
        bench.settle()
    yield bench
    bench.engine.close()


def answer(bench: Bench, sql: str) -> PullResult:
    result = bench.engine.query(sql, bench.session)
    assert isinstance(result, PullResult)
    return result


@contextmanager
def without_duckdb() -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a key look-up entered DuckDB")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StatementPool, "run", refuse)
        patch.setattr("ssql.engine.reads.database.ReadDatabase.run", refuse)
        yield


def the_general_way(bench: Bench, sql: str) -> PullResult:
    """The answer of the statement that the look-up spares."""
    core = bench.engine._core
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssql.planner.pull.direct", lambda *_: None)
        patch.setattr(core, "lookups", PullPlans())
        patch.setattr(core, "pull_plans", PullPlans())
        return answer(bench, sql)


def same(bench: Bench, sql: str) -> None:
    with without_duckdb():
        results = [answer(bench, sql), answer(bench, sql)]  # planned, and from what was kept of that
    expected = the_general_way(bench, sql)
    for result in results:
        assert result.columns == expected.columns
        assert result.rows.schema == expected.rows.schema
        assert result.mark_keys == expected.mark_keys
        assert sorted(result.rows.to_pylist(), key=repr) == sorted(expected.rows.to_pylist(), key=repr)


TEXTS = st.sampled_from(["a", "b", "c", "'", "-", "nobody", "", "A", "ab", "é", "\x01", "a\\", "1"])
SMALL = st.integers(0, 5)
LARGE = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 3 * 2**31 - 1, 2**63 - 1])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def lookups(draw: st.DrawFn) -> str:
    def is_one_of(column: str, values: st.SearchStrategy[str]) -> str:
        given = draw(st.lists(values, min_size=1, max_size=4))
        if len(given) == 1:
            return draw(st.sampled_from([f"{column} = {given[0]}", f"{given[0]} = {column}"]))
        return f"{column} IN ({', '.join(given)})"

    texts, small, large = TEXTS.map(quoted), SMALL.map(str), LARGE.map(str)
    table = draw(st.sampled_from(["one", "number", "two", "windowed"]))
    conditions = {
        "one": lambda: [is_one_of("a", texts)],
        "number": lambda: [is_one_of("c", large)],
        "two": lambda: draw(st.permutations([is_one_of("a", texts), is_one_of("b", small)])),
        "windowed": lambda: [is_one_of("a", texts)],
    }[table]()
    first = {"number": "c"}.get(table, "a")
    items = draw(
        st.sampled_from(["*", first, f"n, {first}", f"{first} AS x, n, ROWTIME", f"`{first.upper()}`, t.n AS y"])
    )
    return f"SELECT {items} FROM {table} t WHERE {' AND '.join(conditions)};"


@given(lookups())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_look_up_says_what_the_statement_says(module_bench: Bench, sql: str) -> None:
    same(module_bench, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM one WHERE a IN ('a', 'b', 'nobody');",
        "SELECT n, c FROM number WHERE c IN (0, 2147483647, 5);",
        "SELECT n FROM two WHERE a IN ('a', 'b') AND b IN (0, 1);",
        "SELECT *, ROWTIME FROM windowed WHERE a = 'a';",
    ],
)
@pytest.mark.parametrize("limit", ["relation_node.MANY_KEYS", "points.FEW"])
def test_many_keys_and_many_rows_of_a_key_are_found_by_columns(
    module_bench: Bench, sql: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"ssql.runtime.{limit}", 0)
    same(module_bench, sql)


def test_other_keys_of_the_same_shape_are_not_parsed_again(
    module_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(module_bench, "SELECT n FROM two WHERE a = 'a' AND b = 0;").rows.num_rows == 1
    monkeypatch.setattr("ssql.engine.engine.parse_statement", None)  # parsing now would fail
    expected = {("a", 0): 3, ("b", 1): 3, ("'", 2): 3, ("a", 1): 2, ("x", 0): None}
    for (a, b), n in expected.items():
        rows = answer(module_bench, f"SELECT n FROM two WHERE a = {quoted(a)} AND b = {b};").rows.to_pylist()
        assert [r["N"] for r in rows] == ([] if n is None else [n]), (a, b)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM one WHERE a = 'a' AND n > 1;",
        "SELECT * FROM one WHERE a = 'a' AND a = 'b';",
        "SELECT * FROM one WHERE a = 'a' OR a = 'b';",
        "SELECT * FROM one WHERE a = 'a' LIMIT 1;",
        "SELECT * FROM one WHERE a IN ('a', 'b') ORDER BY a DESC;",
        "SELECT DISTINCT n FROM one WHERE a IN ('a', 'b');",
        "SELECT n + 1 FROM one WHERE a = 'a';",
        "SELECT COUNT(*) FROM one WHERE a = 'a' GROUP BY n;",
        "SELECT * FROM windowed WHERE a = 'a' AND windowstart >= 2000;",
        "SELECT * FROM one WHERE a = 'a' || '';",
        "SELECT * FROM number WHERE c = -1;",
        "SELECT n, 'a' AS x FROM one WHERE a = 'a';",
        "SELECT * FROM one /* 'a' */ WHERE a = 'b';",
        "SELECT q.n FROM (SELECT * FROM one WHERE a = 'a') q;",
    ],
)
def test_what_is_more_than_a_look_up_is_not_taken_for_one(module_bench: Bench, sql: str) -> None:
    module_bench.session.properties["sql.extensions"] = True
    try:
        first, again = answer(module_bench, sql).rows, answer(module_bench, sql).rows
        expected = the_general_way(module_bench, sql).rows
    finally:
        del module_bench.session.properties["sql.extensions"]
    assert first.to_pylist() == again.to_pylist() == expected.to_pylist()


def test_shapes() -> None:
    def same_shape(a: str, b: str) -> bool:
        x, y = shape_of(a), shape_of(b)
        return x is not None and y is not None and x.text == y.text

    assert same_shape("SELECT * FROM t WHERE k = 'it''s' AND n=1", "SELECT * FROM t WHERE k = '' AND n=22")
    assert not same_shape("SELECT * FROM t WHERE n = 1", f"SELECT * FROM t WHERE n = {2**31}")
    assert not same_shape("SELECT * FROM t WHERE n = 1", "SELECT * FROM t WHERE n = '1'")
    assert not same_shape("SELECT * FROM t1 WHERE n = 1", "SELECT * FROM t2 WHERE n = 1")
    assert not same_shape("SELECT `a'1'` FROM t WHERE n = 1", "SELECT `a'2'` FROM t WHERE n = 1")
    assert not same_shape("SELECT * FROM t WHERE n = 1.5", "SELECT * FROM t WHERE n = 2.5")
    for text in (
        "SELECT '${v}",
        "SELECT 1 -- '",
        "SELECT /* 1 */ 2",
        'SELECT "a',
        "SELECT 'a",
        "SELECT \0s",
        "SELECT ${v}",
    ):
        assert shape_of(text) is None


def test_a_look_up_sees_new_rows_and_new_definitions(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.run(DEFINITIONS)
    sql = "SELECT n FROM one WHERE a = 'x';"
    for n in range(1, 4):
        bench.engine.insert("s", [{"a": "x", "b": 0, "c": 0, "v": n}])
        assert bench.rows(sql) == [(n,)]
    bench.run("DROP TABLE one; CREATE TABLE one AS SELECT a, SUM(v) AS n FROM s GROUP BY a;")
    bench.engine.insert("s", [{"a": "x", "b": 0, "c": 0, "v": 100}])
    assert bench.rows(sql) == [(106,)]
