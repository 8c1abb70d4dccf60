"""Parameters become literals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ssql.client.parameters import bind
from ssql.errors import BadParameter


def test_marks_in_strings_names_and_comments_are_text() -> None:
    sql = """SELECT '?', "?", `$a` -- ? $a\n/* ? */ FROM t WHERE a = ? AND b=?"""
    assert bind(sql, [1, "x"]) == """SELECT '?', "?", `$a` -- ? $a\n/* ? */ FROM t WHERE a = 1 AND b='x'"""


def test_without_values_a_statement_is_left_alone() -> None:
    assert bind("CREATE ENDPOINT e AS SELECT * FROM t WHERE a = $a AND b = ?", None).endswith("a = $a AND b = ?")


def test_a_name_may_stand_several_times() -> None:
    assert bind("a = $x OR b = $x AND c = $X", {"x": 1, "X": 2}) == "a = 1 OR b = 1 AND c = 2"


def test_a_minus_sign_makes_no_comment() -> None:
    assert bind("a-?", [-1]) == "a- -1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (False, "FALSE"),
        (7, "7"),
        (0.1, "0.1e0"),
        (1e22, "1e+22"),
        (Decimal("1E+2"), "100."),
        (Decimal("0.10"), "0.10"),
        ([None, True], "ARRAY[NULL, TRUE]"),
        ({"a": 1}, "MAP('a' := 1)"),
    ],
)
def test_a_value_is_a_literal_of_its_type(value: Any, text: str) -> None:
    assert bind("?", [value]) == text


@pytest.mark.parametrize(
    ("sql", "values", "message"),
    [
        ("a = ?", [], "has 1 parameters, and 0 values"),
        ("a = ?", [1, 2], "has 1 parameters, and 2 values"),
        ("a = $prize", {"price": 1}, 'parameter "prize" has no value'),
        ("a = $a", {"a": 1, "b": 1}, 'no parameter "b"'),
        ("a = ?", "x", "a list or a mapping"),
        ("a = ?", [float("nan")], "nan has no form"),
        ("a = ?", [2**63], f"{2**63} has no form"),
        ("a = ?", [Decimal("Infinity")], "Infinity has no form"),
        ("a = ?", [object()], "object has no form"),
        ("a = ?", [[]], "an empty list has no type"),
    ],
)
def test_what_cannot_be_a_literal_is_refused(sql: str, values: Any, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        bind(sql, values)


def test_a_refusal_has_its_place_and_the_nearest_name() -> None:
    with pytest.raises(BadParameter) as refused:
        bind("SELECT *\nFROM t WHERE a = $prize", {"price": 1})
    assert refused.value.render().splitlines()[1:] == [
        "LINE 2: FROM t WHERE a = $prize",
        "                         ^^^^^^",
        'HINT: Did you mean "price"?',
    ]
