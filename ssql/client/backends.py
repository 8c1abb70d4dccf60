"""What a connection needs of the place where statements are carried out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from ssql.client.results import Ack
from ssql.client.rows import Rows

#: An answer of `execute`: a JSON object with `@type`.
Entity = dict[str, Any]


#: Why an endpoint is not called.
FOLLOWED = "the endpoint is one that is followed: its answer does not end"

#: The values of a call's parameters, as JSON texts.
Values = Mapping[str, str]


@dataclass(frozen=True)
class Statement:
    """SQL, and the session that it is carried out in."""

    sql: str
    properties: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """A query to follow, and from where."""

    statement: Statement
    after: str | None = None
    snapshot: bool = True
    every_change: bool = False


@dataclass(frozen=True, eq=False)
class Piece:
    """What of a subscription arrives at a time: see `ssql.engine.api.Frame`; `keys`: see `Subscription` there."""

    rows: pa.RecordBatch
    snapshot: bool
    token: str | None
    frontier: Mapping[tuple[str, int], int]
    keys: tuple[str, ...] = ()


class Pieces(Protocol):
    """A subscription that runs; ends with the query."""

    def __iter__(self) -> Iterator[Piece]: ...

    def close(self) -> None: ...


class AsyncPieces(Protocol):
    def __aiter__(self) -> AsyncIterator[Piece]: ...

    async def aclose(self) -> None: ...


class Backend(Protocol):
    def execute(self, statement: Statement) -> list[Entity]: ...

    def query(self, statement: Statement) -> pa.Table: ...

    def call(self, endpoint: str, values: Values) -> pa.Table: ...

    def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]: ...

    def follow(self, start: Start) -> Pieces:
        """Raises what is no fault of the line at once; `ServerUnavailable` where the line is lost, now or later."""

    def close(self) -> None: ...


class AsyncBackend(Protocol):
    async def execute(self, statement: Statement) -> list[Entity]: ...

    async def query(self, statement: Statement) -> pa.Table: ...

    async def call(self, endpoint: str, values: Values) -> pa.Table: ...

    async def insert(self, target: str, rows: Rows, properties: Mapping[str, object]) -> list[Ack]: ...

    async def follow(self, start: Start) -> AsyncPieces: ...

    async def close(self) -> None: ...
