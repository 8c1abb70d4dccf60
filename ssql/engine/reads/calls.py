"""Calls of functions: those of the registry mean in DuckDB's SQL what they mean in ksqlDB's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ssql.engine.reads.database import ReadDatabase
from ssql.engine.reads.text import Text
from ssql.engine.reads.tree import Tree
from ssql.errors import FunctionNotFound, Span
from ssql.functions.macros import ABSENT, renamed
from ssql.sql.lexer import Kind, Token, tokens

#: Words between the arguments of functions that SQL writes in its own way, as SUBSTRING(x FROM 2).
_OWN_WAYS = frozenset({"FROM", "FOR", "BOTH", "LEADING", "TRAILING"})
_HEAD = re.compile(r"(\w+)\s*\(\s*")
_DISTINCT = re.compile(r"DISTINCT\b", re.IGNORECASE)
_UNIT = re.compile(r"(\w+)\s*,")


def changes(said: Tree, text: Text, database: ReadDatabase) -> Iterator[tuple[Span, str]]:
    """Other words for the calls of a text, so that DuckDB carries out what the registry says of them.

    Raises:
        FunctionNotFound: ksqlDB's function has no meaning here.
    """
    for call in said.calls:
        span = text.span(call.place.at, call.place.length)
        head = _HEAD.match(text.text, span.start)
        if head is None or head[1].upper() != call.name:  # x.f(y), or an operator
            continue
        if call.name in ABSENT:
            absent = FunctionNotFound(call.name, span=text.written(span), candidates=())
            absent.hint = f"In full SQL rows have no order: use {ABSENT[call.name]}."
            raise absent
        name = Span(head.start(), head.end())
        other = renamed(call.name, call.arguments)
        if other is not None:
            # Of COLLECT_SET(DISTINCT x), one DISTINCT is enough.
            yield name, other.removesuffix("DISTINCT ") if _DISTINCT.match(text.text, name.end) else other
            continue
        macro = database.macro(call.name)
        if macro is None or call.arguments not in macro.arities or _in_its_own_way(text.text[name.end :]):
            continue
        yield name, f"{macro.name}("
        if macro.unit and (unit := _UNIT.match(text.text, name.end)) is not None:
            yield Span(unit.start(1), unit.end(1)), f"'{unit[1]}'"


def _in_its_own_way(rest: str) -> bool:
    """Whether the arguments that begin there are parted by words."""
    depth = 0
    for token in tokens(rest):
        if depth == 0 and token.kind is Kind.WORD and token.value in _OWN_WAYS:
            return True
        depth += _depth(token)
        if depth < 0:
            return False
    return False


def _depth(token: Token) -> int:
    return {"(": 1, ")": -1}.get(token.raw, 0) if token.kind is Kind.SYMBOL else 0
