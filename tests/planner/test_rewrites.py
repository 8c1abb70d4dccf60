"""Rewrites keep the rows, and do what they are for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.planner import plan
from ssql.planner.dataflow import dataflow
from ssql.planner.rewrites import REWRITES, rewrite
from ssql.planner.rewrites.merge_projections import merge_projections
from ssql.planner.rewrites.prune_columns import prune_columns
from ssql.planner.rewrites.push_filters import push_filters
from ssql.planner.steps import QueryPlan
from tests.planner.harness import Flow, analysed

QUERIES = [
    "SELECT NAME, X + 1 AS Y FROM (SELECT NAME, V * 2 AS X, D FROM S WHERE V > 0) Q WHERE X < 6 EMIT CHANGES;",
    "SELECT C, COUNT(*) FROM (SELECT NAME, COUNT(*) AS C FROM S WHERE V > 1 GROUP BY NAME) G GROUP BY C EMIT CHANGES;",
    "SELECT S.NAME, T.NAME, T.V FROM S JOIN T ON S.ID = T.ID WHERE S.V > 1 AND T.V > 1 EMIT CHANGES;",
    "SELECT S.NAME, T.V FROM S LEFT JOIN T ON S.ID = T.ID WHERE S.V > 1 AND (T.V IS NULL OR T.V > 1) EMIT CHANGES;",
    "SELECT T.ID, T.V, T2.W FROM T LEFT JOIN T2 ON T.ID = T2.ID WHERE T.V > 1 AND T2.W IS NULL EMIT CHANGES;",
    "SELECT T.ID, T2.W FROM T RIGHT JOIN T2 ON T.ID = T2.ID WHERE T2.W > 1 EMIT CHANGES;",
    "SELECT T.ID, T2.W FROM T JOIN T2 ON T.ID = T2.ID WHERE T2.W > 1 AND T.V < 3 EMIT CHANGES;",
    "SELECT NAME, X FROM (SELECT NAME, V, EXPLODE(A) AS X FROM S) Q WHERE V > 1 AND X > 1 EMIT CHANGES;",
    "SELECT NAME, MAX(V) AS M FROM T GROUP BY NAME HAVING MAX(V) > 1 EMIT CHANGES;",
]

small = st.one_of(st.none(), st.integers(0, 3))
names = st.one_of(st.none(), st.sampled_from("ab"))
streams = st.lists(st.fixed_dictionaries({"ID": small, "NAME": names, "V": small, "A": st.lists(small, max_size=2)}))
tables = st.dictionaries(st.integers(0, 3), st.fixed_dictionaries({"NAME": names, "V": small, "W": small}))


def rows_of(root: plan.Node, sources: dict[str, list[dict[str, Any]]]) -> list[str]:
    steps = dataflow(root, sink=None)
    return sorted(map(str, Flow(QueryPlan("Q", steps, "STREAM", "")).values(**sources)))


@pytest.mark.parametrize("sql", QUERIES)
@given(stream=streams, table=tables, other=tables)
@settings(max_examples=8, deadline=None)
def test_a_rewritten_plan_yields_the_same_rows(
    sql: str, stream: list[dict[str, Any]], table: dict[int, dict[str, Any]], other: dict[int, dict[str, Any]]
) -> None:
    sources = {
        "S": stream,
        "T": [{"ID": k, **v} for k, v in table.items()],
        "T2": [{"ID": k, **v} for k, v in other.items()],
    }
    root = analysed(sql).plan
    expected = rows_of(root, sources)
    for step in REWRITES:
        assert rows_of(step(root), sources) == expected, step.__name__
    assert rows_of(rewrite(root), sources) == expected


def only(root: plan.Node, kind: type[plan.Node]) -> list[plan.Node]:
    return [n for n in root.walk() if isinstance(n, kind)]


def test_filters_go_down_to_the_source() -> None:
    root = push_filters(analysed(QUERIES[2]).plan)
    (join,) = only(root, plan.Join)
    assert isinstance(join, plan.Join)
    (above,) = [n for n in only(root, plan.Filter) if join in n.walk()]
    assert isinstance(above, plan.Filter)
    assert "T.V" in str(above.predicate)
    assert "S.V" not in str(above.predicate)
    (left,) = only(join.left, plan.Filter)
    assert isinstance(left, plan.Filter)
    assert isinstance(left.input, plan.Source)


def test_filters_on_what_an_outer_join_pads_stay_above_it() -> None:
    root = push_filters(analysed(QUERIES[4]).plan)
    (join,) = only(root, plan.Join)
    assert isinstance(join, plan.Join)
    assert only(join.left, plan.Filter)
    assert not only(join.right, plan.Filter)


def test_filters_on_what_changes_at_each_call_stay() -> None:
    sql = "SELECT NAME FROM (SELECT NAME, RANDOM() AS R FROM S) Q WHERE R > 0.5 EMIT CHANGES;"
    root = push_filters(analysed(sql).plan)
    (kept,) = only(root, plan.Filter)
    assert isinstance(kept, plan.Filter)
    assert isinstance(kept.input, plan.Project)


def test_columns_that_nobody_reads_are_not_scanned() -> None:
    root = prune_columns(analysed(QUERIES[0]).plan)
    (source,) = only(root, plan.Source)
    assert source.schema.names == ("NAME", "V")


def test_projections_merge_unless_something_would_be_computed_twice() -> None:
    once = merge_projections(analysed("SELECT X + 1 AS Y FROM (SELECT V * 2 AS X FROM S) Q EMIT CHANGES;").plan)
    assert len(only(once, plan.Project)) == 1
    twice = merge_projections(analysed("SELECT X + X AS Y FROM (SELECT V * 2 AS X FROM S) Q EMIT CHANGES;").plan)
    assert len(only(twice, plan.Project)) == 2
    inside = "SELECT TRANSFORM(A, E => E + X) AS Y FROM (SELECT A, V * 2 AS X FROM S) Q EMIT CHANGES;"
    assert len(only(merge_projections(analysed(inside).plan), plan.Project)) == 2
