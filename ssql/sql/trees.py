"""The expression trees: which sqlglot nodes the parser yields, and nothing else.

The parser is our own (sqlglot's accepts other languages' expressions and gives calls it knows their own classes); the
nodes are sqlglot's, so that trees can be walked, compared, copied and transformed with its tools. `==` on two trees
ignores places. Every node has a place: `span_of(node)`.

Names
    ``exp.Column(this=Identifier, table=Identifier | absent)``: ``c``, ``src.c``, a lambda's parameter, or a unit such
    as SECONDS in ``TIMESTAMPADD(SECONDS, 1, t)``. ``Identifier.this`` is the exact name (plain ones upper-cased);
    ``quoted`` is always True, so that equal names are equal nodes however written.
Literals
    - ``exp.Literal(is_string=True, this=text)``
    - ``exp.Literal(is_string=False, this=digits)``: a sign in front is part of it (``-5``). INTEGER or BIGINT when
      only digits (always in BIGINT's range); DOUBLE with an ``e`` or ``E``; else, with a ``.``, DECIMAL, whose scale
      is the number of digits after the point. ``DECIMAL '10'`` comes as ``10.``. Use `literal_value`.
    - ``exp.Boolean(this=bool)``, ``exp.Null()``
Operators (binary: ``this`` and ``expression``)
    ``exp.Add Sub Mul Div Mod``, ``exp.DPipe`` (``||``), ``exp.EQ NEQ GT GTE LT LTE``, ``exp.And Or``; unary with
    ``this``: ``exp.Not``, ``exp.Neg`` (of what is no number literal), ``exp.Paren``.
Predicates (their NOT forms come as ``exp.Not`` around them)
    - ``exp.Between(this, low, high)``, ``exp.In(this, expressions)`` (at least one)
    - ``exp.Like(this, expression)``; with ESCAPE ``exp.Escape(this=Like, expression=string Literal)``
    - ``exp.Is(this, expression=Null)`` for IS NULL
    - ``exp.NullSafeNEQ`` for IS DISTINCT FROM, ``exp.NullSafeEQ`` for IS NOT DISTINCT FROM (never inside a Not)
Structure
    - ``exp.Case(this | absent, ifs=[exp.If(this=when, true=then)], default | absent)``
    - ``exp.Cast(this, to=TypeRef)``: `cast_type(node)` is its SqlType or TypeName
    - ``exp.Bracket(this, expressions=[index])``: ``a[i]``, the index as written (arrays from 1) or a map's key
    - ``exp.Dot(this, expression=Identifier)``: ``s->f``
    - ``exp.Array(expressions)``: ``ARRAY[..]``
    - ``exp.Map(keys=exp.Array, values=exp.Array)``: ``MAP(k := v, ..)``
    - ``exp.Struct(expressions=[exp.PropertyEQ(this=Identifier, expression=value)])``: ``STRUCT(f := v, ..)``
    - ``exp.AtTimeZone(this, zone=string Literal)``
Calls
    - ``exp.Anonymous(this=NAME, expressions=arguments)`` for every function, aggregates and ``IF``, ``COALESCE`` and
      such too; NAME is upper-cased. ``COUNT(*)`` has one ``exp.Star``; ``COUNT(DISTINCT a)`` has one
      ``exp.Distinct(expressions)``.
    - ``exp.Lambda(this=body, expressions=[Identifier, ..])``, only as an argument. Its parameters are plain columns
      in the body: the innermost lambda that names one wins over the sources.
    - ``exp.Window(this=Anonymous, partition_by=[..], order=exp.Order(expressions=[exp.Ordered(this, desc)]) |
      absent, spec=exp.WindowSpec(kind, start, start_side, end, end_side) | absent)``: ``f() OVER (..)``. ``start`` and
      ``end`` are "UNBOUNDED", "CURRENT ROW" or an integer Literal; the sides "PRECEDING", "FOLLOWING" or absent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

from sqlglot import exp

from ssql.errors import InternalError, Span
from ssql.sql.statements import TypeName
from ssql.types import SqlType

Node = TypeVar("Node", bound=exp.Expr)

_SPAN = "span"


class TypeRef(exp.Expression):
    """The target of a cast; `this` is a SqlType, or a TypeName whose span does not count."""

    arg_types = {"this": True}  # noqa: RUF012  (sqlglot's own declaration)


def at(node: Node, span: Span) -> Node:
    """The same node, placed."""
    node.meta[_SPAN] = span
    return node


def span_of(node: exp.Expr) -> Span:
    """The place of a node in the script it was parsed from; of a node that others built, that of its parts."""
    span = node.meta.get(_SPAN)
    if isinstance(span, Span):
        return span
    parts = [found for part in node.walk() if isinstance(found := part.meta.get(_SPAN), Span)]
    if not parts:
        raise InternalError(f"a {type(node).__name__} node has no place")
    return Span(min(p.start for p in parts), max(p.end for p in parts))


def cast_type(node: exp.Cast) -> SqlType | TypeName:
    """The type that a cast names."""
    target = node.args["to"].args["this"]
    if isinstance(target, TypeName):
        return TypeName(target.text, span_of(node.args["to"]))
    if isinstance(target, SqlType):
        return target
    raise InternalError("a cast without a type")


def type_ref(type_: SqlType | TypeName, span: Span) -> TypeRef:
    """A cast's target. The place of a TypeName moves to the node: equal casts are equal wherever they stand."""
    plain = TypeName(type_.text, Span(0, 0)) if isinstance(type_, TypeName) else type_
    return at(TypeRef(this=plain), span)


def identifier(name: str, span: Span) -> exp.Identifier:
    return at(exp.Identifier(this=name, quoted=True), span)


def literal_value(node: exp.Literal) -> str | int | float | Decimal:
    """A literal's value: str for text, int for INTEGER and BIGINT, Decimal for DECIMAL, float for DOUBLE."""
    text = str(node.this)
    if node.is_string:
        return text
    if "e" in text or "E" in text:
        return float(text)
    return Decimal(text) if "." in text else int(text)


def without_parens(node: exp.Expr) -> exp.Expr:
    """The node inside any parentheses."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node
