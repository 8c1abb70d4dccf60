"""From a logical plan to the steps that the runtime runs, with their SQL.

Chains of stateless nodes are fused into one Map, or a Pick where columns are only picked. Steps are named after what
they do, and numbered among those of their name in topological order: under these ids state is filed. So a step that
keeps rows has the same id as long as those of its kind are the same, whatever filters and projections come and go.
"""

from __future__ import annotations

from collections import Counter

from ssql.errors import InternalError
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner import steps as s
from ssql.planner.grouping_sql import (
    accumulators_of,
    combine_sql,
    distincts_of,
    merge_sql,
    regroup_sql,
    result_sql,
)
from ssql.planner.print_duckdb import chain_statement
from ssql.planner.relation import Relation
from ssql.planner.time_sql import time_statement
from ssql.types import BIGINT, Column, Schema

NULL_GROUP = "a grouping column is null"
NULL_JOIN_KEY = "the join key is null"


def dataflow(
    root: plan.Node, *, sink: Relation | None, keys: tuple[str, ...] = (), lifetime_ms: int | None = None
) -> tuple[s.Step, ...]:
    """The steps of a plan, ending in a Sink, or in an Emit (by `keys`) where there is no sink.

    Raises NotSupportedYet.
    """
    last_rows = _below_projections(root) if sink is not None else None
    builder = _Builder(last_rows)
    last = builder.node(root)
    if sink is None:
        builder.add(s.Emit(builder.id("emit"), (last.id,), last.schema, keys))
    else:
        timestamp = time_statement(sink)
        keeps = _keeps_key(root)
        builder.add(s.Sink(builder.id("sink"), (last.id,), last.schema, sink, timestamp, lifetime_ms, keeps))
    return tuple(builder.steps)


def _keeps_key(node: plan.Node) -> bool:
    """Whether the rows are those of a stream, with the keys that they have there."""
    while isinstance(node, plan.Filter | plan.Project | plan.FlatMap):
        node = node.input
    return isinstance(node, plan.Source) and node.changelog is plan.Changelog.APPEND


def _below_projections(node: plan.Node) -> plan.Node:
    """The node whose rows are only computed and keyed anew on their way to the sink."""
    while isinstance(node, plan.Project | plan.Rekey):
        node = node.input
    return node


