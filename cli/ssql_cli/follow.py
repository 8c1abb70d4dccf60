"""Following a table for the live view: its rows now, then what changes, from an engine here or on a server."""

from __future__ import annotations

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
from ssql_cli.entities import schema_text
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
    """A table that is followed. Iterating gives steps; None is a sign of life only. Raises `SsqlError`."""

    columns: tuple[AnswerColumn, ...]
    keys: tuple[str, ...]

    def __iter__(self) -> Iterator[Step | None]: ...

    def close(self) -> None: ...


def follow(backend: Backend, sql: str) -> Followed | None:
    """Follow a query whose rows have a key; None for what has none, such as a stream.

    Raises:
        SsqlError: the query is refused, or cannot be followed (it has a LIMIT, the server is no ssql server).
    """
    if isinstance(backend, PendingBackend):
        backend = backend.opened()
    if isinstance(backend, LocalBackend):
        subscription = backend.engine.subscribe(sql, backend.session)
        if subscription.keys:
            return _Here(subscription)
        subscription.close()
    elif isinstance(backend, RemoteBackend):
        columns, is_table = _described(backend, sql)
        if is_table:
            return _There(backend, sql, columns)
    return None


class _Here:
    """A subscription to an engine in this process."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.columns, self.keys = answer_columns(subscription.columns), subscription.keys

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

    def __init__(self, backend: RemoteBackend, sql: str, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.columns, self.keys = answer_columns(columns), tuple(c.name for c in columns if c.key)
        self._http = HttpBackend(Server(backend.place, backend.credentials))
        try:
            self._pieces = self._http.follow(Start(Statement(sql, backend.properties, backend.variables)))
        except BaseException:
            self._http.close()
            raise

    def __iter__(self) -> Iterator[Step | None]:
        for piece in self._pieces:
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


def _described(backend: Backend, sql: str) -> tuple[list[Column], bool]:
    """The columns of a query, with those of its key, and whether rows with that key replace each other."""
    entities = backend.execute(f"EXPLAIN {sql}")
    described = next((e["queryDescription"] for e in entities if "queryDescription" in e), None)
    if described is None:
        return [], False
    columns = [Column(f["name"], _type(f["schema"]), f.get("fieldType") == "KEY") for f in described["fields"]]
    hidden = any("." in c.name for c in columns)  # parts of the key that the query does not select
    is_table = "[retract]" in str(described.get("executionPlan")) and any(c.key for c in columns) and not hidden
    return columns, is_table


def _type(schema: Mapping[str, Any]) -> SqlType:
    found = parse_type(schema_text(schema))
    assert isinstance(found, SqlType), "an answer has no types by name"
    return found
