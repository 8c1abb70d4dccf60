"""Reading constants back from DuckDB text, where a translation can say more with a constant than with a column."""

from __future__ import annotations

import re

_TEXT = re.compile(r"'((?:[^']|'')*)'")
_INT = re.compile(r"-?\d+")


def text_literal(sql: str) -> str | None:
    """The text that a quoted literal stands for, or None for any other expression."""
    found = _TEXT.fullmatch(sql.strip())
    return None if found is None else found[1].replace("''", "'")


def int_literal(sql: str) -> int | None:
    """The number that an integer literal stands for, or None for any other expression."""
    plain = sql.strip().strip("()")
    return int(plain) if _INT.fullmatch(plain) else None


def quoted(text: str) -> str:
    """A text literal."""
    return "'" + text.replace("'", "''") + "'"
