"""The dataflow that a query is planned into: steps in topological order, each with the SQL that it runs.

Rows flow between steps as deltas: Arrow batches with the columns of the step's `schema` and the system columns

    _time  BIGINT   event time, ms since the epoch
    _diff  TINYINT  +1 the row is now there, -1 it is gone
    _seq   BIGINT   the row's place in the epoch: rows of all inputs merged by time, then by arrival

in order of `_seq`, a -1 before the +1 that replaces it. A stream's rows are all +1.

A statement (`sql`) is DuckDB's; it reads the relations `delta` (and `state`) and yields the step's columns and the
system columns, not necessarily in order: the operator sorts by (_seq, _diff). The `careful` form of a
statement yields the same with NULL for a column whose expression fails on a row, and one more column `_failed`
(VARCHAR): the name of the first column that may have failed on that row, else NULL. It is run only for a
batch on which the plain form raised an error.

Steps say what is computed and under which id its state is filed; `ssql.runtime.operators` run them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ssql.planner.outline import Part
from ssql.planner.relation import Relation
from ssql.types import Schema, SqlType

SYSTEM = ("_time", "_diff", "_seq")

#: What may be wrong with a record: it cannot be read, it gives no time.
Fault = Literal["unreadable", "timeless"]


@dataclass(frozen=True)
class Statement:
    """A DuckDB statement in its plain and its careful form. `udfs`: Python functions that it calls."""

    sql: str
    careful: str | None = None
    udfs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """Base. `id` is unique in its query and stable: state is filed under `<query id>/<step id>`.

    `inputs` are the ids of the steps that it reads, `schema` the columns that it yields.
    """

    id: str
    inputs: tuple[str, ...]
    schema: Schema


@dataclass(frozen=True)
class Scan(Step):
    """Rows of a relation. Leaf.

    Columns are those of `schema`, named as in the relation; beside these it may ask for the pseudo columns
    ROWPARTITION (INTEGER), ROWOFFSET (BIGINT), and WINDOWSTART, WINDOWEND (BIGINT) of a windowed relation.
    ROWTIME is `_time`. A table's rows come as changes: the old row at -1, the new one at +1 (the runtime keeps the
    table, once for all queries). `time`: an expression over the relation's columns that gives `_time` in ms
    where the relation has a TIMESTAMP column (else None: the record's own).
    `void`: a stream's records without a value come too, their columns null; the Sink writes them as what they are.
    """

    relation: Relation
    time: Statement | None = None
    void: bool = False


@dataclass(frozen=True)
class Map(Step):
    """A stateless chain of filters, projections and table functions, fused into one statement over `delta`."""

    statement: Statement


@dataclass(frozen=True)
class Pick(Step):
    """Columns picked and renamed, no statement: `columns[i]` is the input's column that the schema's i-th one is."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Require(Step):
    """Passes rows whose `columns` are all not null; the others go to the errors stream with `reason`."""

    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Exchange(Step):
    """Rows are to meet by `keys` from here on. One worker: nothing to do; several: a repartition topic."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Windowed(Step):
    """Puts each row into its time windows: adds WINDOWSTART and WINDOWEND (BIGINT, ms), a row a window.

    A row is late for a window when stream time >= window end + grace, stream time being the highest `_time` seen so
    far, row by row; late rows go to the late stream.
    """

    kind: Literal["TUMBLING", "HOPPING"]
    size_ms: int
    advance_ms: int
    grace_ms: int


@dataclass(frozen=True)
class Distinct:
    """An aggregate's argument that is counted once a distinct value: `flag` is +1 / -1 on the row that brings / takes
    the last of (keys, column), else 0. NULL values have flag 0."""

    column: str
    flag: str


@dataclass(frozen=True)
class Aggregate(Step):
    """Groups by `keys` (none: one group of all rows) and keeps accumulators.

    `merge` reads `delta` (the input, with a flag column for each of `distinct`) and `state` (keys, accumulators,
    `_time`: at most one row a group) and yields, for each group of the delta, keys, the new accumulators, `_time`
    (the greatest of all rows of the group) and `_seq` (the last of the delta's). `result` reads `delta` (keys,
    accumulators, system columns) and yields the step's rows.

    `lifetime_ms`: for windowed groups (WINDOWEND among the keys), how long after the window's end a group is
    kept: it is freed when stream time >= WINDOWEND + lifetime_ms.
    """

    keys: tuple[str, ...]
    accumulators: tuple[tuple[str, SqlType], ...]
    merge: Statement
    result: Statement
    distinct: tuple[Distinct, ...] = ()
    lifetime_ms: int | None = None


@dataclass(frozen=True)
class SessionAggregate(Step):
    """Groups by `keys` and by session: rows of a key of which none is further than `gap_ms` from the next.

    The schema has WINDOWSTART and WINDOWEND (the times of a session's first and last row) after the keys. `merge` and
    `result` are as in `Aggregate`, with keys and both bounds as the group. `combine` merges two states of each group,
    the later one in `delta` (as `merge` yields it), the earlier one in `state`, and yields what `merge` yields.
    A row is late when the session that it would be in ends before stream time - grace - gap. `lifetime_ms`: how long
    after its end a session is kept.
    """

    keys: tuple[str, ...]
    accumulators: tuple[tuple[str, SqlType], ...]
    gap_ms: int
    grace_ms: int
    merge: Statement
    combine: Statement
    result: Statement
    lifetime_ms: int


@dataclass(frozen=True)
class Final(Step):
    """Holds back the rows of windows until these are closed, and yields each window's last row once.

    Inputs: the aggregate's changes, and the rows that it aggregates, whose times make the stream time. A window
    (`group`, WINDOWSTART and WINDOWEND among it) is closed when stream time >= WINDOWEND + `after_ms`. `reach_ms`: as
    in ksqlDB, a window goes to the late stream when it is closed by a row whose newest window (windows start
    `advance_ms` apart) starts more than `reach_ms` after it. None: there is no such limit.
    """

    group: tuple[str, ...]
    after_ms: int
    advance_ms: int
    reach_ms: int | None


@dataclass(frozen=True)
class Regroup(Step):
    """Computes touched groups again from all their rows, and yields the difference: for what cannot be merged.

    State: every row of the input, by `keys`; `row_identity` are the input's columns that identify a row (with the
    keys). `statement` reads `delta` (all rows of the touched groups, with
    `_time`, `_seq`; `_diff` is 1) and yields the rows of the answer with `_time`, `_seq` (`_diff` is set by the
    operator). `unique`: the answer's columns that identify a row within it (keys first).
    """

    keys: tuple[str, ...]
    row_identity: tuple[str, ...]
    unique: tuple[str, ...]
    statement: Statement


@dataclass(frozen=True)
class StreamTableJoin(Step):
    """Each row of the left stream with the row that the right table has for its key at the row's place in the order.

    Inputs: left, right. Yields left's columns, then right's (names are distinct). `_time` and `_seq` are the left's.
    Rows with a null key match nothing. LEFT keeps a row without a match, with nulls.
    """

    left_keys: tuple[str, ...]
    right_keys: tuple[str, ...]
    kind: Literal["INNER", "LEFT"]


@dataclass(frozen=True)
class StreamStreamJoin(Step):
    """Rows of two streams with equal keys that are near in time.

    Inputs: left, right. A pair joins when `left time - before_ms <= right time <= left time + after_ms`; it comes when
    the later arrival comes, with the greater time of both. Yields left's columns, then right's. Rows without a match
    (outer kinds) come with nulls: at once without a grace period (`grace_ms` None), else when no match can come
    any more: once stream time has passed the end of the row's window by `grace_ms`.
    """

    left_keys: tuple[str, ...]
    right_keys: tuple[str, ...]
    kind: Literal["INNER", "LEFT", "RIGHT", "FULL"]
    before_ms: int
    after_ms: int
    grace_ms: int | None


@dataclass(frozen=True)
class TableTableJoin(Step):
    """The join of two tables on equal keys, many to many, kept up to date from either side.

    Inputs: left, right. Yields left's columns, then right's; `_time` is the greater of both. For each kind of outer
    join rows without a match come with nulls. `left_unique`, `right_unique`: what identifies a row of either side.
    `tells_all`: a left row that goes is told at -1, with nulls, also where it had no match, as ksqlDB tells it. Only
    for what is written as it is: to a reader of changes that is a row that goes and never came.
    """

    left_keys: tuple[str, ...]
    right_keys: tuple[str, ...]
    left_unique: tuple[str, ...]
    right_unique: tuple[str, ...]
    kind: Literal["INNER", "LEFT", "RIGHT", "FULL"]
    tells_all: bool = False


@dataclass(frozen=True)
class Sink(Step):
    """Writes its input to the relation's topic: a stream's rows as records, a table's changes as upserts or tombstones.

    The input's columns are the relation's (and WINDOWSTART, WINDOWEND where it is windowed). A table's rows are also
    kept by key, for pull queries. `timestamp`: a statement that gives `_time` of the records where the statement
    asked for another (WITH TIMESTAMP), over the sink's columns. `lifetime_ms`: windowed tables: how long after its end
    a window can be read. `keeps_key`: a row has the key that its record came with, none where that had none.
    """

    relation: Relation
    timestamp: Statement | None = None
    lifetime_ms: int | None = None
    keeps_key: bool = False


@dataclass(frozen=True)
class Emit(Step):
    """Hands its input to a reader: the end of a push query. `keys`: the columns by which a reader tells rows of a
    table from each other (none: there is one row); they are there whether they are selected or not."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keep(Step):
    """Does nothing with its input, a table's rows: that these are read keeps them for pull queries."""


@dataclass(frozen=True)
class QueryPlan:
    """A query, planned: steps in topological order (the last is its Sink, Emit or Keep).

    `logical` is the logical plan as EXPLAIN prints it. `reads` are the relations scanned. `outline` says what may
    replace the query. `fatal`: what of a record makes the query fail, where else the record would be put aside.
    """

    query_id: str
    steps: tuple[Step, ...]
    kind: Literal["STREAM", "TABLE"]
    logical: str
    reads: tuple[str, ...] = ()
    outline: tuple[Part, ...] = ()
    fatal: frozenset[Fault] = frozenset()

    @property
    def sink(self) -> Sink | None:
        last = self.steps[-1]
        return last if isinstance(last, Sink) else None
