"""Tokens, and complete statements in a text that is still being typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.sql.lexer import Kind, is_plain_name, quote_text, split_statements, tokens


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind.name, token.value) for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select Foo_1@x", [("WORD", "SELECT"), ("WORD", "FOO_1@X")]),
        ("`a``B` \"c\"\"d\"", [("NAME", "a`B"), ("NAME", 'c"d')]),
        ("'it''s' ''", [("STRING", "it's"), ("STRING", "")]),
        ("'two\nlines'", [("STRING", "two\nlines")]),
        ("1 1.5 .5 10.", [("INTEGER", "1"), ("DECIMAL", "1.5"), ("DECIMAL", ".5"), ("DECIMAL", "10.")]),
        ("1e3 1.5E-3 .5e+3", [("DOUBLE", "1e3"), ("DOUBLE", "1.5E-3"), ("DOUBLE", ".5e+3")]),
        ("1R 2_x 1e3x", [("WORD", "1R"), ("WORD", "2_X"), ("WORD", "1E3X")]),
        ("a--b\nc", [("WORD", "A"), ("WORD", "C")]),
        ("--@test: x;\na /* ; \n */ b", [("WORD", "A"), ("WORD", "B")]),
        ("a/* /* */b", [("WORD", "A"), ("WORD", "B")]),
        ("a->b=>c:=d||e", [(k, v) for v in ("A", "->", "B", "=>", "C", ":=", "D", "||", "E")
                            for k in ("WORD" if v.isalpha() else "SYMBOL",)]),
        ("a<>b!=c<=d>=e", [(k, v) for v in ("A", "<>", "B", "!=", "C", "<=", "D", ">=", "E")
                            for k in ("WORD" if v.isalpha() else "SYMBOL",)]),
        ("${Env}", [("VARIABLE", "ENV")]),
        ("a ? b", [("WORD", "A"), ("BAD", 'unexpected character "?"'), ("WORD", "B")]),
        ("a 'b\nc", [("WORD", "A"), ("BAD", "unclosed string")]),
        ("a `b", [("WORD", "A"), ("BAD", "unclosed quoted name")]),
        ("a /* b; ", [("WORD", "A"), ("BAD", "unclosed comment")]),
    ],
)  # fmt: skip
def test_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


@given(st.text(alphabet="aE1. \t\n'`\"-/*@_;,()[]<>=:|$ü日{}\\", max_size=30))
def test_tokens_are_in_place_and_in_order_whatever_the_text(text: str) -> None:
    before = 0
    for token in tokens(text):
        assert before <= token.start < token.end <= len(text)
        assert text[token.start : token.end] == token.raw
        before = token.end


@given(st.text())
def test_any_text_comes_back_from_a_literal(text: str) -> None:
    assert [(token.kind, token.value) for token in tokens(quote_text(text))] == [(Kind.STRING, text)]


@given(st.text(alphabet="aAeE1_@ .-", min_size=1, max_size=6))
def test_a_plain_name_is_one_word_that_means_itself(name: str) -> None:
    if is_plain_name(name):
        assert kinds(name) == [("WORD", name)]


@pytest.mark.parametrize(
    ("text", "complete", "rest"),
    [
        ("", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1;"], ""),
        ("a; b; c", ["a;", "b;"], "c"),
        ("a;;; b ;", ["a;", "b ;"], ""),
        ("a ';' b; c", ["a ';' b;"], "c"),
        ("a `;`; -- c; d\n", ["a `;`;"], ""),
        ("a /* ; */; /* ; ", ["a /* ; */;"], "/* ;"),
        ("a; b 'c; d;", ["a;"], "b 'c; d;"),
        ("-- first;\na;", ["-- first;\na;"], ""),
    ],
)
def test_split_statements(text: str, complete: list[str], rest: str) -> None:
    assert split_statements(text) == (complete, rest)
