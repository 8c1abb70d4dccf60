from __future__ import annotations

import pytest

from ssql.errors import FunctionNotFound, InternalError, NoSuchSignature, Span
from ssql.functions import (
    REGISTRY,
    is_table_function,
    is_volatile,
    lambda_parameters,
    names,
    resolve_scalar,
    resolve_table,
    takes_interval_unit,
)
from ssql.functions.api import LambdaType
from ssql.functions.docs import CATEGORIES, describe, listing, page
from ssql.functions.registry import Registry, ScalarEntry
from ssql.functions.signatures import parse
from ssql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, STRING, Array, Decimal, Map


@pytest.mark.parametrize(
    "text",
    [
        "GREATEST(T, T...) -> T",
        "ROUND(DOUBLE, INTEGER) -> DOUBLE",
        "FILTER(MAP<K, V>, LAMBDA(K, V) => BOOLEAN) -> MAP<K, V>",
        "TOPK(INTEGER, ANY..., INTEGER literal) -> ARRAY<ANY>",
        "DATEADD(UNIT, INTEGER, DATE) -> DATE",
    ],
)
def test_signatures_print_as_they_are_written(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", ["F(", "F(INT) ->", "F(WHAT) -> INT", "F(INT) -> INT INT", "F(INT) -> ?"])
def test_signatures_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InternalError, match="cannot read the signature"):
        parse(text)


def test_a_doubled_signature_is_refused() -> None:
    registry = Registry()
    entry = ScalarEntry("scalar", parse("F(INT) -> INT"), "", "", {}, translation="{0}")
    registry.add(entry)
    with pytest.raises(InternalError, match="declared twice"):
        registry.add(ScalarEntry("scalar", parse("F(INTEGER) -> STRING"), "", "", {}, translation="{0}"))
    with pytest.raises(InternalError, match="as scalar and as table"):
        registry.add(ScalarEntry("table", parse("F(STRING) -> INT"), "", "", {}, translation="{0}"))


def test_exact_overloads_come_before_conversions() -> None:
    assert resolve_scalar("abs", [INTEGER]).result == INTEGER
    assert resolve_scalar("ABS", [Decimal(4, 2)]).result == Decimal(4, 2)
    sqrt = resolve_scalar("SQRT", [INTEGER])
    assert (sqrt.result, sqrt.casts) == (DOUBLE, (DOUBLE,))
    assert resolve_scalar("LEN", [STRING]).render(["x"]) == "CAST(length(x) AS INTEGER)"


def test_variables_take_the_common_type() -> None:
    call = resolve_scalar("COALESCE", [None, INTEGER, BIGINT])
    assert (call.result, call.casts) == (BIGINT, (BIGINT, BIGINT, None))
    assert resolve_scalar("GREATEST", [Decimal(9, 2), Decimal(7, 6)]).result == Decimal(13, 6)
    assert resolve_scalar("LEAST", [INTEGER, BIGINT, Decimal(30, 18), DOUBLE, None]).result == DOUBLE
    assert resolve_scalar("ARRAY_CONCAT", [Array(INTEGER), Array(DOUBLE)]).casts == (Array(DOUBLE), None)
    assert resolve_scalar("ROUND", [Decimal(33, 16)]).result == Decimal(17, 0)
    assert (
        resolve_scalar("ENTRIES", [Map(STRING, DOUBLE), BOOLEAN]).result
        == parse("F() -> ARRAY<STRUCT<K STRING, V DOUBLE>>").result
    )


def test_lambdas_learn_their_parameters_from_the_arguments_before() -> None:
    args = [Map(STRING, INTEGER), DOUBLE, LambdaType(3)]
    assert lambda_parameters("REDUCE", args, 2) == (DOUBLE, STRING, INTEGER)
    assert lambda_parameters("FILTER", [Array(INTEGER), LambdaType(1)], 1) == (INTEGER,)
    bound = resolve_scalar("TRANSFORM", [Array(INTEGER), LambdaType(1, STRING)])
    assert bound.result == Array(STRING)
    with pytest.raises(NoSuchSignature):
        lambda_parameters("FILTER", [Array(INTEGER), LambdaType(2)], 1)
    with pytest.raises(NoSuchSignature):
        lambda_parameters("FILTER", [Array(INTEGER), LambdaType(1)], 0)


def test_errors_name_the_function_and_what_it_accepts() -> None:
    with pytest.raises(FunctionNotFound, match='function "SUBSTRNG" does not exist') as missing:
        resolve_scalar("SUBSTRNG", [STRING], span=Span(1, 2))
    assert missing.value.hint == "Did you mean SUBSTRING?"
    with pytest.raises(NoSuchSignature, match=r"function UCASE does not accept \(INTEGER, NULL\)") as wrong:
        resolve_scalar("UCASE", [INTEGER, None])
    assert wrong.value.hint == "It accepts: UCASE(STRING) -> STRING."
    with pytest.raises(FunctionNotFound):
        resolve_scalar("SUM", [INTEGER])
    with pytest.raises(NoSuchSignature):
        resolve_scalar("FIELD", [])


def test_table_functions() -> None:
    assert is_table_function("explode")
    assert not is_table_function("len")
    assert resolve_table("EXPLODE", [Array(BIGINT)]).result == BIGINT
    assert resolve_table("CUBE_EXPLODE", [Array(STRING)]).result == Array(STRING)


def test_what_the_binder_asks() -> None:
    assert is_volatile("random")
    assert is_volatile("UUID")
    assert not is_volatile("ABS")
    assert takes_interval_unit("dateadd")
    assert not takes_interval_unit("len")


def test_every_function_has_its_place_on_the_page() -> None:
    text = "\n".join(page())
    assert {d.category for d in listing()} == {c for c, _ in CATEGORIES}
    for name in names():
        assert f"### {name}\n" in text
    described = describe("greatest")
    assert described.name == "GREATEST"
    assert described.signatures == REGISTRY.functions["GREATEST"].signatures
    assert "GREATEST(3, NULL, 7)" in described.examples
    with pytest.raises(FunctionNotFound):
        describe("nothing")
