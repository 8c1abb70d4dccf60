"""SELECT ... EMIT: a push query is planned as a query that ends in its subscriber, and has no trace in the log."""

from __future__ import annotations

from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.subscriptions import Push
from ssql.sql.statements import Select


def start(request: Request, statement: Select) -> Push:
    """Start a push query. Raises `TooManyPushQueries` and what is wrong with the statement."""
    query_id = planning.transient_id(statement.query)
    analysis, plan = planning.emit(statement.query, query_id, request.catalog, request.config)
    return request.core.pushes.open(plan, analysis.schema.columns, statement.text, request.config)
