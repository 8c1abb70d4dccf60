"""Parameters of an endpoint: `$name` in a query, and the typed literal that a call puts in its place.

A value is read as its type first, and only what that gives is written, as a literal: no text of a caller becomes SQL.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from ssql.sql.lexer import Kind, Token, quote_text, tokens
from ssql.sql.variables import Substituted
from ssql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Decimal, SqlType


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name as written, without the `$`. `default`: the value of a call that gives none, as a caller
    would write it (None: NULL); of no meaning where it is `required`."""

    name: str
    type: SqlType
    required: bool = True
    default: str | None = None


def references(query: str) -> Iterator[Token]:
    """The parameters in a query, as often as they stand there."""
    return (token for token in tokens(query) if token.kind is Kind.PARAMETER)


def with_literals(query: str, literals: Mapping[str, str], offset: int = 0) -> Substituted:
    """The query with a literal for each parameter, by upper-cased name; `offset` is its place in the whole text."""
    pieces: list[str] = []
    edits = []
    copied = length = 0
    for token in references(query):
        # A space keeps the sign of a number from becoming a comment with a minus before it.
        new = " " + literals[token.value]
        kept = query[copied : token.start]
        length += len(kept)
        edits.append((length, length + len(new), token.span.shift(offset)))
        pieces += (kept, new)
        length += len(new)
        copied = token.end
    pieces.append(query[copied:])
    return Substituted("".join(pieces), tuple(edits), offset)


def with_nulls(query: str) -> str:
    """The query with NULL for each parameter."""
    return with_literals(query, {token.value: "NULL" for token in references(query)}).text


def arguments(literals: Mapping[str, str]) -> str:
    """The arguments of an EXECUTE of DuckDB's, by the names of its parameters."""
    listed = ", ".join(f"{name} := {literal}" for name, literal in literals.items())
    return f"({listed})" if listed else ""


def can_be_parameter(kind: SqlType) -> bool:
    return kind in _LITERALS or isinstance(kind, Decimal)


def null_literal(kind: SqlType) -> str:
    return f"CAST(NULL AS {kind})"


def duckdb_literal(written: str, kind: SqlType) -> str:
    """A literal (also that of NULL) as DuckDB reads it: of just this type."""
    return f"CAST({written} AS {kind.duckdb})"


def is_null(literal: str) -> bool:
    """Whether a DuckDB literal is that of NULL."""
    return literal.startswith("CAST(CAST(NULL ")


def is_negative(literal: str) -> bool:
    """Whether a DuckDB literal is that of a number below 0."""
    return literal.startswith("CAST(-")


def literal(value: str, kind: SqlType) -> str:
    """The literal of a value, which a caller wrote as text.

    Raises:
        ValueError: it is no value of the type; the text says what one looks like.
    """
    if isinstance(kind, Decimal):
        return _decimal(value, kind)
    return _LITERALS[kind](value)


def text_of_json(raw: str, kind: SqlType) -> str:
    """What a JSON value says, as a caller would write it in an address: text for text, a number for a number.

    Raises:
        ValueError: it is JSON of another kind.
    """
    if raw.startswith('"'):
        if kind in _NUMBERS or kind == BOOLEAN:
            raise ValueError(f"expected a JSON {'boolean' if kind == BOOLEAN else 'number'}")
        return str(msgspec.json.decode(raw))
    if raw in ("true", "false"):
        if kind != BOOLEAN:
            raise ValueError(f"expected a JSON {'number' if kind in _NUMBERS else 'string'}")
        return raw
    if raw[0] in "[{" or not (kind in _NUMBERS or isinstance(kind, Decimal)):
        raise ValueError("expected a JSON string" if kind not in _NUMBERS else "expected a JSON number")
    if kind == DOUBLE:
        return raw
    number = decimal.Decimal(raw)
    # 1.0 and 1e2 are whole numbers of JSON; what is longer than any of ours is not written out.
    if abs(number.adjusted()) >= _LONGEST:
        return raw
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


#: More digits than any number has.
_LONGEST = 100
_NUMBERS = frozenset({INTEGER, BIGINT, DOUBLE})


def example(kind: SqlType) -> str:
    """Some value of the type, as a caller would write it."""
    return "0" if isinstance(kind, Decimal) else _EXAMPLES[kind]


_EXAMPLES: Mapping[SqlType, str] = {
    BOOLEAN: "true",
    INTEGER: "0",
    BIGINT: "0",
    DOUBLE: "0",
    STRING: "",
    DATE: "1970-01-01",
    TIME: "00:00:00",
    TIMESTAMP: "1970-01-01T00:00:00",
}


def _whole(bits: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if re.fullmatch(r"[+-]?[0-9]{1,19}", value) is None:
            raise ValueError("expected a whole number")
        number = int(value)
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise ValueError("the number is too large")
        return str(number)

    return read


def _double(value: str) -> str:
    try:
        # float() takes underscores and "nan", too.
        number = float(value) if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", value) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected a number")
    text = repr(number)
    return text if "e" in text else text + "e0"


def _decimal(value: str, kind: Decimal) -> str:
    try:
        number = decimal.Decimal(value) if re.fullmatch(r"[+-]?[0-9.]+", value) else decimal.Decimal("NaN")
    except decimal.InvalidOperation:
        number = decimal.Decimal("NaN")
    if not number.is_finite():
        raise ValueError("expected a number")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # it is finite
    if -exponent > kind.scale or len(digits) + exponent > kind.precision - kind.scale:
        raise ValueError(f"it does not fit in {kind}")
    # A literal alone would have the digits of the value for its type.
    return f"CAST({number:f} AS {kind})"


def _boolean(value: str) -> str:
    if value.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return value.upper()


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("it has a character 0 in it")
    return quote_text(value)


def _date(value: str) -> str:
    try:
        return f"CAST('{datetime.date.fromisoformat(value).isoformat()}' AS DATE)"
    except ValueError:
        raise ValueError("expected a date as 2024-12-31") from None


def _time(value: str) -> str:
    try:
        found = datetime.time.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise ValueError("expected a time of day as 23:59:59")
    return f"CAST('{found.isoformat('milliseconds')}' AS TIME)"


def _timestamp(value: str) -> str:
    try:
        found = datetime.datetime.fromisoformat(value)
        if found.tzinfo is not None:
            found = found.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError("expected a time as 2024-12-31T23:59:59") from None
    return f"CAST('{found.isoformat('T', 'milliseconds')}' AS TIMESTAMP)"


_LITERALS: Mapping[SqlType, Callable[[str], str]] = {
    BOOLEAN: _boolean,
    INTEGER: _whole(32),
    BIGINT: _whole(64),
    DOUBLE: _double,
    STRING: _text,
    DATE: _date,
    TIME: _time,
    TIMESTAMP: _timestamp,
}
