"""SELECT ... EMIT: a push query is planned as a query that ends in its readers, and has no trace in the log."""

from __future__ import annotations

import uuid
from dataclasses import replace

from ssql.catalog.catalog import Catalog
from ssql.config import AUTO_OFFSET_RESET, PUSH_V2
from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.subscriptions.push_query import Push
from ssql.engine.subscriptions.start import plan_key, wish_of
from ssql.engine.subscriptions.subscription import Wish
from ssql.planner.bind import Analysis, analyse
from ssql.planner.scalable import is_scalable, with_keys_only
from ssql.sql.statements import Query, Select


def start(request: Request, statement: Select) -> Push:
    """Start a push query. Raises `TooManyPushQueries` and what is wrong with the statement."""
    feeds, catalog, key = request.core.feeds, request.catalog, plan_key(request, statement.text, "push")
    wish = feeds.plans.get(key, catalog)
    if wish is None:
        wish = _planned(request, statement, catalog)
        feeds.plans.put(key, catalog, wish)
    query_id = f"SCALABLE_PUSH_QUERY_{uuid.uuid4()}" if wish.start == "now" else planning.transient_id(statement.query)
    push = Push(request.core.running, query_id, statement.text, wish)
    push.begin(feeds.subscribe)
    return push


def _planned(request: Request, statement: Select, catalog: Catalog) -> Wish:
    query = statement.query
    analysis = analyse(query, catalog, options=planning.options(catalog.types, request.config, request.core.log))
    scalable = request.config[AUTO_OFFSET_RESET] != "earliest" and _is_scalable(request, query, analysis)
    if scalable:
        analysis = replace(analysis, plan=with_keys_only(analysis.plan))
    return replace(
        wish_of(request, analysis, planning.transient_id(query), statement.text),
        start="now" if scalable else "log",
        telling="rows" if scalable else "upserts",
        limit=analysis.limit,
        named=True,
    )


def _is_scalable(request: Request, query: Query, analysis: Analysis) -> bool:
    """Whether ksqlDB would answer with rows that it shares: they are those of one query, which fills the source."""
    writers = request.catalog.writers(analysis.source.name)
    return request.config[PUSH_V2] and len(writers) == 1 and is_scalable(query, analysis)
