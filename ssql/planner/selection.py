"""What a reader wants of a query's rows where it names keys: the query without that, which others may want too.

A thousand clients that each follow a key of their own are one query, and a thousand places to hand its rows to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind import Analysis
from ssql.types import Column


@dataclass(frozen=True)
class Selection:
    """`analysis`: the query for all keys. `wanted`: columns of its plan, and what each is to be equal to (as Arrow
    takes values of the column's type); all of them together select."""

    analysis: Analysis
    wanted: tuple[tuple[Column, Any], ...]


def selection(analysis: Analysis) -> Selection | None:
    """The query, without `key = constant`; None where it does not say that, or does more than filter and project."""
    root = analysis.plan
    if not isinstance(root, plan.Project) or not isinstance(root.input, plan.Filter):
        return None
    source = root.input.input
    if not isinstance(source, plan.Source):
        return None
    keys = {key.name for key in source.relation.schema.keys}
    shown = {item.expr.name: item for item in root.items if isinstance(item.expr, e.Column)}
    wanted: dict[str, Any] = {}
    rest: list[e.Expr] = []
    for condition in _conditions(root.input.predicate):
        found = _key_and_value(condition)
        if found is not None and found[0] in keys & shown.keys() and found[0] not in wanted:
            wanted[found[0]] = found[1]
        else:
            rest.append(condition)
    if not wanted:
        return None
    below = plan.Filter(source, e.all_of(tuple(rest))) if rest else source
    columns = {name: shown[name] for name in sorted(wanted)}
    return Selection(
        replace(analysis, plan=replace(root, input=below)),
        tuple((Column(item.name, source.schema.by_name[name].type), wanted[name]) for name, item in columns.items()),
    )


def _conditions(x: e.Expr) -> Iterator[e.Expr]:
    """What must hold together."""
    if isinstance(x, e.Logical) and x.op == "AND":
        yield from _conditions(x.left)
        yield from _conditions(x.right)
    else:
        yield x


def _key_and_value(x: e.Expr) -> tuple[str, Any] | None:
    """The column that is equal to a constant, and that."""
    if not isinstance(x, e.Comparison) or x.op != "=":
        return None
    for column, value in ((x.left, x.right), (x.right, x.left)):
        if isinstance(column, e.Column) and isinstance(value, e.Literal) and value.type == column.type:
            return column.name, value.value
    return None
