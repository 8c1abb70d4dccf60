"""SELECT: its clauses, relations and windows."""

from __future__ import annotations

import pytest

from ssql.errors import SyntaxSqlError
from ssql.sql import statements as ast
from ssql.sql.parser import parse_statement
from ssql.sql.printer import print_expression, print_query


def query(sql: str) -> ast.Query:
    statement = parse_statement(sql)
    assert isinstance(statement, ast.Select)
    return statement.query


def test_all_clauses() -> None:
    parsed = query(
        "SELECT DISTINCT a, b + 1 AS c FROM s WINDOW TUMBLING (SIZE 1 HOUR) WHERE a > 1 GROUP BY a, b PARTITION BY c "
        "HAVING COUNT(*) > 1 ORDER BY a DESC, b ASC EMIT CHANGES LIMIT 5 OFFSET 2"
    )
    assert print_query(parsed).splitlines() == [
        "SELECT DISTINCT A, B + 1 AS C",
        "FROM S",
        "WINDOW TUMBLING (SIZE 1 HOURS)",
        "WHERE A > 1",
        "GROUP BY A, B",
        "PARTITION BY C",
        "HAVING COUNT(*) > 1",
        "ORDER BY A DESC, B",
        "EMIT CHANGES",
        "LIMIT 5",
        "OFFSET 2",
    ]


def test_the_last_clauses_come_in_any_order() -> None:
    expected = "SELECT *\nFROM S\nORDER BY A\nEMIT FINAL\nLIMIT 5"
    assert print_query(query("SELECT * FROM s LIMIT 5 EMIT FINAL ORDER BY a")) == expected
    assert print_query(query("SELECT * FROM s ORDER BY a LIMIT 5 EMIT FINAL")) == expected


def test_each_clause_comes_once() -> None:
    with pytest.raises(SyntaxSqlError):
        query("SELECT * FROM s EMIT CHANGES LIMIT 5 EMIT CHANGES")


def test_items() -> None:
    parsed = query("SELECT *, s.*, a->b->*, f(x)->*, a, b AS c, d `E`, e emit FROM s")
    stars = [item for item in parsed.items if isinstance(item, ast.Star)]
    assert [str(s.source) if s.source else None for s in stars] == [None, "S", None, None]
    assert [print_expression(s.struct) if s.struct else None for s in stars] == [None, None, "A->B", "F(X)"]
    rest = [item for item in parsed.items if isinstance(item, ast.SelectItem)]
    assert [str(item.alias) if item.alias else None for item in rest] == [None, "C", "E", "EMIT"]


@pytest.mark.parametrize(
    ("sql", "alias"),
    [
        ("FROM s EMIT CHANGES", "S"),
        ("FROM s emit EMIT CHANGES", "EMIT"),
        ("FROM s emit WHERE a", "EMIT"),
        ("FROM s PARTITION BY a", "S"),
        ("FROM s partition PARTITION BY a", "PARTITION"),
        ("FROM s ORDER BY a", "S"),
        ("FROM s order", "ORDER"),
        ("FROM s OFFSET 5", "S"),
        ("FROM s AS x", "X"),
        ("FROM s x", "X"),
        ("FROM s `x`", "x"),
    ],
)
def test_aliases_of_sources(sql: str, alias: str) -> None:
    source = query(f"SELECT * {sql}").source
    assert isinstance(source, ast.SourceRef)
    assert (source.name.text, source.alias.text) == ("S", alias)


def test_joins() -> None:
    parsed = query(
        "SELECT * FROM a JOIN b AS x WITHIN 5 MINUTES ON a.i = x.i "
        "LEFT OUTER JOIN c WITHIN (1 SECOND, 2 HOURS) GRACE PERIOD 1 DAY ON a.i = c.i "
        "FULL JOIN d ON a.i = d.i RIGHT JOIN e ON a.i = e.i INNER JOIN f ON a.i = f.i"
    )
    joins: list[ast.Join] = []
    relation = parsed.source
    while isinstance(relation, ast.Join):
        joins.insert(0, relation)
        relation = relation.left
    assert [join.kind for join in joins] == ["INNER", "LEFT", "FULL", "RIGHT", "INNER"]
    assert isinstance(joins[0].right, ast.SourceRef)
    assert joins[0].right.alias.text == "X"
    within, asymmetric = joins[0].within, joins[1].within
    assert within is not None
    assert within.before == within.after == ast.Interval(5, "MINUTES")
    assert asymmetric is not None
    assert (asymmetric.before.ms, asymmetric.after.ms) == (1000, 7_200_000)
    assert asymmetric.grace is not None
    assert asymmetric.grace.ms == 86_400_000


def test_a_query_in_from() -> None:
    source = query("SELECT * FROM (SELECT a FROM s GROUP BY (a, b)) AS q JOIN t ON q.a = t.a").source
    assert isinstance(source, ast.Join)
    assert isinstance(source.left, ast.SubqueryRef)
    assert source.left.alias.text == "Q"
    assert source.left.query.group_by is not None
    assert len(source.left.query.group_by) == 2


@pytest.mark.parametrize(
    ("sql", "count"),
    [("a", 1), ("a, b", 2), ("(a, b)", 2), ("(a)", 1), ("()", 0), ("(a), b", 2), ("f(a, b), c", 2), ("(f(a, b))", 1),
     ("(a + b) * 2", 1), ("(a AND b, c)", 2), ("a[1], (b)", 2)],
)  # fmt: skip
def test_grouping(sql: str, count: int) -> None:
    for clause in ("GROUP BY", "PARTITION BY"):
        parsed = query(f"SELECT * FROM s {clause} {sql} EMIT CHANGES")
        grouping = parsed.group_by if clause == "GROUP BY" else parsed.partition_by
        assert grouping is not None
        assert len(grouping) == count


@pytest.mark.parametrize(
    ("sql", "kind", "times"),
    [
        ("TUMBLING (SIZE 30 SECONDS)", "TUMBLING", (30_000, None, None, None)),
        ("w TUMBLING (SIZE 1 DAY, RETENTION 2 DAYS, GRACE PERIOD 10 MILLISECONDS)", "TUMBLING",
         (86_400_000, None, 172_800_000, 10)),
        ("HOPPING (SIZE 1 MINUTE, ADVANCE BY 10 SECONDS, GRACE PERIOD 0 SECONDS)", "HOPPING",
         (60_000, 10_000, None, 0)),
        ("SESSION (1 HOUR, RETENTION 2 HOURS)", "SESSION", (3_600_000, None, 7_200_000, None)),
    ],
)  # fmt: skip
def test_windows(sql: str, kind: str, times: tuple[int | None, ...]) -> None:
    window = query(f"SELECT a FROM s x WINDOW {sql} GROUP BY a EMIT CHANGES").window
    assert window is not None
    assert window.kind == kind
    intervals = (window.size, window.advance, window.retention, window.grace)
    assert tuple(i.ms if i else None for i in intervals) == times
