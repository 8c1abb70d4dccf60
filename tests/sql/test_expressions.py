"""Expressions: how they group, and which nodes they become."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlglot import exp

from ssql.errors import SyntaxSqlError
from ssql.sql.parser import parse_statement, span_of
from ssql.sql.printer import print_expression
from ssql.sql.statements import Select, SelectItem, TypeName
from ssql.sql.trees import cast_type, literal_value, without_parens
from ssql.types import BIGINT, STRING, Array, Struct


def parse(sql: str) -> exp.Expression:
    statement = parse_statement(f"SELECT {sql} FROM s")
    assert isinstance(statement, Select)
    (item,) = statement.query.items
    assert isinstance(item, SelectItem)
    assert item.alias is None
    return item.expression


def grouped(node: exp.Expr) -> str:
    """The expression with every operator's operands in brackets."""
    node = without_parens(node)
    if isinstance(node, exp.Binary | exp.Not | exp.Neg | exp.Between | exp.In | exp.Escape | exp.AtTimeZone):
        parts = [grouped(part) for part in node.iter_expressions()]
        return f"[{type(node).__name__} {' '.join(parts)}]"
    return print_expression(node)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a + b * c", "[Add A [Mul B C]]"),
        ("(a + b) * c", "[Mul [Add A B] C]"),
        ("a - b - c", "[Sub [Sub A B] C]"),
        ("a / b % c * d", "[Mul [Mod [Div A B] C] D]"),
        ("a || b + c || d", "[DPipe [DPipe A [Add B C]] D]"),
        ("-a + b", "[Add [Neg A] B]"),
        ("-a * -b", "[Mul [Neg A] [Neg B]]"),
        ("a -5", "[Sub A 5]"),
        ("a - -5", "[Sub A -5]"),
        ("- -5", "[Neg -5]"),
        ("+a + +5", "[Add A 5]"),
        ("a OR b AND c", "[Or A [And B C]]"),
        ("NOT a AND NOT b OR c", "[Or [And [Not A] [Not B]] C]"),
        ("NOT a = b", "[Not [EQ A B]]"),
        ("NOT NOT a", "[Not [Not A]]"),
        ("a = b + 1 AND c <> d", "[And [EQ A [Add B 1]] [NEQ C D]]"),
        ("a != b", "[NEQ A B]"),
        ("a < b || c", "[LT A [DPipe B C]]"),
        ("a BETWEEN 1 AND 2 AND b", "[And [Between A 1 2] B]"),
        ("a NOT BETWEEN b + 1 AND c", "[Not [Between A [Add B 1] C]]"),
        ("a IN (1, b OR c)", "[In A 1 [Or B C]]"),
        ("a NOT IN (1)", "[Not [In A 1]]"),
        ("a LIKE 'x%' OR b", "[Or [Like A 'x%'] B]"),
        ("a LIKE 'x!%' ESCAPE '!'", "[Escape [Like A 'x!%'] '!']"),
        ("a NOT LIKE b ESCAPE '!'", "[Not [Escape [Like A B] '!']]"),
        ("a IS NULL AND b IS NOT NULL", "[And [Is A NULL] [Not [Is B NULL]]]"),
        ("a IS DISTINCT FROM b + 1", "[NullSafeNEQ A [Add B 1]]"),
        ("a IS NOT DISTINCT FROM NULL", "[NullSafeEQ A NULL]"),
        ("a AT TIME ZONE 'UTC' + b", "[Add [AtTimeZone A 'UTC'] B]"),
        ("-a->b[1]", "[Neg A->B[1]]"),
    ],
)
def test_grouping(sql: str, expected: str) -> None:
    assert grouped(parse(sql)) == expected


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1", 1),
        ("-2147483648", -2147483648),
        ("-9223372036854775808", -(2**63)),
        ("1.50", Decimal("1.50")),
        ("-.5", Decimal("-0.5")),
        ("10.", Decimal("10")),
        ("DECIMAL '10'", Decimal("10")),
        ("DECIMAL '1E3'", Decimal("1000")),
        ("DECIMAL '-0.10'", Decimal("-0.10")),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("'it''s'", "it's"),
    ],
)
def test_literals(sql: str, value: object) -> None:
    node = parse(sql)
    assert isinstance(node, exp.Literal)
    read = literal_value(node)
    assert (type(read), str(read)) == (type(value), str(value))


def test_a_literal_of_text_is_no_number() -> None:
    assert parse("'1'") != parse("1")


@pytest.mark.parametrize("sql", ["CAST", "LEFT", "a = b = c", "a BETWEEN 1", "a IN ()", "f(a,)", "f(*, a)", "a.b.c"])
def test_what_is_no_expression(sql: str) -> None:
    with pytest.raises(SyntaxSqlError):
        parse(sql)


def column(name: str, table: str | None = None) -> exp.Column:
    def named(text: str) -> exp.Identifier:
        return exp.Identifier(this=text, quoted=True)

    return exp.Column(this=named(name), table=named(table) if table else None)


def test_columns_keep_exact_names() -> None:
    assert parse("src.col") == column("COL", "SRC")
    assert parse("`src`.`Col`") == column("Col", "src")
    assert parse("`COL`") == parse("col")
    assert parse("`col`") != parse("col")


def test_words_with_a_meaning_elsewhere_are_names() -> None:
    for word in ("date", "time", "emit", "changes", "key", "source", "order", "offset", "partition", "map", "array"):
        assert parse(word) == column(word.upper())


def test_digits_may_start_a_name() -> None:
    assert parse("1st") == column("1ST")


