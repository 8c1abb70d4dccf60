"""Scalable push queries, as ksqlDB calls those that share the rows of the one query which fills their source.

They give what comes from then on, filtered and projected. ksqlDB tells them no deletions, and no rows without a key.
"""

from __future__ import annotations

from collections.abc import Iterator

from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind import Analysis
from ssql.sql import statements as sql
from ssql.types import BOOLEAN


def is_scalable(query: sql.Query, analysis: Analysis) -> bool:
    """Whether the query only filters and projects one stream or table, and asks for nothing that is not in its rows."""
    nodes = list(analysis.plan.walk())
    return (
        query.emit == "CHANGES"
        and isinstance(query.source, sql.SourceRef)
        and query.partition_by is None
        and all(isinstance(n, plan.Source | plan.Filter | plan.Project) for n in nodes)
        and not any(isinstance(x, e.Column) and x.pseudo in plan.POSITION for n in nodes for x in _parts(n))
    )


def _parts(node: plan.Node) -> Iterator[e.Expr]:
    match node:
        case plan.Filter():
            yield from node.predicate.walk()
        case plan.Project():
            for item in node.items:
                yield from item.expr.walk()


def with_keys_only(node: plan.Node) -> plan.Node:
    """The plan without rows that have no key, where their source has key columns."""
    if not isinstance(node, plan.Source):
        return node.over(*(with_keys_only(i) for i in node.inputs))
    missing: list[e.Expr] = [e.IsNull(BOOLEAN, e.Column(k.type, k.name)) for k in node.relation.schema.keys]
    return plan.Filter(node, e.Not(BOOLEAN, e.all_of(tuple(missing)))) if missing else node
