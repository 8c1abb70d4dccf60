"""The SELECT list: `*` expanded, expressions bound, columns named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ssql.errors import InvalidStatement, Span, TypeMismatch
from ssql.planner import expr as e
from ssql.planner.bind_expr import Binder
from ssql.planner.bind_from import Bound
from ssql.planner.expr_text import text_of
from ssql.planner.names import Names
from ssql.planner.scope import PSEUDO, Scope
from ssql.sql import statements as sql
from ssql.sql.trees import span_of
from ssql.types import Struct


@dataclass(frozen=True)
class Selected:
    """A selected column: its name in the result, its expression, its place; `named`: with AS or by `*`."""

    name: str
    expr: e.Expr
    span: Span
    named: bool


def named_like(x: e.Expr, scope: Scope) -> str | None:
    """The name that an unnamed column gets: its own, with its source's where several sources have it."""
    if not isinstance(x, e.Column):
        return None
    name = x.label or x.name
    return f"{x.source}_{name}" if x.source and scope.in_several(name) else name


def expand(
    written: Sequence[sql.SelectItem | sql.Star], bound: Bound, binder: Binder, names: Names
) -> tuple[Selected, ...]:
    """All selected columns in order. Raises SqlError."""
    found: list[Selected] = []
    for item in written:
        if isinstance(item, sql.Star):
            found.extend(_star(item, bound, binder, names))
        else:
            found.append(_item(item, bound, binder, names))
    return tuple(found)


def _item(item: sql.SelectItem, bound: Bound, binder: Binder, names: Names) -> Selected:
    x = binder.bind(item.expression)
    if item.alias is not None:
        name = item.alias.text
        if name in PSEUDO and isinstance(x, e.Column) and x.pseudo == name:
            return Selected(name, x, item.span, named=False)
        if name in PSEUDO:
            raise InvalidStatement(
                f"`{name}` is a reserved column name. You cannot use it as an alias for a column.", span=item.alias.span
            )
        return Selected(name, x, item.span, named=True)
    return Selected(named_like(x, bound.scope) or names.for_expression(x), x, item.span, named=False)


def _star(star: sql.Star, bound: Bound, binder: Binder, names: Names) -> Iterator[Selected]:
    if star.struct is not None:
        base = binder.bind(star.struct)
        if not isinstance(base.type, Struct):
            raise TypeMismatch(f"{text_of(base)} is {base.type}: only structs have fields", span=span_of(star.struct))
        for name, kind in base.type.fields:
            field = e.Field(kind, base, name, span=star.span)
            yield Selected(names.for_expression(field), field, star.span, named=False)
        return
    source = None
    if star.source is not None:
        source = star.source.text
        bound.scope.check_source(source, star.source.span)
    for v in bound.scope.star(source):
        prefixed = bound.joined and v.source
        x = e.Column(v.column.type, v.column.name, v.column.pseudo, v.source, v.name, span=star.span)
        yield Selected(f"{v.source}_{v.name}" if prefixed else v.name, x, star.span, named=True)
