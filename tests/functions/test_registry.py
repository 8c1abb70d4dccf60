from __future__ import annotations

import pytest

from ssql.errors import AmbiguousCall, FunctionNotFound, InternalError, NoSuchSignature, Span
from ssql.functions import (
    REGISTRY,
    is_table_function,
    is_volatile,
    lambda_parameters,
    names,
    resolve_aggregate,
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
    with pytest.raises(FunctionNotFound, match="Can't find any functions with the name 'SUBSTRNG'") as missing:
        resolve_scalar("SUBSTRNG", [STRING], span=Span(1, 2))
    assert missing.value.hint == "Did you mean SUBSTRING?"
    with pytest.raises(
        NoSuchSignature, match=r"Function 'ucase' does not accept parameters \(INTEGER, null\)\."
    ) as wrong:
        resolve_scalar("UCASE", [INTEGER, None])
    assert "Valid alternatives are:\nucase(STRING)\n" in wrong.value.message
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


def test_two_signatures_that_fit_equally_well_are_refused() -> None:
    with pytest.raises(AmbiguousCall) as numbers:
        resolve_scalar("GREATEST", [INTEGER, BIGINT])
    assert numbers.value.message.startswith(
        "Function 'greatest' cannot be resolved due to ambiguous method parameters (INTEGER, BIGINT).\n"
        "Use CAST() to explicitly cast your parameters to one of the supported function calls.\n"
        "Valid function calls are:\ngreatest(INTEGER, INTEGER...)\n"
    )
    with pytest.raises(AmbiguousCall, match=r"'least' .* \(null, null\)\."):
        resolve_scalar("LEAST", [None, None])


def test_the_more_specific_of_two_signatures_is_taken() -> None:
    assert resolve_scalar("GREATEST", [INTEGER, BIGINT, DOUBLE]).result == DOUBLE  # only DOUBLE takes a DOUBLE
    assert resolve_scalar("GREATEST", [BIGINT, BIGINT, None]).result == BIGINT  # exact, as NULL fits anything
    assert resolve_scalar("COALESCE", [None, None]).result == STRING  # one signature only
    assert resolve_aggregate("AVG", [Decimal(4, 2)], [None]).result_type == DOUBLE  # aggregates take the nearest
