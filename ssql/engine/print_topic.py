"""PRINT: the records of a topic as lines of text, whatever is in them, until the reader stops or LIMIT is reached.

A thread of its own reads the topic and writes the lines into a bounded buffer; it waits while the buffer is full, so a
slow reader slows the reading and nothing else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pyarrow as pa

from ssql.config import AUTO_OFFSET_RESET
from ssql.engine import planning
from ssql.engine.api import PushRows
from ssql.engine.context import Request
from ssql.errors import TopicNotFound
from ssql.formats.guess import Guess
from ssql.functions.text import civil, year_text
from ssql.log.api import Fetch, Log, Reader
from ssql.schemas.api import SchemaRegistry
from ssql.sql.statements import Print
from ssql.types import STRING, Column

#: Records read at a time, and lines that may wait for the reader.
_ROWS = 500
_LINES = 2000
#: How long (ms) one read waits for records before it looks whether it is still wanted.
_POLL_MS = 500.0

_NO_TIME = -1  # of records without a timestamp
_DAY_MS = 86_400_000


def start(request: Request, statement: Print) -> TopicPrint:
    """Begin to print.

    Raises:
        TopicNotFound: with the name that was probably meant.
    """
    core, name = request.core, statement.topic.text
    topic = core.log.topic(name)
    if topic is None:
        missing = TopicNotFound(name, candidates=[t.name for t in core.log.topics()])
        missing.span = statement.topic.span
        raise missing
    from_beginning = statement.from_beginning or request.config[AUTO_OFFSET_RESET] == "earliest"
    positions = {p: core.log.bounds(name, p)[0 if from_beginning else 1] for p in range(topic.partitions)}
    return TopicPrint(core.log, core.schemas, statement, positions, core.prints)


class Lines:
    """Records to lines: one line for each `interval`-th record, and one whenever the possible formats change."""

    def __init__(self, schemas: SchemaRegistry, interval: int = 1, limit: int | None = None) -> None:
        self._keys, self._values = Guess(schemas, keys=True), Guess(schemas, keys=False)
        self._interval, self._left = interval, limit
        self._seen = 0
        self._told: dict[str, str] = {}

    @property
    def finished(self) -> bool:
        return self._left == 0

    def of(self, fetch: Fetch) -> list[str]:
        records = [self._record(fetch, row) for row in self._chosen(fetch.batch.num_rows)]
        return [*self._formats(), *records] if fetch.batch.num_rows else []

    def _chosen(self, rows: int) -> range:
        chosen = range(-self._seen % self._interval, rows, self._interval)
        self._seen += rows
        if self._left is not None:
            chosen = chosen[: self._left]
            self._left -= len(chosen)
        return chosen

    def _record(self, fetch: Fetch, row: int) -> str:
        held = {name: fetch.batch.column(name)[row].as_py() for name in ("key", "value", "timestamp")}
        key, value = self._keys.text(held["key"]), self._values.text(held["value"])
        return f"rowtime: {rowtime_text(held['timestamp'])}, key: {key}, value: {value}, partition: {fetch.partition}"

    def _formats(self) -> Iterator[str]:
        for what, now in (("Key", self._keys.formats), ("Value", self._values.formats)):
            if self._told.get(what) != now:
                self._told[what] = now
                yield f"{what} format: {now}"


def rowtime_text(millis: int) -> str:
    """A record's timestamp as PRINT has it, in UTC."""
    if millis == _NO_TIME:
        return "N/A"
    days, ms = divmod(millis, _DAY_MS)
    seconds = ms // 1000
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms % 1000:03}"
    year, month, day = civil(days)
    return f"{year_text(year)}/{month:02}/{day:02} {clock} Z"


class TopicPrint:
    """A push query (see `api.PushQuery`) of one column: lines of text."""

    def __init__(
        self,
        log: Log,
        schemas: SchemaRegistry,
        statement: Print,
        positions: Mapping[int, int],
        running: set[TopicPrint],
    ) -> None:
        self.query_id = planning.query_id(statement.topic.text)
        self.columns: tuple[Column, ...] = (Column("LINE", STRING),)
        self.final_message: str | None = None
        self.error: Exception | None = None
        self._topic = statement.topic.text
        self._lines = Lines(schemas, statement.interval or 1, statement.limit)
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._wake: Callable[[], Any] = lambda: None
        self._log, self._positions = log, positions
        self._reader: Reader | None = None
        self._running = running
        running.add(self)
        self._thread = threading.Thread(target=self._read, name=f"ssql-print-{self._topic}", daemon=True)
        self._thread.start()

    # --- its own thread ------------------------------------------------------

    def _read(self) -> None:
        try:
            with closing(self._log.reader()) as reader:
                for partition, at in self._positions.items():
                    reader.assign(self._topic, partition, at)
                with self._changed:
                    self._reader = reader
                while not self._ended and not self._lines.finished:
                    for fetch in reader.poll(_ROWS, _POLL_MS):
                        self._hand_over(self._lines.of(fetch))
                with self._changed:
                    self._reader = None
        except Exception as failure:  # whatever it is, who reads the lines is told
            self._reader = None
            self.error = failure
        self._end()

    def _hand_over(self, lines: list[str]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._waiting) < _LINES)
            if not self._ended:
                self._waiting += lines
            self._changed.notify_all()
        self._wake()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._running.discard(self)
        self._wake()

    # --- the reader's side ---------------------------------------------------

    def on_rows(self, wake: Callable[[], Any]) -> None:
        self._wake = wake
        with self._changed:
            ready = self._ended or bool(self._waiting)
        if ready:
            wake()

    def take(self, max_rows: int = 10_000, timeout_s: float | None = None) -> pa.RecordBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._waiting), timeout_s)
            if not self._waiting and self._ended:
                return None
            taken = [self._waiting.popleft() for _ in range(min(max_rows, len(self._waiting)))]
            self._changed.notify_all()
        return pa.record_batch([pa.array(taken, pa.string())], names=["LINE"])

    def take_rows(self, max_rows: int = 10_000, timeout_s: float | None = None) -> PushRows | None:
        batch = self.take(max_rows, timeout_s)
        return batch if batch is None else PushRows(batch, 0, batch.num_rows)

    def close(self) -> None:
        """Stop; what was not taken yet is dropped."""
        with self._changed:
            self._waiting.clear()
            self._ended = True
            if self._reader is not None:
                self._reader.wake()
        self._end()
        self._thread.join()
