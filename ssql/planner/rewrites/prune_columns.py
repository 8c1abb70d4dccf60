"""Columns that nobody reads go, down to the sources: what a stream's decoder need not decode."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ssql.planner import expr as e
from ssql.planner.plan import (
    WINDOW_BOUNDS,
    Aggregate,
    Filter,
    FlatMap,
    Join,
    Node,
    Project,
    Rekey,
    Source,
    Window,
)


def prune_columns(root: Node) -> Node:
    """The plan with every node yielding just what the ones above it read. The root's columns all stay."""
    return _pruned(root, set(root.schema.names))


def _pruned(node: Node, needed: set[str]) -> Node:
    match node:
        case Source():
            return _source(node, needed)
        case Project():
            kept = tuple(i for i in node.items if i.name in needed) or node.items[:1]
            return Project(_pruned(node.input, _read(i.expr for i in kept)), kept)
        case Filter():
            return node.over(_pruned(node.input, needed | _read([node.predicate])))
        case FlatMap():
            made = {name for name, _ in node.items}
            return node.over(_pruned(node.input, (needed - made) | _read(x for _, x in node.items)))
        case Rekey():
            return node.over(_pruned(node.input, needed | set(node.keys)))
        case Window():
            return node.over(_pruned(node.input, needed - set(WINDOW_BOUNDS)))
        case Aggregate():
            arguments = _read(x for _, a in node.aggregates for x in a.args)
            identity = set() if node.merges else set(node.input.identity)
            return node.over(_pruned(node.input, set(node.group) | arguments | identity))
        case Join():
            wanted = needed | set(node.left_on) | set(node.right_on) | set(node.identity)
            left, right = (_pruned(i, wanted & set(i.schema.names)) for i in (node.left, node.right))
            return node.over(left, right)
    return node.over(*(_pruned(i, set(i.schema.names)) for i in node.inputs))


def _read(exprs: Iterable[e.Expr]) -> set[str]:
    return set(e.columns_of(*exprs)) - {"_time"}


def _source(node: Source, needed: set[str]) -> Source:
    """A stream's scan with the needed columns. A table's has all of them: the runtime keeps a table once, for all."""
    always = set(node.relation.schema.names) if node.relation.kind == "TABLE" else set()
    if node.relation.kind == "TABLE" and node.relation.window is not None:
        always |= set(WINDOW_BOUNDS)
    return replace(node, columns=tuple(c for c in node.columns if c in needed | always))
