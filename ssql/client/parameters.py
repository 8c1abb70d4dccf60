"""Parameters: `?` and `$name` in a statement become literals of the values' types.

The text is read by the lexer, so that what stands in strings, quoted names and comments is left alone, and a value can
never become more than the one literal that stands for it. A statement with parameters has no variables: `${v}` in a
value is text like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from ssql.errors import BadParameter, Span, nearest
from ssql.sql.lexer import Kind, quote_text, tokens

#: `?` by place, or `$name` by name.
Parameters = Sequence[Any] | Mapping[str, Any]

_MOST = 2**63


def bind(sql: str, parameters: Parameters | None) -> str:
    """The statement with literals for its parameters; without `parameters` it is left as it is.

    >>> bind("SELECT * FROM t WHERE id = ? AND at < $1", None)
    'SELECT * FROM t WHERE id = ? AND at < $1'
    >>> bind("SELECT * FROM t WHERE id = ? AND name = '?'", ["it's"])
    "SELECT * FROM t WHERE id = 'it''s' AND name = '?'"

    Raises:
        BadParameter: a value is missing, is one too many, or has no form in SQL.
    """
    if parameters is None:
        return sql
    if isinstance(parameters, str | bytes):
        raise BadParameter("parameters are a list or a mapping", hint="Write [value] for a single one.")
    values = _named(sql, parameters) if isinstance(parameters, Mapping) else _placed(sql, parameters)
    pieces: list[str] = []
    copied = 0
    for span, value in values:
        try:
            text = literal(value)
        except BadParameter as bad:
            bad.span = span
            raise bad.within(sql) from None
        pieces += (sql[copied : span.start], text)
        copied = span.end
    return "".join((*pieces, sql[copied:]))


def _placed(sql: str, values: Sequence[Any]) -> Iterator[tuple[Span, Any]]:
    marks = [token.span for token in tokens(sql) if token.kind is Kind.BAD and token.raw == "?"]
    if len(marks) != len(values):
        raise BadParameter(f"the statement has {len(marks)} parameters, and {len(values)} values were given")
    return zip(marks, values, strict=True)


def _named(sql: str, values: Mapping[str, Any]) -> Iterator[tuple[Span, Any]]:
    marks = list(_names(sql))
    for name, span in marks:
        if name not in values:
            meant = nearest(name, values)
            error = BadParameter(f'parameter "{name}" has no value', hint=f'Did you mean "{meant}"?' if meant else None)
            error.span = span
            raise error.within(sql)
    unused = values.keys() - {name for name, _ in marks}
    if unused:
        raise BadParameter(f'the statement has no parameter "{min(unused)}"')
    return ((span, values[name]) for name, span in marks)


def _names(sql: str) -> Iterator[tuple[str, Span]]:
    """The names after `$`, as written, and the places of both together."""
    return ((token.raw[1:], token.span) for token in tokens(sql) if token.kind is Kind.PARAMETER)


def literal(value: Any) -> str:
    """A value as SQL: None, bool, int, float, Decimal, str, bytes, date, time, datetime, lists and mappings of these.

    An aware datetime is taken to UTC, a naive one is UTC.

    Raises:
        BadParameter: for another type, an integer beyond 64 bits, a float that is no number, an empty list or mapping.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return _number(str(int(value)), fits=-_MOST < value < _MOST)
        case float():
            text = repr(float(value))
            return _number(text if "e" in text else text + "e0", fits=isfinite(value))
        case Decimal():
            text = format(value, "f")
            return _number(text if "." in text else text + ".", fits=value.is_finite())
        case str():
            return quote_text(value)
        case bytes():
            return f"TO_BYTES('{value.hex()}', 'hex')"
        case datetime():
            utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            return f"CAST('{utc.isoformat(timespec='milliseconds')}' AS TIMESTAMP)"
        case date():
            return f"CAST('{value.isoformat()}' AS DATE)"
        case time():
            return f"CAST('{value.replace(tzinfo=None).isoformat(timespec='milliseconds')}' AS TIME)"
        case list() | tuple() if value:
            return f"ARRAY[{', '.join(map(literal, value))}]"
        case Mapping() if value:
            return f"MAP({', '.join(f'{literal(k)} := {literal(v)}' for k, v in value.items())})"
    empty = isinstance(value, list | tuple | Mapping)
    raise BadParameter(
        f"an empty {type(value).__name__} has no type" if empty else f"a {type(value).__name__} has no form in SQL"
    )


def _number(text: str, *, fits: bool) -> str:
    if not fits:
        raise BadParameter(f"{text.removesuffix('e0').removesuffix('.')} has no form in SQL")
    # The space keeps a minus sign from making a comment with one before it.
    return f" {text}" if text[0] == "-" else text


def json_values(values: Mapping[str, Any]) -> dict[str, str]:
    """The values of an endpoint's parameters as JSON texts.

    Raises:
        BadParameter: one has no form in JSON.
    """
    found = {}
    for name, value in values.items():
        if not isinstance(value, str | bool | int | float | Decimal | date | time | None):
            raise BadParameter(f"a {type(value).__name__} is no value of a parameter")
        if isinstance(value, float | Decimal) and not isfinite(value):
            raise BadParameter(f"{value} is no value of a parameter")
        found[name] = format(value, "f") if isinstance(value, Decimal) else msgspec.json.encode(value).decode()
    return found
