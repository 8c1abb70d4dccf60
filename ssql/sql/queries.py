"""SELECT: tokens to a `Query`.

ksqlDB's clauses in ksqlDB's order, and what SQL has beyond: DISTINCT, queries in FROM, ORDER BY, OFFSET. What stands
after HAVING (EMIT, ORDER BY, LIMIT, OFFSET) may come in any order, each once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from ssql.errors import NotSupportedYet, Span, SsqlError
from ssql.sql.cursor import Cursor
from ssql.sql.expressions import read_expression, read_order, read_value
from ssql.sql.lexer import RESERVED, Kind
from ssql.sql.statements import (
    Interval,
    Join,
    Name,
    Query,
    Relation,
    SelectItem,
    SourceRef,
    Star,
    SubqueryRef,
    Window,
    Within,
)

UNITS = ("MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS")
_SINGULAR = {unit[:-1]: unit for unit in UNITS}

#: What may follow a select item and a source, for hints on a word that was taken for an alias.
_AFTER_ITEM = ("FROM", "AS")
_AFTER_SOURCE = (
    *("AS", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "WITHIN", "ON"),
    *("WINDOW", "WHERE", "GROUP BY", "PARTITION BY", "HAVING", "EMIT", "ORDER BY", "LIMIT", "OFFSET"),
)
_SET_OPERATIONS = ("UNION", "INTERSECT", "EXCEPT")
_CLAUSE_STARTS = ("EMIT", "PARTITION", "ORDER", "OFFSET")


def read_query(cursor: Cursor) -> Query:
    start = cursor.token
    cursor.expect_words("SELECT")
    distinct = cursor.is_word("DISTINCT")
    if distinct:
        cursor.advance()
    items = cursor.several(lambda: _item(cursor))
    cursor.expect_words("FROM")
    source = _relation(cursor)
    window = _window(cursor) if cursor.accept_words("WINDOW") else None
    where = read_expression(cursor) if cursor.accept_words("WHERE") else None
    group_by = _grouping(cursor) if cursor.accept_words("GROUP", "BY") else None
    partition_by = _grouping(cursor) if cursor.accept_words("PARTITION", "BY") else None
    having = read_expression(cursor) if cursor.accept_words("HAVING") else None
    tail = _tail(cursor)
    if cursor.is_word(*_SET_OPERATIONS) and cursor.is_word("SELECT", "ALL", "DISTINCT", ahead=1):
        raise not_supported(cursor)
    return Query(
        items=items,
        source=source,
        span=cursor.span_from(start),
        window=window,
        where=where,
        group_by=group_by,
        partition_by=partition_by,
        having=having,
        emit=tail.emit,
        distinct=distinct,
        order_by=tail.order_by or (),
        limit=tail.limit,
        limit_span=tail.limit_span,
        offset=tail.offset,
        limit_by=tail.limit_by,
        offset_by=tail.offset_by,
    )


def not_supported(cursor: Cursor) -> SsqlError:
    """The error of a clause that SQL has, and ssql not yet."""
    return NotSupportedYet(cursor.token.value, span=cursor.token.span).within(cursor.text)


# --- SELECT ----------------------------------------------------------------------------------------------------------


def _item(cursor: Cursor) -> SelectItem | Star:
    start = cursor.token
    if cursor.accept("*"):
        return Star(start.span)
    if cursor.is_name() and cursor.is_symbol(".", ahead=1) and cursor.is_symbol("*", ahead=2):
        source = cursor.name()
        cursor.expect(".")
        cursor.expect("*")
        return Star(cursor.span_from(start), source=source)
    expression = read_expression(cursor)
    if cursor.is_symbol("->"):
        cursor.advance()
        cursor.expect("*")
        return Star(cursor.span_from(start), struct=expression)
    alias = _alias(cursor, _AFTER_ITEM)
    return SelectItem(expression, alias, cursor.span_from(start))


def _alias(cursor: Cursor, followers: tuple[str, ...]) -> Name | None:
    if cursor.is_word("AS"):
        cursor.advance()
        return cursor.name("a name")
    cursor.wanted(*followers, quietly=True)
    return cursor.alias() if cursor.is_name() and not _starts_clause(cursor) else None


def _starts_clause(cursor: Cursor) -> bool:
    """Whether a word that could be a name starts a clause, as the word after it shows."""
    after = cursor.peek()
    if cursor.is_word("PARTITION", "ORDER"):
        return cursor.is_word("BY", ahead=1)
    if cursor.is_word(*_SET_OPERATIONS):
        return cursor.is_word("SELECT", "ALL", "DISTINCT", ahead=1)
    if cursor.is_word("OFFSET"):
        return after.kind is Kind.INTEGER
    if cursor.is_word("EMIT"):
        return after.kind is Kind.WORD and after.value not in RESERVED and after.value not in _CLAUSE_STARTS
    return False


# --- FROM ------------------------------------------------------------------------------------------------------------


def _relation(cursor: Cursor) -> Relation:
    start = cursor.token
    left = _source(cursor)
    while (kind := _join_kind(cursor)) is not None:
        right = _source(cursor)
        within = _within(cursor) if cursor.accept_words("WITHIN") else None
        cursor.expect_words("ON")
        on = read_expression(cursor)
        left = Join(kind, left, right, on, within, cursor.span_from(start))
    return left


def _source(cursor: Cursor) -> Relation:
    if cursor.is_symbol("("):
        query = cursor.parenthesised(lambda: read_query(cursor))
        alias = _alias(cursor, _AFTER_SOURCE)
        if alias is None:
            raise cursor.unexpected("a name for the query in FROM")
        return SubqueryRef(query, alias)
    name = cursor.name("the name of a stream or table")
    return SourceRef(name, _alias(cursor, _AFTER_SOURCE) or name)


def _join_kind(cursor: Cursor) -> Literal["INNER", "LEFT", "RIGHT", "FULL"] | None:
    if cursor.accept_words("JOIN"):
        return "INNER"
    for kind in ("INNER", "LEFT", "RIGHT", "FULL"):
        if cursor.accept_words(kind):
            if kind != "INNER":
                cursor.accept_words("OUTER")
            cursor.expect_words("JOIN")
            return kind  # type: ignore[return-value]
    return None


def _within(cursor: Cursor) -> Within:
    start = cursor.last
    if cursor.is_symbol("("):
        cursor.open("(")
        before = read_interval(cursor)
        cursor.expect(",")
        after = read_interval(cursor)
        cursor.close(")")
    else:
        before = after = read_interval(cursor)
    grace = read_interval(cursor) if cursor.accept_words("GRACE", "PERIOD") else None
    return Within(before, after, grace, cursor.span_from(start))


def read_interval(cursor: Cursor) -> Interval:
    """`n UNIT`; the unit comes out in the plural."""
    amount = cursor.integer("a length of time")
    token = cursor.token
    unit = _SINGULAR.get(token.value, token.value)
    if token.kind is not Kind.WORD or unit not in UNITS:
        raise cursor.unexpected(*UNITS)
    cursor.advance()
    return Interval(amount, unit)


# --- WINDOW ----------------------------------------------------------------------------------------------------------


def _window(cursor: Cursor) -> Window:
    start = cursor.last
    kinds = ("TUMBLING", "HOPPING", "SESSION")
    if cursor.is_name() and cursor.is_word(*kinds, ahead=1):
        cursor.name()  # a window may have a name, which nothing can refer to
    kind = cursor.one_of(*kinds)
    cursor.open("(")
    advance = None
    if kind != "SESSION":
        cursor.expect_words("SIZE")
    size = read_interval(cursor)
    if kind == "HOPPING":
        cursor.expect(",")
        cursor.expect_words("ADVANCE", "BY")
        advance = read_interval(cursor)
    retention = grace = None
    if cursor.accept(","):
        if cursor.accept_words("RETENTION"):
            retention = read_interval(cursor)
            if cursor.accept(","):
                cursor.expect_words("GRACE", "PERIOD")
                grace = read_interval(cursor)
        elif cursor.accept_words("GRACE", "PERIOD"):
            grace = read_interval(cursor)
        else:
            raise cursor.unexpected()
    cursor.close(")")
    return Window(kind, size, cursor.span_from(start), advance, retention, grace)  # type: ignore[arg-type]


# --- the rest --------------------------------------------------------------------------------------------------------


def _grouping(cursor: Cursor) -> tuple[exp.Expression, ...]:
    """`a, b` or `(a, b)` as a whole; `()` is empty."""
    if cursor.is_symbol("(") and cursor.is_symbol(")", ahead=1):
        cursor.open("(")
        cursor.close(")")
        return ()
    if _is_tuple(cursor):
        return cursor.listed(lambda: read_expression(cursor))
    return cursor.several(lambda: read_value(cursor))


def _is_tuple(cursor: Cursor) -> bool:
    """Whether the list at the cursor is one pair of parentheses with a comma in it, and nothing after."""
    if not cursor.is_symbol("("):
        return False
    depth, ahead, commas = 0, 0, 0
    while cursor.peek(ahead).kind is not Kind.END:
        if cursor.is_symbol("(", ahead) or cursor.is_symbol("[", ahead):
            depth += 1
        elif cursor.is_symbol(")", ahead) or cursor.is_symbol("]", ahead):
            depth -= 1
        elif cursor.is_symbol(",", ahead) and depth == 1:
            commas += 1
        ahead += 1
        if depth == 0:
            break
    ends = cursor.peek(ahead).kind in {Kind.WORD, Kind.END} or cursor.is_symbol(")", ahead)
    return commas > 0 and ends


@dataclass
class _Tail:
    emit: Literal["CHANGES", "FINAL"] | None = None
    order_by: tuple[tuple[exp.Expression, bool], ...] | None = None
    limit: int | None = None
    limit_span: Span | None = None
    offset: int | None = None
    limit_by: str | None = None
    offset_by: str | None = None


def _limit(cursor: Cursor) -> tuple[int, Span]:
    """The number after LIMIT, and its place. That it is not negative is for the query to say, whichever kind it is."""
    start = cursor.token
    return cursor.count("LIMIT"), cursor.span_from(start)


def _parameter(cursor: Cursor) -> str | None:
    """The parameter that comes next, where there may be one."""
    return cursor.advance().value if cursor.parameters and cursor.token.kind is Kind.PARAMETER else None


def _tail(cursor: Cursor) -> _Tail:
    tail = _Tail()
    while True:
        if tail.emit is None and cursor.accept_words("EMIT"):
            tail.emit = "CHANGES" if cursor.one_of("CHANGES", "FINAL") == "CHANGES" else "FINAL"
        elif tail.order_by is None and cursor.accept_words("ORDER", "BY"):
            tail.order_by = cursor.several(lambda: read_order(cursor))
        elif tail.limit is None and tail.limit_by is None and cursor.accept_words("LIMIT"):
            tail.limit_by = _parameter(cursor)
            if tail.limit_by is None:
                tail.limit, tail.limit_span = _limit(cursor)
        elif tail.offset is None and tail.offset_by is None and cursor.accept_words("OFFSET"):
            tail.offset_by = _parameter(cursor)
            if tail.offset_by is None:
                tail.offset = cursor.count("OFFSET")
        else:
            return tail
