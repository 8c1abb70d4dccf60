"""A relation inside a dataflow: where its rows come together, from its topic and from the queries that write it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ssql.planner.relation import Relation
from ssql.runtime import points
from ssql.runtime.arrangement import Arrangement, Layout, View, make_run
from ssql.runtime.changes import upserts_as_changes
from ssql.runtime.decode import relation_columns
from ssql.runtime.delta import TIME, Delta, Mask, concat, delta_schema
from ssql.runtime.operators.windowed import BEGINNING
from ssql.types import Schema


class RelationNode:
    """Yields a relation's delta of the epoch. A table is kept here, once for all queries that read it.

    State (tables): the last row of each key; of a windowed table those whose lifetime is not over in stream time.
    `columns` are those that this node's rows have: all of a table's, the needed ones of a stream's. `unknown`: columns
    of a table that came after rows that are kept: these rows have NULL there, whatever the topic holds.
    """

    def __init__(self, relation: Relation, needed: frozenset[str], lifetime_ms: int | None = None) -> None:
        self.relation = relation
        self.needed = needed
        self.lifetime_ms = lifetime_ms
        self.unknown: frozenset[str] = frozenset()
        columns = [c for c in relation_columns(relation) if c.name in needed]
        self.schema = Schema(tuple(columns))
        self.delta_schema = delta_schema(self.schema)
        self.arrangement: Arrangement | None = None
        self.stream_time = BEGINNING
        if relation.kind == "TABLE":
            key = relation.key_names
            self.key = (*key, *relation.window_key)
            expires = "WINDOWEND" if lifetime_ms is not None else None
            self.arrangement = Arrangement(Layout(self.schema.arrow, key, self.key, expires))

    def advance(self, rows: tuple[Delta, Mask] | None, written: Sequence[Delta]) -> Delta:
        """The relation's changes: from `rows` read from its topic and from the deltas that queries `written` to it."""
        parts, lives = [], []
        if rows is not None and len(rows[0]):
            parts.append(rows[0].batch.select(self.delta_schema.names))
            lives.append(rows[1])
        for delta in written:
            if len(delta):
                parts.append(self._conform(delta))
                lives.append(delta.diff > 0)
        if not parts:
            return Delta.empty(self.delta_schema)
        events, live = Delta(concat(parts)), np.concatenate(lives)
        if len(parts) > 1:
            order = np.argsort(events.seq, kind="stable")
            events, live = events.take(order), live[order]
        if self.arrangement is None:
            return events
        names = self.schema.names
        changes, last, last_live = upserts_as_changes(events, live, self.key, self.arrangement.current, names)
        self.arrangement.apply(last.batch.select(list(names)), last_live)
        if self.lifetime_ms is not None:
            self.stream_time = max(self.stream_time, int(events.time.max()))
            self.arrangement.expire(self.stream_time - self.lifetime_ms)
        return changes

    def wider(self, relation: Relation, needed: frozenset[str], donor: RelationNode | None = None) -> RelationNode:
        """A node with these columns and this node's rows. Values of columns that are not here come from `donor`, which
        has seen the same records of the topic, or else are NULL. Cost: O(rows)."""
        node = RelationNode(relation, needed, self.lifetime_ms)
        node.stream_time = self.stream_time
        if node.arrangement is None or self.arrangement is None:
            return node
        missing = frozenset(node.schema.names) - (frozenset(self.schema.names) - self.unknown)
        given = missing & frozenset(donor.schema.names) - donor.unknown if donor is not None else frozenset()
        rows = self.arrangement.current.scan()
        found = _by_key(donor, rows, node.key, given)
        columns = [
            found[field.name] if field.name in given
            else rows.column(field.name) if field.name in rows.schema.names
            else pa.nulls(rows.num_rows, field.type)
            for field in node.arrangement.layout.schema
        ]  # fmt: skip
        batch = pa.RecordBatch.from_arrays(columns, schema=node.arrangement.layout.schema)
        node.arrangement.expire(self.arrangement.current.horizon)
        if batch.num_rows:
            node.arrangement.restore(make_run(node.arrangement.layout, batch, np.ones(batch.num_rows, np.bool_)))
            node.unknown = missing - given
        return node

    def _conform(self, delta: Delta) -> pa.RecordBatch:
        """A query's rows with this node's columns; ROWTIME is the row's time, offsets do not exist yet."""
        arrays = []
        for field in self.delta_schema:
            if field.name in delta.schema.names:
                arrays.append(delta.batch.column(field.name))
            elif field.name == "ROWTIME":
                arrays.append(delta.batch.column(TIME))
            else:
                arrays.append(pa.nulls(len(delta), field.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.delta_schema)


def _by_key(
    donor: RelationNode | None, rows: pa.RecordBatch, key: tuple[str, ...], names: frozenset[str]
) -> dict[str, pa.Array]:
    """The donor's values of these columns for each of the rows; NULL for a row that it has not."""
    if donor is None or donor.arrangement is None or not names:
        return {}
    found = donor.arrangement.current.gather([rows.column(n) for n in key], rows.num_rows)
    places = np.full(rows.num_rows, -1, dtype=np.int64)
    places[found.query] = np.arange(len(found.query))
    taken = pa.array(places, mask=places < 0)
    return {name: found.rows.column(name).take(taken) for name in names}


#: More keys than this at a time are better found by columns than one by one.
MANY_KEYS = 16


class ArrangedTable:
    """`TableView` over the view of a table's node: its rows as of one frontier."""

    def __init__(self, relation: Relation, view: View, *, complete: bool) -> None:
        self.relation = relation
        self.complete = complete
        self._view = view
        names = [n for n in view.layout.schema.names if n not in ("ROWTIME", "ROWPARTITION", "ROWOFFSET")]
        bounds = [n for n in ("WINDOWSTART", "WINDOWEND") if relation.window is not None]
        keys = list(relation.key_names)
        self._names = [*keys, *bounds, *(n for n in names if n not in keys and n not in bounds), "ROWTIME"]

    def wider_than(self, relation: Relation) -> bool:
        """Whether this knows more columns of the table: some came after what others read of it."""
        return len(self.relation.schema.columns) > len(relation.schema.columns)

    def scan(self) -> pa.Table:
        return self._answer(self._view.scan())

    def get(self, keys: pa.RecordBatch) -> pa.Table:
        columns = [
            column.cast(self._view.layout.schema.field(name).type)
            for name, column in zip(self._view.layout.key, keys.columns, strict=True)
        ]
        return self._answer(self._view.gather(columns, keys.num_rows).rows)

    def find(self, keys: Sequence[tuple[str | int, ...]], columns: Sequence[str], schema: pa.Schema) -> pa.Table:
        names = ["ROWTIME" if name == TIME else name for name in columns]
        if len(keys) > MANY_KEYS:
            return self._found(keys, names, schema)
        batches = []
        for key in keys:
            places = points.rows_of(self._view, key)
            if places is None:
                return self._found(keys, names, schema)
            for run, row in places:
                arrays = [run.columns[name].slice(row, 1) for name in names]
                batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        return pa.Table.from_batches(batches, schema)

    def _found(self, keys: Sequence[tuple[str | int, ...]], names: Sequence[str], schema: pa.Schema) -> pa.Table:
        layout = self._view.layout
        types = [layout.schema.field(name).type for name in layout.key]
        asked = [pa.array(column, of) for column, of in zip(zip(*keys, strict=True), types, strict=True)]
        rows = self._view.gather(asked, len(keys)).rows
        return pa.Table.from_arrays([rows.column(name) for name in names], schema=schema)

    def _answer(self, rows: pa.RecordBatch) -> pa.Table:
        return pa.Table.from_batches([rows.select(self._names)]).rename_columns([*self._names[:-1], TIME])
