"""Requests read and checked: JSON bodies, Accept headers, and which path a statement belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from ssql.config import REQUEST_TIMEOUT_S
from ssql.errors import BadRequest, NotAcceptable, RequestTooSlow, Span, SqlError, WrongEndpoint
from ssql.server.auth import right_of
from ssql.server.state import STATE
from ssql.sql.lexer import Kind, Token, tokens

if TYPE_CHECKING:
    from ssql.engine.api import Session

T = TypeVar("T")

#: Fields of bodies that are the same wherever they stand.
OneSelect = Annotated[str, msgspec.Meta(description="One SELECT.")]
Properties = Annotated[dict[str, Any] | None, msgspec.Meta(description="Settings for this request, by key.")]
Variables = Annotated[dict[str, Any] | None, msgspec.Meta(description="What stands for `${name}`; no text: its JSON.")]

#: How fast (bytes a second) a body has to come, beside the time that every request has.
SLOWEST_BYTES_S = 16 << 10


class KsqlRequest(msgspec.Struct):
    """Body of /ksql and /query. Sequence numbers and request properties are read and mean nothing here: an answer is
    always of the newest state, and there is no internal forwarding."""

    ksql: Annotated[str | None, msgspec.Meta(description="The statements, each with its semicolon.")] = ""
    streamsProperties: Properties = None  # noqa: N815
    sessionVariables: Variables = None  # noqa: N815

    @property
    def text(self) -> str:
        """The statements; no field at all is none, as for ksqlDB."""
        return self.ksql or ""

    def session(self, request: web.Request) -> Session:
        return session_of(request, self.streamsProperties, self.sessionVariables)


class QueryStreamRequest(msgspec.Struct):
    """Body of /query-stream."""

    sql: OneSelect
    properties: Properties = None
    sessionVariables: Variables = None  # noqa: N815

    def session(self, request: web.Request) -> Session:
        return session_of(request, self.properties, self.sessionVariables)


def session_of(
    request: web.Request,
    properties: Mapping[str, Any] | None,
    variables: Mapping[str, Any] | None,
    *,
    full_sql: bool = False,
) -> Session:
    """The session that a request carries: its properties, its variables and its right, for this request alone.

    A variable's value that is no text stands for its JSON text.
    """
    from ssql.engine.api import Session

    texts = {k: v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in (variables or {}).items()}
    return Session(dict(properties or {}), texts, right_of(request), full_sql)


def decoded(body: bytes, shape: type[T]) -> T:
    """A JSON object of that shape; fields that the shape does not have are ignored.

    Raises:
        BadRequest: it is not JSON, a field is missing, or one has the wrong type.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as bad:
        text = str(bad)
        raise BadRequest("the request has the wrong fields: " + text[:1].lower() + text[1:]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("the request is not a JSON object") from None


async def body_of(request: web.Request, shape: type[T]) -> T:
    return decoded(await read_body(request), shape)


async def read_body(request: web.Request) -> bytes:
    """The whole body, if it comes in time.

    Raises:
        RequestTooSlow: it does not (`request.timeout.seconds`).
        HTTPRequestEntityTooLarge: it is larger than the application allows; what is told at once where its length is.
    """
    most = request.client_max_size
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=request.content_length or 0)
    if request.content.is_eof():  # it came with the head: there is nothing to wait for
        whole = request.content.read_nowait()
        if len(whole) > most:
            raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(whole))
        return whole
    limit_s = request.app[STATE].config[REQUEST_TIMEOUT_S]
    begin = asyncio.get_running_loop().time()
    body = bytearray()
    try:
        async with asyncio.timeout_at(begin + limit_s) as limit:
            async for part in request.content.iter_any():
                body += part
                if len(body) > most:
                    raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(body))
                limit.reschedule(begin + limit_s + len(body) / SLOWEST_BYTES_S)
    except TimeoutError:
        raise RequestTooSlow(limit_s) from None
    return bytes(body)


