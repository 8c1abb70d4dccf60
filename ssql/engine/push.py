"""SELECT ... EMIT: a push query is planned as a query that ends in its subscriber, and has no trace in the log."""

from __future__ import annotations

import uuid
from dataclasses import replace

from ssql.config import AUTO_OFFSET_RESET, PUSH_V2
from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.pushes import Push
from ssql.planner.bind import Analysis, analyse
from ssql.planner.scalable import is_scalable, with_keys_only
from ssql.runtime.api import ReaderStart
from ssql.sql.statements import Query, Select


def start(request: Request, statement: Select) -> Push:
    """Start a push query. Raises `TooManyPushQueries` and what is wrong with the statement."""
    query, catalog = statement.query, request.catalog
    analysis = analyse(query, catalog, options=planning.options(catalog.types, request.config, request.core.log))
    begin: ReaderStart = "earliest" if request.config[AUTO_OFFSET_RESET] == "earliest" else "latest"
    scalable = begin == "latest" and _is_scalable(request, query, analysis)
    if scalable:
        begin = "now"
        analysis = replace(analysis, plan=with_keys_only(analysis.plan))
    query_id = f"SCALABLE_PUSH_QUERY_{uuid.uuid4()}" if scalable else planning.transient_id(query)
    plan = planning.built(analysis, query_id, None, request.config)
    return request.core.pushes.open(
        plan, analysis.schema.columns, statement.text, limit=analysis.limit, start=begin, deletions=not scalable
    )


def _is_scalable(request: Request, query: Query, analysis: Analysis) -> bool:
    """Whether ksqlDB would answer with rows that it shares: they are those of one query, which fills the source."""
    writers = request.catalog.writers(analysis.source.name)
    return request.config[PUSH_V2] and len(writers) == 1 and is_scalable(query, analysis)
