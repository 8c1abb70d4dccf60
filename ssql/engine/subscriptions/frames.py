"""Frames: what subscribers are given, made once of an epoch's changes and shared by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from ssql.engine.api import Frame
from ssql.engine.subscriptions import tokens
from ssql.engine.subscriptions.net import net_changes, visible_changes, without_deletions
from ssql.engine.subscriptions.wanted import Index, Wanted
from ssql.planner.steps import Emit, QueryPlan
from ssql.runtime.api import Offsets, Reached
from ssql.runtime.arrangement import View
from ssql.runtime.delta import concat
from ssql.types import Column

#: How a table's changes are told. NET: their net effect since what was told last. EVERY: each, the old rows at -1.
#: UPSERTS: each, an update as its new row alone. ROWS: the same without deletions.
Telling = Literal["net", "every", "upserts", "rows"]

#: What an entry takes beside its values (bytes): Arrow's and Python's objects, about 1 kB a column.
_BATCH_BYTES = 1024
#: Rows of one frame of a snapshot.
SNAPSHOT_ROWS = 50_000


@dataclass(frozen=True)
class Shape:
    """What the rows of a query look like. `visible`: whether its `keys` are among the columns that are shown: then an
    update is told by its new row alone. `lifetime_ms`: of a windowed table, whose last key is the window's end: how
    long after that, in stream time, its rows are there."""

    query: bytes
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    is_table: bool
    schema: pa.Schema
    visible: bool
    lifetime_ms: int | None = None

    @staticmethod
    def of(plan: QueryPlan, columns: tuple[Column, ...], lifetime_ms: int | None = None) -> Shape:
        end = plan.steps[-1]
        assert isinstance(end, Emit)
        names = [c.name for c in columns]
        visible = bool(end.keys) and all(key in names for key in end.keys)
        query = tokens.fingerprint(plan, columns)
        return Shape(query, columns, end.keys, plan.kind == "TABLE", end.schema.arrow, visible, lifetime_ms)

    @cached_property
    def shown(self) -> pa.Schema:
        """Of a frame's rows."""
        return pa.schema([pa.field("_diff", pa.int8()), *(pa.field(c.name, c.type.arrow) for c in self.columns)])

    @cached_property
    def no_changes(self) -> pa.RecordBatch:
        marks = [pa.field("_diff", pa.int8()), pa.field("_seq", pa.int64())]
        return self.kept(pa.RecordBatch.from_pylist([], schema=pa.schema([*self.schema, *marks])))

    @cached_property
    def _kept(self) -> list[str]:
        # Which change of a table replaces which is told by its place in the epoch.
        return [*self.schema.names, "_diff", *(["_seq"] if self.is_table else [])]

    def kept(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """What is kept of an epoch's rows."""
        return rows.select(self._kept)

    def told(self, changes: pa.RecordBatch, telling: Telling) -> pa.RecordBatch:
        """Changes of one epoch, each."""
        if not self.is_table or telling == "every":
            return changes
        seen = visible_changes(changes, self.keys)
        return without_deletions(seen) if telling == "rows" else seen

    def show(self, changes: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([changes.column(n) for n in self.shown.names], schema=self.shown)


@dataclass(frozen=True)
class Place:
    """A place in a query's results."""

    shape: Shape
    reached: Reached
    origin: Offsets
    rows: int
    digest: int

    @cached_property
    def token(self) -> str:
        return tokens.written(self.shape.query, self.reached, origin=self.origin, rows=self.rows, digest=self.digest)

    @property
    def has_token(self) -> bool:
        """Whether somebody was given its token."""
        return "token" in self.__dict__

    @property
    def frontier(self) -> Offsets:
        return {**self.reached.offsets, **self.reached.own}

    def frame(self, changes: pa.RecordBatch | None) -> Frame:
        """What leads to it."""
        rows = pa.RecordBatch.from_pylist([], schema=self.shape.shown) if changes is None else self.shape.show(changes)
        return Frame(rows, False, self.frontier, self.token)

    def some(self, changes: pa.RecordBatch) -> Frame | None:
        """The same, where there are any changes."""
        return self.frame(changes) if changes.num_rows else None


@dataclass(frozen=True, eq=False)
class Entry:
    """An epoch's changes, and the place that they lead to."""

    place: Place
    changes: pa.RecordBatch
    _indexes: dict[tuple[str, ...], Index] = field(default_factory=dict, repr=False)

    @property
    def tick(self) -> int:
        return self.place.reached.tick

    def index(self, columns: tuple[str, ...]) -> Index:
        """Its rows by some of their columns."""
        found = self._indexes.get(columns)
        return found if found is not None else self._indexes.setdefault(columns, Index(self.changes, columns))

    @cached_property
    def size(self) -> int:
        return int(self.changes.nbytes) + _BATCH_BYTES * len(self.changes.schema)


def net_frame(entries: Sequence[Entry]) -> Frame | None:
    """The net effect of entries that follow each other; None where nothing is left of them."""
    place = entries[-1].place
    changes = concat([e.changes for e in entries])
    if not changes.num_rows:  # it is told how far they lead
        return place.frame(None)
    return _net(place, changes)


def _net(place: Place, changes: pa.RecordBatch) -> Frame | None:
    return place.some(net_changes(changes, place.shape.keys, upserts=place.shape.visible))


def wanted_frame(entries: Sequence[Entry], wanted: Wanted, telling: Telling) -> Frame | None:
    """What entries that follow each other (one of them, unless their net effect is told) say of the wanted rows; None
    for nothing."""
    found = [wanted.rows(entry.changes, entry.index(wanted.columns)) for entry in entries]
    changes = [rows for rows in found if rows is not None]
    if not changes:
        return None
    place, whole = entries[-1].place, concat(changes)
    frame = _net(place, whole) if telling == "net" else place.some(place.shape.told(whole, telling))
    return None if frame is None else wanted.marked(frame)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A table's rows at a place, in frames of some size that subscribers share."""

    place: Place
    view: View

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        return self._frames(self.view.scan())

    def frames_of(self, wanted: Wanted) -> tuple[Frame, ...]:
        """Of the wanted rows alone."""
        return tuple(map(wanted.marked, self._frames(wanted.table(self.view))))

    def _frames(self, rows: pa.RecordBatch) -> tuple[Frame, ...]:
        marked = rows.append_column("_diff", pa.array(np.ones(rows.num_rows, np.int8)))
        shown = self.place.shape.show(marked)
        starts = range(0, max(shown.num_rows, 1), SNAPSHOT_ROWS)
        return tuple(
            Frame(
                shown.slice(start, SNAPSHOT_ROWS),
                start == 0,
                self.place.frontier,
                self.place.token if start == starts[-1] else None,
            )
            for start in starts
        )