class _Builder:
    """`written`: the node whose rows are written as they are, if any are.

    It also tells of what has no effect elsewhere: a stream's records without a value, and the end of left rows that an
    inner join on a foreign key had no match for.
    """

    def __init__(self, written: plan.Node | None) -> None:
        self.steps: list[s.Step] = []
        self._written = written
        self._named: Counter[str] = Counter()

    def id(self, name: str) -> str:
        self._named[name] += 1
        return f"{name}-{self._named[name]}"

    def add(self, step: s.Step) -> s.Step:
        self.steps.append(step)
        return step

    def node(self, node: plan.Node) -> s.Step:
        """The steps of a node and all below it; the last one."""
        chain: list[plan.Node] = []
        while isinstance(node, plan.Filter | plan.Project | plan.FlatMap):
            chain.insert(0, node)
            node = node.input
        below = self._stateful(node)
        while chain and _changes_nothing(chain[0], below.schema):
            chain.pop(0)
        if not chain:
            return below
        picked = _picked(chain, below.schema)
        if picked is not None:
            return self.add(s.Pick(self.id("pick"), (below.id,), chain[-1].schema, picked))
        statement = chain_statement(chain, below.schema.names)
        return self.add(s.Map(self.id("map"), (below.id,), chain[-1].schema, statement))

    def _stateful(self, node: plan.Node) -> s.Step:
        match node:
            case plan.Source():
                relation = node.relation
                time = time_statement(relation)
                void = node is self._written and node.changelog is plan.Changelog.APPEND
                return self.add(s.Scan(self.id("scan"), (), node.schema, relation, time, void))
            case plan.Rekey():
                return self._exchange(self.node(node.input), node.input, node.keys)
            case plan.Window():
                return self._window(node, self.node(node.input))
            case plan.Aggregate():
                return self._aggregate(node)
            case plan.Join():
                return self._join(node)
        raise InternalError(f"no step for a {type(node).__name__}")

    def _exchange(self, below: s.Step, node: plan.Node, keys: tuple[str, ...]) -> s.Step:
        """Rows of `node` brought together by `keys`, where they are not yet."""
        if node.together == keys:
            return below
        schema = plan.with_keys(below.schema, keys)
        return self.add(s.Exchange(self.id("exchange"), (below.id,), schema, keys))

    def _window(self, node: plan.Window, below: s.Step) -> s.Step:
        assert node.kind != "SESSION", "sessions are found by the aggregate"
        schema = Schema((*below.schema.columns, *(Column(n, BIGINT) for n in plan.WINDOW_BOUNDS)))
        return self.add(
            s.Windowed(self.id("window"), (below.id,), schema, node.kind, node.size_ms, node.advance_ms, node.grace_ms)
        )

    def _aggregate(self, node: plan.Aggregate) -> s.Step:
        window = node.input if isinstance(node.input, plan.Window) else None
        rows = node.input if window is None else window.input
        below = self.node(rows)
        if node.keys:
            below = self.add(s.Require(self.id("require"), (below.id,), below.schema, node.keys, NULL_GROUP))
            below = self._exchange(below, rows, node.keys)
        if window is None:
            return self._grouped(node, below, None)
        if window.kind == "SESSION":
            grouped = self._sessions(node, window, below)
        else:
            lifetime = window.retention_ms - window.size_ms
            grouped = self._grouped(node, self._window(window, below), lifetime)
        return grouped if node.final is None else self._final(node, window, grouped, below)

    def _sessions(self, node: plan.Aggregate, window: plan.Window, below: s.Step) -> s.Step:
        # Of a session that ends with the last moment that takes rows, the end is one within its lifetime.
        return self.add(
            s.SessionAggregate(
                self.id("sessions"), (below.id,), node.schema, node.keys, accumulators_of(node),
                window.size_ms, window.grace_ms, merge_sql(node), combine_sql(node), result_sql(node),
                window.held_ms + 1,
            )
        )  # fmt: skip

    def _final(self, node: plan.Aggregate, window: plan.Window, grouped: s.Step, rows: s.Step) -> s.Step:
        """Time windows end before their WINDOWEND, and are closed by it; sessions end at it, and a gap after it."""
        session = window.kind == "SESSION"
        after = window.grace_ms + (window.size_ms + 1 if session else 0)
        reach = None if session else window.held_ms
        return self.add(
            s.Final(
                self.id("final"), (grouped.id, rows.id), grouped.schema, node.group, after, window.advance_ms, reach
            )
        )  # fmt: skip

    def _grouped(self, node: plan.Aggregate, below: s.Step, lifetime: int | None) -> s.Step:
        if node.merges:
            return self.add(
                s.Aggregate(
                    self.id("aggregate"), (below.id,), node.schema, node.group, accumulators_of(node),
                    merge_sql(node), result_sql(node), distincts_of(node), lifetime,
                )
            )  # fmt: skip
        return self.add(
            s.Regroup(
                self.id("regroup"), (below.id,), node.schema, node.group, node.input.identity, node.group,
                regroup_sql(node),
            )
        )  # fmt: skip

    def _keyed(self, below: s.Step, node: plan.Node, keys: tuple[str, ...]) -> s.Step:
        """A stream brought together by its join key. As in ksqlDB, a row without one is not padded either."""
        below = self.add(s.Require(self.id("require"), (below.id,), below.schema, keys, NULL_JOIN_KEY))
        return self._exchange(below, node, keys)

    def _stream_stream(self, node: plan.Join, left: s.Step, right: s.Step, schema: Schema) -> s.Step:
        assert node.within is not None
        left = self._keyed(left, node.left, node.left_on)
        right = self._keyed(right, node.right, node.right_on)
        return self.add(
            s.StreamStreamJoin(
                self.id("join"), (left.id, right.id), schema, node.left_on, node.right_on, node.kind,
                node.within.before_ms, node.within.after_ms, node.within.grace_ms,
            )
        )  # fmt: skip

    def _join(self, node: plan.Join) -> s.Step:
        left, right = self.node(node.left), self.node(node.right)
        schema = Schema((*left.schema.columns, *right.schema.columns))
        match node.shape:
            case ("STREAM", "STREAM"):
                return self._stream_stream(node, left, right, schema)
            case ("STREAM", "TABLE"):
                left = self._keyed(left, node.left, node.left_on)
                assert node.kind in ("INNER", "LEFT")
                return self.add(
                    s.StreamTableJoin(
                        self.id("join"), (left.id, right.id), schema, node.left_on, node.right_on, node.kind
                    )
                )
        tells_all = node is self._written and node.foreign and node.kind == "INNER"
        if node.foreign:
            left = self._exchange(left, node.left, node.left_on)
        return self.add(
            s.TableTableJoin(
                self.id("join"), (left.id, right.id), schema, node.left_on, node.right_on,
                node.left.identity, node.right.identity, node.kind, tells_all,
            )
        )  # fmt: skip


def _picked(chain: list[plan.Node], given: Schema) -> tuple[str, ...] | None:
    """The columns that a single projection takes as they are, if it does nothing else."""
    node = chain[0]
    if len(chain) > 1 or not isinstance(node, plan.Project):
        return None
    names = tuple(i.expr.name for i in node.items if isinstance(i.expr, e.Column))
    return names if len(names) == len(node.items) and given.by_name.keys() >= set(names) else None


def _changes_nothing(node: plan.Node, given: Schema) -> bool:
    """Whether a projection passes the columns on as they are."""
    return isinstance(node, plan.Project) and tuple(i.name for i in node.items) == given.names == _picked([node], given)
