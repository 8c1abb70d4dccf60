"""GET and POST /subscribe: follow one SELECT: what is there, then what changes, for as long as the client wants it.

By Accept: server-sent events, NDJSON, CSV, an Arrow stream; with an upgrade, messages of a WebSocket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ssql.errors import BadRequest, ServerStarting, WrongEndpoint
from ssql.server.described import BYTES, TEXT, Query, described
from ssql.server.failures import error_body, log_error
from ssql.server.follow import Follower
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, EVENTS_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.pump import begun, close, stream
from ssql.server.requests import (
    OneSelect,
    Properties,
    Variables,
    body_of,
    check_query,
    json_parameter,
    negotiated,
    session_of,
)
from ssql.server.state import engine_of
from ssql.server.websocket import accepted, finish, is_upgrade, listen

if TYPE_CHECKING:
    from ssql.engine.api import Subscription

PATH = "/subscribe"
OFFERED = (EVENTS_TYPE, LINES_TYPE, CSV_TYPE, ARROW_TYPE)

#: A stream of events must reach its reader as it comes, whatever stands between.
_AS_IT_COMES = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


_AFTER = "The token of the last frame that was processed: what comes is behind it."
_SNAPSHOT = "Whether what is there already is told."
_CHANGES = "Net changes, or every one."
_TOKENS = (
    "Whether NDJSON has lines that tell snapshots, tokens and frontiers; the other forms have them anyway, CSV never."
)


class SubscribeRequest(msgspec.Struct):
    """Body, or query parameters, of /subscribe: as of `Engine.subscribe`."""

    sql: OneSelect
    after: Annotated[str | None, msgspec.Meta(description=_AFTER)] = None
    snapshot: Annotated[bool, msgspec.Meta(description=_SNAPSHOT)] = True
    changes: Annotated[Literal["net", "every"], msgspec.Meta(description=_CHANGES)] = "net"
    tokens: Annotated[bool, msgspec.Meta(description=_TOKENS)] = False
    properties: Properties = None
    variables: Variables = None


_ANSWERS = {EVENTS_TYPE: TEXT, LINES_TYPE: TEXT, CSV_TYPE: TEXT, ARROW_TYPE: BYTES}
_NAMED = {"type": "string"}

#: The parameters that say how a query is followed.
FOLLOWING = {
    "after": Query(_NAMED, _AFTER),
    "snapshot": Query({"type": "boolean", "default": True}, _SNAPSHOT),
    "changes": Query({"enum": ["net", "every"], "default": "net"}, _CHANGES),
    "tokens": Query({"type": "boolean", "default": False}, _TOKENS),
}


@described(
    query={
        "sql": Query(_NAMED, "One SELECT.", required=True),
        **FOLLOWING,
        "properties": Query(_NAMED, "Settings for this request, as a JSON object."),
        "variables": Query(_NAMED, "What stands for `${name}`, as a JSON object."),
    },
    answers=_ANSWERS,
    errors=(403, 410),
    tag="sql",
)
async def get_subscribe(request: web.Request) -> web.StreamResponse:
    """Follow one SELECT: what is there, then what changes; with an upgrade, over a WebSocket."""
    return await follow(request, _from_query(request))


async def follow(request: web.Request, wish: SubscribeRequest) -> web.StreamResponse:
    """Answer with a subscription, in the form that the request asks for."""
    return await (_by_websocket if is_upgrade(request) else _answer)(request, wish)


@described(body={JSON_TYPE: SubscribeRequest}, answers=_ANSWERS, errors=(403, 410), tag="sql")
async def post_subscribe(request: web.Request) -> web.StreamResponse:
    """Follow one SELECT: what is there, then what changes."""
    return await _answer(request, await body_of(request, SubscribeRequest))


def _from_query(request: web.Request) -> SubscribeRequest:
    given: dict[str, Any] = dict(request.query)
    for name in ("properties", "variables"):
        given[name] = json_parameter(request, name)
    return subscribe_request(given)


def subscribe_request(given: dict[str, Any]) -> SubscribeRequest:
    """What parameters of an address say; their values may be text.

    Raises:
        BadRequest: one is missing, or has a wrong value.
    """
    try:
        return msgspec.convert(given, SubscribeRequest, strict=False)
    except msgspec.ValidationError as bad:
        raise BadRequest(f"the request has the wrong parameters: {str(bad)[:1].lower()}{str(bad)[1:]}") from None


async def _answer(request: web.Request, wish: SubscribeRequest) -> web.StreamResponse:
    content_type = negotiated(request, OFFERED)
    if wish.tokens and content_type == CSV_TYPE:
        raise BadRequest("CSV has no place for tokens", hint="Ask for application/x-ndjson.")
    try:
        subscription = await _begin(request, wish)
    except ServerStarting as starting:
        if content_type != EVENTS_TYPE:
            raise
        return await _come_again(request, starting)
    from ssql.server.frames import FORMS, TokenLines

    lines_with_tokens = wish.tokens and content_type == LINES_TYPE
    form = (TokenLines if lines_with_tokens else FORMS[content_type])(subscription.keys)

    async def frames(response: web.StreamResponse) -> bytes | None:
        async def beat() -> None:
            if form.beat:
                await response.write(form.beat)

        return await Follower(request, subscription, form, response.write, beat).run()

    try:
        head = form.head(subscription.columns)
        return await stream(request, form, content_type, head, frames, headers=_AS_IT_COMES)
    finally:
        close(request, subscription)


async def _begin(request: web.Request, wish: SubscribeRequest) -> Subscription:
    if check_query(wish.sql, PATH):
        raise WrongEndpoint("PRINT", PATH, instead="/query-stream").within(wish.sql, statement=wish.sql.strip())
    return await begun(
        request,
        engine_of(request).subscribe,
        wish.sql,
        session_of(request, wish.properties, wish.variables),
        after=request.headers.get("Last-Event-ID") or wish.after or None,
        snapshot=wish.snapshot,
        every_change=wish.changes == "every",
    )


async def _come_again(request: web.Request, starting: ServerStarting) -> web.StreamResponse:
    """A browser never comes back from a 503; from a stream that ends it does."""
    from ssql.server.frames import Events

    log_error(request, starting)
    form = Events()
    text = form.head(()) + form.error(error_body(starting))
    return web.Response(body=text, content_type=EVENTS_TYPE, headers=_AS_IT_COMES)


async def _by_websocket(request: web.Request, wish: SubscribeRequest) -> web.StreamResponse:
    subscription = await _begin(request, wish)
    from ssql.server.frames import Messages

    try:
        socket = await accepted(request)

        async def send(text: bytes) -> None:
            await socket.send_frame(text, WSMsgType.TEXT)

        follower = Follower(request, subscription, Messages(subscription.keys), send, socket.ping)
        last = await listen(socket, follower.run())
    finally:
        close(request, subscription)
    if last is not None:
        code = WSCloseCode.GOING_AWAY if follower.stopping else WSCloseCode.OK
        await finish(request, socket, last, WSCloseCode.INTERNAL_ERROR if follower.failed else code)
    return socket
