"""SQL types and column lists, read from text.

A type is read at once; where it names a custom type somewhere inside, it stays a `TypeName` (its text in canonical
spelling) until `resolve_type` looks the name up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ssql.errors import TypeNotFound
from ssql.sql.cursor import Cursor, lexical_error
from ssql.sql.lexer import Kind, Token, is_plain_name, tokens
from ssql.sql.statements import TypeName
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    Schema,
    SqlType,
    Struct,
    quote,
)

NAMED: dict[str, SqlType] = {
    "BOOLEAN": BOOLEAN,
    "INT": INTEGER,
    "INTEGER": INTEGER,
    "BIGINT": BIGINT,
    "DOUBLE": DOUBLE,
    "STRING": STRING,
    "VARCHAR": STRING,
    "BYTES": BYTES,
    "DATE": DATE,
    "TIME": TIME,
    "TIMESTAMP": TIMESTAMP,
}


_PARAMETERISED = frozenset({"ARRAY", "MAP", "STRUCT", "DECIMAL"})


@dataclass(frozen=True)
class _Custom(SqlType):
    """The place of a custom type inside a type that is being read."""

    name: str

    def __str__(self) -> str:
        plain = is_plain_name(self.name) and self.name not in _PARAMETERISED
        return self.name if plain else quote(self.name)


def read_type(cursor: Cursor) -> SqlType | TypeName:
    """The type at the cursor."""
    start = cursor.token
    type_ = _read(cursor)
    return TypeName(str(type_), cursor.span_from(start)) if _is_custom(type_) else type_


def _read(cursor: Cursor) -> SqlType:
    type_ = _read_one(cursor)
    while cursor.is_word("ARRAY"):
        cursor.advance()
        type_ = Array(type_)
    return type_


def _read_one(cursor: Cursor) -> SqlType:
    name = cursor.name("a type")
    if not name.quoted:
        match name.text:
            case "ARRAY":
                cursor.open("<")
                element = _read(cursor)
                cursor.close(">")
                return Array(element)
            case "MAP":
                cursor.open("<")
                key = _read(cursor)
                cursor.expect(",")
                value = _read(cursor)
                cursor.close(">")
                return Map(key, value)
            case "STRUCT":
                return Struct(_fields(cursor))
            case "DECIMAL":
                return _decimal(cursor)
    if name.text in NAMED:
        _ignore_parameters(cursor)
        return NAMED[name.text]
    return _Custom(name.text)


def _fields(cursor: Cursor) -> tuple[tuple[str, SqlType], ...]:
    if cursor.is_symbol("<>"):
        cursor.advance()
        return ()
    cursor.open("<")
    fields = cursor.several(lambda: (cursor.name("a field name").text, _read(cursor)))
    cursor.close(">")
    return fields


def _decimal(cursor: Cursor) -> SqlType:
    start = cursor.last
    cursor.open("(")
    precision = cursor.integer("the precision")
    scale = cursor.integer("the scale") if cursor.accept(",") else 0
    cursor.close(")")
    if precision < 1 or scale > precision:
        raise cursor.error(
            f"DECIMAL({precision}, {scale}) is no type",
            cursor.span_from(start),
            "The precision is at least 1, and the scale at most the precision.",
        )
    return Decimal(precision, scale)


def _ignore_parameters(cursor: Cursor) -> None:
    """`VARCHAR(10)` is STRING: lengths are taken and have no effect."""
    if cursor.is_symbol("("):
        cursor.listed(lambda: _parameter(cursor))


def _parameter(cursor: Cursor) -> None:
    if not cursor.accept_words("STRING"):
        cursor.integer("a length")


def _is_custom(type_: SqlType) -> bool:
    match type_:
        case _Custom():
            return True
        case Array(element):
            return _is_custom(element)
        case Map(key, value):
            return _is_custom(key) or _is_custom(value)
        case Struct(fields):
            return any(_is_custom(field) for _, field in fields)
    return False


def _cursor(text: str) -> Cursor:
    found = list(tokens(text))
    for token in found:
        if token.kind is Kind.BAD:
            raise lexical_error(token, text)
    return Cursor([*found, Token(Kind.END, "", "", len(text), len(text))], text)


def _finish(cursor: Cursor) -> None:
    if cursor.token.kind is not Kind.END:
        raise cursor.unexpected()


def parse_type(text: str) -> SqlType | TypeName:
    """`ARRAY<BIGINT>` to a type; a `TypeName` when it names a custom type somewhere inside."""
    cursor = _cursor(text)
    type_ = read_type(cursor)
    _finish(cursor)
    return type_


def resolve_type(type_: SqlType | TypeName, lookup: Callable[[str], SqlType | None]) -> SqlType:
    """The type with custom names replaced by what `lookup` knows them as. A name it does not know is an error."""
    if not isinstance(type_, TypeName):
        return type_
    cursor = _cursor(type_.text)
    return _resolve(_read(cursor), lookup, type_)


def _resolve(type_: SqlType, lookup: Callable[[str], SqlType | None], written: TypeName) -> SqlType:
    match type_:
        case _Custom(name):
            known = lookup(name)
            if known is None:
                raise TypeNotFound(name, span=written.span, candidates=NAMED)
            return known
        case Array(element):
            return Array(_resolve(element, lookup, written))
        case Map(key, value):
            return Map(_resolve(key, lookup, written), _resolve(value, lookup, written))
        case Struct(fields):
            return Struct(tuple((name, _resolve(field, lookup, written)) for name, field in fields))
    return type_


def parse_schema(text: str, lookup: Callable[[str], SqlType | None] = lambda _: None) -> Schema:
    """A column list such as "`ID` STRING KEY, `A` ARRAY<BIGINT>" (PRIMARY KEY and KEY alike) to a schema."""
    cursor = _cursor(text)
    if cursor.token.kind is Kind.END:
        return Schema(())
    columns = cursor.several(lambda: _column(cursor, lookup))
    _finish(cursor)
    return Schema(columns)


def _column(cursor: Cursor, lookup: Callable[[str], SqlType | None]) -> Column:
    name = cursor.name("a column name")
    type_ = resolve_type(read_type(cursor), lookup)
    return Column(name.text, type_, key=cursor.accept_words("PRIMARY", "KEY") or cursor.accept_words("KEY"))
