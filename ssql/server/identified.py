"""Each request has an id, in its answer and in the log, and a span where traces are wanted.

The id is what the caller sent as `X-Request-Id`, or a new one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from ssql import tracing
from ssql.logs import REQUEST_ID
from ssql.server.failures import CLIENT_GONE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADER = "X-Request-Id"

#: What an id of a caller may be: it goes into answers and lines as it is.
_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

#: Ids have to differ, no more: asking the system for each costs as much as finding a row.
_RANDOM = random.Random()

_OWN: web.RequestKey[str] = web.RequestKey("request id", str)


def id_of(request: web.BaseRequest) -> str:
    """A request's id; "" for what never came so far as to have one."""
    return request.get(_OWN, "") if isinstance(request, web.Request) else ""


@web.middleware
async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives a request its id and its span."""
    given = request.headers.get(HEADER, "")
    request[_OWN] = own = given if _ID.fullmatch(given) else f"{_RANDOM.getrandbits(64):016x}"
    REQUEST_ID.set(own)
    if not tracing.on():
        return await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    attributes = {
        "http.request.method": request.method,
        "http.route": route,
        "url.path": request.path,
        "ssql.request_id": own,
    }
    with tracing.request(f"{request.method} {route}", request.headers, **attributes) as span:
        status = CLIENT_GONE
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            if span is not None:
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    tracing.failed(span, f"status {status}")


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """The id goes out with the head of the answer."""
    response.headers[HEADER] = id_of(request)
