"""How what is typed is coloured."""

from __future__ import annotations

import pytest
from prompt_toolkit.document import Document
from ssql_cli.highlight import MAX_LENGTH, OTHER_WORDS, TYPES, WORDS, SqlColours, coloured

from ssql.sql.lexer import KEYWORDS
from ssql.sql.parser import parse_statement
from ssql.sql.type_syntax import parse_type


def styles(text: str) -> list[tuple[str, str]]:
    """The parts that have a style."""
    parts = list(coloured(text, {"COUNT", "MAP"}))
    assert "".join(part for _, part in parts) == text
    return [(style.removeprefix("class:sql."), part) for style, part in parts if style]


def test_every_word_of_the_language_is_coloured() -> None:
    assert KEYWORDS | TYPES <= WORDS
    assert not OTHER_WORDS & KEYWORDS
    for word in ("EMIT", "CHANGES", "FINAL", "WINDOW", "TUMBLING", "HOPPING", "WITHIN", "GRACE", "UNION"):
        assert styles(word.lower()) == [("keyword", word.lower())]
    for name in TYPES:
        assert parse_type(f"{name}(4, 2)" if name == "DECIMAL" else name) is not None
        assert styles(name) == [("type", name)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT count(x), 'it''s', 1.5", "keyword:SELECT function:count string:'it''s' number:1.5"),
        ("select 'open\nstring;", "keyword:select string:'open string:\nstring;"),
        ("-- note\nSHOW", "comment:-- note\n keyword:SHOW"),
        ("/* still", "comment:/* still"),
        ("${v} $p ^", "variable:${v} variable:$p bad:^"),
        ("select o.date, date.x, `emit", "keyword:select"),
        ("cast(x AS map<string, int>)", "keyword:cast keyword:AS keyword:map type:string type:int"),
        ("\\d orders", "command:\\d"),
    ],
)
def test_parts_have_their_colours(text: str, expected: str) -> None:
    assert " ".join(f"{style}:{part}" for style, part in styles(text)) == expected


def test_lines_are_those_of_the_text() -> None:
    line = SqlColours(dict).lex_document(Document("SELECT 1,\n\n  2;"))
    assert ["".join(part[1] for part in line(n)) for n in range(4)] == ["SELECT 1,", "", "  2;", ""]


def test_a_very_long_text_is_left_plain() -> None:
    assert styles("SELECT " * (MAX_LENGTH // 7 + 1)) == []


def test_what_the_parser_reads_is_coloured() -> None:
    text = (
        "SELECT k FROM s WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES, GRACE PERIOD 1 DAY) GROUP BY k EMIT FINAL;"
    )
    parse_statement(text)
    plain = {part.strip() for style, part in coloured(text, ()) if not style}
    assert {word for word in plain if word.isalpha()} == {"k", "s"}
