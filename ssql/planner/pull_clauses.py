"""What a pull query may not say, in one place: as ksqlDB, ssql answers a SELECT over one stream or table.

With the option `extensions` clauses that ksqlDB has no answer to are answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from ssql.errors import InvalidStatement, NegativeLimit, PullQueryRefused, Span
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.options import Options
from ssql.sql import statements as sql
from ssql.sql.trees import span_of


def refuse_clauses(query: sql.Query, options: Options) -> None:
    """Raise for a clause that pull queries do not have. Queries in FROM may have them.

    Raises:
        PullQueryRefused: with the place of the clause.
        NegativeLimit: LIMIT is below 0.
        InvalidStatement: OFFSET is.
    """
    source = query.source
    clauses: tuple[tuple[str, Span | None], ...] = (
        ("JOIN", source.span if isinstance(source, sql.Join) else None),
        ("WINDOW", query.window.span if query.window is not None else None),
        ("GROUP BY", _place(query, query.group_by)),
        ("PARTITION BY", _place(query, query.partition_by)),
        ("HAVING", span_of(query.having) if query.having is not None else None),
    )
    for clause, at in clauses:
        if at is not None and not options.extensions:
            raise PullQueryRefused(f"Pull queries don't support {clause} clauses.", span=at)
    if query.limit is not None and query.limit < 0:
        raise NegativeLimit("Pull", span=query.limit_span)
    if query.offset is not None and query.offset < 0:
        raise InvalidStatement("OFFSET cannot be negative", span=query.span)


def refuse_positions(selected: Iterable[e.Expr], wheres: Iterable[e.Expr]) -> None:
    """Raise for ROWPARTITION and ROWOFFSET: they belong to records, and ksqlDB's pull queries have rows alone."""
    for clause, exprs in (("WHERE", wheres), ("SELECT", selected)):
        for x in exprs:
            found = [p for p in x.walk() if isinstance(p, e.Column) and p.pseudo in plan.POSITION]
            if found:
                raise PullQueryRefused(
                    f"Pull queries don't support the following columns in {clause} clauses: `{found[0].pseudo}`.",
                    span=found[0].span,
                )


def selected_and_where(root: plan.Node) -> tuple[list[e.Expr], list[e.Expr]]:
    """The expressions that a plan selects in the end, and all its conditions."""
    selected = [i.expr for i in root.items] if isinstance(root, plan.Project) else []
    return selected, [n.predicate for n in root.walk() if isinstance(n, plan.Filter)]


def _place(query: sql.Query, expressions: tuple[exp.Expression, ...] | None) -> Span | None:
    """Where a list of expressions begins; None where there is no such list."""
    if expressions is None:
        return None
    return span_of(expressions[0]) if expressions else query.span
