"""The rows of the relations that a query reads, all as of one moment.

A table that is kept answers from the last committed epoch. A stream's rows are those in the log up to where that epoch
had read, so that a stream and what is made of it agree; what nothing of ours reads is read to where it ends as the
query comes.
"""

from __future__ import annotations

import time as clock
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.engine import planning
from ssql.engine.context import Request
from ssql.engine.history import read_all
from ssql.errors import ReadTimedOut
from ssql.planner.relation import Relation
from ssql.runtime.api import Cut, Offsets, TableView
from ssql.runtime.progress import QueryState
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Select
from ssql.types import quote

#: Columns that every row has and a star does not show; the last two belong to the records of streams.
HIDDEN = ("ROWTIME", "ROWPARTITION", "ROWOFFSET")
_PLACE = HIDDEN[1:]


@dataclass(frozen=True)
class Wanted:
    """A relation with the columns of its that a query may use, the hidden ones too."""

    relation: Relation
    columns: tuple[str, ...]


def hidden_of(relation: Relation) -> tuple[str, ...]:
    return HIDDEN if relation.kind == "STREAM" else HIDDEN[:1]


def shown_of(relation: Relation) -> tuple[str, ...]:
    """The columns that a star stands for, in order."""
    bounds = ("WINDOWSTART", "WINDOWEND") if relation.window is not None else ()
    return (*relation.key_names, *bounds, *(c.name for c in relation.schema.values))


def rows_of(request: Request, wanted: Sequence[Wanted], deadline: float | None) -> Mapping[str, pa.Table]:
    """The rows by relation. `deadline`: on the monotonic clock. Raises ReadTimedOut, QueryFailed."""
    cut, ends = _moment(request, [w.relation for w in wanted if w.relation.kind == "STREAM"])
    found: dict[str, pa.Table] = {}
    for one in wanted:
        view = kept_view(cut, one.relation)
        if view is not None:
            found[one.relation.name] = _of_view(view, one)
        else:
            found[one.relation.name] = _of_log(request, one, ends, deadline)
    return found


def kept_view(cut: Cut, relation: Relation) -> TableView | None:
    """The rows of a table that is kept: a query of ours fills it, or reads it and has all of its rows."""
    if relation.kind != "TABLE":
        return None
    view = cut.tables.get(relation.name)
    if view is None or relation.derived:
        return view
    # A query goes on reading the columns that the table had when it was made.
    return view if view.complete and view.relation.schema == relation.schema else None


def _moment(request: Request, streams: Sequence[Relation]) -> tuple[Cut, Offsets]:
    """The last committed epoch, and where the streams' topics end as of it.

    A topic that running queries read ends where the epoch had read it. One that queries write, or nobody reads, ends
    where it does between two epochs.
    """
    worker, log = request.core.worker, request.core.log
    if not streams:
        return worker.cut(), {}
    read = _topics_read(request)

    def look() -> tuple[Cut, Offsets]:
        cut = worker.cut()
        ends: dict[tuple[str, int], int] = {}
        for name in {relation.topic for relation in streams}:
            topic = log.topic(name)
            for partition in range(topic.partitions if topic is not None else 0):
                at = cut.frontier.get((name, partition)) if name in read else None
                ends[name, partition] = log.bounds(name, partition)[1] if at is None else at
        return cut, ends

    return worker.between_epochs(look)


def _topics_read(request: Request) -> frozenset[str]:
    """The topics that running queries read, and none writes."""
    catalog = request.catalog
    running = {q.query_id for q in request.core.worker.status() if q.state is QueryState.RUNNING}
    read = {r.topic for q in catalog.queries.values() if q.id in running for r in q.reads.values()}
    return frozenset(read - {q.into.topic for q in catalog.queries.values()})


def _of_view(view: TableView, wanted: Wanted) -> pa.Table:
    rows = view.scan()
    names = ["_time" if name == "ROWTIME" else name for name in wanted.columns]
    return rows.select(names).rename_columns(list(wanted.columns))


def _of_log(request: Request, wanted: Wanted, ends: Offsets, deadline: float | None) -> pa.Table:
    relation = wanted.relation
    is_stream = relation.kind == "STREAM"
    # Of a table all columns are read: a row that goes is known by all that it says.
    shown = [c for c in wanted.columns if c not in HIDDEN] if is_stream else list(shown_of(relation))
    places = {name: f"_{name}" for name in _PLACE} if is_stream else {}
    items = [*(f"{quote(c)} AS {quote(c)}" for c in shown), *(f"{n} AS {quote(a)}" for n, a in places.items())]
    statement = parse_statement(f"SELECT {', '.join(items)} FROM {quote(relation.name)} EMIT CHANGES;")
    assert isinstance(statement, Select)
    query_id = planning.query_id(relation.name)
    analysis, plan = planning.emit(statement.query, query_id, request.catalog, request.config, request.core.log)
    rows = read_all(request.core.worker, request.core.log, analysis, plan, deadline)
    if is_stream:
        rows = _up_to(rows, relation, ends, [places[n] for n in _PLACE])
    names = [places.get(c, "_time" if c == "ROWTIME" else c) for c in wanted.columns]
    return rows.select(names).rename_columns(list(wanted.columns))


def _up_to(rows: pa.Table, relation: Relation, ends: Offsets, places: Sequence[str]) -> pa.Table:
    """The rows of records before the ends."""
    # What came from memory, after the reader had caught up, has no place yet: it is behind all ends.
    if any(rows.column(name).null_count for name in places):
        rows = rows.filter(pc.is_valid(rows.column(places[1])))
    partition, offset = (rows.column(name).to_numpy() for name in places)
    last = max((p for topic, p in ends if topic == relation.topic), default=-1)
    limits = np.array([ends.get((relation.topic, p), 0) for p in range(last + 1)], dtype=np.int64)
    if not len(limits) or not rows.num_rows:
        return rows.slice(0, 0)
    inside = offset < limits[partition]
    return rows if inside.all() else rows.filter(pa.array(inside))


def deadline_in(seconds: float) -> float | None:
    """That many seconds from now on the monotonic clock; None for 0, which is no limit."""
    return clock.monotonic() + seconds if seconds > 0 else None


def left_until(deadline: float | None) -> float | None:
    """Seconds until then. Raises ReadTimedOut where it is over."""
    if deadline is None:
        return None
    left = deadline - clock.monotonic()
    if left <= 0:
        raise ReadTimedOut
    return left


def columns_wanted(relation: Relation, words: Collection[str], *, every: bool, hidden: bool) -> tuple[str, ...]:
    """The columns of a relation that a query may use: those it names, and all that a star shows if it has one.

    `hidden`: with those that a star does not show, if it names them.
    """
    shown = [c for c in shown_of(relation) if every or c.upper() in words]
    further = [c for c in hidden_of(relation) if hidden and c in words and c not in shown]
    # A relation without columns has no rows for DuckDB.
    return (*(shown or shown_of(relation)[:1]), *further)