def json_parameter(request: web.Request, name: str) -> Any:
    """A query parameter that is a JSON object; None where it is not given.

    Raises:
        BadRequest: it is something else.
    """
    if name not in request.query:
        return None
    try:
        return msgspec.json.decode(request.query[name], type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(f'the parameter "{name}" is not a JSON object') from None


def negotiated(request: web.Request, offered: Sequence[str]) -> str:
    """The content type to answer with: of those offered, the one with the highest q, then the one named first.

    Wildcards and no Accept at all mean the first one offered.

    Raises:
        NotAcceptable: the client accepts none of them.
    """
    header = ",".join(request.headers.getall("Accept", []))
    if not header.strip():
        return offered[0]
    ranges = [_media_range(part) for part in header.split(",") if part.strip()]
    best: tuple[float, int, int] | None = None
    chosen = ""
    for place, content_type in enumerate(offered):
        # The most specific range that names a type decides its q.
        matches = [
            (specific, -n, q)
            for n, (pattern, q) in enumerate(ranges)
            if (specific := _specificity(pattern, content_type)) >= 0
        ]
        if not matches:
            continue
        _, first, q = max(matches)
        rank = (q, first, -place)
        if q > 0 and (best is None or rank > best):
            best, chosen = rank, content_type
    if best is None:
        raise NotAcceptable(header, offered)
    return chosen


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in text.split(";"))
    q = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                q = float(value)
            except ValueError:
                raise BadRequest(f'"{value}" is no quality value of an Accept header') from None
    return name.lower(), q


def _specificity(pattern: str, content_type: str) -> int:
    """2: the type itself, 1: `kind/*`, 0: `*/*`, -1: another type."""
    if pattern == content_type:
        return 2
    if pattern == content_type.partition("/")[0] + "/*":
        return 1
    return 0 if pattern == "*/*" else -1


# --- which path a statement belongs to -----------------------------------------

#: First words of statements that /ksql carries out.
STATEMENTS = frozenset(
    {
        "ALTER", "ASSERT", "CREATE", "DEFINE", "DESCRIBE", "DROP", "EXPLAIN", "INSERT", "LIST", "PAUSE", "RESUME",
        "RUN", "SET", "SHOW", "TERMINATE", "UNDEFINE", "UNSET",
    }
)  # fmt: skip


def first_tokens(script: str) -> Iterator[Token]:
    """The first word of each statement of a script (or what stands in its place), opening brackets passed over."""
    fresh = True
    for token in tokens(script):
        if token.kind is Kind.SYMBOL:
            fresh = fresh or token.raw == ";"
        elif fresh:
            fresh = False
            yield token


def emit_clause(sql: str) -> Span | None:
    """The place of the EMIT CHANGES or EMIT FINAL that ends a query (a LIMIT may follow), if there is one."""
    words = [t for t in tokens(sql) if t.kind is not Kind.END]
    for emit, kind, after in zip(words, words[1:], [*words[2:], None], strict=False):
        said = (emit.value, kind.value) in (("EMIT", "CHANGES"), ("EMIT", "FINAL"))
        ends = after is None or after.raw.upper() in (";", "LIMIT")
        if said and ends and emit.kind is kind.kind is Kind.WORD:
            return Span(emit.start, kind.end)
    return None


def check_script(script: str) -> None:
    """Refuse a script for /ksql that has a query in it, before any of it is carried out.

    Raises:
        WrongEndpoint: with the place of the first SELECT or PRINT statement.
    """
    for token in first_tokens(script):
        if token.kind is Kind.WORD and token.value in ("SELECT", "PRINT"):
            raise WrongEndpoint(token.value, "/ksql", instead="/query-stream", span=token.span).within(
                script, statement=script.strip()
            )


def check_query(sql: str, path: str) -> bool:
    """Refuse what is not one SELECT or PRINT; whether it is a PRINT.

    What is no SQL at all is left to the parser, which says it better.

    Raises:
        WrongEndpoint: for another statement.
        SqlError: for no statement, or more than one.
    """
    found = list(first_tokens(sql))
    refusal: SqlError | None = None
    if not found:
        refusal = SqlError("there is no statement in the request")
    elif len(found) > 1:
        refusal = SqlError(f"{path} carries out one statement at a time", span=found[1].span)
    elif (first := found[0]).kind is Kind.WORD and first.value in STATEMENTS:
        refusal = WrongEndpoint(first.value, path, instead="/ksql", span=first.span)
    if refusal is not None:
        raise refusal.within(sql, statement=sql.strip())
    return found[0].kind is Kind.WORD and found[0].value == "PRINT"
