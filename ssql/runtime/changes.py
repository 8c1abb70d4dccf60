"""Kernels over keyed changes: grouping rows by key, the last change of each key, and chains of old and new rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.kernels import kernel
from ssql.runtime.arrangement import View, hash_rows
from ssql.runtime.delta import Delta, Indices, Mask, numbers
from ssql.runtime.hashing import Hashes, equal_rows


@dataclass(frozen=True)
class Groups:
    """Rows grouped by key: `ids[row]` is the row's group, `first[group]` and `last[group]` are its end rows.

    `previous[row]` is the row before it in its group, -1 for the first one.
    """

    ids: Indices
    previous: Indices
    first: Indices
    last: Indices


def group_rows(columns: Sequence[pa.Array], rows: int) -> Groups:
    """Group rows by the equality of their columns (NULL equals NULL). No column: all rows are one group.

    Groups are numbered in no particular order.
    """
    hashes = hash_rows(columns, rows)
    compiled = kernel("ssql.runtime.group_kernel")
    groups = Groups(*compiled.group(hashes)) if compiled is not None else _group_hashes(hashes)
    if columns and len(groups.first) < rows:
        later = np.flatnonzero(groups.previous >= 0)
        mine, theirs = pa.array(later), pa.array(groups.previous[later])
        if not equal_rows([c.take(mine) for c in columns], [c.take(theirs) for c in columns]).all():
            return _group_values(columns, rows)  # different keys of one hash
    return groups


def _group_hashes(hashes: Hashes) -> Groups:
    rows = len(hashes)
    order = np.argsort(hashes, kind="stable")
    starts = np.ones(rows, dtype=np.bool_)
    starts[1:] = hashes[order][1:] != hashes[order][:-1]
    return _groups_in(order, starts)


def _groups_in(order: Indices, starts: Mask) -> Groups:
    """Groups of rows listed group by group in `order`; `starts` marks the first row of each."""
    rows = len(order)
    ids = np.empty(rows, dtype=np.int64)
    ids[order] = np.cumsum(starts) - 1
    previous = np.full(rows, -1, dtype=np.int64)
    later = np.flatnonzero(~starts)
    previous[order[later]] = order[later - 1]
    ends = np.append(np.flatnonzero(starts)[1:] - 1, rows - 1) if rows else np.zeros(0, dtype=np.int64)
    return Groups(ids, previous, order[starts], order[ends])


def _group_values(columns: Sequence[pa.Array], rows: int) -> Groups:
    """The same by the values themselves: slow, and exact whatever the hashes are."""
    known: dict[str, int] = {}
    values = zip(*(c.to_pylist() for c in columns), strict=True)
    ids = np.fromiter((known.setdefault(repr(v), len(known)) for v in values), dtype=np.int64, count=rows)
    order = np.argsort(ids, kind="stable")
    return _groups_in(order, np.diff(ids[order], prepend=-1) != 0)


def last_changes(delta: Delta, key: Sequence[str]) -> tuple[Delta, Mask]:
    """The last change of each key, in order, and whether the row is there after it (+1) or gone (-1)."""
    groups = group_rows(delta.columns(key), len(delta))
    if len(groups.last) == len(delta):
        return delta, delta.diff > 0
    last = delta.take(np.sort(groups.last))
    return last, last.diff > 0


def session_changes(delta: Delta, key: Sequence[str]) -> tuple[Delta, Mask]:
    """As `last_changes`, for sessions: before one that stays, its tombstone, as Kafka Streams puts one before each
    session that it extends. A session of one moment is put in place of itself without one.
    """
    groups = group_rows(delta.columns(key), len(delta))
    kept = np.zeros(len(delta), dtype=np.bool_)
    kept[groups.last] = True
    start, end = (numbers(c) for c in delta.columns(("WINDOWSTART", "WINDOWEND")))
    first = groups.first[(groups.first != groups.last) & (start < end)[groups.first]]
    kept[first[delta.diff[first] < 0]] = True
    changes = delta.filter(kept)
    return changes, changes.diff > 0


def upserts_as_changes(
    rows: Delta, live: Mask, key: Sequence[str], view: View, columns: Sequence[str]
) -> tuple[Delta, Delta, Mask]:
    """Turn keyed upserts and deletions into changes.

    Args:
        rows: upserts in order (`_diff` is not looked at); where `live` is False the key is deleted.
        key: what identifies a row.
        view: the rows before, with the columns `columns`.
        columns: the columns of rows and changes, system columns apart.

    Returns:
        The changes (old row at -1 at the place of the row that replaces it, then the new one at +1), and the last
        upsert of each key with whether it is live: what the view is to be brought up to.
    """
    n = len(rows)
    groups = group_rows(rows.columns(key), n)
    previous = groups.previous
    heads = groups.first
    before = view.find([rows.batch.column(k).take(pa.array(heads)) for k in view.layout.identity], len(heads))
    stored = np.full(n, -1, dtype=np.int64)  # the row of `before` that stands before this one
    stored[heads[before.query]] = np.arange(len(before.query))

    from_batch = (previous >= 0) & live[np.maximum(previous, 0)]
    has_old = from_batch | (stored >= 0)
    old_at, new_at = np.flatnonzero(has_old), np.flatnonzero(live)
    # Old rows are taken from both: batch rows first, then stored ones.
    sources = pa.concat_batches([rows.batch.select(list(columns)), before.rows.select(list(columns))])
    old_rows = np.where(from_batch, previous, n + stored)[old_at]
    picks = np.concatenate([old_rows, new_at])
    places = np.concatenate([old_at, new_at])
    diffs = np.concatenate([np.full(len(old_at), -1, np.int8), np.ones(len(new_at), np.int8)])
    order = np.lexsort((diffs, places))
    taken = sources.take(pa.array(picks[order]))
    at = places[order]
    changes = Delta.of(taken.columns, rows.schema, rows.time[at], diffs[order], rows.seq[at])
    ends = np.sort(groups.last)
    return changes, rows.take(ends), live[ends]


def as_of(
    left_keys: Sequence[pa.Array],
    left_seq: npt.NDArray[np.int64],
    right_keys: Sequence[pa.Array],
    right_seq: npt.NDArray[np.int64],
) -> Indices:
    """For each left row the last right row of the same key at or before its place; -1 where there is none.

    Both sides are in order of `_seq`. Cost: one sort of all rows.
    """
    n_left, n_right = len(left_seq), len(right_seq)
    if not n_right:
        return np.full(n_left, -1, dtype=np.int64)
    columns = [pa.concat_arrays([r, left]) for r, left in zip(right_keys, left_keys, strict=True)]
    groups = group_rows(columns, n_left + n_right).ids
    seqs = np.concatenate([right_seq, left_seq])
    is_left = np.concatenate([np.zeros(n_right, np.int8), np.ones(n_left, np.int8)])
    order = np.lexsort((is_left, seqs, groups))  # at one place the table's change is seen
    candidates = np.where(order < n_right, order, -1)
    position = np.maximum.accumulate(np.where(candidates >= 0, np.arange(len(order)), -1))
    found = np.where(position >= 0, candidates[np.maximum(position, 0)], -1)
    valid = (found >= 0) & (groups[order] == groups[np.maximum(found, 0)])
    answer = np.full(n_left, -1, dtype=np.int64)
    lefts = order >= n_right
    answer[order[lefts] - n_right] = np.where(valid, found, -1)[lefts]
    return answer
