"""What the text of an endpoint's query says of it: which sources it names, what its parameters are compared with.

The text is looked at as tokens: whatever SQL the query is in, a comparison with a column reads the same.
"""

from __future__ import annotations

import itertools

from ssql.catalog.catalog import Catalog
from ssql.sql.lexer import Kind, Token, tokens
from ssql.types import BIGINT, INTEGER, SqlType

_COMPARISONS = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})

#: What may stand before a column that is compared as a whole.
_BEFORE_OPERAND = frozenset({"WHERE", "AND", "OR", "NOT", "ON", "HAVING", "WHEN", "(", ","})

#: What an operand that goes on goes on with.
_GOES_ON = frozenset({"+", "-", "*", "/", "%", "||", "->", ".", "[", "(", "::"})

_PSEUDO_COLUMNS = {
    "ROWTIME": BIGINT,
    "ROWPARTITION": INTEGER,
    "ROWOFFSET": BIGINT,
    "WINDOWSTART": BIGINT,
    "WINDOWEND": BIGINT,
}


def follows(query: str) -> bool:
    """Whether the query is one that goes on: EMIT CHANGES or EMIT FINAL."""
    words = [token.value if token.kind is Kind.WORD else "" for token in tokens(query)]
    return any(a == "EMIT" and b in ("CHANGES", "FINAL") for a, b in itertools.pairwise(words))


def sources_named(query: str, catalog: Catalog) -> tuple[str, ...]:
    """The streams and tables of the catalog that the query names where a source may stand."""
    found = list(tokens(query))
    named = {
        token.value
        for before, token in itertools.pairwise(found)
        if _is_name(token) and before.value in ("FROM", "JOIN", ",", "(") and token.value in catalog.sources
    }
    return tuple(sorted(named))


def inferred_type(query: str, parameter: str, catalog: Catalog) -> SqlType | None:
    """The type of the columns that a parameter (upper-cased) is compared with; None where it is not one type, or
    something else is done with it."""
    found = list(tokens(query))
    aliases = {b.value for a, b in itertools.pairwise(found) if a.kind is Kind.WORD and a.value == "AS"}
    types: set[SqlType | None] = set()
    for at, token in enumerate(found):
        if token.kind is Kind.PARAMETER and token.value == parameter:
            types.add(_type_at(found, at, aliases, query, catalog))
    return types.pop() if len(types) == 1 else None


def _type_at(found: list[Token], at: int, aliases: set[str], query: str, catalog: Catalog) -> SqlType | None:
    before = found[at - 1] if at else None
    if before is not None and before.kind is Kind.WORD and before.value in ("LIMIT", "OFFSET"):
        return BIGINT
    column = _compared(found, at)
    if column is None or column in aliases:
        return None
    if column in _PSEUDO_COLUMNS:
        return _PSEUDO_COLUMNS[column]
    relations = (catalog.sources[name].relation for name in sources_named(query, catalog))
    types = {c.type for relation in relations for c in relation.schema.columns if c.name == column}
    return types.pop() if len(types) == 1 else None


def _compared(found: list[Token], at: int) -> str | None:
    """The name of the column that the parameter at that place is compared with."""
    if at + 1 < len(found) and found[at + 1].raw in _GOES_ON:
        return None
    back = at - 1
    if (back >= 0 and found[back].raw in _COMPARISONS | {"("}) or _word(found, back, "LIKE", "BETWEEN"):
        if found[back].raw == "(" and not _word(found, back - 1, "IN"):
            return _mirrored(found, at)
        back -= 2 if found[back].raw == "(" else 1
        return _column_ending(found, back - 1 if _word(found, back, "NOT") else back)
    if _word(found, back, "AND") and _word(found, back - 2, "BETWEEN"):
        return _column_ending(found, back - 4 if _word(found, back - 3, "NOT") else back - 3)
    if back >= 0 and found[back].raw == ",":
        return _column_before_list(found, back)
    return _mirrored(found, at)


def _mirrored(found: list[Token], at: int) -> str | None:
    """`$x = column`."""
    stands_alone = at == 0 or found[at - 1].value in _BEFORE_OPERAND
    if not stands_alone or at + 2 >= len(found) or found[at + 1].raw not in _COMPARISONS or not _is_name(found[at + 2]):
        return None
    end = at + 2
    if end + 2 < len(found) and found[end + 1].raw == "." and _is_name(found[end + 2]):
        end += 2
    goes_on = end + 1 < len(found) and found[end + 1].raw in _GOES_ON
    return None if goes_on else found[end].value


def _column_before_list(found: list[Token], at: int) -> str | None:
    """`column IN (a, b, $x)`: from a comma back to the column."""
    while at >= 0 and found[at].raw != "(":
        if found[at].raw == ")" or found[at].kind is Kind.WORD:
            return None
        at -= 1
    if not _word(found, at - 1, "IN"):
        return None
    return _column_ending(found, at - 3 if _word(found, at - 2, "NOT") else at - 2)


def _column_ending(found: list[Token], at: int) -> str | None:
    """The column whose name ends at that place, where it is an operand of its own."""
    if at < 0 or not _is_name(found[at]):
        return None
    name = found[at].value
    if at >= 2 and found[at - 1].raw == "." and _is_name(found[at - 2]):
        at -= 2
    return name if at > 0 and found[at - 1].value in _BEFORE_OPERAND else None


def _is_name(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.NAME)


def _word(found: list[Token], at: int, *words: str) -> bool:
    return 0 <= at < len(found) and found[at].kind is Kind.WORD and found[at].value in words
