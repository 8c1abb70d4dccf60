"""Text cut into statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssql_cli.pieces import Kind, Piece, is_complete, located, split

from ssql.errors import ColumnNotFound, Span


def test_semicolons_in_strings_names_and_comments_end_nothing() -> None:
    text = """SELECT ';' FROM `a;b` -- no; end
    WHERE "x;" = 'it''s;' /* ; */;"""
    assert split(text) == [Piece(text, 0, complete=True)]


def test_comments_and_blanks_before_a_statement_belong_to_none() -> None:
    text = "-- first\n a;\n;; /* second; */ b"
    assert split(text) == [Piece("a;", 10, True), Piece("b", text.index("b"), False)]


@pytest.mark.parametrize("text", ["", "  \n", "-- only", "/* open", ";", "a;", "a; -- b", "SELECT ';';"])
def test_complete(text: str) -> None:
    assert is_complete(text)


@pytest.mark.parametrize("text", ["a", "a; b", "SELECT ';", "SELECT `;", "a /* ;", "a -- ;", "'a;"])
def test_incomplete(text: str) -> None:
    assert not is_complete(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1;", Kind.QUERY),
        ("select\n* from s;", Kind.QUERY),
        ("select*from s;", Kind.QUERY),
        ("SELECT/* c */ 1;", Kind.QUERY),
        ("selected;", Kind.OTHER),
        ("EXPLAIN SELECT 1;", Kind.OTHER),
        ("run script 'f';", Kind.SCRIPT),
        ("PRINT t;", Kind.PRINT),
    ],
)
def test_the_first_words_tell_the_call(text: str, kind: Kind) -> None:
    assert Piece(text, 0, complete=True).kind is kind


def test_an_error_gets_its_place_in_the_whole_text() -> None:
    text = "a;\nSELECT prce\nFROM s;"
    piece = split(text)[1]
    error = ColumnNotFound("prce", span=Span(7, 11), candidates=["PRICE"]).within(piece.text)
    assert located(error, piece, text).render() == (
        "error: Column 'prce' cannot be resolved.  [column_not_found]\n"
        "LINE 2: SELECT prce\n"
        "               ^^^^\n"
        'HINT: Did you mean "PRICE"?'
    )


@given(st.text(alphabet="ab;'\"`-/* \n"))
def test_pieces_lie_in_order_in_the_text_and_leave_out_only_blanks_comments_and_semicolons(text: str) -> None:
    at = 0
    for piece in split(text):
        assert text.startswith(piece.text, piece.offset)
        assert piece.offset >= at
        gap = text[at : piece.offset]
        assert not gap.strip(" \n;") or gap.lstrip(" \n;").startswith(("--", "/*"))
        at = piece.offset + len(piece.text)
