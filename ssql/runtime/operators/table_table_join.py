"""The join of two tables, kept up to date from either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ssql.planner.steps import TableTableJoin as TableTableJoinStep
from ssql.runtime.arrangement import Arrangement, Layout, View
from ssql.runtime.changes import group_rows, last_changes
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, Indices, Mask, numbers
from ssql.runtime.operators.base import Context, Operator, runs


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

    def on_deltas(self, *inputs: Delta) -> Delta:
        left, right = inputs
        left_changes, right_changes = _last(left, self._left), _last(right, self._right)
        keys, place, time = self._touched(left, right)
        views_before = self._left.state.current, self._right.state.current
        for side, changes in ((self._left, left_changes), (self._right, right_changes)):
            if changes is not None:
                side.state.apply(changes[0].batch.select(side.state.layout.schema.names), changes[1])
        before = self._joined(*views_before, keys)
        after = self._joined(self._left.state.current, self._right.state.current, keys)
        return self._difference(before, after, place, time)

    def _touched(self, left: Delta, right: Delta) -> tuple[list[pa.Array], Indices, Indices]:
        """The distinct join keys of both deltas, with the place and time of the last change of each."""
        columns = [
            pa.concat_arrays([a, b])
            for a, b in zip(left.columns(self._left.keys), right.columns(self._right.keys), strict=True)
        ]
        seq, time = np.concatenate([left.seq, right.seq]), np.concatenate([left.time, right.time])
        groups = group_rows(columns, len(seq))
        place = np.full(len(groups.first), np.iinfo(np.int64).min)
        np.maximum.at(place, groups.ids, seq)
        last_time = np.full(len(groups.first), np.iinfo(np.int64).min)
        np.maximum.at(last_time, groups.ids, time)
        heads = pa.array(groups.first)
        return [c.take(heads) for c in columns], place, last_time

    def _joined(self, left: View, right: View, keys: list[pa.Array]) -> tuple[pa.RecordBatch, Indices]:
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
        times = np.maximum(_times(lefts.rows, pairs.left), _times(rights.rows, pairs.right))
        arrays = [*rows[0].columns, *rows[1].columns, pa.array(times, pa.int64())]
        schema = pa.schema([f for f in self.schema if f.name not in (DIFF, SEQ)])
        return pa.RecordBatch.from_arrays(arrays, schema=schema), pairs.touched

    def _difference(
        self,
        before: tuple[pa.RecordBatch, Indices],
        after: tuple[pa.RecordBatch, Indices],
        place: Indices,
        time: Indices,
    ) -> Delta:
        old, new = before[0], after[0]
        keep_old, keep_new = self._changed(old, new)
        old, new = old.filter(pa.array(keep_old)), new.filter(pa.array(keep_new))
        old_keys, new_keys = before[1][keep_old], after[1][keep_new]
        rows = pa.concat_batches([old, new])
        diff = np.concatenate([np.full(old.num_rows, -1, np.int8), np.ones(new.num_rows, np.int8)])
        touched = np.concatenate([old_keys, new_keys])
        times = np.concatenate([time[old_keys], numbers(new.column(TIME))])
        columns = [rows.column(f.name) for f in self.schema if f.name not in (TIME, DIFF, SEQ)]
        return Delta.of(columns, self.schema, times, diff, place[touched]).sorted()

    def _changed(self, old: pa.RecordBatch, new: pa.RecordBatch) -> tuple[Mask, Mask]:
        """Where many rows share a key only those that differ are yielded; a lone row is yielded as it was touched."""
        one_each = self._left.identity == self._left.keys and self._right.identity == self._right.keys
        if one_each:
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


def _times(rows: pa.RecordBatch, indices: Indices) -> Indices:
    """`_time` of the rows; where there is none, the least."""
    least = np.iinfo(np.int64).min
    if not rows.num_rows:
        return np.full(len(indices), least)
    return np.where(indices < 0, least, numbers(rows.column(TIME))[np.maximum(indices, 0)])
