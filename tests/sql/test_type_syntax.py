"""Types and column lists from text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.errors import Span, SyntaxSqlError
from ssql.sql.parser import parse_schema, parse_type, resolve_type
from ssql.sql.statements import TypeName
from ssql.sql.type_syntax import NAMED
from ssql.types import BIGINT, DOUBLE, INTEGER, STRING, Array, Column, Decimal, Map, Schema, SqlType, Struct

TYPES = st.recursive(
    st.sampled_from(list(NAMED.values())) | st.builds(Decimal, st.integers(5, 38), st.integers(0, 5)),
    lambda inner: (
        st.builds(Array, inner)
        | st.builds(Map, inner, inner)
        | st.builds(Struct, st.lists(st.tuples(st.text(min_size=1), inner), max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@given(TYPES)
def test_a_type_comes_back_from_its_text(type_: SqlType) -> None:
    assert parse_type(str(type_)) == type_


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("int", INTEGER),
        ("VARCHAR(STRING)", STRING),
        ("varchar(10)", STRING),
        ("DECIMAL(4,2)", Decimal(4, 2)),
        ("DECIMAL(4)", Decimal(4, 0)),
        ("INT ARRAY ARRAY", Array(Array(INTEGER))),
        ("MAP<STRING, DOUBLE ARRAY>", Map(STRING, Array(DOUBLE))),
        ("STRUCT<>", Struct(())),
        ("STRUCT<a INT, `b` STRUCT<c BIGINT>>", Struct((("A", INTEGER), ("b", Struct((("C", BIGINT),)))))),
    ],
)
def test_spellings(text: str, type_: SqlType) -> None:
    assert parse_type(text) == type_


@pytest.mark.parametrize(
    "text", ["", "INT INT", "ARRAY<INT", "MAP<INT>", "DECIMAL", "DECIMAL(0, 0)", "INT(KEY)", "'x'"]
)
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(SyntaxSqlError):
        parse_type(text)


def test_custom_types_wait_for_the_catalog() -> None:
    type_ = parse_type(" MAP<STRING, STRUCT<a `Person`, b address ARRAY>>")
    assert type_ == TypeName("MAP<STRING, STRUCT<`A` `Person`, `B` ARRAY<ADDRESS>>>", Span(1, 49))
    known = {"Person": STRING, "ADDRESS": Struct((("X", INTEGER),))}
    assert resolve_type(type_, known.get) == Map(STRING, Struct((("A", STRING), ("B", Array(known["ADDRESS"])))))
    assert resolve_type(INTEGER, known.get) == INTEGER


def test_schemas() -> None:
    schema = Schema((Column("ID", STRING, key=True), Column("a b", Array(BIGINT)), Column("N", Decimal(4, 2))))
    assert parse_schema("`ID` STRING KEY, `a b` ARRAY<BIGINT>, n DECIMAL(4, 2)") == schema
    assert parse_schema(str(schema)) == schema
    assert parse_schema("ID STRING PRIMARY KEY").keys == (Column("ID", STRING, key=True),)
    assert parse_schema("") == Schema(())
