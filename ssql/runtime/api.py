"""What the rooms above see of the runtime: queries that run, and the answers that can be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypeVar

import pyarrow as pa

from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan
from ssql.runtime.progress import QueryProgress, QueryState

#: The name of the dataflow of all queries; behind the service's id, that of the writer of what they make.
MAIN = "main"

T = TypeVar("T")

Offsets = Mapping[tuple[str, int], int]  # (topic, partition) -> the next offset to be read


@dataclass(frozen=True)
class Traffic:
    """What went one way since the worker started: records, the bytes of their keys and values (0 where they are not
    counted), records a second of late, and when (ms since 1970, time of day) the last one was; 0: none yet."""

    records: int = 0
    bytes: int = 0
    per_second: float = 0.0
    last_ms: int = 0


@dataclass(frozen=True)
class Throughput:
    """The records of a topic, or the rows of a query, that were read, written, and could not be processed."""

    read: Traffic = Traffic()
    written: Traffic = Traffic()
    failed: Traffic = Traffic()


@dataclass(frozen=True)
class QueryStatus:
    """How a query is doing. `error` is set in state ERROR, and where a query waits for what it cannot reach, in the
    user's words; `failed_ms` is when it failed (0: before the worker started); `internal`: whether it is a fault of
    ours."""

    query_id: str
    state: QueryState
    error: str | None = None
    throughput: Throughput = Throughput()
    failed_ms: int = 0
    internal: bool = False


class TableView(Protocol):
    """The rows of a table as of one frontier; never changes. Columns: the relation's (keys, values; WINDOWSTART and
    WINDOWEND after the keys of a windowed one), then `_time` (ROWTIME, ms). `complete`: all rows up to the frontier;
    else it is still being read from its beginning."""

    relation: Relation
    complete: bool

    def scan(self) -> pa.Table:
        """All rows."""

    def get(self, keys: pa.RecordBatch) -> pa.Table:
        """The rows of these keys (columns: the relation's key columns, by position; windowed: of all their windows)."""

    def find(self, keys: Sequence[tuple[str | int, ...]], columns: Sequence[str], schema: pa.Schema) -> pa.Table:
        """These columns of the rows of these keys (a value for each of the relation's key columns, each key once), as
        `schema` names and types them. One key takes microseconds."""


@dataclass(frozen=True)
class Cut:
    """One consistent cut: all tables as of the same frontier."""

    tables: Mapping[str, TableView]
    frontier: Offsets
    epoch: int


class Demand(Enum):
    """What a follower wants after what it was given. WAIT: nothing until `resume`; the query stands still until then,
    and goes on from the log where it stopped. DONE: nothing any more; the query is dropped."""

    MORE = "MORE"
    WAIT = "WAIT"
    DONE = "DONE"


@dataclass(frozen=True)
class Reached:
    """How far the dataflow of a followed query is, as of an epoch.

    `offsets`: the next record of each partition that it reads. `own`: of topics that the dataflow writes itself, where
    what it wrote ends: its own records before that came from memory, whatever `offsets` says; they were read back up to
    there only. `tick` counts the moments at which followers are told, those in one dataflow at the same one. `quiet`:
    the rows told with this are from before the place that the follower asked for; `begun`: that place is reached.
    `joined`: whether it runs with all other queries, which have seen the same.
    """

    offsets: Offsets
    own: Offsets
    tick: int
    quiet: bool
    begun: bool
    joined: bool


class Follower(Protocol):
    """Who follows a query, epoch by epoch. Called in the worker's thread; must not block."""

    def told(self, rows: pa.RecordBatch | None, reached: Reached) -> Demand:
        """The rows of a committed epoch (columns of the plan and the system columns), None where there are none; first
        of all where the query starts, and later where it joins the others."""

    def failed(self, reason: str) -> None:
        """The query has failed, and is no more."""


#: Where a query starts to read streams. Tables are read from their beginning.
Start = Literal["earliest", "latest"]


class Worker(Protocol):
    """One worker: the dataflow of all queries, moving in epochs in its own thread. All calls are thread-safe."""

    def start(self) -> None: ...

    def close(self) -> None:
        """Finish the epoch at hand and stop."""

    def add(self, plans: Sequence[QueryPlan], *, start: Start) -> None:
        """Run queries (they catch up together, then join the others). Returns when they are known, before any row.

        A query that ran before (same id) goes on from its state. Tables are read from the earliest offset always.
        """

    def follow(self, plan: QueryPlan, follower: Follower, *, begin: Offsets, quiet: Offsets, own: Offsets) -> None:
        """Run a query for a follower; it leaves no trace in the log.

        It reads each partition from `begin` on, or from its beginning; of what the worker itself wrote to it, only what
        stands behind `own` (see `Reached`). Rows of epochs until all of `quiet` is reached are told as quiet; there is
        an epoch that ends just there.
        """

    def replace(self, plan: QueryPlan, *, paused: bool) -> None:
        """Put a plan in the place of the query of its id: it goes on from where that one stands and from its state,
        `paused` or not; one that had failed runs again. The plan must keep the same rows (`planner.upgrades`)."""

    def drop(self, query_id: str, *, forget: bool = True) -> None:
        """Stop a query (or subscription) at the last commit; `forget` its state."""

    def pause(self, query_id: str) -> None: ...

    def resume(self, query_id: str) -> None: ...

    def status(self) -> Sequence[QueryStatus]: ...

    def progress(self) -> Sequence[QueryProgress]:
        """How far each query that is filed has read; as of the last commit, and without waiting for an epoch."""

    def throughput(self) -> Mapping[str, Throughput]:
        """By topic, what this worker has read and written since it started."""

    def cut(self) -> Cut:
        """The tables as of the last committed epoch."""

    def between_epochs(self, function: Callable[[], T]) -> T:
        """Call a function, which must be short, between two epochs, and answer what it answers: while it runs, nothing
        is committed that `cut` does not show."""

    def wait_for(self, offsets: Offsets, timeout_s: float) -> bool:
        """Wait until all queries have seen the inputs up to these offsets (those they read)."""

    def wait_for_cut(self, offsets: Offsets, query_ids: Collection[str], timeout_s: float) -> bool:
        """Wait until `cut` is as of these offsets (those it has inputs of), and none of the queries is catching up."""

    def caught_up(self, timeout_s: float) -> bool:
        """Wait until every query has seen all that the log held when this was called, derived rows included."""
