"""Pull queries: their columns, and their rows over a snapshot."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ssql.errors import SqlError
from ssql.planner.pull import PullPlan, plan_pull
from ssql.planner.relation import KeyWindow
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Select
from ssql.types import BIGINT, Column, Schema
from tests.planner.harness import catalog, run_sql

ROWS = [{"ID": 1, "NAME": "a", "V": 3}, {"ID": 2, "NAME": "b", "V": 1}, {"ID": 3, "NAME": "a", "V": 9}, {"ID": 4}]
WINDOWED = [{"K": "a", "C": 1, "WINDOWSTART": 0, "WINDOWEND": 1000}]


def pulled(sql: str) -> PullPlan:
    relations = catalog().table("WT", "K STRING PRIMARY KEY, C BIGINT", window=KeyWindow("TUMBLING", 1000))
    statement = parse_statement(sql)
    assert isinstance(statement, Select)
    return plan_pull(statement.query, relations)


def answer(sql: str, rows: list[dict[str, Any]] | None = None) -> list[tuple[Any, ...]]:
    """The rows of the plain form; the careful form must give the same."""
    plan = pulled(sql)
    columns = list(plan.relation.schema.columns)
    if plan.relation.window is not None:
        columns += [Column("WINDOWSTART", BIGINT), Column("WINDOWEND", BIGINT)]
    arrow = pa.schema([*Schema(tuple(columns)).arrow, pa.field("_time", pa.int64())])
    given = [{**dict.fromkeys(arrow.names), "_time": 7, **row} for row in (ROWS if rows is None else rows)]
    table = pa.Table.from_pylist(given, schema=arrow)
    found = [
        run_sql(text, plan.statement.udfs, delta=table)
        for text in (plan.statement.sql, plan.statement.careful)
        if text is not None
    ]
    assert found[0].schema.names == [c.name for c in plan.columns]
    assert found[0].equals(found[1])
    return [tuple(row.values()) for row in found[0].to_pylist()]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM T WHERE ID = 1;", [(1, "a", 3)]),
        ("SELECT V + 1, ID FROM T WHERE NAME = 'a';", [(4, 1), (10, 3)]),
        ("SELECT ID FROM T LIMIT 2;", [(1,), (2,)]),
        ("SELECT ID FROM T LIMIT 0;", []),
        ("SELECT ID, ROWTIME FROM T WHERE ROWTIME = 7 AND ID = 2;", [(2, 7)]),
        # more than ksqlDB answers
        ("SELECT ID FROM T ORDER BY V DESC LIMIT 1;", [(3,)]),
        ("SELECT ID FROM T ORDER BY V LIMIT 1 OFFSET 1;", [(1,)]),
        ("SELECT ID, V AS X FROM T ORDER BY X;", [(2, 1), (1, 3), (3, 9), (4, None)]),
        ("SELECT ID FROM T ORDER BY 1 DESC LIMIT 1;", [(4,)]),
        ("SELECT DISTINCT NAME FROM T WHERE NAME IS NOT NULL ORDER BY NAME;", [("a",), ("b",)]),
        (
            "SELECT * FROM (SELECT NAME, COUNT(*), MAX(V) FROM T GROUP BY NAME) Q ORDER BY 1;",
            [("a", 2, 9), ("b", 1, 1)],
        ),
        ("SELECT NAME FROM (SELECT NAME FROM T GROUP BY NAME HAVING SUM(V) > 5) Q;", [("a",)]),
        ("SELECT COUNT(*), COUNT(DISTINCT NAME), SUM(V) FROM T;", [(4, 2, 13)]),
        ("SELECT COUNT(*) FROM T WHERE ID > 100;", [(0,)]),
        ("SELECT MAX(N) FROM (SELECT COUNT(*) AS N FROM T GROUP BY NAME) Q;", [(2,)]),
        ("SELECT X FROM (SELECT ID, V * 2 AS X FROM T) Q WHERE ID = 3;", [(18,)]),
    ],
)
def test_rows(sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert answer(sql) == rows


def test_limit_takes_the_first_rows_only_without_an_order() -> None:
    assert pulled("SELECT ID FROM T LIMIT 2;").first_rows
    assert not pulled("SELECT ID FROM T ORDER BY V LIMIT 2;").first_rows
    assert not pulled("SELECT ID FROM T;").first_rows


def test_columns_mark_keys_and_window_bounds() -> None:
    columns = pulled("SELECT * FROM WT WHERE K = 'a';").columns
    assert ", ".join(map(str, columns)) == (
        "`K` STRING KEY, `WINDOWSTART` BIGINT KEY, `WINDOWEND` BIGINT KEY, `C` BIGINT"
    )
    columns = pulled("SELECT C, CONCAT(K, 'x') AS K FROM WT;").columns
    assert ", ".join(map(str, columns)) == "`C` BIGINT, `K` STRING"


def test_windowed_rows() -> None:
    assert answer("SELECT * FROM WT WHERE K = 'a' AND WINDOWSTART >= '1970-01-01';", WINDOWED) == [("a", 0, 1000, 1)]
    assert answer("SELECT K FROM WT WHERE WINDOWEND < 1000;", WINDOWED) == []


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT ROWPARTITION FROM T;",
            "Pull queries don't support the following columns in SELECT clauses: `ROWPARTITION`",
        ),
        ("SELECT ID FROM T WHERE ROWOFFSET > 1;", "the following columns in WHERE clauses: `ROWOFFSET`"),
        ("SELECT V, V FROM T;", "Duplicate value columns found in schema: `V` INTEGER"),
        ("SELECT ID FROM T WHERE ID = 'x';", "Cannot compare ID (INTEGER) to 'x' (STRING) with EQUAL."),
        ("SELECT ID FROM T ORDER BY 2;", "ORDER BY 2 is not in the SELECT list"),
        ("SELECT DISTINCT ID FROM T ORDER BY V;", "ORDER BY takes selected columns only"),
    ],
)
def test_refusals(sql: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        pulled(sql)
    assert message in caught.value.message
