"""GET /ws/query: ksqlDB's WebSocket. One SELECT or PRINT; the columns as the first message, then a message a row.

The statement is a KsqlRequest as JSON in the parameter `request`. Rows are those of the first version's form, the lines
of PRINT texts. The end is a close frame: 1000 "done", 1003 where the request was refused, 1011 where the query failed,
1013 where the server cannot answer now; its reason is the error's message, cut to what such a frame holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ssql.errors import BadRequest, SsqlError
from ssql.server.described import Query, described
from ssql.server.failures import error_body, log_error
from ssql.server.framing import V1, Text
from ssql.server.pump import Pump, close, is_push, pull_rows, run_query
from ssql.server.requests import KsqlRequest, check_query, decoded
from ssql.server.websocket import accepted, finish, listen

if TYPE_CHECKING:
    import pyarrow as pa

    from ssql.engine.api import PullResult, PushQuery
    from ssql.types import Column

PATH = "/ws/query"

#: The one version of this protocol.
VERSION = "1"


class Messages:
    """The rows of one query as messages, a line each (a `Framing`); `code` and `reason` close the connection."""

    left_out = 0
    shared: str | None = "websocket"

    def __init__(self, *, prints: bool) -> None:
        self.code = int(WSCloseCode.OK)
        self.reason = "done"
        self._prints = prints
        self._rows = Text() if prints else V1(push=True)

    def header(self, query_id: str, columns: Sequence[Column], mark_keys: bool) -> bytes:  # noqa: ARG002
        from ssql.engine.entities import fields_json

        if self._prints:
            return b""
        marks = () if mark_keys else ("type", "fieldType")
        return msgspec.json.encode([{k: v for k, v in f.items() if k not in marks} for f in fields_json(columns)])

    def rows(self, batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
        if self._prints:
            return b"".join(msgspec.json.encode(line) + b"\n" for line in batch.column(0).to_pylist())
        return self._rows.rows(batch, columns).replace(b"},\n", b"}\n")

    def end(self, message: str | None) -> bytes:  # noqa: ARG002
        return b""

    def error(self, body: dict[str, Any]) -> bytes:
        self.code, self.reason = int(WSCloseCode.INTERNAL_ERROR), str(body["message"])
        return b""


@described(
    query={
        "request": Query(str, "A KsqlRequest as JSON: its `ksql` is one SELECT or PRINT.", required=True),
        "version": Query(str, "The protocol's: 1."),
    },
    status=101,
    errors=(400, 403),
)
async def get_ws_query(request: web.Request) -> web.StreamResponse:
    """ksqlDB's WebSocket: one SELECT or PRINT, answered message by message."""
    socket = await accepted(request)
    try:
        body = _read(request)
        prints = check_query(body.text, PATH)
        result = await run_query(request, body.text, body.session(request))
    except Exception as error:
        log_error(request, error)
        await finish(request, socket, b"", _code_of(error), str(error_body(error)["message"]))
        return socket
    messages = Messages(prints=prints)
    try:
        if await listen(socket, _send(request, socket, result, messages)) is not None:
            await finish(request, socket, b"", messages.code, messages.reason)
    finally:
        if is_push(result):
            close(request, cast("PushQuery", result))
    return socket


def _read(request: web.Request) -> KsqlRequest:
    version = request.query.get("version", VERSION)
    if version != VERSION:
        raise BadRequest(f"Received invalid api version: {version}")
    said = request.query.get("request", "")
    if not said:
        raise BadRequest("Error parsing request: missing request parameter")
    body = decoded(said.encode(), KsqlRequest)
    if not body.text:
        raise BadRequest('Error parsing request: "ksql" field of "request" must be populated')
    return body


def _code_of(error: Exception) -> int:
    if not isinstance(error, SsqlError):
        return WSCloseCode.INTERNAL_ERROR
    return WSCloseCode.TRY_AGAIN_LATER if error.status == 503 else WSCloseCode.UNSUPPORTED_DATA


async def _send(
    request: web.Request, socket: web.WebSocketResponse, result: PullResult | PushQuery, messages: Messages
) -> bytes | None:
    async def write(text: bytes) -> None:
        for line in text.splitlines():
            await socket.send_frame(line, WSMsgType.TEXT)

    try:
        header = messages.header(result.query_id, result.columns, getattr(result, "mark_keys", False))
        await write(header)
        if is_push(result):
            return await Pump(request, cast("PushQuery", result), messages, write).run()
        return await pull_rows(request, cast("PullResult", result), messages, write)
    except ConnectionError:
        raise
    except Exception as error:
        log_error(request, error)
        return messages.error(error_body(error))
