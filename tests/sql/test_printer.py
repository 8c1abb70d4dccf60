"""What is printed parses to what it was, for any statement that can be."""

from __future__ import annotations

from decimal import Decimal as Number
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from ssql.errors import Span
from ssql.sql import statements as ast
from ssql.sql.expressions import ARITHMETIC, COMPARISONS
from ssql.sql.lexer import KEYWORDS
from ssql.sql.parser import parse_statement
from ssql.sql.printer import print_expression, print_statement
from ssql.sql.trees import identifier, type_ref
from ssql.types import quote
from tests.sql.support import bare
from tests.sql.test_statements import CASES
from tests.sql.test_type_syntax import TYPES

NOWHERE = Span(0, 0)
PLACE: Any = {"span": NOWHERE, "text": ""}

NAMES = (
    st.sampled_from(sorted(KEYWORDS))
    | st.sampled_from(["A", "a", "1R", "1E5", "12", "A@B", "É", "a`b", 'a"b', "a b", "_X", "ROWTIME"])
    | st.text(min_size=1, max_size=4)
)
FUNCTIONS = st.sampled_from(["ABS", "COUNT", "IF", "LEFT", "MAP", "STRUCT", "CAST", "ARRAY", "SELECT", "MY.F", "OVER"])


def column(name: str, table: str | None) -> exp.Column:
    return exp.Column(this=identifier(name, NOWHERE), table=identifier(table, NOWHERE) if table else None)


def number(text: str) -> exp.Literal:
    return exp.Literal(this=text, is_string=False)


def decimal_text(value: Number) -> str:
    plain = format(value, "f")
    return plain if "." in plain else plain + "."


LITERALS = (
    st.text(max_size=4).map(lambda text: exp.Literal(this=text, is_string=True))
    | st.integers(-(2**63), 2**63 - 1).map(lambda n: number(str(n)))
    | st.decimals(-1000, 1000, places=2).map(lambda n: number(decimal_text(n)))
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda n: number(f"{n:e}"))
    | st.booleans().map(lambda b: exp.Boolean(this=b))
    | st.builds(exp.Null)
)
COLUMNS = st.builds(column, NAMES, st.none() | NAMES)
BINARY = st.sampled_from(
    [
        *(*COMPARISONS.values(), exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like),
        *(kind for row in ARITHMETIC for kind in row.values()),
        *(exp.And, exp.Or),
    ]
)


def negated(node: exp.Expression) -> exp.Expression:
    return exp.Not(this=node)


