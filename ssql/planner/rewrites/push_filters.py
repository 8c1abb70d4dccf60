"""Filters go down to where the rows come from: through projections, and to the side of a join that they speak of."""

from __future__ import annotations

from ssql.planner import expr as e
from ssql.planner.plan import Changelog, Filter, FlatMap, Join, Node, Project, Rekey

#: Functions that give another answer at each call: what they are part of stays where it was written.
VOLATILE = frozenset({"RANDOM", "UUID", "UNIX_TIMESTAMP", "UNIX_DATE"})


def push_filters(node: Node) -> Node:
    """The plan with each part of a filter's condition as far down as it can go."""
    if isinstance(node, Filter):
        rest, below = [], node.input
        for part in e.conjuncts(node.predicate):
            moved = None if _volatile(part) else _pushed(part, below)
            if moved is None:
                rest.append(part)
            else:
                below = moved
        below = push_filters(below)
        return Filter(below, e.all_of(tuple(rest))) if rest else below
    return node.over(*(push_filters(i) for i in node.inputs))


def _volatile(x: e.Expr) -> bool:
    return any(isinstance(part, e.Call) and part.name in VOLATILE for part in x.walk())


def _pushed(part: e.Expr, node: Node) -> Node | None:
    """`node` with the condition somewhere below it, or None where it must stay above."""
    read = e.columns_of(part)
    match node:
        case Project():
            computed = {i.name: i.expr for i in node.items}
            if any(_volatile(computed[n]) for n in read if n in computed):
                return None
            return node.over(Filter(node.input, e.substitute(part, computed)))
        case Filter():
            moved = _pushed(part, node.input)
            return None if moved is None else Filter(moved, node.predicate)
        case FlatMap():
            made = {name for name, _ in node.items}
            return None if made & set(read) else node.over(Filter(node.input, part))
        case Rekey():
            return node.over(Filter(node.input, part))
        case Join():
            return _into_join(part, node, set(read))
    return None


def _into_join(part: e.Expr, join: Join, read: set[str]) -> Node | None:
    # A condition on the side that outer rows are padded for would turn matches into padded rows.
    if "_time" in read or join.within is not None:
        return None
    if read and read <= set(join.left.schema.names) and join.kind in ("INNER", "LEFT"):
        return join.over(Filter(join.left, part), join.right)
    tables = join.left.changelog is not Changelog.APPEND
    if read and read <= set(join.right.schema.names) and join.kind in ("INNER", "RIGHT") and tables:
        return join.over(join.left, Filter(join.right, part))
    return None
