"""Changes as readers want them: their net effect; or each, an update as its new row alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ssql.engine.subscriptions.few import are_few, picked
from ssql.runtime.changes import group_rows
from ssql.runtime.hashing import equal_rows


def net_changes(changes: pa.RecordBatch, keys: Sequence[str], *, upserts: bool) -> pa.RecordBatch:
    """A table's changes in order, as at most one change of each key: in the order of the keys' last changes.

    `changes` has `_diff`; its -1 is the row that was there. `upserts`: a row that replaces another is its +1 alone,
    else the old row at -1 goes before it. What ends as it began is left out. Cost: O(changes).
    """
    if are_few(changes.num_rows, changes.schema.types):
        return _of_few(changes, keys, upserts)
    diff = changes.column("_diff").to_numpy(zero_copy_only=False)
    groups = group_rows([changes.column(k) for k in keys], len(diff))
    was, is_ = diff[groups.first] < 0, diff[groups.last] > 0
    both = np.flatnonzero(was & is_)
    if len(both):
        old, new = (changes.take(pa.array(at[both])) for at in (groups.first, groups.last))
        values = [n for n in changes.schema.names if n not in {"_diff", "_seq"}]
        same = both[equal_rows([old.column(n) for n in values], [new.column(n) for n in values])]
        was[same] = is_[same] = False
    gone = was if not upserts else was & ~is_
    rows = np.concatenate([groups.first[gone], groups.last[is_]])
    order = np.lexsort(
        (np.repeat([0, 1], [gone.sum(), is_.sum()]), np.concatenate([groups.last[gone], groups.last[is_]]))
    )
    return changes.take(pa.array(rows[order]))


def _of_few(changes: pa.RecordBatch, keys: Sequence[str], upserts: bool) -> pa.RecordBatch:
    diff = changes.column("_diff").to_pylist()
    columns = [changes.column(k) for k in keys]
    values = [changes.column(n) for n in changes.schema.names if n not in {"_diff", "_seq"}]
    first: dict[tuple[pa.Scalar, ...], int] = {}
    last: dict[tuple[pa.Scalar, ...], int] = {}
    for row in range(len(diff)):
        key = tuple(column[row] for column in columns)
        first.setdefault(key, row)
        last.pop(key, None)  # the order is that of the last changes
        last[key] = row
    told: list[int] = []
    for key, end in last.items():
        begin = first[key]
        was, is_ = diff[begin] < 0, diff[end] > 0
        if was and is_ and all(column[begin].equals(column[end]) for column in values):
            continue
        if was and not (is_ and upserts):
            told.append(begin)
        if is_:
            told.append(end)
    return picked(changes, told)


def visible_changes(changes: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """A table's changes, each: an update is its +1 only, a deletion its -1.

    A -1 is left out where the same place of the epoch (`_seq`) has a +1 for the same key. Cost: O(changes).
    """
    diff = changes.column("_diff").to_numpy(zero_copy_only=False)
    if (diff > 0).all():
        return changes
    groups = group_rows([changes.column("_seq"), *(changes.column(k) for k in keys)], len(diff)).ids
    replaced = np.zeros(len(diff), dtype=bool)
    replaced[groups[diff > 0]] = True
    return changes.filter(pa.array((diff > 0) | ~replaced[groups]))


def without_deletions(changes: pa.RecordBatch) -> pa.RecordBatch:
    """The rows at +1."""
    there = changes.column("_diff").to_numpy(zero_copy_only=False) > 0
    return changes if there.all() else changes.filter(pa.array(there))
