"""Pull queries over one table: a statement over its rows, and the keys that narrow them down.

The rows are a snapshot, so that all of SQL that DuckDB has works on them, ORDER BY, OFFSET, DISTINCT and grouping too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from ssql.errors import InvalidStatement, NotSupportedYet
from ssql.functions import used_in
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind_query import Projected, QueryBinder, finished
from ssql.planner.checks import check_unique
from ssql.planner.grouping_sql import whole_sql
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.print_duckdb import FAILED, chain_sql
from ssql.planner.pull_access import check_key_types, key_lookup, why_scan
from ssql.planner.pull_clauses import refuse_positions, selected_and_where
from ssql.planner.pull_direct import Direct, direct
from ssql.planner.relation import Relation, Relations
from ssql.planner.rewrites.merge_projections import merge_projections
from ssql.planner.rewrites.push_filters import push_filters
from ssql.planner.steps import Statement
from ssql.sql import statements as sql
from ssql.sql.trees import literal_value, span_of
from ssql.types import Column, Schema, duck_quote


@dataclass(frozen=True)
class PullPlan:
    """A planned pull query over a table.

    `statement` reads `delta`: the table's rows (keys; WINDOWSTART and WINDOWEND of a windowed one; values; `_time`),
    and yields `columns`. `lookup`: yields the keys (the relation's key columns, a row a key) outside of which no row
    can be in the answer; None: any row may be. Narrowing by it is for speed alone.
    `direct`: the answer without a statement, where the query is a key look-up and nothing else.
    `first_rows`: which rows are in the answer depends on the order of `delta`, as LIMIT stands without ORDER BY.
    """

    relation: Relation
    columns: tuple[Column, ...]
    statement: Statement
    lookup: Statement | None
    first_rows: bool
    direct: Direct | None = None

    @cached_property
    def answer(self) -> pa.Schema:
        """The Arrow form of `columns`."""
        return Schema(self.columns).arrow


def plan_pull(
    query: sql.Query, relations: Relations, *, options: Options = DEFAULTS, scans: bool = True, ranges: bool = True
) -> PullPlan:
    """Plan a SELECT without EMIT over one table (see `pull_clauses` for what it may say). Raises SqlError.

    `scans`, `ranges`: whether it may be answered by reading all rows, or those of a range of keys.
    """
    asked, order = _with_order(query)
    projected = QueryBinder(relations, options, bounds_in_star=True, snapshot=True).bind(asked)
    _, wheres = selected_and_where(projected.node)
    refuse_positions([i.expr for i in projected.items], wheres)
    shown = len(projected.items) - sum(1 for o in order if o.hidden)
    visible = projected.items[:shown]
    columns = tuple(_column(projected, i.name, i.expr) for i in visible)
    check_unique(columns)
    renamed = tuple(replace(i, name=f"out.{n}") for n, i in enumerate(projected.items))
    root = merge_projections(push_filters(finished(replace(projected, items=renamed))))
    sources = [n for n in root.walk() if isinstance(n, plan.Source)]
    if len(sources) != 1:
        raise NotSupportedYet("a pull query over several sources", span=query.span)
    tail = _tail(query, columns, shown, order)
    plain, careful = (f"{_head(query, columns)} FROM ({_sql(root, careful=c)}){tail}" for c in (False, True))
    predicate = next((n.predicate for n in root.walk() if isinstance(n, plan.Filter) and n.input is sources[0]), None)
    relation = sources[0].relation
    needed = why_scan(predicate, relation, ranges=ranges)
    if needed is None:
        check_key_types(query.where, relation, options)
    elif not scans:
        raise needed
    return PullPlan(
        relation,
        columns,
        Statement(plain, careful, tuple(sorted(used_in(plain)))),
        None if predicate is None else key_lookup(predicate, relation),
        first_rows=_has_limit(query) and not order,
        direct=None
        if order or query.distinct or _has_limit(query) or query.offset is not None or query.offset_by is not None
        else direct(root, relation, [f"out.{n}" for n in range(shown)]),
    )


# --- what is asked ---------------------------------------------------------------------------------------------------


def _column(projected: Projected, name: str, x: e.Expr) -> Column:
    """A column of the answer, marked where it is part of the table's key."""
    assert x.type is not None
    is_bound = isinstance(x, e.Column) and x.pseudo in plan.WINDOW_BOUNDS
    return Column(name, x.type, is_bound or any(x in k.columns for k in projected.keys))


@dataclass(frozen=True)
class _Order:
    """One expression of ORDER BY: the place of the column that holds it among the selected ones, or (`hidden`) among
    those added behind them for this."""

    place: int
    descending: bool
    hidden: bool


def _with_order(query: sql.Query) -> tuple[sql.Query, tuple[_Order, ...]]:
    """The query, selecting what it is ordered by too. An alias or a number stands for the selected column."""
    items = list(query.items)
    aliases = {i.alias.text: n for n, i in enumerate(items) if isinstance(i, sql.SelectItem) and i.alias is not None}
    written = [i.expression for i in items if isinstance(i, sql.SelectItem)]
    stars = any(isinstance(i, sql.Star) for i in items)
    order = []
    hidden = 0
    for x, descending in query.order_by:
        name = str(x.this.this) if isinstance(x, exp.Column) and x.args.get("table") is None else None
        number = literal_value(x) if isinstance(x, exp.Literal) and not x.is_string else None
        if isinstance(number, int) and not stars:
            if not 1 <= number <= len(query.items):
                raise InvalidStatement(f"ORDER BY {number} is not in the SELECT list", span=span_of(x))
            order.append(_Order(number - 1, descending, hidden=False))
        elif name in aliases and not stars:
            order.append(_Order(aliases[name], descending, hidden=False))
        elif x in written and not stars:
            order.append(_Order(written.index(x), descending, hidden=False))
        else:
            items.append(sql.SelectItem(x, None, span_of(x)))
            order.append(_Order(hidden, descending, hidden=True))
            hidden += 1
    return replace(query, items=tuple(items), order_by=()), tuple(order)


# --- the statement ---------------------------------------------------------------------------------------------------


def _has_limit(query: sql.Query) -> bool:
    return query.limit is not None or query.limit_by is not None


def _head(query: sql.Query, columns: tuple[Column, ...]) -> str:
    listed = ", ".join(f'"out.{n}" AS {duck_quote(c.name)}' for n, c in enumerate(columns))
    return f"SELECT {'DISTINCT ' if query.distinct else ''}{listed}"


def _tail(query: sql.Query, columns: tuple[Column, ...], shown: int, order: tuple[_Order, ...]) -> str:
    parts = []
    if order:
        if query.distinct and any(o.hidden for o in order):
            raise InvalidStatement("with DISTINCT, ORDER BY takes selected columns only", span=query.span)
        keys = [
            f'"out.{shown + o.place if o.hidden else o.place}" {"DESC" if o.descending else "ASC"} NULLS LAST'
            if not query.distinct
            else f"{duck_quote(columns[o.place].name)} {'DESC' if o.descending else 'ASC'} NULLS LAST"
            for o in order
        ]
        parts.append(f"ORDER BY {', '.join(keys)}")
    for word, number, parameter in (
        ("LIMIT", query.limit, query.limit_by),
        ("OFFSET", query.offset, query.offset_by),
    ):
        if parameter is not None:
            parts.append(f"{word} CAST(${parameter} AS BIGINT)")
        elif number is not None:
            parts.append(f"{word} {number}")
    return "".join(f" {p}" for p in parts)


_SNAPSHOT = "(SELECT *, CAST(1 AS TINYINT) AS _diff, row_number() OVER () AS _seq FROM delta)"


def _sql(node: plan.Node, *, careful: bool) -> str:
    """A node and all below it over the table's rows."""
    chain: list[plan.Node] = []
    while isinstance(node, plan.Filter | plan.Project | plan.FlatMap):
        chain.insert(0, node)
        node = node.input
    match node:
        case plan.Source():
            source = _SNAPSHOT
        case plan.Aggregate():
            source = f"({whole_sql(node, f'({_grouped_rows(node, careful=careful)})')})"
        case _:
            raise NotSupportedYet(f"a pull query with {type(node).__name__.upper()}")
    return chain_sql(chain, node.schema.names, careful=careful, source=source)


def _grouped_rows(node: plan.Aggregate, *, careful: bool) -> str:
    """The rows to be grouped: those with a null among the grouping columns are in no group, as in views."""
    rows = _sql(node.input, careful=careful)
    conditions = " AND ".join(f"{duck_quote(k)} IS NOT NULL" for k in node.keys)
    kept = f"SELECT * EXCLUDE ({FAILED}) FROM ({rows})" if careful else f"SELECT * FROM ({rows})"
    return f"{kept} WHERE {conditions}" if conditions else kept
