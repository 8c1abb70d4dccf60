"""POST /inserts-stream: rows in as lines, an acknowledgement out for each once it is durable.

What has arrived while the last rows were written is the next batch: a client that sends one row and waits gets its
answer at once, one that sends without waiting gets large batches. While a batch is written nothing more is read than
the connection's own buffer holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ssql.errors import BadRequest, BodyTooLarge, SsqlError
from ssql.rights import Right
from ssql.server.described import TEXT, described
from ssql.server.failures import error_body, log_error
from ssql.server.framing import DELIMITED_TYPE, JSON_TYPE
from ssql.server.lines import write_lines
from ssql.server.requests import decoded, negotiated, session_of
from ssql.server.state import engine_of, in_thread, to_the_end

if TYPE_CHECKING:
    from ssql.engine.api import InsertAck

#: Longest line (bytes).
MAX_LINE_BYTES = 16 << 20

_ROWS = msgspec.json.Decoder(dict[str, Any])
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError)


class InsertsRequest(msgspec.Struct):
    """The first line."""

    target: str
    properties: dict[str, Any] | None = None


async def line_batches(content: Any) -> AsyncIterator[list[bytes]]:
    """The lines of a body that have arrived by the time they are asked for, empty ones left out; the last one may
    come without its newline.

    Raises:
        BodyTooLarge: a line does not end within `MAX_LINE_BYTES`.
    """
    rest = b""
    while part := await content.readany():
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise BodyTooLarge(MAX_LINE_BYTES)
        if filled := [line for line in lines if line.strip()]:
            yield filled
    if rest.strip():
        yield [rest]


def decoded_rows(lines: Sequence[bytes]) -> tuple[list[dict[str, Any]], SsqlError | None]:
    """The rows of these lines up to the first that is not a JSON object, and the error for that one."""
    try:
        rows = _ROWS.decode_lines(b"\n".join(lines))
        if len(rows) == len(lines):
            return rows, None
    except _NO_JSON:
        pass
    rows = []
    for line in lines:
        try:
            rows.append(_ROWS.decode(line))
        except _NO_JSON:
            return rows, BadRequest("the row is not a JSON object")
    return rows, None


def decoded_row(line: bytes) -> dict[str, Any] | None:
    """The row that a line is; None where it is no JSON object."""
    try:
        return _ROWS.decode(line)
    except _NO_JSON:
        return None


class Acks:
    """How acknowledgements are written: a line each, or as one JSON array."""

    def __init__(self, content_type: str) -> None:
        self._array = content_type == JSON_TYPE
        self._first = True

    def start(self) -> bytes:
        return b"[" if self._array else b""

    def write(self, bodies: Sequence[dict[str, Any]]) -> bytes:
        texts = [msgspec.json.encode(body) for body in bodies]
        if not texts:
            return b""
        if not self._array:
            return b"\n".join(texts) + b"\n"
        lead = b"" if self._first else b",\n"
        self._first = False
        return lead + b",\n".join(texts)

    def end(self) -> bytes:
        return b"]" if self._array else b""


@described(
    body={DELIMITED_TYPE: TEXT},
    answers={DELIMITED_TYPE: TEXT, JSON_TYPE: list[dict[str, Any]]},
    errors=(400, 403),
    right=Right.WRITE,
)
async def post_inserts_stream(request: web.Request) -> web.StreamResponse:
    """Append rows: a first line `{"target": "S"}`, then a JSON object a row; an acknowledgement for each.

    The first line may have `properties` too, settings for the request. An acknowledgement is `{"status":"ok","seq":0}`,
    or the error of its row with `"status":"error"`, after which nothing more is appended; `seq` counts the rows from 0.
    """
    content_type = negotiated(request, (DELIMITED_TYPE, JSON_TYPE))
    engine = engine_of(request)
    batches = line_batches(request.content)
    first = await anext(batches, None)
    if first is None:
        raise BadRequest("the request has no first line with its target")
    head = decoded(first[0], InsertsRequest)
    session = session_of(request, head.properties, None)
    # No rows yet: an unknown target is refused before the answer starts.
    await in_thread(request, engine.insert, head.target, [], session)

    acks = Acks(content_type)
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    await response.write(acks.start())
    seq, lines = 0, first[1:]
    while True:
        rows, bad = decoded_rows(lines)
        done: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        try:
            if rows:
                results = await to_the_end(request, engine.insert, head.target, rows, session)
                done, refused = _bodies(seq, results)
        except Exception as error:
            log_error(request, error)
            refused = [_refusal(seq, error)]
        else:
            if bad is not None:
                refused.append(_refusal(seq + len(rows), bad))
        seq += len(rows)
        # An error is the last thing said; rows of the same batch that are in were acknowledged before it.
        await write_lines(request, response, acks.write(done + refused[:1]))
        if refused:
            break
        try:
            following = await anext(batches, None)
        except SsqlError as error:
            await response.write(acks.write([_refusal(seq, error)]))
            break
        if following is None:
            break
        lines = following
    await response.write(acks.end())
    await response.write_eof()
    return response


def _bodies(seq: int, results: Sequence[InsertAck]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The acknowledgements of rows that are in, and of those that were refused; `seq` is the first row's number."""
    done = [{"status": "ok", "seq": seq + ack.seq} for ack in results if ack.error is None]
    refused = [_refusal(seq + ack.seq, ack.error) for ack in results if ack.error is not None]
    return done, refused


def _refusal(seq: int, error: Exception) -> dict[str, Any]:
    return error_body(error) | {"status": "error", "seq": seq}