@pytest.mark.parametrize("name", ["COUNT", "IF", "COALESCE", "DATE_ADD", "SUBSTRING", "REPLACE", "LEFT", "`left`"])
def test_every_call_is_anonymous(name: str) -> None:
    arguments = [column("A"), exp.Literal(this="1", is_string=False)]
    assert parse(f"{name.lower()}(a, 1)") == exp.Anonymous(this=name.strip("`").upper(), expressions=arguments)


def test_calls_with_stars_distinct_and_units() -> None:
    assert parse("count(*)") == exp.Anonymous(this="COUNT", expressions=[exp.Star()])
    assert parse("count()") == exp.Anonymous(this="COUNT", expressions=[])
    distinct = exp.Distinct(expressions=[column("A")])
    assert parse("count(DISTINCT a)") == exp.Anonymous(this="COUNT", expressions=[distinct])
    assert parse("timestampadd(SECONDS, 1, t)").expressions[0] == column("SECONDS")


def test_lambdas() -> None:
    one, two = parse("f(a, x => x + 1, (k, v) => k = v)").expressions[1:]
    assert isinstance(one, exp.Lambda)
    assert [p.name for p in one.expressions] == ["X"]
    assert grouped(one.this) == "[Add X 1]"
    assert isinstance(two, exp.Lambda)
    assert [p.name for p in two.expressions] == ["K", "V"]
    assert grouped(two.this) == "[EQ K V]"


def test_structure() -> None:
    assert parse("s->f->`g`") == exp.Dot(
        this=exp.Dot(this=column("S"), expression=exp.Identifier(this="F", quoted=True)),
        expression=exp.Identifier(this="g", quoted=True),
    )
    assert parse("src.col->f") == exp.Dot(this=column("COL", "SRC"), expression=exp.Identifier(this="F", quoted=True))
    subscript = parse("m['k'][-1]")
    assert isinstance(subscript, exp.Bracket)
    assert subscript.expressions == [exp.Literal(this="-1", is_string=False)]
    assert [e.name for e in parse("ARRAY[a, b]").expressions] == ["A", "B"]
    assert parse("ARRAY[]").expressions == []
    map_ = parse("MAP('a' := 1, b := 2)")
    assert isinstance(map_, exp.Map)
    assert [print_expression(k) for k in map_.args["keys"].expressions] == ["'a'", "B"]
    assert [print_expression(v) for v in map_.args["values"].expressions] == ["1", "2"]
    struct = parse("STRUCT(a := 1, `b` := x + 1)")
    assert isinstance(struct, exp.Struct)
    assert [f.this.name for f in struct.expressions] == ["A", "b"]
    assert parse("STRUCT()").expressions == []


def test_case() -> None:
    searched = parse("CASE WHEN a THEN 1 WHEN b THEN 2 END")
    assert isinstance(searched, exp.Case)
    assert searched.this is None
    assert len(searched.args["ifs"]) == 2
    assert searched.args.get("default") is None
    simple = parse("CASE a WHEN 1 THEN 'x' ELSE 'y' END")
    assert simple.this == column("A")
    assert simple.args["default"].this == "y"


def test_cast_holds_our_type() -> None:
    cast = parse("CAST(a AS ARRAY<STRUCT<x BIGINT, `y` VARCHAR(10)>>)")
    assert isinstance(cast, exp.Cast)
    assert cast_type(cast) == Array(Struct((("X", BIGINT), ("y", STRING))))
    assert cast == parse("CAST( a AS ARRAY<STRUCT<X BIGINT, `y` STRING>>)")
    assert cast != parse("CAST(a AS ARRAY<STRUCT<x BIGINT, y STRING>>)")


def test_cast_to_a_custom_type_is_equal_wherever_it_stands() -> None:
    cast, other = parse("CAST(a AS ARRAY<address>)"), parse("CAST( `A`  AS ARRAY < ADDRESS >)")
    assert cast == other
    assert isinstance(cast, exp.Cast)
    type_ = cast_type(cast)
    assert isinstance(type_, TypeName)
    assert type_.text == "ARRAY<ADDRESS>"
    text = "SELECT CAST(a AS ARRAY<address>) FROM s"
    assert text[type_.span.start : type_.span.end] == "ARRAY<address>"


def test_over() -> None:
    window = parse("sum(a) OVER (PARTITION BY b ORDER BY c DESC, d ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)")
    assert isinstance(window, exp.Window)
    assert window.this == exp.Anonymous(this="SUM", expressions=[column("A")])
    assert window.args["partition_by"] == [column("B")]
    assert [bool(o.args["desc"]) for o in window.args["order"].expressions] == [True, False]
    spec = window.args["spec"]
    assert (spec.args["kind"], spec.args["start_side"], spec.args["end"]) == ("ROWS", "PRECEDING", "CURRENT ROW")


def test_every_node_has_its_place() -> None:
    text = "SELECT f( x, -5 ) + CASE  WHEN s->`g`[ 1 ] IS  NULL THEN 'y' END FROM s"
    statement = parse_statement(text)
    assert isinstance(statement, Select)
    (item,) = statement.query.items
    assert isinstance(item, SelectItem)
    found = {text[span.start : span.end] for span in map(span_of, item.expression.walk())}
    assert found == {
        "f( x, -5 ) + CASE  WHEN s->`g`[ 1 ] IS  NULL THEN 'y' END",
        "f( x, -5 )", "x", "-5", "CASE  WHEN s->`g`[ 1 ] IS  NULL THEN 'y' END",
        "WHEN s->`g`[ 1 ] IS  NULL THEN 'y'", "s->`g`[ 1 ] IS  NULL", "s->`g`[ 1 ]", "s->`g`", "s", "`g`", "1",
        "NULL", "'y'",
    }  # fmt: skip
