"""GET /progress: what opening the engine is at, and how far the queries have read; and the same as lines of the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

from aiohttp import web

from ssql.engine.progress import OpeningProgress, Progress, catching_up
from ssql.server.described import described
from ssql.server.framing import JSON_TYPE, V1_TYPE
from ssql.server.info import json_response
from ssql.server.state import STATE, ServerState, engine_of, in_thread, logger, opening_of

#: Seconds between two lines of the log.
TELL_S = 5.0


@described(answers={V1_TYPE: Progress, JSON_TYPE: Progress}, tag="about")
async def get_progress(request: web.Request) -> web.Response:
    """What opening the engine is at, and how far each persistent query has read.

    Answered while the server starts, too. Amounts are records, rows and bytes, times are seconds; `seconds_left` is
    null where there is no rate, and 0 where nothing is left.
    """
    opening = opening_of(request)
    if opening is not None:
        return json_response(request, opening)
    return json_response(request, await in_thread(request, engine_of(request).progress))


async def tell(app: web.Application) -> AsyncIterator[None]:
    """Log what the opening is at, and then what catches up, until nothing does."""
    telling = asyncio.create_task(_tell(app[STATE]))
    yield
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)


async def _tell(state: ServerState) -> None:
    assert state.opened is not None
    while not state.opened.done():
        await asyncio.wait((state.opened,), timeout=TELL_S)
        if not state.opened.done() and state.opening is not None:
            log_opening(state.opening.progress().opening)
    behind: set[str] = set()
    while state.engine is not None:
        progress = await asyncio.to_thread(state.engine.progress)
        if not behind and progress.opening.restore.tables:
            restore = progress.opening.restore
            logger.info("restored tables=%d rows=%d bytes=%d", restore.tables, restore.rows, restore.bytes)
        behind = log_queries(progress, behind)
        if not behind:
            return
        await asyncio.sleep(TELL_S)


def log_opening(opening: OpeningProgress) -> None:
    restore = opening.restore
    logger.info(
        "opening stage=%s definitions=%d tables=%d tables_total=%d rows=%d bytes=%d seconds_left=%s",
        opening.stage.value,
        opening.definitions,
        restore.tables,
        restore.tables_total,
        restore.rows,
        restore.bytes,
        _whole(restore.seconds_left),
    )


def log_queries(progress: Progress, before: Collection[str]) -> set[str]:
    """A line for each query that catches up, and for each that did `before` and does no longer; those that do."""
    behind = {query.query_id: query for query in catching_up(progress)}
    for query in behind.values():
        logger.info(
            "catching up query=%s name=%s records=%d records_total=%d records_per_second=%.0f seconds_left=%s",
            query.query_id,
            query.name,
            query.records,
            query.records_total,
            query.records_per_second,
            _whole(query.seconds_left),
        )
    for query in progress.queries:
        if query.query_id in before and query.query_id not in behind:
            logger.info("caught up query=%s name=%s records=%d", query.query_id, query.name, query.records)
    return set(behind)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
