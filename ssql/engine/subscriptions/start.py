"""A statement, and how it is to be followed: planned, and given to the feeds."""

from __future__ import annotations

from ssql.config import AUTO_OFFSET_RESET, SERVICE_ID
from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.subscriptions.frames import Shape
from ssql.engine.subscriptions.places import Places
from ssql.engine.subscriptions.subscription import LocalSubscription, Wish
from ssql.errors import InvalidStatement
from ssql.runtime.api import MAIN
from ssql.sql.statements import Select


def start(
    request: Request, statement: Select, *, after: str | None, snapshot: bool, every_change: bool
) -> LocalSubscription:
    """Follow a query. Raises what is wrong with the statement, and what `Engine.subscribe` says."""
    query, core = statement.query, request.core
    if query.limit is not None:
        raise InvalidStatement(
            "a subscription goes on for ever: it has no LIMIT",
            span=query.limit_span,
            hint="Leave LIMIT away, and stop reading when you have enough.",
        )
    analysis, plan = planning.emit(query, planning.transient_id(query), request.catalog, request.config, core.log)
    wish = Wish(
        plan,
        Shape.of(plan, analysis.schema.columns),
        statement.text,
        Places(core.log, plan, writer=f"{request.config[SERVICE_ID]}{MAIN}"),
        earliest=request.config[AUTO_OFFSET_RESET] == "earliest",
        snapshot=snapshot,
        every_change=every_change,
    )
    return core.feeds.subscribe(wish, after)