def compound(inner: st.SearchStrategy[exp.Expression]) -> st.SearchStrategy[exp.Expression]:
    many, some = st.lists(inner, max_size=3), st.lists(inner, min_size=1, max_size=3)
    names = st.lists(NAMES.map(lambda n: identifier(n, NOWHERE)), min_size=1, max_size=3)
    tests: st.SearchStrategy[exp.Expression] = (
        st.builds(lambda a, b, c: exp.Between(this=a, low=b, high=c), inner, inner, inner)
        | st.builds(lambda a, items: exp.In(this=a, expressions=items), inner, some)
        | st.builds(lambda a: exp.Is(this=a, expression=exp.Null()), inner)
        | st.builds(
            lambda a, b, c: exp.Escape(
                this=exp.Like(this=a, expression=b), expression=exp.Literal(this=c, is_string=True)
            ),
            *(inner, inner, st.text(max_size=1)),
        )
    )
    return (
        st.builds(lambda kind, a, b: kind(this=a, expression=b), BINARY, inner, inner)
        | tests
        | st.builds(negated, tests | inner)
        | inner.filter(lambda node: not isinstance(node, exp.Literal)).map(lambda node: exp.Neg(this=node))
        | inner.map(lambda node: exp.Paren(this=node))
        | st.builds(
            lambda a, zone: exp.AtTimeZone(this=a, zone=exp.Literal(this=zone, is_string=True)), inner, st.text()
        )
        | st.builds(lambda a, b: exp.Bracket(this=a, expressions=[b]), inner, inner)
        | st.builds(lambda a, name: exp.Dot(this=a, expression=identifier(name, NOWHERE)), inner, NAMES)
        | st.builds(lambda items: exp.Array(expressions=items), many)
        | st.builds(lambda f, items: exp.Anonymous(this=f, expressions=items), FUNCTIONS, many)
        | st.builds(lambda items: exp.Anonymous(this="C", expressions=[exp.Distinct(expressions=items)]), some)
        | st.just(exp.Anonymous(this="COUNT", expressions=[exp.Star()]))
        | st.builds(
            lambda body, ps: exp.Anonymous(this="F", expressions=[exp.Lambda(this=body, expressions=ps)]), inner, names
        )
        | st.builds(lambda a, type_: exp.Cast(this=a, to=type_ref(type_, NOWHERE)), inner, TYPES)
        | st.builds(
            lambda entries: exp.Map(
                keys=exp.Array(expressions=[k for k, _ in entries]),
                values=exp.Array(expressions=[v for _, v in entries]),
            ),
            st.lists(st.tuples(inner, inner), max_size=2),
        )
        | st.builds(
            lambda fields: exp.Struct(
                expressions=[exp.PropertyEQ(this=identifier(n, NOWHERE), expression=v) for n, v in fields]
            ),
            st.lists(st.tuples(NAMES, inner), max_size=2),
        )
        | st.builds(
            lambda a, ifs, default: exp.Case(this=a, ifs=[exp.If(this=c, true=v) for c, v in ifs], default=default),
            *(st.none() | inner, st.lists(st.tuples(inner, inner), min_size=1, max_size=2), st.none() | inner),
        )
        | st.builds(
            lambda keys, order, desc: exp.Window(
                this=exp.Anonymous(this="F", expressions=[]),
                partition_by=keys,
                order=exp.Order(expressions=[exp.Ordered(this=o, desc=desc) for o in order]) if order else None,
            ),
            *(many, many, st.booleans()),
        )
    )


EXPRESSIONS = st.recursive(LITERALS | COLUMNS, compound, max_leaves=12).map(lambda node: node.copy())


def name(text: str, quoted: bool = False) -> ast.Name:
    return ast.Name(text, NOWHERE, quoted)


def quoted_name(text: str) -> ast.Name:
    """A name as it would be after parsing its printed form: quoted where it must be."""
    probe = parse_statement(f"SELECT a AS {print_expression(identifier(text, NOWHERE))} FROM s")
    assert isinstance(probe, ast.Select)
    (item,) = probe.query.items
    assert isinstance(item, ast.SelectItem)
    assert item.alias is not None
    return name(item.alias.text, item.alias.quoted)


SQL_NAMES = NAMES.map(quoted_name)
INTERVALS = st.builds(
    ast.Interval, st.integers(0, 1000), st.sampled_from(["MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"])
)
MAYBE_INTERVAL = st.none() | INTERVALS
SOURCES = st.builds(ast.SourceRef, SQL_NAMES, SQL_NAMES)
RELATIONS = st.recursive(
    SOURCES,
    lambda left: st.builds(
        ast.Join,
        st.sampled_from(["INNER", "LEFT", "RIGHT", "FULL"]),
        left,
        SOURCES,
        EXPRESSIONS,
        st.none() | st.builds(ast.Within, INTERVALS, INTERVALS, MAYBE_INTERVAL, st.just(NOWHERE)),
        st.just(NOWHERE),
    ),
    max_leaves=3,
)
ITEMS = (
    st.just(ast.Star(NOWHERE))
    | st.builds(lambda source: ast.Star(NOWHERE, source=source), SQL_NAMES)
    | st.builds(lambda struct: ast.Star(NOWHERE, struct=struct), EXPRESSIONS)
    | st.builds(ast.SelectItem, EXPRESSIONS, st.none() | SQL_NAMES, st.just(NOWHERE))
)


@st.composite
def windows(draw: Any) -> ast.Window:
    kind = draw(st.sampled_from(["TUMBLING", "HOPPING", "SESSION"]))
    advance = draw(INTERVALS) if kind == "HOPPING" else None
    return ast.Window(kind, draw(INTERVALS), NOWHERE, advance, draw(MAYBE_INTERVAL), draw(MAYBE_INTERVAL))


