"""A statement, and how it is to be followed: planned, and given to the feeds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ssql.catalog.catalog import Catalog
from ssql.config import AUTO_OFFSET_RESET, SERVICE_ID
from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.subscriptions.frames import Shape
from ssql.engine.subscriptions.places import Places
from ssql.engine.subscriptions.subscription import LocalSubscription, Wish
from ssql.engine.subscriptions.wanted import Wanted
from ssql.errors import InvalidStatement, SsqlError, WrongEndpoint
from ssql.planner import expr, plan
from ssql.planner.bind import Analysis, analyse
from ssql.planner.selection import selection
from ssql.runtime.api import MAIN
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Select, Statement


def start(request: Request, text: str, *, after: str | None, snapshot: bool, every_change: bool) -> LocalSubscription:
    """Follow a query. Raises what is wrong with the statement, and what `Engine.subscribe` says."""
    wish = _wish(request, text)
    return request.core.feeds.subscribe(
        replace(wish, snapshot=snapshot, telling="every" if every_change else "net"), after
    )


def _wish(request: Request, text: str) -> Wish:
    """What is followed; planned once for all who ask for it in the same words."""
    plans, catalog, key = request.core.feeds.plans, request.catalog, plan_key(request, text, "subscription")
    known = plans.get(key, catalog)
    if known is not None:
        return known
    statement = parse_statement(text, request.variables().values)
    try:
        wish = _planned(request, statement, catalog)
    except SsqlError as error:
        error.within(text, statement=statement.text + ";")
        raise
    plans.put(key, catalog, wish)
    return wish


def plan_key(request: Request, text: str, kind: str) -> Hashable:
    """What the plan of a query that is followed depends on, beside the catalog."""
    session = request.session
    return kind, text, repr(sorted(session.properties.items())), repr(sorted(session.variables.items()))


def _planned(request: Request, statement: Statement, catalog: Catalog) -> Wish:
    if not isinstance(statement, Select):
        raise WrongEndpoint("other", "/subscribe", instead="/ksql", span=statement.span)
    query, core = statement.query, request.core
    if query.limit is not None:
        raise InvalidStatement(
            "a subscription goes on for ever: it has no LIMIT",
            span=query.limit_span,
            hint="Leave LIMIT away, and stop reading when you have enough.",
        )
    analysis = analyse(query, catalog, options=planning.options(catalog.types, request.config, core.log))
    return wish_of(request, analysis, planning.transient_id(query), statement.text)


def wish_of(request: Request, analysis: Analysis, query_id: str, statement: str) -> Wish:
    """An analysed query, to be followed; `query_id`: what the ids of those that compute it begin with."""
    catalog, core = request.catalog, request.core

    def wish(followed: Analysis, wanted: Wanted | None = None, among_many: Wish | None = None) -> Wish:
        steps = planning.built(followed, query_id, None, request.config)
        return Wish(
            steps,
            Shape.of(steps, followed.schema.columns, _lifetime(catalog, followed)),
            statement,
            Places(core.log, steps, writer=f"{request.config[SERVICE_ID]}{MAIN}"),
            earliest=request.config[AUTO_OFFSET_RESET] == "earliest",
            wanted=wanted,
            among_many=among_many,
        )

    chosen = selection(analysis)
    many = None if chosen is None else wish(chosen.analysis, Wanted.of(chosen))
    return wish(analysis, among_many=many)


def _lifetime(catalog: Catalog, analysis: Analysis) -> int | None:
    """How long after its end a window's row is there: as the query says, or the one that fills the table it reads."""
    root = analysis.plan
    assert isinstance(root, plan.Project)
    last = {item.name: item.expr for item in root.items}[analysis.keys[-1]] if analysis.keys else None
    if not isinstance(last, expr.Column) or last.name != "WINDOWEND":
        return None
    if analysis.lifetime_ms is not None:
        return analysis.lifetime_ms
    writers = [catalog.queries[query] for query in catalog.writers(analysis.source.name)]
    sinks = [sink for query in writers if (sink := planning.again(query).sink) is not None]
    return sinks[0].lifetime_ms if sinks else None
