"""What is done to a logical plan before it becomes a dataflow. One rewrite a module, plan in and plan out.

A rewrite never changes the rows that the plan yields, nor the names of its columns.
"""

from __future__ import annotations

from ssql.planner.plan import Node
from ssql.planner.rewrites.merge_projections import merge_projections
from ssql.planner.rewrites.prune_columns import prune_columns
from ssql.planner.rewrites.push_filters import push_filters

REWRITES = (push_filters, prune_columns, merge_projections)


def rewrite(root: Node) -> Node:
    """The plan after all rewrites, in their order."""
    for step in REWRITES:
        root = step(root)
    return root


__all__ = ["REWRITES", "rewrite"]
