"""Errors as HTTP answers: the one place where an exception becomes a body and a log line.

A `SsqlError` answers with its own status and body; the mistakes that aiohttp finds (unknown path, wrong method, too
large a body) with the error of ours that says the same; anything else is a fault of ours: the body says no more than
that, the log has all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from ssql.errors import BadRequest, BodyTooLarge, InternalError, MethodNotAllowed, PathNotFound, SsqlError

logger = logging.getLogger("ssql.server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Seconds after which a client may ask again, while the server starts.
RETRY_AFTER_S = 10

#: How a request is noted whose client went away.
CLIENT_GONE = 499

_HEADERS = {401: {"WWW-Authenticate": 'Basic realm="ssql"'}, 503: {"Retry-After": str(RETRY_AFTER_S)}}

_UNEXPECTED: dict[str, Any] = {
    "@type": "generic_error",
    "error_code": 50000,
    "message": "the server could not carry out the request",
    "code": "internal_error",
    "hint": "This is a bug in ssql. The server's log has the details: please report them.",
}


def error_body(error: BaseException) -> dict[str, Any]:
    """The JSON body of an error: ksqlDB's fields, what was carried out before it, and nothing of our insides."""
    if not isinstance(error, SsqlError):
        return dict(_UNEXPECTED)
    body: dict[str, Any] = error.as_json()
    if isinstance(error, InternalError):
        body["message"] = _UNEXPECTED["message"]
    return body


def error_response(error: BaseException, **more: object) -> web.Response:
    """The answer that an error is; `more`: members of its body."""
    status = error.status if isinstance(error, SsqlError) else 500
    headers = {"Allow": ", ".join(error.allowed)} if isinstance(error, MethodNotAllowed) else _HEADERS.get(status)
    return web.Response(
        status=status,
        body=msgspec.json.encode({**error_body(error), **more}),
        content_type="application/json",
        headers=headers,
    )


def log_error(request: web.Request, error: BaseException) -> None:
    """A request that was refused is a line; a fault of ours a line with its whole trace."""
    if isinstance(error, SsqlError) and error.status != 500:
        logger.info(
            "request refused method=%s path=%s status=%d error_code=%d code=%s reason=%r",
            request.method,
            request.path,
            error.status,
            error.ksql_code,
            error.code,
            error.message,
        )
    else:
        logger.error("request failed method=%s path=%s", request.method, request.path, exc_info=error)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    error: Exception
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        error = _own(request, answer)
    except ConnectionResetError:
        return web.Response(status=CLIENT_GONE)  # nobody reads it: it is for the log and the metrics
    except Exception as raised:
        error = raised
    log_error(request, error)
    return error_response(error)


def _own(request: web.Request, answer: web.HTTPException) -> SsqlError:
    """The error of ours for one that aiohttp raised."""
    match answer:
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(request.method, request.path, answer.allowed_methods)
        case web.HTTPRequestEntityTooLarge():
            return BodyTooLarge(request.client_max_size)
        case web.HTTPNotFound():
            return PathNotFound(request.path)
        case _:
            return BadRequest(answer.reason.lower())
