"""Projections over projections become one, where that computes nothing twice."""

from __future__ import annotations

from collections import Counter

from ssql.planner import expr as e
from ssql.planner.plan import Filter, Item, Node, Project


def merge_projections(node: Node) -> Node:
    """The plan with each Project over a Project (or over a Filter over one that only renames) made one."""
    node = node.over(*(merge_projections(i) for i in node.inputs))
    if isinstance(node, Project) and isinstance(node.input, Project):
        inner = node.input
        computed = {i.name: i.expr for i in inner.items}
        if _merges(node, inner):
            items = tuple(Item(i.name, e.substitute(i.expr, computed), i.key) for i in node.items)
            return merge_projections(Project(inner.input, items))
    if isinstance(node, Filter) and isinstance(node.input, Project) and _renames(node.input):
        # Below a projection that only renames, a filter can join the statement of what is there.
        names = {i.name: i.expr for i in node.input.items}
        return merge_projections(
            Project(Filter(node.input.input, e.substitute(node.predicate, names)), node.input.items)
        )
    return node


def _renames(project: Project) -> bool:
    return all(isinstance(i.expr, e.Column) for i in project.items)


def _merges(outer: Project, inner: Project) -> bool:
    """Whether no expression of the inner one is computed more than once, or once for each element of a list."""
    uses: Counter[str] = Counter()
    in_lambdas: set[str] = set()
    for item in outer.items:
        for part in item.expr.walk():
            if isinstance(part, e.Column):
                uses[part.name] += 1
            if isinstance(part, e.Lambda):
                in_lambdas.update(e.columns_of(part.body))
    return all(
        isinstance(i.expr, e.Column | e.Literal) or (uses[i.name] <= 1 and i.name not in in_lambdas)
        for i in inner.items
    )
