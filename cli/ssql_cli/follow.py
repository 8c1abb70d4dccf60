"""Following a table for the live view: its rows now, then what changes, from an engine here or on a server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ssql.client.backends import Start, Statement
from ssql.client.http import HttpBackend
from ssql.client.targets import Server
from ssql.engine.api import Subscription
from ssql.sql.type_syntax import parse_type
from ssql.types import Column, SqlType
from ssql_cli.backend import AnswerColumn, Backend
from ssql_cli.local import PATIENCE_S, LocalBackend, answer_columns, rows_of
from ssql_cli.pending import PendingBackend
from ssql_cli.remote import RemoteBackend


@dataclass(frozen=True)
class Step:
    """Some changes: values by position in JSON's types, and for each row whether it is there (+1) or gone (-1)."""

    rows: Sequence[Sequence[Any]]
    diffs: Sequence[int]
    snapshot: bool
    frontier: Mapping[tuple[str, int], int]


class Followed(Protocol):
    """A table that is followed. Iterating gives steps; None is a sign of life only. Raises `SsqlError`.

    `keys`: the columns of the table's key that are selected. `whole`: they are all of it, and a row takes the place of
    the one with its key; else an update is the old row at -1, then the new one at +1.
    """

    columns: tuple[AnswerColumn, ...]
    keys: tuple[str, ...]
    whole: bool

    def __iter__(self) -> Iterator[Step | None]: ...

    def close(self) -> None: ...


def follow(backend: Backend, sql: str) -> Followed | None:
    """Follow a query whose result is a table; None for a stream.

    Raises:
        SsqlError: the query is refused, or cannot be followed (it has a LIMIT, the server is no ssql server).
    """
    if isinstance(backend, PendingBackend):
        backend = backend.opened()
    if not _is_table(backend, sql):
        return None
    if isinstance(backend, LocalBackend):
        return _Here(backend.engine.subscribe(sql, backend.session))
    return _There(backend, sql) if isinstance(backend, RemoteBackend) else None


class _Here:
    """A subscription to an engine in this process."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.columns, self.whole = answer_columns(subscription.columns), bool(subscription.keys)
        self.keys = subscription.keys or tuple(c.name for c in subscription.columns if c.key)

    def __iter__(self) -> Iterator[Step | None]:
        while not self._subscription.ended:
            frame = self._subscription.take(PATIENCE_S)
            yield (
                None
                if frame is None
                else step(frame.rows, self._subscription.columns, snapshot=frame.snapshot, frontier=frame.frontier)
            )
        if self._subscription.error is not None:
            raise self._subscription.error

    def close(self) -> None:
        self._subscription.close()


class _There:
    """A subscription to a server."""

    def __init__(self, backend: RemoteBackend, sql: str) -> None:
        self._http = HttpBackend(Server(backend.place, backend.credentials))
        try:
            self._pieces = self._http.follow(Start(Statement(sql, backend.properties, backend.variables)))
            self._first = next(iter(self._pieces))  # it comes at once, and says what the columns are
        except BaseException:
            self._http.close()
            raise
        self._columns = [_column(field) for field in list(self._first.rows.schema)[1:]]
        self.columns, self.whole = answer_columns(self._columns), bool(self._first.keys)
        self.keys = self._first.keys or tuple(c.name for c in self._columns if c.key)

    def __iter__(self) -> Iterator[Step | None]:
        for piece in itertools.chain((self._first,), self._pieces):
            yield step(piece.rows, self._columns, snapshot=piece.snapshot, frontier=piece.frontier)

    def close(self) -> None:
        self._pieces.close()
        self._http.close()


def step(
    rows: pa.RecordBatch, columns: Sequence[Column], *, snapshot: bool, frontier: Mapping[tuple[str, int], int]
) -> Step:
    """A frame's rows (`_diff` first) in the values that are shown."""
    batch = rows.select(rows.schema.names[1:]) if len(set(rows.schema.names)) == len(rows.schema.names) else None
    if batch is None:
        batch = pa.RecordBatch.from_arrays(rows.columns[1:], names=[f"c{i}" for i in range(len(columns))])
    return Step([row.values for row in rows_of(batch, columns)], rows.column(0).to_pylist(), snapshot, frontier)


def _is_table(backend: Backend, sql: str) -> bool:
    """Whether the result of a query is a table."""
    entities = backend.execute(f"EXPLAIN {sql}")
    described: dict[str, Any] = next((e["queryDescription"] for e in entities if "queryDescription" in e), {})
    return described.get("resultType") == "TABLE"


def _column(field: pa.Field) -> Column:
    """A column as a server tells it of a subscription."""
    about = field.metadata or {}
    found = parse_type(about[b"sql.type"].decode())
    assert isinstance(found, SqlType), "an answer has no types by name"
    return Column(field.name, found, key=b"sql.key" in about)
