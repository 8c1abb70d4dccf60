"""What a pull query may not say."""

from __future__ import annotations

import pytest

from ssql.errors import NegativeLimit, PullQueryRefused, SqlError
from ssql.planner.options import Options
from ssql.planner.pull_clauses import refuse_clauses
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Select


def check(sql: str, *, extensions: bool = False) -> None:
    statement = parse_statement(sql)
    assert isinstance(statement, Select)
    refuse_clauses(statement.query, Options(extensions=extensions))


@pytest.mark.parametrize(
    ("sql", "clause", "marked"),
    [
        ("SELECT * FROM a JOIN b ON a.k = b.k;", "JOIN", "a JOIN b ON a.k = b.k"),
        ("SELECT * FROM s WINDOW TUMBLING (SIZE 1 DAY);", "WINDOW", "WINDOW TUMBLING (SIZE 1 DAY)"),
        ("SELECT * FROM s GROUP BY k, v;", "GROUP BY", "k"),
        ("SELECT * FROM s PARTITION BY v;", "PARTITION BY", "v"),
        ("SELECT * FROM s HAVING COUNT(*) > 1;", "HAVING", "COUNT(*) > 1"),
        # the first one of several, in this order
        ("SELECT * FROM s GROUP BY k HAVING COUNT(*) > 1;", "GROUP BY", "k"),
    ],
)
def test_a_clause_is_refused_where_it_stands(sql: str, clause: str, marked: str) -> None:
    with pytest.raises(PullQueryRefused) as caught:
        check(sql)
    error = caught.value
    assert error.message == (
        f"Pull queries don't support {clause} clauses. See https://cnfl.io/queries for more info.\n"
        "Add EMIT CHANGES if you intended to issue a push query."
    )
    assert error.span is not None
    assert sql[error.span.start : error.span.end] == marked
    check(sql, extensions=True)


def test_a_negative_limit_is_refused() -> None:
    sql = "SELECT * FROM s LIMIT -1;"
    with pytest.raises(NegativeLimit, match="Pull queries don't support negative integers in the LIMIT clause") as got:
        check(sql)
    assert got.value.span is not None
    assert sql[got.value.span.start : got.value.span.end] == "-1"


@pytest.mark.parametrize("limit", ["2.5", "1e2", "-0.5"])
def test_a_limit_is_a_whole_number(limit: str) -> None:
    with pytest.raises(SqlError, match="Value must be integer for command: LIMIT"):
        check(f"SELECT * FROM s LIMIT {limit};")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM s WHERE v > 1 LIMIT 0;",
        "SELECT DISTINCT k FROM s ORDER BY k LIMIT 1 OFFSET 2;",
        "SELECT * FROM (SELECT k, COUNT(*) AS n FROM s GROUP BY k) q;",
    ],
)
def test_all_else_is_welcome(sql: str) -> None:
    check(sql)
