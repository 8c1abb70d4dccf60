"""ksqlDB's functions in full SQL: they mean what they mean elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ssql.engine.api import PullResult
from ssql.errors import FunctionNotFound, SqlError, SyntaxSqlError
from ssql.functions import REGISTRY
from ssql.functions.macros import ABSENT, RENAMED
from tests.engine.conftest import Bench
from tests.engine.test_full_sql import ask, in_order

SCALARS = sorted(name for name, f in REGISTRY.functions.items() if f.kind == "scalar")
#: Another answer at each call.
VOLATILE = frozenset({"RANDOM", "UNIX_DATE", "UNIX_TIMESTAMP", "UUID"})


@pytest.fixture(scope="module")
def one_row(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("functions"))
    bench.run(
        "CREATE STREAM s (k INT KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
        "CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;"
    )
    bench.engine.insert("s", [{"k": 1, "v": 1}])
    bench.settle()
    yield bench
    bench.engine.close()


def both(bench: Bench, call: str) -> tuple[PullResult, PullResult]:
    bench.session.full_sql = False
    expected = bench.engine.query(f"SELECT {call} AS v FROM t;", bench.session)
    assert isinstance(expected, PullResult)
    bench.session.full_sql = True
    return ask(bench, f"WITH x AS (SELECT * FROM t) SELECT {call} AS v FROM x"), expected


@pytest.mark.parametrize("name", SCALARS)
def test_every_function_has_its_macro_or_is_duckdbs(one_row: Bench, name: str) -> None:
    one_row.engine._core.reads.macro(name)


EXAMPLES = [(name, call) for name in SCALARS for call in REGISTRY.functions[name].examples if name not in VOLATILE]
#: ksqlDB's own words (lambdas, MAP(), STRUCT()), functions of DuckDB's that differ, a division by zero.
OTHERWISE = ("=>", "MAP(", ":=", "ROUND(", "TRUNC(", "COT(0)")


@pytest.mark.parametrize(("name", "call"), [e for e in EXAMPLES if not any(word in e[1] for word in OTHERWISE)])
def test_examples_have_the_same_answer(one_row: Bench, name: str, call: str) -> None:
    found, expected = both(one_row, call)
    ((value,),), ((other,),) = in_order(found.rows), in_order(expected.rows)
    assert value == other or (value != value and other != other)  # noqa: PLR0124 - NaN is NaN


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("SUBSTRING('stream', -3)", "eam"),
        ("SUBSTRING('stream' FROM 2 FOR 2)", "tr"),
        ("LEN([1, 2, 3])", 3),
        ("DATEADD(DAYS, CAST(n AS BIGINT), DATE '2020-02-28')", None),
        ("FORMAT_TIMESTAMP(TIMESTAMP '2020-01-01 10:00:00', 'yyyy')", "2020"),
        ("PARSE_DATE('x', 'yyyy')", None),
        ("UCASE(LCASE('Ab'))", "AB"),
        ("REGEXP_REPLACE('aaa', 'a', 'b', 'g')", "bbb"),
        ("LIST_SUM(TRANSFORM([1, 2], lambda v: v + n))", 5),
    ],
)
def test_calls(one_row: Bench, call: str, value: object) -> None:
    one_row.session.full_sql = True
    ((found,),) = in_order(ask(one_row, f"WITH x AS (SELECT * FROM t) SELECT {call} AS v FROM x").rows)
    assert found == value or (call.startswith("DATEADD") and str(found) == "2020-02-29")


def test_aggregate_functions_under_ksqldbs_names(one_row: Bench) -> None:
    one_row.session.full_sql = True
    rows = "(VALUES (1, 'a'), (2, 'b'), (2, NULL)) v(i, k)"
    sql = f"""SELECT COLLECT_LIST(i ORDER BY i), list_sort(COLLECT_SET(i)), COUNT_DISTINCT(k), TOPK(i, 2),
              COLLECT_LIST(k) FILTER (WHERE i = 1), PERCENTILE(i, 0.5) FROM {rows}"""
    assert in_order(ask(one_row, sql).rows) == [([1, 2, 2], [1, 2], 2, [2, 2], ["a"], 2.0)]
    assert in_order(ask(one_row, f"SELECT i, COUNT_DISTINCT(k) FROM {rows} GROUP BY i ORDER BY i").rows) == [
        (1, 1),
        (2, 1),
    ]


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_functions_that_have_no_meaning_in_rows_without_order(one_row: Bench, name: str) -> None:
    one_row.session.full_sql = True
    with pytest.raises(FunctionNotFound) as caught:
        ask(one_row, f"WITH x AS (SELECT 1 AS v) SELECT {name}(v) FROM x")
    assert one_row.marked(caught.value).startswith(name)


def test_each_aggregate_function_is_said_to_be_somewhere(one_row: Bench) -> None:
    one_row.session.full_sql = True
    for name in (n for n, f in REGISTRY.functions.items() if f.kind != "scalar"):
        try:
            ask(one_row, f"WITH x AS (SELECT 1 AS v) SELECT {name}(v) FROM x")
        except FunctionNotFound:
            assert name in ABSENT
        except SyntaxSqlError:
            raise
        except SqlError:
            assert name not in ABSENT
    assert not ABSENT.keys() & RENAMED.keys()
