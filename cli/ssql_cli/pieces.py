"""Cuts text into statements at their semicolons, without parsing them.

Cheap enough for every key stroke at the prompt. It knows what a semicolon may hide in: strings, quoted names and
comments. What a statement means is the parser's to say; only its first words are looked at here, to know which call
answers it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ssql.errors import Span, SsqlError, SyntaxSqlError

#: What can hide a semicolon; an opened one without its end runs to the end of the text.
_TOKEN = re.compile(
    r"""
      (?P<quoted> '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) )
    | (?P<comment> --[^\n]*(?:\n|\Z) | /\*.*?(?:\*/|\Z) )
    | (?P<end> ; )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*", re.DOTALL)

#: A query in full SQL may begin with other words than SELECT.
_SELECT = re.compile(r"(?:SELECT|WITH|FROM|VALUES)\b|\(", re.IGNORECASE)
_COPY = re.compile(r"COPY\b", re.IGNORECASE)
_PRINT = re.compile(r"PRINT\b", re.IGNORECASE)
_RUN_SCRIPT = re.compile(r"RUN\s+SCRIPT\b", re.IGNORECASE)
_HIDING = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SCRIPT_PATH = re.compile(r"RUN\s+SCRIPT\s+'((?:[^']|'')*)'\s*;?\s*", re.IGNORECASE)


class Kind(Enum):
    """Which call answers a statement."""

    QUERY = "query"  # rows
    SCRIPT = "script"  # RUN SCRIPT: the file's statements, read on this side
    PRINT = "print"  # the records of a topic
    COPY = "copy"  # rows out of a file on this side, or into one
    OTHER = "other"  # entities


@dataclass(frozen=True)
class Piece:
    """One statement: its text with the semicolon (if there is one) and where it starts in the whole.

    Comments before a statement belong to none.
    """

    text: str
    offset: int
    complete: bool

    @property
    def kind(self) -> Kind:
        if _SELECT.match(self.text):
            return Kind.QUERY
        if _PRINT.match(self.text):
            return Kind.PRINT
        if _COPY.match(self.text):
            return Kind.COPY
        return Kind.SCRIPT if _RUN_SCRIPT.match(self.text) else Kind.OTHER


def split(text: str) -> list[Piece]:
    """The statements of `text` in order; the last one may be incomplete (no semicolon). Blank ones are left out."""
    pieces: list[Piece] = []
    start = _start(text, 0)
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "end" or token.start() < start:
            continue
        if token.start() > start:
            pieces.append(Piece(text[start : token.end()], start, complete=True))
        start = _start(text, token.end())
    if start < len(text):
        pieces.append(Piece(text[start:].rstrip(), start, complete=False))
    return pieces


def is_complete(text: str) -> bool:
    """Whether `text` ends with a finished statement (or holds none at all)."""
    pieces = split(text)
    return not pieces or pieces[-1].complete


def is_push(sql: str) -> bool:
    """Whether a SELECT is a push query: it has the word EMIT outside strings, names and comments."""
    return bool(re.search(r"\bEMIT\b", _HIDING.sub(" ", sql), re.IGNORECASE))


def script_path(piece: Piece) -> Path:
    """The file that a RUN SCRIPT names.

    Raises:
        SyntaxSqlError: where it names none.
    """
    found = _SCRIPT_PATH.fullmatch(piece.text)
    if found is None:
        raise SyntaxSqlError("expected RUN SCRIPT 'path'", span=Span(0, len(piece.text))).within(piece.text)
    return Path(found.group(1).replace("''", "'"))


def located(error: SsqlError, piece: Piece, text: str) -> SsqlError:
    """`error` of a piece with its position in the whole text, so that line numbers are those that the user sees."""
    if error.text is not None and error.span is not None and text.startswith(error.text, piece.offset):
        error.span = Span(error.span.start + piece.offset, error.span.end + piece.offset)
        error.text = text
    return error


def _start(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
