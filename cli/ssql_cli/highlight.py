"""Colours of what is typed: our own lexer's tokens, so that the prompt knows every word that the parser knows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import split_lines
from prompt_toolkit.lexers import Lexer

from ssql.sql.lexer import KEYWORDS, NUMBERS, Kind, Token, tokens

TYPES = frozenset(
    (
        "BIGINT",
        "BOOLEAN",
        "BYTES",
        "DATE",
        "DECIMAL",
        "DOUBLE",
        "INT",
        "INTEGER",
        "STRING",
        "TIME",
        "TIMESTAMP",
        "VARCHAR",
    )
)
#: Words of statements that the parser does not read: those of full SQL, which DuckDB reads, and of the command's own.
OTHER_WORDS = frozenset(
    (
        "ANTI", "ANY", "ASOF", "COPY", "CROSS", "EXCEPT", "EXCLUDE", "FILTER", "FIRST", "GROUPING", "ILIKE",
        "INTERSECT", "LAST", "LATERAL", "NATURAL", "NULLS", "PIVOT", "QUALIFY", "RECURSIVE", "SEMI", "SETS", "UNION",
        "UNPIVOT", "USING",
    )
)  # fmt: skip
WORDS = KEYWORDS | TYPES | OTHER_WORDS

#: Colours that can be read on a dark ground and on a light one.
COLOURS = {
    "sql.keyword": "bold ansigreen",
    "sql.type": "ansicyan",
    "sql.function": "ansiblue",
    "sql.string": "ansiyellow",
    "sql.number": "ansimagenta",
    "sql.variable": "bold ansimagenta",
    "sql.comment": "italic ansibrightblack",
    "sql.bad": "ansired",
    "sql.command": "bold ansicyan",
}
#: Longer texts (characters) stay plain: they are lexed at every key stroke.
MAX_LENGTH = 50_000


class SqlColours(Lexer):
    """Colours statements and commands; `functions` gives the names of functions that are known by now."""

    def __init__(self, functions: Callable[[], Container[str]]) -> None:
        self._functions = functions

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        lines = list(split_lines(list(coloured(document.text, self._functions()))))
        return lambda number: lines[number] if number < len(lines) else []


def coloured(text: str, functions: Container[str]) -> Iterator[tuple[str, str]]:
    """A text in parts, each with its style before it."""
    if len(text) > MAX_LENGTH:
        yield "", text
        return
    if text.lstrip().startswith("\\"):
        command, blank, rest = text.partition(" ")
        yield "class:sql.command", command
        yield "", blank + rest
        return
    at, before, found = 0, "", list(tokens(text))
    for number, token in enumerate(found):
        if token.start > at:
            yield _between(text[at : token.start])
        after = found[number + 1].raw if number + 1 < len(found) else ""
        yield _style(token, before, after, functions), token.raw
        at, before = token.end, token.raw
    if at < len(text):
        # Lexing ends at a string or name that is still open: all that follows is in it.
        open_string = bool(found) and found[-1].kind is Kind.BAD and found[-1].raw[:1] == "'"
        yield ("class:sql.string", text[at:]) if open_string else _between(text[at:])


def _between(text: str) -> tuple[str, str]:
    """What is no token: blanks and comments."""
    return "" if text.isspace() else "class:sql.comment", text


def _style(token: Token, before: str, after: str, functions: Container[str]) -> str:
    if token.kind is Kind.WORD:
        return _word_style(token.value, before, after, functions)
    if token.kind is Kind.STRING:
        return "class:sql.string"
    if token.kind in NUMBERS:
        return "class:sql.number"
    if token.kind in (Kind.VARIABLE, Kind.PARAMETER):
        return "class:sql.variable"
    if token.kind is Kind.BAD:
        return {"'": "class:sql.string", "/": "class:sql.comment", "`": "", '"': ""}.get(token.raw[:1], "class:sql.bad")
    return ""


def _word_style(word: str, before: str, after: str, functions: Container[str]) -> str:
    if before in (".", "->") or after == ".":
        return ""  # a column of something, or what has one
    if after == "(" and word in functions:
        return "class:sql.function"
    if word in TYPES:
        return "class:sql.type"
    return "class:sql.keyword" if word in WORDS else ""
