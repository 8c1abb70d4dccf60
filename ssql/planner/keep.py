"""The dataflow that keeps a declared table: its rows are held by key, for pull queries, and nothing is written."""

from __future__ import annotations

from ssql.planner import plan
from ssql.planner.explain import logical_text
from ssql.planner.relation import Relation
from ssql.planner.steps import Keep, QueryPlan, Scan
from ssql.planner.time_sql import time_statement


def keep(relation: Relation, *, query_id: str) -> QueryPlan:
    """A query that reads a table from its beginning and does nothing with it: what is read is kept."""
    source = plan.Source(relation, relation.schema.names)
    scan = Scan("scan-1", (), source.schema, relation, time_statement(relation))
    end = Keep("keep-1", (scan.id,), source.schema)
    return QueryPlan(query_id, (scan, end), "TABLE", logical_text(source, sink=None), (relation.name,))
