"""What a pull query may not say, in one place: as ksqlDB, ssql answers a SELECT over one stream or table."""

from __future__ import annotations

from sqlglot import exp

from ssql.errors import NegativeLimit, PullQueryRefused, Span
from ssql.sql import statements as sql
from ssql.sql.trees import span_of


def refuse_clauses(query: sql.Query) -> None:
    """Raise for a clause that pull queries do not have. Queries in FROM may have them.

    Raises:
        PullQueryRefused: with the place of the clause.
        NegativeLimit: LIMIT is below 0.
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
        if at is not None:
            raise PullQueryRefused(f"Pull queries don't support {clause} clauses.", span=at)
    if query.limit is not None and query.limit < 0:
        raise NegativeLimit("Pull", span=query.limit_span)


def _place(query: sql.Query, expressions: tuple[exp.Expression, ...] | None) -> Span | None:
    """Where a list of expressions begins; None where there is no such list."""
    if expressions is None:
        return None
    return span_of(expressions[0]) if expressions else query.span
