"""Forms that are made once for all clients that are given the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from aiohttp import web

from ssql.server.state import STATE, in_thread

#: Batches up to this size are rendered in the event loop: about 0.2 ms, less than a hop to a thread and back is worth.
INLINE_ROWS = 512

T = TypeVar("T")


async def rendered(
    request: web.Request, forms: dict[Hashable, Any], key: Hashable, rows: int, make: Callable[[], T]
) -> T:
    """The form of that key: made by whoever is first to ask, in a thread if it has many rows."""
    found: T | None = forms.get(key)
    if found is not None:
        return found
    if rows <= INLINE_ROWS:
        found = forms[key] = make()
        return found
    under_way = request.app[STATE].rendering
    place = id(forms), key  # they are there until it is done: what keeps it has them
    making: asyncio.Future[T] | None = under_way.get(place)
    if making is None:
        making = under_way[place] = asyncio.ensure_future(in_thread(request, make))

        def keep(done: asyncio.Future[T]) -> None:
            del under_way[place]
            if not done.cancelled() and done.exception() is None:
                forms[key] = done.result()

        making.add_done_callback(keep)
    return await asyncio.shield(making)  # others wait for it too
