"""The text of a SELECT as DuckDB is to read it: variables have values, and names are ksqlDB's.

As in all other statements, plain names are upper-cased, so that columns of the answer are named as everywhere;
`` `x` `` is a quoted name; `a->b` is a field of a struct. What the text says in DuckDB's words alone is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ssql.errors import Span, SyntaxSqlError
from ssql.sql.lexer import Kind, Token, tokens
from ssql.sql.variables import Substituted, substitute_part
from ssql.types import duck_quote


@dataclass(frozen=True)
class Text:
    """`text` after some edits; `stages` lead back from it to what the user wrote, `script`."""

    script: str
    text: str
    stages: tuple[Substituted, ...] = ()

    def edited(self, changes: Iterable[tuple[Span, str]]) -> Text:
        """With other words at some places (which do not overlap)."""
        pieces: list[str] = []
        edits: list[tuple[int, int, Span]] = []
        copied = length = 0
        for span, new in sorted(changes, key=lambda change: change[0].start):
            kept = self.text[copied : span.start]
            length += len(kept)
            edits.append((length, length + len(new), span))
            pieces += (kept, new)
            length += len(new)
            copied = span.end
        if not edits:
            return self
        text = "".join((*pieces, self.text[copied:]))
        return Text(self.script, text, (*self.stages, Substituted(text, tuple(edits), 0)))

    def span(self, at: int, length: int) -> Span:
        """The characters of `text` that DuckDB means: it counts bytes."""
        if self.text.isascii():
            return Span(at, at + length)
        raw = self.text.encode()
        start = len(raw[:at].decode(errors="ignore"))
        return Span(start, start + max(1, len(raw[at : at + length].decode(errors="ignore"))))

    def written(self, span: Span) -> Span:
        """Where a place in `text` is in what the user wrote."""
        for stage in reversed(self.stages):
            span = stage.original(span.start, span.end)
        end = len(self.script)
        return Span(min(span.start, max(end - 1, 0)), max(min(span.end, end), min(span.start, end - 1) + 1))


def read(script: str, variables: Mapping[str, str] | None) -> Text:
    """The text of the one statement of `script`.

    Raises:
        SyntaxSqlError: there are several statements.
        VariableNotFound: a variable has no value.
    """
    text = Text(script, script)
    if variables is not None and "${" in script:
        found = substitute_part(script, Span(0, len(script)), variables)
        text = Text(script, found.text, (found,))
    said = list(tokens(text.text))
    while said and _is(said[-1], ";"):
        text = text.edited([(said.pop().span, " ")])
    extra = next((at for at, token in enumerate(said) if _is(token, ";")), None)
    if extra is not None:
        place = text.written(said[extra + 1].span if extra + 1 < len(said) else said[extra].span)
        raise SyntaxSqlError("expected one statement, found another", span=place).within(script)
    return text.edited(_changes(said))


def _is(token: Token, symbol: str) -> bool:
    return token.kind is Kind.SYMBOL and token.raw == symbol


def _changes(said: list[Token]) -> Iterable[tuple[Span, str]]:
    dollars = 0
    for at, token in enumerate(said):
        if token.kind is Kind.BAD and token.raw == "$":
            dollars += 1
        if dollars >= 2 and dollars % 4 in (2, 3):  # within $$...$$
            continue
        if token.kind is Kind.WORD and token.value != token.raw and len(token.value) == len(token.raw):
            yield token.span, token.value
        elif token.kind is Kind.NAME and token.raw[0] == "`":
            yield token.span, duck_quote(token.value)
        elif _is(token, "->") and at + 1 < len(said) and said[at + 1].kind in (Kind.WORD, Kind.NAME):
            yield token.span, "."