def several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


QUERIES = st.builds(
    ast.Query,
    several(ITEMS, 1),
    RELATIONS,
    st.just(NOWHERE),
    window=st.none() | windows(),
    where=st.none() | EXPRESSIONS,
    group_by=st.none() | several(EXPRESSIONS),
    partition_by=st.none() | several(EXPRESSIONS),
    having=st.none() | EXPRESSIONS,
    emit=st.sampled_from([None, "CHANGES", "FINAL"]),
    distinct=st.booleans(),
    order_by=several(st.tuples(EXPRESSIONS, st.booleans())),
    limit=st.none() | st.integers(0, 10**6),
    offset=st.none() | st.integers(0, 10**6),
)


@given(EXPRESSIONS)
@settings(max_examples=400, deadline=None)
def test_expressions_come_back(node: exp.Expression) -> None:
    printed = print_expression(node)
    statement = parse_statement(f"SELECT {printed} AS x FROM s")
    assert isinstance(statement, ast.Select)
    (item,) = statement.query.items
    assert isinstance(item, ast.SelectItem)
    assert bare(item.expression) == bare(node)
    assert print_expression(item.expression) == printed


@given(QUERIES)
@settings(max_examples=150, deadline=None)
def test_queries_come_back(query: ast.Query) -> None:
    again = parse_statement(print_statement(ast.Select(query, **PLACE)))
    assert isinstance(again, ast.Select)
    assert bare(again.query) == bare(query)


@given(SQL_NAMES, QUERIES, st.dictionaries(NAMES.map(str.upper), st.text() | st.integers() | st.booleans(), max_size=3))
@settings(max_examples=50, deadline=None)
def test_names_properties_and_queries_in_statements_come_back(
    target: ast.Name, query: ast.Query, values: dict[str, str | int | bool]
) -> None:
    properties = {
        key: ast.Property(key, value, NOWHERE, NOWHERE)
        for key, value in values.items()
        if isinstance(value, bool | str) or abs(value) < 2**63
    }
    statement = ast.CreateAs("STREAM", target, properties, query, **PLACE)
    assert bare(parse_statement(print_statement(statement), assertions=True)) == bare(statement)


@pytest.mark.parametrize("statement", [statement for _, statement in CASES], ids=[sql for sql, _ in CASES])
def test_every_kind_of_statement_comes_back(statement: ast.Statement) -> None:
    assert bare(parse_statement(print_statement(statement), assertions=True)) == bare(statement)


def test_subqueries_come_back() -> None:
    sql = "SELECT *\nFROM (SELECT A FROM S WHERE B) AS Q\nLEFT JOIN T WITHIN (1 HOURS, 2 HOURS) ON Q.A = T.A;"
    assert print_statement(parse_statement(sql)) == sql


def test_layout() -> None:
    statement = parse_statement(
        "create or replace table t with (Partitions=1, kafka_topic='x') as select a, count(*) as n, `b c`->d e from s "
        "x window hopping (size 1 hour, advance by 5 minutes) where not (a = 1 or b) and c not in (1,2) group by a "
        "emit changes"
    )
    assert print_statement(statement).splitlines() == [
        "CREATE OR REPLACE TABLE T WITH (PARTITIONS = 1, KAFKA_TOPIC = 'x') AS",
        "SELECT A, COUNT(*) AS N, `b c`->D AS E",
        "FROM S AS X",
        "WINDOW HOPPING (SIZE 1 HOURS, ADVANCE BY 5 MINUTES)",
        "WHERE NOT (A = 1 OR B) AND C NOT IN (1, 2)",
        "GROUP BY A",
        "EMIT CHANGES;",
    ]


def test_names_are_quoted_only_where_they_must_be() -> None:
    for text, printed in (
        ("A", "A"),
        ("a", "`a`"),
        ("FROM", "`FROM`"),
        ("1R", "1R"),
        ("1E5", "`1E5`"),
        ("a`b", "`a``b`"),
    ):
        assert print_expression(identifier(text, NOWHERE)) == printed
        assert quote(text).startswith("`")
