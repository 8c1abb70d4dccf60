"""The engine as the server, the command and programs see it: statements in, entities and rows out.

The engine holds the catalog and the worker. Every definition is a record in the command topic before it takes effect,
and opening an engine replays that topic. All methods are thread-safe and may block: an event loop calls them in a
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from ssql.catalog.endpoints import Endpoint
from ssql.engine.progress import Progress
from ssql.planner.relation import Relation
from ssql.rights import Right
from ssql.runtime.api import Offsets, QueryStatus, Throughput
from ssql.types import Column

#: A JSON-able answer with `@type`, as section "entities" of ksqlDB's API describes them; `statementText` always.
Entity = dict[str, Any]


@dataclass
class Session:
    """What a client carries from statement to statement: SET properties and DEFINEd variables; and what it may do.

    `full_sql`: a SELECT without EMIT may say all that SQL can; else what ksqlDB's pull queries can (unless
    `sql.extensions` is set).
    """

    properties: dict[str, object] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    right: Right = Right.ADMIN
    full_sql: bool = False


@dataclass(frozen=True)
class PullResult:
    """The answer of a pull query. `mark_keys`: whether ksqlDB's header marks key columns (tables: yes, streams: no).

    `rows` has the columns of `columns`, by position, in SQL types' Arrow form.
    """

    query_id: str
    columns: tuple[Column, ...]
    rows: pa.Table
    mark_keys: bool = True
    final_message: str | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One step of a subscription: its rows went from one frontier to the next.

    `rows`: `_diff` (int8: +1 the row is now there, -1 it is gone), then the subscription's columns, in SQL types' Arrow
    form. `snapshot`: whatever was there before is void, these rows are all; a large one goes on in the frames after it,
    which have no `token` until it is whole. `frontier`: the next offsets of what the query reads. `token`: a
    subscription with the same statement that starts after it goes on behind this frame, in this process or the next.

    Readers of one computation are given the same frames: `rendered` keeps the forms that a server made of one.
    """

    rows: pa.RecordBatch
    snapshot: bool
    frontier: Offsets
    token: str | None
    rendered: dict[Hashable, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class PushRows:
    """Rows of a push query: of `rows` those from `start` to before `stop`.

    Readers of one computation are given the same `rows`: `rendered` keeps the forms that a server made of some of them.
    """

    rows: pa.RecordBatch
    start: int
    stop: int
    rendered: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def num_rows(self) -> int:
        return self.stop - self.start

    @property
    def batch(self) -> pa.RecordBatch:
        """The columns, then `_diff`."""
        return self.rows.slice(self.start, self.num_rows)

    def part(self, start: int, stop: int) -> PushRows:
        """Those from `start` to before `stop` of them."""
        return PushRows(self.rows, self.start + start, self.start + stop, self.rendered)


class PushQuery(Protocol):
    """A running push query."""

    @property
    def query_id(self) -> str: ...

    @property
    def columns(self) -> tuple[Column, ...]: ...

    def on_rows(self, wake: Any) -> None:
        """Register a callable without arguments that is called (in any thread) when `take` has something new."""

    def take(self, max_rows: int = 10_000, timeout_s: float | None = None) -> pa.RecordBatch | None:
        """The next changes: the columns and `_diff` (+1 upsert or row, -1 deletion of a table's row: an update is only
        its +1). None when the query has ended (see `final_message`, `error`); an empty batch on time-out."""

    def take_rows(self, max_rows: int = 10_000, timeout_s: float | None = None) -> PushRows | None:
        """As `take`, for who renders them once for all that are given the same."""

    @property
    def final_message(self) -> str | None:
        """ "Limit Reached" when it ended by its LIMIT."""

    @property
    def error(self) -> Exception | None: ...

    def close(self) -> None: ...


class Subscription(Protocol):
    """A query that is followed: frames in order, for ever."""

    @property
    def query_id(self) -> str:
        """The query that computes it: `SHOW QUERIES` lists it, `TERMINATE` ends it; others may share it."""

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that say which row an upsert or a deletion is about; () for a stream, and where they are not
        selected: then an update is told as the old row at -1 and the new one at +1."""

    def on_frame(self, wake: Callable[[], None]) -> None:
        """Register what is called (in any thread) when `take` has something new."""

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """The next frame. None when the subscription has ended (see `error`), or on time-out (`ended` is False)."""

    @property
    def ended(self) -> bool: ...

    @property
    def error(self) -> Exception | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class EndpointCall:
    """One call of an endpoint: the query with the call's values in it, and the properties to ask it under.

    The query is one of full SQL, whoever asks; a followed endpoint's is for `subscribe`. `literals`: the values alone,
    in DuckDB's SQL, in the order of the endpoint's parameters.
    """

    endpoint: Endpoint
    sql: str
    properties: Mapping[str, object]
    literals: tuple[str, ...] = ()


@dataclass(frozen=True)
class InsertAck:
    """The outcome of one inserted row: its number in the call, and the error if it was refused."""

    seq: int
    error: Exception | None = None


@dataclass(frozen=True)
class Metrics:
    """Counts since the engine was opened: by topic, and the persistent queries with theirs.

    `epoch`: the number of the last one; `push_queries`: how many are running. `progress`: how far each query has read.
    """

    topics: Mapping[str, Throughput]
    queries: Sequence[QueryStatus]
    push_queries: int
    epoch: int
    progress: Progress | None = None


class Engine(Protocol):
    def execute(self, text: str, session: Session | None = None) -> list[Entity]:
        """Carry out a script of statements (no SELECT, no PRINT), in order.

        SET, UNSET, DEFINE and UNDEFINE change `session`. A script of several statements is tried out first: where one
        of them is refused, none is carried out. What fails only in earnest leaves those before it carried out; the
        error (a `SqlError`, with text, position and hint) has their entities in its attribute `entities`.
        """

    def query(self, sql: str, session: Session | None = None) -> PullResult | PushQuery:
        """Run one SELECT: with EMIT a push query, else a pull query on the last committed epoch.

        PRINT is a push query of one column, LINE: text for people.
        """

    def look_up(self, sql: str, session: Session | None = None) -> PullResult | None:
        """The answer of a look-up of keys whose like was planned before; None for everything else, and where something
        was inserted a moment ago, which `query` waits for.

        It takes well below a millisecond and waits for nothing: an event loop may call it as it is.
        """

    def subscribe(
        self,
        sql: str,
        session: Session | None = None,
        *,
        after: str | None = None,
        snapshot: bool = True,
        every_change: bool = False,
    ) -> Subscription:
        """Follow one SELECT (EMIT CHANGES may be left away): what is there, then what changes.

        The first frame comes at once: a table's snapshot, or one without rows that tells where it starts.

        `after`: the token of the last frame that was processed; the next one continues it. `snapshot` False: a table's
        rows that are there already are not told. Streams are told from the session's `auto.offset.reset`.
        `every_change`: every change that the query makes, old rows at -1; else a slow subscriber gets the net changes
        since its last frame, and an update of a table is its +1 alone. A table whose changes after the token are no
        longer known starts again with a snapshot. LIMIT is refused.

        Raises:
            TokenExpired: what comes after the token is no longer there (a stream's records were deleted).
            TokenRefused: it is no token, or another statement's.
        """

    def push_query(self, query_id: str) -> PushQuery | None:
        """A running push query by its id."""

    def insert(self, target: str, rows: Sequence[Mapping[str, Any]], session: Session | None = None) -> list[InsertAck]:
        """Append rows given as JSON objects (column names ignoring case unless back-quoted), as one batch."""

    def relations(self) -> Sequence[Relation]:
        """All streams and tables, in the order they were made."""

    def brokers(self) -> str:
        """Kafka's brokers, "" where the log is a local directory."""

    def endpoints(self) -> Sequence[Endpoint]:
        """All endpoints, in the order they were made."""

    def call(self, endpoint: str, values: Mapping[str, str], *, as_json: bool = False) -> EndpointCall:
        """What a call with these values (as text, by parameter) asks for; `as_json`: each is a JSON text of its type.
        Never blocks.

        Raises:
            EndpointNotFound: no endpoint has that name.
            ParameterMissing, ParameterUnknown, ParameterRefused: the values are not those that it takes.
        """

    def answer(self, call: EndpointCall, session: Session) -> PullResult | PushQuery:
        """The answer of a call of an endpoint that is not followed; its query is planned once for all values.

        `session`: with the properties of the call, and the right of who calls.
        """

    def insert_batch(
        self, target: str, batch: pa.RecordBatch, session: Session | None = None
    ) -> Mapping[int, Exception]:
        """Append rows given as columns, under the names that the catalog has (ROWTIME: ms), as one batch; answers the
        rows that were refused, by their index."""

    def info(self) -> dict[str, Any]:
        """version, kafkaClusterId, ksqlServiceId, serverStatus."""

    def health(self) -> dict[str, Any]:
        """The body of /healthcheck."""

    def metrics(self) -> Metrics:
        """What went through since it was opened."""

    def progress(self) -> Progress:
        """How far opening it was or is, and how far its queries have read; it waits for nothing.

        An engine that is still being opened tells it through the `Opening` (`ssql.engine.opening`) that it was given.
        """

    def cluster(self) -> dict[str, Any]:
        """What /clusterStatus says of this process: `activeStandbyPerQuery` and `hostStoreLags`."""

    def terminate(self, delete_topics: Sequence[str]) -> Entity:
        """End all queries, drop all definitions, delete the command topic and the topics of results that match one of
        the names or regular expressions; then close.

        Raises:
            BadRequest: one is no regular expression; nothing was done.
        """

    def caught_up(self, timeout_s: float) -> bool:
        """Wait until all queries have seen all that the log held when this was called."""

    def close(self) -> None: ...
