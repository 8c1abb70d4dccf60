"""POST /insert?into=NAME: rows as an Arrow stream, NDJSON or CSV, appended batch by batch as they come.

A batch is one transaction: a record batch of Arrow, or the lines that have arrived while the one before was written. A
row that does not fit is refused, the others are in. While a batch is written nothing more is read than the connection's
own buffer holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import numpy as np
import pyarrow as pa
from aiohttp import web

from ssql.arrow_messages import Messages, TooLong
from ssql.errors import BadRequest, BodyTooLarge, BodyTypeRefused, SsqlError
from ssql.rights import Right
from ssql.server.auth import right_of
from ssql.server.csv_rows import CsvRows
from ssql.server.described import BYTES, TEXT, Query, described
from ssql.server.failures import error_body, error_response, log_error
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.inserts_stream import MAX_LINE_BYTES, decoded_row, line_batches
from ssql.server.requests import json_parameter, negotiated, session_of
from ssql.server.state import engine_of, in_thread, to_the_end
from ssql.types import quote

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Session

#: Largest record batch (bytes), with the dictionaries before it.
MAX_BATCH_BYTES = 64 << 20

#: Refused rows that are told one by one, unless the request says how many.
TOLD_ROWS = 100

#: Rows of NDJSON in one transaction.
ROWS_AT_ONCE = 10_000


class Inserted(TypedDict):
    """How many rows are in, how many are not, and why the first of these are not: each an error with its `row`, which
    is its number in the request, from 1."""

    rows: int
    refused: int
    errors: list[dict[str, Any]]


class _Insert:
    """One request: what it is for, and what has become of its rows."""

    def __init__(self, engine: Engine, target: str, session: Session, told: int) -> None:
        self._engine, self._target, self._session, self._told = engine, target, session, told
        self.rows = self.refused = 0
        self.errors: list[dict[str, Any]] = []

    def batch(self, batch: pa.RecordBatch) -> None:
        """Append a record batch."""
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as bad:
            raise BadRequest(f"the record batch is not valid: {bad}") from None
        self._note(batch.num_rows, self._engine.insert_batch(self._target, batch, self._session))

    def texts(self, batch: pa.RecordBatch, bad: Mapping[int, SsqlError]) -> None:
        """Append rows of text but for the bad ones."""
        left = np.setdiff1d(np.arange(batch.num_rows), list(bad))
        refused = self._engine.insert_batch(self._target, batch.take(pa.array(left)) if bad else batch, self._session)
        self._note(batch.num_rows, {**bad, **{int(left[row]): error for row, error in refused.items()}})

    def lines(self, lines: list[bytes]) -> None:
        """Append rows that are JSON objects."""
        decoded = [decoded_row(line) for line in lines]
        objects = [row for row in decoded if row is not None]
        acks = iter(self._engine.insert(quote(self._target), objects, self._session))
        refused: dict[int, Exception] = {}
        for number, row in enumerate(decoded):
            error = BadRequest("the row is not a JSON object") if row is None else next(acks).error
            if error is not None:
                refused[number] = error
        self._note(len(lines), refused)

    def _note(self, rows: int, refused: Mapping[int, Exception]) -> None:
        first = self.rows + self.refused + 1
        for number in sorted(refused)[: max(self._told - len(self.errors), 0)]:
            self.errors.append({"row": first + number, **error_body(refused[number])})
        self.refused += len(refused)
        self.rows += rows - len(refused)

    @property
    def outcome(self) -> Inserted:
        return {"rows": self.rows, "refused": self.refused, "errors": self.errors}


@described(
    query={
        "into": Query(str, "The stream or table; in any case, unless it stands in back quotes.", required=True),
        "properties": Query({"type": "string"}, "Settings for this request, as a JSON object."),
        "errors": Query({"type": "integer", "minimum": 0, "default": TOLD_ROWS}, "How many refused rows are told."),
    },
    body={ARROW_TYPE: BYTES, LINES_TYPE: TEXT, CSV_TYPE: TEXT},
    answers={JSON_TYPE: Inserted},
    errors=(403, 413, 415),
    tag="sql",
    right=Right.WRITE,
)
async def post_insert(request: web.Request) -> web.Response:
    """Append rows, given as an Arrow stream, NDJSON or CSV; columns are found by their names.

    The answer says how many rows are in, how many were refused, and why the first of these were. Where the request
    breaks off, or is wrong from some batch on, the error has `rows` and `refused` too: what came before it is in.
    """
    from ssql.engine.rights import check_insert

    negotiated(request, (JSON_TYPE,))
    engine = engine_of(request)
    check_insert(right_of(request))
    target = request.query.get("into", "")
    if not target:
        raise BadRequest('the parameter "into" is missing', hint="Call /insert?into=NAME.")
    from ssql.engine.rows_json import stored_name

    session = session_of(request, json_parameter(request, "properties"), None)
    insert = _Insert(engine, stored_name(target), session, _told(request))
    take = _TAKEN.get(request.content_type)
    if take is None:
        raise BodyTypeRefused(request.content_type, tuple(_TAKEN))
    # No rows yet: an unknown target is refused before anything is read.
    await in_thread(request, engine.insert, target, [], session)
    try:
        await take(request, insert)
    except ConnectionError:
        raise
    except Exception as error:
        log_error(request, error)
        return error_response(error, rows=insert.rows, refused=insert.refused)
    return web.Response(body=msgspec.json.encode(insert.outcome), content_type=JSON_TYPE)


async def _take_arrow(request: web.Request, insert: _Insert) -> None:
    messages = Messages(MAX_BATCH_BYTES)
    try:
        while part := await request.content.readany():
            for batch, _ in messages.feed(part):
                await to_the_end(request, insert.batch, batch)
    except TooLong:
        raise BodyTooLarge(MAX_BATCH_BYTES) from None
    except pa.ArrowException:
        raise BadRequest("the body is no Arrow IPC stream") from None
    if messages.schema is None or not messages.whole:
        raise BadRequest("the Arrow IPC stream breaks off")


async def _take_csv(request: web.Request, insert: _Insert) -> None:
    rows = CsvRows(MAX_LINE_BYTES)
    while True:
        part = await request.content.readany()
        for batch, bad in rows.feed(part):
            await to_the_end(request, insert.texts, batch, bad)
        if not part:
            return


async def _take_lines(request: web.Request, insert: _Insert) -> None:
    async for lines in line_batches(request.content):
        for start in range(0, len(lines), ROWS_AT_ONCE):
            await to_the_end(request, insert.lines, lines[start : start + ROWS_AT_ONCE])


#: How bodies are read, by their type.
_TAKEN: Mapping[str, Callable[[web.Request, _Insert], Awaitable[None]]] = {
    ARROW_TYPE: _take_arrow,
    LINES_TYPE: _take_lines,
    JSON_TYPE: _take_lines,
    CSV_TYPE: _take_csv,
}


def _told(request: web.Request) -> int:
    try:
        told = int(request.query.get("errors", TOLD_ROWS))
    except ValueError:
        told = -1
    if told < 0:
        raise BadRequest('the parameter "errors" is not a number')
    return told
