"""`${v}` in a script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.errors import SsqlError, SyntaxSqlError, VariableNotFound
from ssql.sql import statements as ast
from ssql.sql.parser import parse_script, parse_statement, substitute
from ssql.sql.printer import print_statement


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ${col} FROM ${ENV}_s", "SELECT a FROM prod_s"),
        ("'${env}-${Env}'", "'prod-prod'"),
        ("'$${env} ${env}'", "'${env} prod'"),
        ("'${quote}' `${quote}` \"${quote}\"", "'it''s `\"' `it's ``\"` \"it's `\"\"\""),
        ("${text}", "'x'"),
        ("-- ${none}\n/* ${none} */ ${col}", "-- ${none}\n/* ${none} */ a"),
        ("no variables, $ {env} $env", "no variables, $ {env} $env"),
    ],
)
def test_substitute(text: str, expected: str) -> None:
    values = {"env": "prod", "COL": "a", "quote": "it's `\"", "Text": "'x'"}
    assert substitute(text, values) == expected


def test_unknown_variables_are_errors_with_their_place() -> None:
    with pytest.raises(VariableNotFound) as caught:
        substitute("SELECT a, '  ${no}'", {})
    assert caught.value.span is not None
    assert (caught.value.span.start, caught.value.span.end) == (13, 18)


def test_define_counts_for_what_follows() -> None:
    script = "DEFINE v = 'a'; DROP TABLE ${v}; DEFINE V = '${v}b'; DROP TABLE ${v}; UNDEFINE v; DROP TABLE ${v};"
    with pytest.raises(VariableNotFound):
        parse_script(script, {})
    statements = parse_script(script.rsplit("UNDEFINE", 1)[0], {})
    assert [s.name.text for s in statements if isinstance(s, ast.DropSource)] == ["A", "AB"]


def test_given_values_stay_as_they_are() -> None:
    values = {"v": "a"}
    parse_script("DEFINE v = 'b';", values)
    assert values == {"v": "a"}


def test_places_are_those_of_the_script_as_written_and_text_is_what_it_became() -> None:
    script = "SET 'a'='b'; SELECT ${cols}, x FROM ${env}_s WHERE n = '${env}' AND y;"
    _, select = parse_script(script, {"cols": "a, b + 1", "env": "prod"})
    assert select.text == "SELECT a, b + 1, x FROM prod_s WHERE n = 'prod' AND y"
    assert script[select.span.start : select.span.end] + ";" == script[13:]
    assert isinstance(select, ast.Select)
    places = [script[item.span.start : item.span.end] for item in select.query.items]
    assert places == ["${cols}", "${cols}", "x"]
    assert isinstance(select.query.source, ast.SourceRef)
    span = select.query.source.name.span
    assert script[span.start : span.end] == "${env}_s"


def test_errors_after_a_variable_point_into_the_script_as_written() -> None:
    script = "SELECT ${v} FROM s WHERE a b;"
    with pytest.raises(SyntaxSqlError) as caught:
        parse_script(script, {"v": "a_long_column_name"})
    assert caught.value.text == script
    assert caught.value.span is not None
    assert script[caught.value.span.start : caught.value.span.end] == "b"


@pytest.mark.parametrize("value", ["a; DROP TABLE t", "a'", "", "a FROM s /*"])
def test_a_value_cannot_end_or_open_what_is_around_it(value: str) -> None:
    with pytest.raises(SsqlError):
        parse_script("SELECT ${v} FROM s;", {"v": value})


@given(st.text())
def test_any_value_stays_one_string(value: str) -> None:
    (statement,) = parse_script("SET 'a'='${v}'", {"v": value})
    assert isinstance(statement, ast.SetProperty)
    assert statement.value == value
    again = parse_statement(print_statement(statement))
    assert isinstance(again, ast.SetProperty)
    assert again.value == value


def test_without_values_nothing_is_substituted() -> None:
    (statement,) = parse_script("SET 'a'='${v}'")
    assert isinstance(statement, ast.SetProperty)
    assert statement.value == "${v}"
