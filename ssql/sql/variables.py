"""Variables: `${v}` in a script becomes the value of `v`.

Names are case-insensitive. Inside a string or a quoted name the value is text (its quotes are doubled); elsewhere it
is SQL, a name or a literal, with its quotes if it has any. `$${v}` inside quotes stands for `${v}` itself. Comments
are left alone. Places in the result map back to the script that the user wrote. With the setting
`variable.substitution.enable` off, nothing is substituted.
"""

from __future__ import annotations

import bisect
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ssql.config import VARIABLE_SUBSTITUTION, Config, lookup
from ssql.errors import ConfigError, Span, VariableNotFound
from ssql.sql.lexer import Kind, Token, tokens
from ssql.sql.statements import Define, SetProperty, Statement, Undefine, UnsetProperty

_REFERENCE = re.compile(r"\$\$(?P<escaped>\{\w+\})|\$\{(?P<name>\w+)\}")


@dataclass(frozen=True)
class Substituted:
    """A text after substitution. `edits`: (start, end) in it and the span in the original, in order."""

    text: str
    edits: tuple[tuple[int, int, Span], ...]
    offset: int  # of the text's start in the original script

    def original(self, start: int, end: int) -> Span:
        """Where a piece of the result stands in the original script."""
        return Span(self._map(start, at_end=False), self._map(end, at_end=True))

    def _map(self, position: int, *, at_end: bool) -> int:
        key = (lambda edit: edit[0] + 1) if at_end else (lambda edit: edit[0])
        before = bisect.bisect_right(self.edits, position, key=key) - 1
        if before < 0:
            return position + self.offset
        _, end, span = self.edits[before]
        if position < end or (at_end and position == end):
            return span.end if at_end else span.start
        return span.end + position - end


class Scope:
    """The variables of a script as it is read: what a statement says of them counts for those after it."""

    def __init__(self, variables: Mapping[str, str], *, enabled: bool = True, enabled_unset: bool = True) -> None:
        """`enabled`: whether anything is substituted; `enabled_unset`: whether it is once the session's own
        setting is UNSET."""
        self._values = {name.upper(): value for name, value in variables.items()}
        self._enabled, self._enabled_unset = enabled, enabled_unset

    @property
    def values(self) -> Mapping[str, str] | None:
        """The values by upper-cased name; None where nothing is to be substituted."""
        return self._values if self._enabled else None

    def follow(self, statement: Statement) -> None:
        """Take in a statement that was read."""
        match statement:
            case Define():
                self._values[statement.name.text.upper()] = statement.value
            case Undefine():
                self._values.pop(statement.name.text.upper(), None)
            case SetProperty(name=name) if lookup(name) is VARIABLE_SUBSTITUTION:
                with contextlib.suppress(ConfigError):  # the statement itself will be refused
                    self._enabled = Config().with_values({name: statement.value})[VARIABLE_SUBSTITUTION]
            case UnsetProperty(name=name) if lookup(name) is VARIABLE_SUBSTITUTION:
                self._enabled = self._enabled_unset


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with values for variables. A variable without a value is an error."""
    return substitute_part(text, Span(0, len(text)), variables).text


def substitute_part(script: str, part: Span, variables: Mapping[str, str]) -> Substituted:
    """A part of a script (whole tokens) with values for variables."""
    values = {name.upper(): value for name, value in variables.items()}
    text = script[part.start : part.end]
    if "${" not in text:
        return Substituted(text, (), part.start)
    pieces: list[str] = []
    edits: list[tuple[int, int, Span]] = []
    copied = length = 0
    for token in tokens(text):
        new = _replacement(token, values, script, part.start)
        if new == token.raw:
            continue
        kept = text[copied : token.start]
        length += len(kept)
        edits.append((length, length + len(new), token.span.shift(part.start)))
        pieces += (kept, new)
        length += len(new)
        copied = token.end
    pieces.append(text[copied:])
    return Substituted("".join(pieces), tuple(edits), part.start)


def _replacement(token: Token, values: Mapping[str, str], script: str, offset: int) -> str:
    if token.kind not in {Kind.VARIABLE, Kind.STRING, Kind.NAME}:
        return token.raw
    quote = "" if token.kind is Kind.VARIABLE else token.raw[0]

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$" + found["escaped"]
        name = found["name"]
        if name.upper() not in values:
            error = VariableNotFound(name, span=Span(*found.span()).shift(token.start + offset), candidates=values)
            error.within(script)
            raise error
        plain = values[name.upper()]
        return plain.replace(quote, quote * 2) if quote else plain

    return _REFERENCE.sub(value, token.raw)
