"""Arrangements: the one structure for all keyed state.

An arrangement holds rows by a lookup key; within a key, rows are told apart by their identity (by default the key
itself: then there is one row a key). It is a list of immutable runs, oldest first, each sorted by a 64-bit hash of
the key; the newest row of an identity wins, and a row may say that its identity is gone. Three verbs: `gather` the
rows of keys, `apply` rows, and the current `View` (a snapshot: free, as runs never change). Runs merge geometrically: a
run is merged into its older neighbour when that is less than twice as long, so there are O(log n) runs and a row is
copied O(log n) times.

Two keys of the same hash stay two keys: hashes only find candidates, the columns decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.runtime.delta import Indices, Mask, concat, numbers
from ssql.runtime.hashing import Hashes, equal_rows, hash_columns


def hash_rows(columns: Sequence[pa.Array], rows: int) -> Hashes:
    """Hashes of key columns; no key column means one group of all rows."""
    return hash_columns(columns) if columns else np.zeros(rows, dtype=np.uint64)


@dataclass(frozen=True)
class Layout:
    """What an arrangement holds: its columns, what it is looked up by, and what identifies a row.

    `identity` includes the key. `expires`: a BIGINT column; rows whose value is <= the horizon are gone.
    """

    schema: pa.Schema
    key: tuple[str, ...]
    identity: tuple[str, ...]
    expires: str | None = None

    @property
    def unique(self) -> bool:
        return self.key == self.identity

    def hashes(self, batch: pa.RecordBatch) -> tuple[Hashes, Hashes]:
        """Key and identity hashes of rows of this layout."""
        by_key = hash_rows([batch.column(n) for n in self.key], batch.num_rows)
        if self.unique:
            return by_key, by_key
        return by_key, hash_rows([batch.column(n) for n in self.identity], batch.num_rows)


@dataclass(frozen=True)
class Run:
    """Immutable rows sorted by (key hash, identity hash), one row an identity; `live` is False where it is gone."""

    batch: pa.RecordBatch
    hash: Hashes
    identity_hash: Hashes
    live: Mask

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @property
    def nbytes(self) -> int:
        return int(self.batch.nbytes)

    @cached_property
    def columns(self) -> Mapping[str, pa.Array]:
        """The columns of `batch`, which makes a new object of one each time that it is asked."""
        return dict(zip(self.batch.schema.names, self.batch.columns, strict=True))


def make_run(layout: Layout, batch: pa.RecordBatch, live: Mask) -> Run:
    """A run of rows whose identities differ from each other."""
    by_key, by_identity = layout.hashes(batch)
    if layout.unique:
        order = np.argsort(by_key, kind="stable")
        by_key = by_key[order]
        return Run(batch.take(pa.array(order)), by_key, by_key, live[order])
    order = np.lexsort((by_identity, by_key))
    return Run(batch.take(pa.array(order)), by_key[order], by_identity[order], live[order])


def newest_first(layout: Layout, batch: pa.RecordBatch, by_key: Hashes, by_identity: Hashes) -> Indices:
    """The rows that win, sorted by (key hash, identity hash): of each identity the one that stands first in `batch`."""
    order = np.argsort(by_key, kind="stable") if layout.unique else np.lexsort((by_identity, by_key))
    hashes, identities = by_key[order], by_identity[order]
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (hashes[1:] != hashes[:-1]) | (identities[1:] != identities[:-1])
    if starts.all():
        return order
    first = np.flatnonzero(starts)[np.cumsum(starts) - 1]  # for each row the first of its hash group
    later = np.flatnonzero(~starts)
    names = layout.identity
    same = (
        equal_rows(
            [batch.column(n).take(pa.array(order[later])) for n in names],
            [batch.column(n).take(pa.array(order[first[later]])) for n in names],
        )
        if names
        else np.ones(len(later), dtype=np.bool_)
    )
    keep = starts
    for at in later[~same]:  # different identities of one hash: as good as never, decided by comparing them all
        group = np.arange(first[at], at)
        mine = [batch.column(n).take(pa.array(np.full(len(group), order[at]))) for n in names]
        others = [batch.column(n).take(pa.array(order[group])) for n in names]
        keep[at] = not equal_rows(mine, others).any()
    return order[keep]


def merge_runs(layout: Layout, older: Run, newer: Run, *, bottom: bool, horizon: int) -> Run:
    """Both as one run. At the bottom nothing lies below, so what is gone need not be kept."""
    batch = concat([newer.batch, older.batch])
    by_key = np.concatenate([newer.hash, older.hash])
    by_identity = by_key if layout.unique else np.concatenate([newer.identity_hash, older.identity_hash])
    live = np.concatenate([newer.live, older.live])
    order = newest_first(layout, batch, by_key, by_identity)
    if bottom:
        order = order[live[order]]
        if layout.expires is not None:
            order = order[numbers(batch.column(layout.expires))[order] > horizon]
    merged = batch.take(pa.array(order))
    hashes = by_key[order]
    return Run(merged, hashes, hashes if layout.unique else by_identity[order], live[order])


@dataclass(frozen=True)
class Gathered:
    """Rows found for queried keys: `rows[i]` belongs to the queried key `query[i]`; in order of `query`."""

    query: Indices
    rows: pa.RecordBatch


@dataclass(frozen=True)
class View:
    """An arrangement at one moment. Never changes; may be read by any thread."""

    layout: Layout
    runs: tuple[Run, ...] = ()
    horizon: int = -(1 << 63)

    @property
    def rows(self) -> int:
        """Rows held, those counted that newer ones have replaced."""
        return sum(len(r) for r in self.runs)

    def gather(self, keys: Sequence[pa.Array], rows: int | None = None) -> Gathered:
        """All live rows of the keys given by `keys` (arrays in order of the layout's key; they may repeat).

        Cost: O(keys x log(rows)), independent of the size of the rest. `rows`: the number of keys where the key has
        no column.
        """
        count = len(keys[0]) if keys else (rows or 0)
        if not self.runs or not count:
            return Gathered(np.zeros(0, dtype=np.int64), _empty(self.layout.schema))
        hashes = hash_rows(keys, count)
        if self.layout.unique:
            return self._unexpired(
                self._newest(keys, self.layout.key, lambda run, at: _candidates(run, hashes[at]), count)
            )
        return self._unexpired(self._gather_many(keys, hashes))

    def find(self, identity: Sequence[pa.Array], rows: int | None = None) -> Gathered:
        """The live rows of whole identities (arrays in order of the layout's identity; they may repeat).

        Cost: O(identities x log(rows)), however many rows share a key.
        """
        if self.layout.unique:
            return self.gather(identity, rows)
        if not self.runs or not len(identity[0]):
            return Gathered(np.zeros(0, dtype=np.int64), _empty(self.layout.schema))
        by_identity = hash_rows(identity, len(identity[0]))
        places = [self.layout.identity.index(name) for name in self.layout.key]
        by_key = hash_rows([identity[p] for p in places], len(by_identity))

        def candidates(run: Run, at: Indices) -> tuple[Indices, Indices]:
            return _identity_candidates(run, by_key[at], by_identity[at])

        return self._unexpired(self._newest(identity, self.layout.identity, candidates, len(by_identity)))

    def _newest(
        self,
        columns: Sequence[pa.Array],
        names: tuple[str, ...],
        candidates: Callable[[Run, Indices], tuple[Indices, Indices]],
        count: int,
    ) -> Gathered:
        """The newest row of each queried identity, from the newest run to the oldest, if it is live."""
        unresolved = np.arange(count)
        queries: list[Indices] = []
        parts: list[pa.RecordBatch] = []
        for run in reversed(self.runs):
            if not len(unresolved):
                break
            query, row = candidates(run, unresolved)
            if not len(query):
                continue
            query = unresolved[query]
            hit = _same(columns, query, run, row, names)
            query, row = query[hit], row[hit]
            resolved = np.zeros(count, dtype=np.bool_)
            resolved[query] = True
            unresolved = unresolved[~resolved[unresolved]]
            alive = run.live[row]
            queries.append(query[alive])
            parts.append(run.batch.take(pa.array(row[alive])))
        return _in_order(queries, parts, self.layout.schema)

    def _gather_many(self, keys: Sequence[pa.Array], hashes: Hashes) -> Gathered:
        queries: list[Indices] = []
        parts: list[pa.RecordBatch] = []
        identities: list[Hashes] = []
        lives: list[Mask] = []
        for run in reversed(self.runs):
            query, row = _candidates(run, hashes)
            hit = _same(keys, query, run, row, self.layout.key)
            query, row = query[hit], row[hit]
            queries.append(query)
            parts.append(run.batch.take(pa.array(row)))
            identities.append(run.identity_hash[row])
            lives.append(run.live[row])
        if len(parts) == 1:
            alive = lives[0]
            return _in_order([queries[0][alive]], [parts[0].filter(pa.array(alive))], self.layout.schema)
        query = np.concatenate(queries)
        batch = concat(parts)
        # A queried key may repeat: rows are one identity only within one queried key.
        winners = newest_first(self.layout, batch, query.astype(np.uint64), np.concatenate(identities))
        winners = winners[np.concatenate(lives)[winners]]
        return Gathered(query[winners], batch.take(pa.array(winners)))

    def _unexpired(self, found: Gathered) -> Gathered:
        if self.layout.expires is None or not len(found.query):
            return found
        keep = numbers(found.rows.column(self.layout.expires)) > self.horizon
        if keep.all():
            return found
        return Gathered(found.query[keep], found.rows.filter(pa.array(keep)))

    def scan(self) -> pa.RecordBatch:
        """All live rows, in no particular order. Cost: O(rows)."""
        if not self.runs:
            return _empty(self.layout.schema)
        whole = self.runs[0]
        for run in self.runs[1:]:
            whole = merge_runs(self.layout, whole, run, bottom=False, horizon=self.horizon)
        keep = whole.live
        if self.layout.expires is not None:
            keep = keep & (numbers(whole.batch.column(self.layout.expires)) > self.horizon)
        return whole.batch if keep.all() else whole.batch.filter(pa.array(keep))


@dataclass
class Arrangement:
    """The current view of some state, and what of it is not filed in the log yet.

    `apply` changes the current view only; `commit` makes it the one to go back to, `rollback` goes back.
    """

    layout: Layout
    current: View = field(init=False)
    committed: View = field(init=False)
    #: runs applied since the last commit, oldest first: what a commit has to file
    pending: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.current = self.committed = View(self.layout)

    def apply(self, batch: pa.RecordBatch, live: npt.NDArray[np.bool_] | None = None) -> None:
        """Put rows in (`live` False: take the identity out). Each identity at most once in `batch`."""
        if not batch.num_rows:
            return
        run = make_run(self.layout, batch, np.ones(batch.num_rows, dtype=np.bool_) if live is None else live)
        self.pending.append(run)
        self._push(run)

    def expire(self, horizon: int) -> None:
        """Rows whose `expires` column is <= `horizon` are gone from now on; never goes back."""
        if horizon > self.current.horizon:
            self.current = replace(self.current, horizon=horizon)

    def _push(self, run: Run) -> None:
        runs = [*self.current.runs, run]
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
            newer, older = runs.pop(), runs.pop()
            runs.append(merge_runs(self.layout, older, newer, bottom=not runs, horizon=self.current.horizon))
        self.current = replace(self.current, runs=tuple(r for r in runs if len(r)))

    def clear(self) -> None:
        """Forget all rows: a full run follows."""
        self.current = self.committed = replace(self.current, runs=())

    def restore(self, run: Run) -> None:
        """Put in a run that is filed already."""
        self._push(run)
        self.committed = self.current

    def compact(self) -> Run:
        """All of it as one run without what is gone; the current view becomes just that."""
        runs = self.current.runs
        whole = runs[0] if runs else make_run(self.layout, _empty(self.layout.schema), np.zeros(0, dtype=np.bool_))
        for run in runs[1:]:
            whole = merge_runs(self.layout, whole, run, bottom=False, horizon=self.current.horizon)
        keep = whole.live
        if self.layout.expires is not None:
            keep = keep & (numbers(whole.batch.column(self.layout.expires)) > self.current.horizon)
        if not keep.all():
            hashes = whole.hash[keep]
            identity = hashes if self.layout.unique else whole.identity_hash[keep]
            whole = Run(whole.batch.filter(pa.array(keep)), hashes, identity, whole.live[keep])
        self.current = replace(self.current, runs=(whole,) if len(whole) else ())
        return whole

    def commit(self) -> None:
        self.committed = self.current
        self.pending.clear()

    def rollback(self) -> None:
        self.current = self.committed
        self.pending.clear()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _candidates(run: Run, hashes: Hashes) -> tuple[Indices, Indices]:
    """Pairs (position in `hashes`, row of the run) of equal hash."""
    if len(hashes) > 512:  # sorted probes walk the run in order: several times faster than random ones
        order = np.argsort(hashes)
        probes = hashes[order]
        low = np.searchsorted(run.hash, probes, side="left")
        high = _high(run, probes, low)
        return _expand(order, low, high - low)
    low = np.searchsorted(run.hash, hashes, side="left")
    return _expand(np.arange(len(hashes)), low, _high(run, hashes, low) - low)


def _expand(query: Indices, low: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """Pairs of each query with the `counts` rows from its `low` on."""
    queries = np.repeat(query, counts)
    if counts.max(initial=0) <= 1:
        return queries, low[counts == 1]
    ends = np.cumsum(counts)
    return queries, np.arange(int(ends[-1])) - np.repeat(ends - counts, counts) + np.repeat(low, counts)


def _same(columns: Sequence[pa.Array], query: Indices, run: Run, row: Indices, names: tuple[str, ...]) -> Mask:
    """For each candidate whether its columns `names` are those that were asked for."""
    if not names:
        return np.ones(len(query), dtype=np.bool_)
    asked, there = pa.array(query), pa.array(row)
    return equal_rows([c.take(asked) for c in columns], [run.batch.column(n).take(there) for n in names])


def _identity_candidates(run: Run, by_key: Hashes, by_identity: Hashes) -> tuple[Indices, Indices]:
    """Pairs (position, row of the run) of equal key hash and equal identity hash."""
    low = np.searchsorted(run.hash, by_key, side="left")
    end = _high(run, by_key, low)
    low = _bisect(run.identity_hash, by_identity, low, end, right=False)
    high = _bisect(run.identity_hash, by_identity, low, end, right=True)
    return _expand(np.arange(len(by_key)), low, high - low)


def _bisect(values: Hashes, probes: Hashes, low: Indices, high: Indices, *, right: bool) -> Indices:
    """Binary search of each probe within its own range [low, high) of `values`, all probes in step."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        inside = values[np.minimum(middle, len(values) - 1)]
        below = ((inside <= probes) if right else (inside < probes)) & (low < high)
        low = np.where(below, middle + 1, low)
        high = np.where(below, high, np.minimum(middle, high))
    return low


def _high(run: Run, probes: Hashes, low: Indices) -> Indices:
    """The end of each probe's equal range; the search is only made where more than one row may be equal."""
    n = len(run.hash)
    hit = (low < n) & (run.hash[np.minimum(low, n - 1)] == probes)
    high = low + hit
    more = hit & (low + 1 < n) & (run.hash[np.minimum(low + 1, n - 1)] == probes)
    if more.any():
        high[more] = np.searchsorted(run.hash, probes[more], side="right")
    return np.asarray(high)


def _in_order(queries: list[Indices], parts: list[pa.RecordBatch], schema: pa.Schema) -> Gathered:
    if not queries:
        return Gathered(np.zeros(0, dtype=np.int64), _empty(schema))
    query = queries[0] if len(queries) == 1 else np.concatenate(queries)
    rows = concat(parts)
    if len(query) > 1 and (np.diff(query) < 0).any():
        order = np.argsort(query, kind="stable")
        return Gathered(query[order], rows.take(pa.array(order)))
    return Gathered(query, rows)
