"""Expressions: tokens to the trees that `trees.py` lists.

Binding, loosest first: OR, AND, NOT, one comparison or predicate, `||`, `+ -`, `* / %`, sign, AT TIME ZONE, then
`[i]` and `->f`. Comparisons do not chain (`a = b = c` is refused), as in ksqlDB.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from ssql.errors import InvalidLiteral, Span
from ssql.sql.cursor import Cursor
from ssql.sql.lexer import NUMBERS, Kind, Token
from ssql.sql.trees import at, identifier, span_of, type_ref
from ssql.sql.type_syntax import read_type

COMPARISONS: dict[str, type[exp.Expression]] = {
    "=": exp.EQ,
    "<>": exp.NEQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}
#: Loosest first.
ARITHMETIC: tuple[dict[str, type[exp.Expression]], ...] = (
    {"||": exp.DPipe},
    {"+": exp.Add, "-": exp.Sub},
    {"*": exp.Mul, "/": exp.Div, "%": exp.Mod},
)

MIN_BIGINT, MAX_BIGINT = -(2**63), 2**63 - 1

_PREDICATES = ("BETWEEN", "IN", "LIKE", "IS", "NOT", "AND", "OR")


def read_expression(cursor: Cursor) -> exp.Expression:
    """The whole expression at the cursor, conditions included."""
    return _disjunction(cursor)


def read_value(cursor: Cursor) -> exp.Expression:
    """An expression without a bare condition: what GROUP BY and comparisons take."""
    return _arithmetic(cursor, 0)


# --- operators -------------------------------------------------------------------------------------------------------


def _joined(kind: type[exp.Expression], left: exp.Expression, right: exp.Expression) -> exp.Expression:
    return at(kind(this=left, expression=right), Span(span_of(left).start, span_of(right).end))


def _disjunction(cursor: Cursor) -> exp.Expression:
    left = _conjunction(cursor)
    while cursor.is_word("OR"):
        cursor.advance()
        left = _joined(exp.Or, left, _conjunction(cursor))
    return left


def _conjunction(cursor: Cursor) -> exp.Expression:
    left = _negation(cursor)
    while cursor.is_word("AND"):
        cursor.advance()
        left = _joined(exp.And, left, _negation(cursor))
    return left


def _negation(cursor: Cursor) -> exp.Expression:
    if not cursor.is_word("NOT"):
        return _predicate(cursor)
    start = cursor.advance()
    return at(exp.Not(this=_negation(cursor)), cursor.span_from(start))


def _predicate(cursor: Cursor) -> exp.Expression:
    left = read_value(cursor)
    start = span_of(left)
    if cursor.token.kind is Kind.SYMBOL and cursor.token.raw in COMPARISONS:
        kind = COMPARISONS[cursor.advance().raw]
        return _joined(kind, left, read_value(cursor))
    if cursor.is_word("IS"):
        return _is(cursor, left, start)
    if cursor.is_word("NOT"):
        cursor.advance()
        positive = _membership(cursor, left, start)
        if positive is None:
            raise cursor.unexpected("BETWEEN", "IN", "LIKE")
        return at(exp.Not(this=positive), span_of(positive))
    found = _membership(cursor, left, start)
    cursor.wanted(*_PREDICATES, quietly=True)
    return left if found is None else found


def _is(cursor: Cursor, left: exp.Expression, start: Span) -> exp.Expression:
    cursor.advance()
    negated = cursor.accept_words("NOT")
    if cursor.accept_words("NULL"):
        span = cursor.span_from(start)
        test = at(exp.Is(this=left, expression=at(exp.Null(), cursor.last.span)), span)
        return at(exp.Not(this=test), span) if negated else test
    if not cursor.accept_words("DISTINCT", "FROM"):
        raise cursor.unexpected()
    return _joined(exp.NullSafeEQ if negated else exp.NullSafeNEQ, left, read_value(cursor))


def _membership(cursor: Cursor, left: exp.Expression, start: Span) -> exp.Expression | None:
    """BETWEEN, IN or LIKE after `left`, or None."""
    node: exp.Expression
    if cursor.is_word("BETWEEN"):
        cursor.advance()
        low = read_value(cursor)
        cursor.expect_words("AND")
        node = exp.Between(this=left, low=low, high=read_value(cursor))
    elif cursor.is_word("IN"):
        cursor.advance()
        node = exp.In(this=left, expressions=list(cursor.listed(lambda: read_expression(cursor))))
    elif cursor.is_word("LIKE"):
        cursor.advance()
        node = exp.Like(this=left, expression=read_value(cursor))
        if cursor.accept_words("ESCAPE"):
            at(node, cursor.span_from(start))
            node = exp.Escape(this=node, expression=_text(cursor.string("the escape character")))
    else:
        return None
    return at(node, cursor.span_from(start))


def _arithmetic(cursor: Cursor, level: int) -> exp.Expression:
    if level == len(ARITHMETIC):
        return _signed(cursor)
    kinds = ARITHMETIC[level]
    left = _arithmetic(cursor, level + 1)
    while cursor.token.kind is Kind.SYMBOL and cursor.token.raw in kinds:
        kind = kinds[cursor.advance().raw]
        left = _joined(kind, left, _arithmetic(cursor, level + 1))
    return left


def _signed(cursor: Cursor) -> exp.Expression:
    start = cursor.token
    if cursor.is_symbol("+"):
        cursor.advance()
        return _signed(cursor)
    if cursor.is_symbol("-") and cursor.peek().kind not in NUMBERS:
        cursor.advance()
        return at(exp.Neg(this=_signed(cursor)), cursor.span_from(start))
    return _zoned(cursor)


def _zoned(cursor: Cursor) -> exp.Expression:
    node = _postfix(cursor)
    while cursor.is_words("AT", "TIME", "ZONE"):
        cursor.expect_words("AT", "TIME", "ZONE")
        zone = _text(cursor.string("a time zone"))
        node = at(exp.AtTimeZone(this=node, zone=zone), cursor.span_from(span_of(node)))
    return node


def _postfix(cursor: Cursor) -> exp.Expression:
    node = _primary(cursor)
    while True:
        if cursor.is_symbol("["):
            cursor.open("[")
            index = read_value(cursor)
            cursor.close("]")
            node = at(exp.Bracket(this=node, expressions=[index]), cursor.span_from(span_of(node)))
        elif cursor.is_symbol("->") and not cursor.is_symbol("*", ahead=1):
            cursor.advance()
            node = exp.Dot(this=node, expression=_identifier(cursor, "a field name"))
            at(node, cursor.span_from(span_of(node)))
        else:
            return node


# --- what operators stand between ------------------------------------------------------------------------------------


def _identifier(cursor: Cursor, what: str) -> exp.Identifier:
    name = cursor.name(what)
    return identifier(name.text, name.span)


def _text(token: Token) -> exp.Literal:
    return at(exp.Literal(this=token.value, is_string=True), token.span)


def _primary(cursor: Cursor) -> exp.Expression:
    token = cursor.token
    match token.kind:
        case Kind.STRING:
            return _text(cursor.advance())
        case Kind.INTEGER | Kind.DECIMAL | Kind.DOUBLE:
            return read_number(cursor)
        case Kind.SYMBOL if token.raw == "-":
            return read_number(cursor)
        case Kind.SYMBOL if token.raw == "(":
            inner = cursor.parenthesised(lambda: read_expression(cursor))
            return at(exp.Paren(this=inner), cursor.span_from(token))
        case Kind.WORD:
            return _word(cursor)
        case Kind.NAME:
            return _named(cursor)
        case Kind.PARAMETER if cursor.parameters:
            return at(exp.Parameter(this=cursor.advance().value), token.span)
    raise cursor.unexpected("an expression")


def _word(cursor: Cursor) -> exp.Expression:
    token = cursor.token
    match token.value:
        case "NULL":
            return at(exp.Null(), cursor.advance().span)
        case "TRUE" | "FALSE":
            return at(exp.Boolean(this=token.value == "TRUE"), cursor.advance().span)
        case "CASE":
            return _case(cursor)
        case "CAST" if cursor.is_symbol("(", ahead=1):
            return _cast(cursor)
        case "ARRAY" if cursor.is_symbol("[", ahead=1):
            return _array(cursor)
        case "MAP" if cursor.is_symbol("(", ahead=1):
            return _map(cursor)
        case "STRUCT" if cursor.is_symbol("(", ahead=1):
            return _struct(cursor)
        case "DECIMAL" if cursor.peek().kind is Kind.STRING:
            return _typed_decimal(cursor)
        case "LEFT" | "RIGHT" if cursor.is_symbol("(", ahead=1):
            return _call(cursor)
    if not cursor.is_name():
        raise cursor.unexpected("an expression")
    return _named(cursor)


def read_number(cursor: Cursor) -> exp.Literal:
    """A number, with its sign."""
    start = cursor.token
    sign = cursor.advance().raw if cursor.is_symbol("-") else ""
    if cursor.token.kind not in NUMBERS:
        raise cursor.unexpected("a number")
    token = cursor.advance()
    text = sign + token.raw
    span = cursor.span_from(start)
    if token.kind is Kind.INTEGER and not MIN_BIGINT <= int(text) <= MAX_BIGINT:
        hint = "It does not fit in a BIGINT. For a DECIMAL, add a point."
        raise InvalidLiteral(f"Invalid numeric literal: {text}", span=span, hint=hint).within(cursor.text)
    if token.kind is Kind.DOUBLE and math.isinf(float(text)):
        raise InvalidLiteral(f"Number overflows DOUBLE: {text}", span=span).within(cursor.text)
    return at(exp.Literal(this=text, is_string=False), span)


def _typed_decimal(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    token = cursor.advance()
    try:
        value = Decimal(token.value)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise cursor.error(f"invalid DECIMAL literal: {token.raw}", token.span)
    plain = format(value, "f")
    text = plain if "." in plain else plain + "."
    return at(exp.Literal(this=text, is_string=False), cursor.span_from(start))


def _case(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    operand = None if cursor.is_word("WHEN") else read_value(cursor)
    branches = []
    while cursor.accept_words("WHEN"):
        branch = cursor.last
        condition = read_expression(cursor)
        cursor.expect_words("THEN")
        node = exp.If(this=condition, true=read_expression(cursor))
        branches.append(at(node, cursor.span_from(branch)))
    if not branches:
        raise cursor.unexpected()
    default = read_expression(cursor) if cursor.accept_words("ELSE") else None
    cursor.expect_words("END")
    return at(exp.Case(this=operand, ifs=branches, default=default), cursor.span_from(start))


def _cast(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    cursor.open("(")
    operand = read_expression(cursor)
    cursor.expect_words("AS")
    first = cursor.token
    type_ = read_type(cursor)
    target = type_ref(type_, cursor.span_from(first))
    cursor.close(")")
    return at(exp.Cast(this=operand, to=target), cursor.span_from(start))


def _array(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    cursor.open("[")
    items = [] if cursor.is_symbol("]") else list(cursor.several(lambda: read_expression(cursor)))
    cursor.close("]")
    return at(exp.Array(expressions=items), cursor.span_from(start))


def _map(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    entries = cursor.listed(lambda: _assigned(cursor, read_expression), may_be_empty=True)
    span = cursor.span_from(start)
    keys = at(exp.Array(expressions=[key for key, _ in entries]), span)
    values = at(exp.Array(expressions=[value for _, value in entries]), span)
    return at(exp.Map(keys=keys, values=values), span)


def _struct(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    entries = cursor.listed(lambda: _assigned(cursor, lambda c: _identifier(c, "a field name")), may_be_empty=True)
    fields = [
        at(exp.PropertyEQ(this=field, expression=value), Span(span_of(field).start, span_of(value).end))
        for field, value in entries
    ]
    return at(exp.Struct(expressions=fields), cursor.span_from(start))


def _assigned(cursor: Cursor, read_left: Callable[[Cursor], exp.Expression]) -> tuple[exp.Expression, exp.Expression]:
    left = read_left(cursor)
    cursor.expect(":=")
    return left, read_expression(cursor)


def _named(cursor: Cursor) -> exp.Expression:
    """A column, a qualified column or a call."""
    if cursor.is_symbol("(", ahead=1):
        return _call(cursor)
    start = cursor.token
    first = _identifier(cursor, "an expression")
    if cursor.is_symbol(".") and not cursor.is_symbol("*", ahead=1):
        cursor.advance()
        column = exp.Column(this=_identifier(cursor, "a column name"), table=first)
    else:
        column = exp.Column(this=first)
    return at(column, cursor.span_from(start))


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(cursor: Cursor) -> exp.Expression:
    start = cursor.advance()
    cursor.open("(")
    arguments: list[exp.Expression] = []
    if cursor.is_symbol("*") and cursor.is_symbol(")", ahead=1):
        arguments.append(at(exp.Star(), cursor.advance().span))
    elif cursor.is_word("DISTINCT"):
        distinct = cursor.advance()
        columns = list(cursor.several(lambda: read_expression(cursor)))
        arguments.append(at(exp.Distinct(expressions=columns), cursor.span_from(distinct)))
    elif not cursor.is_symbol(")"):
        arguments.extend(cursor.several(lambda: _argument(cursor)))
    cursor.close(")")
    node = at(exp.Anonymous(this=start.value.upper(), expressions=arguments), cursor.span_from(start))
    if cursor.is_word("OVER") and cursor.is_symbol("(", ahead=1):
        return _over(cursor, node)
    return node


def _argument(cursor: Cursor) -> exp.Expression:
    if not _is_lambda(cursor):
        return read_expression(cursor)
    start = cursor.token
    if cursor.is_symbol("("):
        parameters = list(cursor.listed(lambda: _identifier(cursor, "a name")))
    else:
        parameters = [_identifier(cursor, "a name")]
    cursor.expect("=>")
    body = read_expression(cursor)
    return at(exp.Lambda(this=body, expressions=parameters), cursor.span_from(start))


def _is_lambda(cursor: Cursor) -> bool:
    """Whether `x =>` or `(a, b) =>` comes next."""
    if not cursor.is_symbol("("):
        return cursor.is_name() and cursor.is_symbol("=>", ahead=1)
    ahead = 1
    while cursor.is_name(ahead) and cursor.is_symbol(",", ahead + 1):
        ahead += 2
    return cursor.is_name(ahead) and cursor.is_symbol(")", ahead + 1) and cursor.is_symbol("=>", ahead + 2)


def _over(cursor: Cursor, call: exp.Expression) -> exp.Expression:
    cursor.advance()
    cursor.open("(")
    partition: list[exp.Expression] = []
    if cursor.accept_words("PARTITION", "BY"):
        partition.extend(cursor.several(lambda: read_value(cursor)))
    order = None
    if cursor.accept_words("ORDER", "BY"):
        first = cursor.token
        ordered = list(cursor.several(lambda: _ordered(cursor)))
        order = at(exp.Order(expressions=ordered), cursor.span_from(first))
    spec = _frame(cursor)
    cursor.close(")")
    node = exp.Window(this=call, partition_by=partition, order=order, spec=spec)
    return at(node, cursor.span_from(span_of(call)))


def _ordered(cursor: Cursor) -> exp.Expression:
    value, descending = read_order(cursor)
    return at(exp.Ordered(this=value, desc=descending), cursor.span_from(span_of(value)))


def read_order(cursor: Cursor) -> tuple[exp.Expression, bool]:
    """`e [ASC | DESC]`, with True for DESC."""
    value = read_value(cursor)
    if cursor.accept_words("DESC"):
        return value, True
    cursor.accept_words("ASC")
    return value, False


def _frame(cursor: Cursor) -> exp.Expression | None:
    if not (cursor.accept_words("ROWS") or cursor.accept_words("RANGE")):
        return None
    first = cursor.last
    if cursor.accept_words("BETWEEN"):
        start, start_side = _bound(cursor)
        cursor.expect_words("AND")
        end, end_side = _bound(cursor)
    else:
        start, start_side = _bound(cursor)
        end, end_side = "CURRENT ROW", None
    node = exp.WindowSpec(kind=first.value, start=start, start_side=start_side, end=end, end_side=end_side)
    return at(node, cursor.span_from(first))


def _bound(cursor: Cursor) -> tuple[str | exp.Expression, str | None]:
    if cursor.accept_words("CURRENT", "ROW"):
        return "CURRENT ROW", None
    bound: str | exp.Expression
    bound = "UNBOUNDED" if cursor.accept_words("UNBOUNDED") else read_number(cursor)
    return bound, cursor.one_of("PRECEDING", "FOLLOWING")
