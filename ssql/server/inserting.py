"""What POST /insert does with a body: batches out of Arrow, NDJSON or CSV, appended one after the other.

Loaded with the first such request: what it needs takes longer to load than a server to listen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from aiohttp import web

from ssql.arrow_messages import Messages, TooLong
from ssql.errors import BadRequest, BodyTooLarge, SsqlError
from ssql.server.csv_rows import CsvRows
from ssql.server.failures import error_body
from ssql.server.framing import ARROW_TYPE, CSV_TYPE, JSON_TYPE, LINES_TYPE
from ssql.server.inserts_stream import MAX_LINE_BYTES, decoded_row, line_batches
from ssql.server.state import to_the_end
from ssql.types import quote

if TYPE_CHECKING:
    from ssql.engine.api import Engine, Session

#: Largest record batch (bytes), with the dictionaries before it.
MAX_BATCH_BYTES = 64 << 20

#: Rows of NDJSON in one transaction.
ROWS_AT_ONCE = 10_000


class Insert:
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


async def _take_arrow(request: web.Request, insert: Insert) -> None:
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


async def _take_csv(request: web.Request, insert: Insert) -> None:
    rows = CsvRows(MAX_LINE_BYTES)
    while True:
        part = await request.content.readany()
        for batch, bad in rows.feed(part):
            await to_the_end(request, insert.texts, batch, bad)
        if not part:
            return


async def _take_lines(request: web.Request, insert: Insert) -> None:
    async for lines in line_batches(request.content):
        for start in range(0, len(lines), ROWS_AT_ONCE):
            await to_the_end(request, insert.lines, lines[start : start + ROWS_AT_ONCE])


#: How bodies are read, by their type.
TAKEN: Mapping[str, Callable[[web.Request, Insert], Awaitable[None]]] = {
    ARROW_TYPE: _take_arrow,
    LINES_TYPE: _take_lines,
    JSON_TYPE: _take_lines,
    CSV_TYPE: _take_csv,
}
