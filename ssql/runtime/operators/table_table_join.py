"""The join of two tables, kept up to date from either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.planner.steps import TableTableJoin as TableTableJoinStep
from ssql.runtime.arrangement import Arrangement, Layout, View
from ssql.runtime.changes import group_rows, last_changes
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, Indices, Mask, merge, numbers
from ssql.runtime.operators.base import Context, Operator, runs

LEAST = np.iinfo(np.int64).min


@dataclass(frozen=True)
class _Side:
    keys: tuple[str, ...]
    identity: tuple[str, ...]  # keys, then what else identifies a row
    columns: tuple[str, ...]
    state: Arrangement


@dataclass(frozen=True)
class _Pairs:
    """Joined rows: indices into left and right rows, -1 where a side has no match; and the touched key of each."""

    left: Indices
    right: Indices
    touched: Indices


@dataclass(frozen=True)
class _Touched:
    """For each touched key the place of the last change, and the greatest time of the changes of either side."""

    place: Indices
    left: Indices
    right: Indices


@runs(TableTableJoinStep)
class TableTableJoin(Operator):
    """Joins again the rows of the keys that either delta touches, before and after, and yields the difference.

    Within an epoch the last change of each row counts. State: both tables by join key. Cost: the rows of the touched
    keys on both sides.
    """

    step: TableTableJoinStep

    def __init__(self, step: TableTableJoinStep, context: Context) -> None:
        super().__init__(step, context)
        left, right = context.inputs
        self._left = _side(left, step.left_keys, step.left_unique)
        self._right = _side(right, step.right_keys, step.right_unique)
        self._one_each = all(side.identity == side.keys for side in (self._left, self._right))

    def on_deltas(self, *inputs: Delta) -> Delta:
        left, right = inputs
        left_changes, right_changes = _last(left, self._left), _last(right, self._right)
        keys, touched = self._touched(left, right)
        views_before = self._left.state.current, self._right.state.current
        for side, changes in ((self._left, left_changes), (self._right, right_changes)):
            if changes is not None:
                side.state.apply(changes[0].batch.select(side.state.layout.schema.names), changes[1])
        before = self._joined(*views_before, keys, touched)
        after = self._joined(self._left.state.current, self._right.state.current, keys, touched)
        made = self._difference(before, after, touched)
        if not self.step.tells_all or not left.retracts:
            return made
        return merge([made, self._unmatched(left.filter(left.diff < 0), views_before[1])], self.schema)

    def _unmatched(self, gone: Delta, right: View) -> Delta:
        """The left rows among `gone` that have no match, with nulls for the right side."""
        keys = gone.columns(self._left.keys)
        alone = np.ones(len(gone), dtype=np.bool_)
        alone[right.gather(keys).query] = False
        for key in keys:
            alone &= key.is_valid().to_numpy(zero_copy_only=False)
        rows = gone.filter(alone)
        nulls = [pa.nulls(len(rows), self.schema.field(n).type) for n in self._right.columns]
        columns = [*rows.columns(self._left.columns), *nulls]
        return Delta.of(columns, self.schema, rows.time, rows.diff, rows.seq)

    def _touched(self, left: Delta, right: Delta) -> tuple[list[pa.Array], _Touched]:
        """The distinct join keys of both deltas, and when they are touched."""
        columns = [
            pa.concat_arrays([a, b])
            for a, b in zip(left.columns(self._left.keys), right.columns(self._right.keys), strict=True)
        ]
        seq, time = np.concatenate([left.seq, right.seq]), np.concatenate([left.time, right.time])
        groups = group_rows(columns, len(seq))
        is_left = np.arange(len(seq)) < len(left)
        sides = (_greatest(groups.ids[at], time[at], len(groups.first)) for at in (is_left, ~is_left))
        heads = pa.array(groups.first)
        return [c.take(heads) for c in columns], _Touched(_greatest(groups.ids, seq, len(groups.first)), *sides)

    def _joined(
        self, left: View, right: View, keys: list[pa.Array], touched: _Touched
    ) -> tuple[pa.RecordBatch, Indices]:
        """All joined rows of the touched keys, and the touched key of each."""
        n = len(keys[0])
        lefts, rights = left.gather(keys), right.gather(keys)
        null_key = np.zeros(n, dtype=np.bool_)
        for key in keys:
            null_key |= key.is_null().to_numpy(zero_copy_only=False)
        pairs = _pair(lefts.query, rights.query, null_key, n, self.step.kind)
        rows = [
            _take(lefts.rows.select(self._left.columns), pairs.left),
            _take(rights.rows.select(self._right.columns), pairs.right),
        ]
        # A side without a row may have lost it: then that is what the row is as of.
        times = np.maximum(
            _times(lefts.rows, pairs.left, touched.left[pairs.touched]),
            _times(rights.rows, pairs.right, touched.right[pairs.touched]),
        )
        arrays = [*rows[0].columns, *rows[1].columns, pa.array(times, pa.int64())]
        schema = pa.schema([f for f in self.schema if f.name not in (DIFF, SEQ)])
        return pa.RecordBatch.from_arrays(arrays, schema=schema), pairs.touched

    def _difference(
        self,
        before: tuple[pa.RecordBatch, Indices],
        after: tuple[pa.RecordBatch, Indices],
        touched: _Touched,
    ) -> Delta:
        old, new = before[0], after[0]
        keep_old, keep_new = self._changed(old, new)
        old, new = old.filter(pa.array(keep_old)), new.filter(pa.array(keep_new))
        old_keys, new_keys = before[1][keep_old], after[1][keep_new]
        rows = pa.concat_batches([old, new])
        diff = np.concatenate([np.full(old.num_rows, -1, np.int8), np.ones(new.num_rows, np.int8)])
        place = touched.place[np.concatenate([old_keys, new_keys])]
        times = np.concatenate([np.maximum(touched.left, touched.right)[old_keys], numbers(new.column(TIME))])
        columns = [rows.column(f.name) for f in self.schema if f.name not in (TIME, DIFF, SEQ)]
        changes = Delta.of(columns, self.schema, times, diff, place)
        if self._one_each or len(touched.place) == len(changes):
            return changes.sorted()
        # What one change touches comes in order of the left rows' keys.
        names = [n for n in self._left.identity if not pa.types.is_nested(rows.column(n).type)]
        order = pc.sort_indices(changes.batch, [(n, "ascending") for n in (SEQ, DIFF, *names)])
        return Delta(changes.batch.take(order))

    def _changed(self, old: pa.RecordBatch, new: pa.RecordBatch) -> tuple[Mask, Mask]:
        """Where many rows share a key only those that differ are yielded; a lone row is yielded as it was touched."""
        if self._one_each:
            return np.ones(old.num_rows, np.bool_), np.ones(new.num_rows, np.bool_)
        both = pa.concat_batches([old, new])
        ids = group_rows(both.columns, both.num_rows).ids
        in_old, in_new = np.unique(ids[: old.num_rows]), np.unique(ids[old.num_rows :])
        unchanged = np.intersect1d(in_old, in_new, assume_unique=True)
        same = np.isin(ids, unchanged)
        return ~same[: old.num_rows], ~same[old.num_rows :]

    def arrangements(self) -> Mapping[str, Arrangement]:
        return {"left": self._left.state, "right": self._right.state}

    def memo(self) -> Mapping[str, int]:
        return {}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        """Nothing beside the arrangements."""


def _side(delta: pa.Schema, keys: tuple[str, ...], unique: tuple[str, ...]) -> _Side:
    stored = pa.schema([f for f in delta if f.name not in (DIFF, SEQ)])
    identity = (*keys, *(n for n in unique if n not in keys))
    columns = tuple(f.name for f in stored if f.name != TIME)
    return _Side(keys, identity, columns, Arrangement(Layout(stored, keys, identity)))


def _last(delta: Delta, side: _Side) -> tuple[Delta, Mask] | None:
    return last_changes(delta, side.identity) if len(delta) else None


def _pair(left: Indices, right: Indices, null_key: Mask, keys: int, kind: str) -> _Pairs:
    """Pair the rows of each key; `left` and `right` give the key of each row, in order. A null key matches nothing."""
    left_counts, right_counts = np.bincount(left, minlength=keys), np.bincount(right, minlength=keys)
    right_start = np.cumsum(right_counts) - right_counts
    matches = np.where(null_key, 0, right_counts)[left] if len(left) else np.zeros(0, dtype=np.int64)
    left_rows = np.repeat(np.arange(len(left)), matches)
    place = np.arange(len(left_rows)) - np.repeat(np.cumsum(matches) - matches, matches)
    right_rows = right_start[left[left_rows]] + place if len(left_rows) else np.zeros(0, dtype=np.int64)
    parts = [(left_rows, right_rows, left[left_rows])]
    if kind in ("LEFT", "FULL"):
        alone = np.flatnonzero(matches == 0)
        parts.append((alone, np.full(len(alone), -1), left[alone]))
    if kind in ("RIGHT", "FULL"):
        lonely = (left_counts == 0) | null_key
        alone = np.flatnonzero(lonely[right]) if len(right) else np.zeros(0, dtype=np.int64)
        parts.append((np.full(len(alone), -1), alone, right[alone]))
    return _Pairs(*(np.concatenate(columns).astype(np.int64) for columns in zip(*parts, strict=True)))


def _take(rows: pa.RecordBatch, indices: Indices) -> pa.RecordBatch:
    return rows.take(pa.array(indices, mask=indices < 0))


def _times(rows: pa.RecordBatch, indices: Indices, otherwise: Indices) -> Indices:
    """`_time` of the rows; `otherwise` where there is none."""
    if not rows.num_rows:
        return otherwise
    return np.where(indices < 0, otherwise, numbers(rows.column(TIME))[np.maximum(indices, 0)])


def _greatest(groups: Indices, values: Indices, count: int) -> Indices:
    """The greatest value of each group, `LEAST` where it has none."""
    found = np.full(count, LEAST)
    np.maximum.at(found, groups, values)
    return found
