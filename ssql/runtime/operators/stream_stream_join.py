"""Rows of two streams that are near in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ssql.planner.steps import StreamStreamJoin as StreamStreamJoinStep
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.delta import DIFF, SEQ, TIME, Delta, Indices, Int64s, Mask, concat, numbers
from ssql.runtime.operators.base import Context, Operator, runs
from ssql.runtime.operators.windowed import BEGINNING

#: How long rows are kept for late matches where no grace period is given: a day, as Kafka Streams keeps them.
DEFAULT_GRACE_MS = 86_400_000
NEVER = np.iinfo(np.int64).max


@dataclass
class _Side:
    """One stream: its recent rows by key, those of them still without a match, and its own stream time."""

    keys: tuple[str, ...]
    columns: tuple[str, ...]
    back_ms: int  # a match's time is from back_ms before ...
    ahead_ms: int  # ... to ahead_ms after a row's time
    outer: bool
    rows: Arrangement
    open: Arrangement
    time: int = BEGINNING

    def stored(self, delta: Delta) -> pa.RecordBatch:
        return delta.batch.select(self.rows.layout.schema.names)


@dataclass(frozen=True)
class _Pairs:
    """Matches: rows of both sides, when the later one came (`seq`) and whether that was the left one."""

    left: pa.RecordBatch
    right: pa.RecordBatch
    left_came: Mask

    @property
    def seq(self) -> Int64s:
        return np.asarray(
            np.where(self.left_came, numbers(self.left.column(SEQ)), numbers(self.right.column(SEQ))), np.int64
        )


class _Part(NamedTuple):
    """Rows to be yielded: columns, time, place, and their order at one place: closed rows first, then by time."""

    columns: list[pa.Array]
    time: Int64s
    place: Int64s
    rank: Int64s
    then: Int64s
    last: Int64s


@runs(StreamStreamJoinStep)
class StreamStreamJoin(Operator):
    """Joins each row with the rows of the other side that came before it, within the time bounds.

    Rows of a side are forgotten by that side's own stream time, row by row, as Kafka Streams' window stores do.
    State: the rows of both sides as long as a match may come, and, for outer kinds, which of them had none yet.
    Cost: the delta and the rows that share its keys.
    """

    step: StreamStreamJoinStep

    def __init__(self, step: StreamStreamJoinStep, context: Context) -> None:
        super().__init__(step, context)
        left, right = context.inputs
        before, after = step.before_ms, step.after_ms
        grace = DEFAULT_GRACE_MS if step.grace_ms is None else step.grace_ms
        self._retention = before + after + grace
        self._left = _side(left, step.left_keys, before, after, step.kind in ("LEFT", "FULL"))
        self._right = _side(right, step.right_keys, after, before, step.kind in ("RIGHT", "FULL"))

    def on_deltas(self, *inputs: Delta) -> Delta:
        left, right = _keyed(inputs[0], self._left.keys), _keyed(inputs[1], self._right.keys)
        left_time = _RunningTime(left, self._left.time)
        right_time = _RunningTime(right, self._right.time)
        pairs = self._pairs(left, right, left_time, right_time)
        parts = [self._joined(pairs)]
        shared = _SharedTime(left, right, max(self._left.time, self._right.time))
        for side, delta in ((self._left, left), (self._right, right)):
            if side.outer:
                parts += self._alone(side, delta, pairs, shared)
        for side, delta, time in ((self._left, left, left_time), (self._right, right, right_time)):
            if len(delta):
                side.rows.apply(side.stored(delta))
            side.time = time.last
            side.rows.expire(side.time - self._retention)
        return _in_order(parts, self.schema)

    # --- matches -----------------------------------------------------------------

    def _pairs(self, left: Delta, right: Delta, left_time: _RunningTime, right_time: _RunningTime) -> _Pairs:
        """All matches of which the later row is in this epoch."""
        lefts, rights = self._left.stored(left), self._right.stored(right)
        new_right = Arrangement(self._right.rows.layout)
        new_right.apply(rights)
        met = [
            self._match(left, lefts, self._right.rows, flip=False),
            self._match(right, rights, self._left.rows, flip=True),
            self._match(left, lefts, new_right, flip=False),
        ]
        parts = []
        for a, b in met:
            came = numbers(a.column(SEQ)) >= numbers(b.column(SEQ))
            place = np.where(came, numbers(a.column(SEQ)), numbers(b.column(SEQ)))
            other_time = np.where(came, numbers(b.column(TIME)), numbers(a.column(TIME)))
            floor = np.where(came, right_time.at(place), left_time.at(place)) - self._retention
            kept = pa.array(other_time > floor)
            parts.append((a.filter(kept), b.filter(kept), came[other_time > floor]))
        return _Pairs(
            concat([p[0] for p in parts]), concat([p[1] for p in parts]), np.concatenate([p[2] for p in parts])
        )

    def _match(
        self, delta: Delta, rows: pa.RecordBatch, other: Arrangement, *, flip: bool
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Left and right rows with equal keys whose times are within the bounds; `flip`: `delta` is the right side."""
        side = self._right if flip else self._left
        found = other.current.gather(delta.columns(side.keys)) if len(delta) else None
        if found is None or not len(found.query):
            empty = self._left.rows.layout.schema, self._right.rows.layout.schema
            return tuple(pa.RecordBatch.from_pylist([], schema=s) for s in empty)  # type: ignore[return-value]
        distance = numbers(found.rows.column(TIME)) - delta.time[found.query]
        near = (distance >= -side.back_ms) & (distance <= side.ahead_ms)
        mine, theirs = rows.take(pa.array(found.query[near])), found.rows.filter(pa.array(near))
        return (theirs, mine) if flip else (mine, theirs)

    def _joined(self, pairs: _Pairs) -> _Part:
        times = np.maximum(numbers(pairs.left.column(TIME)), numbers(pairs.right.column(TIME)))
        columns = [pairs.left.column(n) for n in self._left.columns]
        columns += [pairs.right.column(n) for n in self._right.columns]
        # At one place matches come in order of the earlier row's time, then of its arrival.
        other = [
            np.where(pairs.left_came, numbers(pairs.right.column(n)), numbers(pairs.left.column(n)))
            for n in (TIME, SEQ)
        ]
        return _Part(columns, times, pairs.seq, np.ones(len(times), np.int64), other[0], other[1])

    # --- rows without a match ------------------------------------------------------

    def _alone(self, side: _Side, delta: Delta, pairs: _Pairs, shared: _SharedTime) -> list[_Part]:
        mine = pairs.left if side is self._left else pairs.right
        own_came = pairs.left_came if side is self._left else ~pairs.left_came
        my_seq = numbers(mine.column(SEQ))
        met_on_arrival = np.isin(delta.seq, my_seq[own_came])
        waiting = delta.filter(~met_on_arrival)
        if self.step.grace_ms is None:
            return [self._padded(side, side.stored(waiting), waiting.seq, rank=1)]
        too_late = waiting.time + side.ahead_ms < shared.at(waiting.seq)
        late = waiting.filter(too_late)
        parts = [self._padded(side, side.stored(late), late.seq, rank=1)]
        rows = concat([side.open.current.scan(), side.stored(waiting.filter(~too_late))])
        seq = numbers(rows.column(SEQ))
        first_match = _first_match(seq, my_seq[~own_came], pairs.seq[~own_came])
        closes = shared.first_after(numbers(rows.column(TIME)) + side.ahead_ms + self.step.grace_ms)
        closing = (closes < NEVER) & (closes <= first_match)
        parts.append(self._padded(side, rows.filter(pa.array(closing)), closes[closing], rank=0))
        still = ~closing & (first_match == NEVER)
        side.open.apply(rows, still)
        return parts

    def _padded(self, side: _Side, rows: pa.RecordBatch, place: Int64s, *, rank: int) -> _Part:
        """Rows with nulls for the other side, at `place`."""
        own = [rows.column(n) for n in side.columns]
        other = self._right if side is self._left else self._left
        nulls = [pa.nulls(rows.num_rows, other.rows.layout.schema.field(n).type) for n in other.columns]
        columns = [*own, *nulls] if side is self._left else [*nulls, *own]
        time = numbers(rows.column(TIME))
        return _Part(columns, time, place, np.full(rows.num_rows, rank), time, numbers(rows.column(SEQ)))

    # --- state ---------------------------------------------------------------------

    def arrangements(self) -> Mapping[str, Arrangement]:
        kept = {"left": self._left.rows, "right": self._right.rows}
        if self.step.grace_ms is not None:
            sides = (("left-open", self._left), ("right-open", self._right))
            kept |= {name: side.open for name, side in sides if side.outer}
        return kept

    def memo(self) -> Mapping[str, int]:
        return {"left_time": self._left.time, "right_time": self._right.time}

    def restore_memo(self, memo: Mapping[str, int]) -> None:
        for side, name in ((self._left, "left_time"), (self._right, "right_time")):
            side.time = memo.get(name, BEGINNING)
            side.rows.expire(side.time - self._retention)


class _RunningTime:
    """The stream time of one side at each place of the epoch."""

    def __init__(self, delta: Delta, before: int) -> None:
        self._seq = delta.seq
        self._times = np.concatenate([[before], np.maximum(np.maximum.accumulate(delta.time), before)])
        self.last = int(self._times[-1])

    def at(self, places: Int64s) -> Int64s:
        """The highest time of rows before each place."""
        return np.asarray(self._times[np.searchsorted(self._seq, places, side="left")])


class _SharedTime:
    """The stream time of both sides together."""

    def __init__(self, left: Delta, right: Delta, before: int) -> None:
        seq, time = np.concatenate([left.seq, right.seq]), np.concatenate([left.time, right.time])
        order = np.argsort(seq, kind="stable")
        self._seq = seq[order]
        self._times = np.maximum(np.maximum.accumulate(time[order]), before) if len(time) else time

    def at(self, places: Int64s) -> Int64s:
        """The highest time of rows up to and with each place."""
        return np.asarray(self._times[np.searchsorted(self._seq, places, side="right") - 1])

    def first_after(self, times: Int64s) -> Int64s:
        """The first place at which stream time is greater; `NEVER` where it is not yet."""
        at = np.searchsorted(self._times, times, side="right")
        places = np.append(self._seq, NEVER)
        return np.asarray(places[at])


def _side(delta: pa.Schema, keys: tuple[str, ...], back_ms: int, ahead_ms: int, outer: bool) -> _Side:
    stored = pa.schema([f for f in delta if f.name != DIFF])
    columns = tuple(f.name for f in stored if f.name not in (TIME, SEQ))
    identity = (*keys, SEQ)
    rows = Arrangement(Layout(stored, keys, identity, expires=TIME))
    return _Side(keys, columns, back_ms, ahead_ms, outer, rows, Arrangement(Layout(stored, keys, identity)))


def _keyed(delta: Delta, keys: tuple[str, ...]) -> Delta:
    """A row with a null key matches nothing and is not kept."""
    complete = np.ones(len(delta), dtype=np.bool_)
    for key in delta.columns(keys):
        complete &= key.is_valid().to_numpy(zero_copy_only=False)
    return delta if complete.all() else delta.filter(complete)


def _first_match(seq: Indices, matched: Indices, place: Indices) -> Indices:
    """For each row (by its `seq`) the first place of a match, or `NEVER`."""
    answer = np.full(len(seq), NEVER)
    if len(matched):
        order = np.lexsort((place, matched))
        matched, place = matched[order], place[order]
        at = np.searchsorted(matched, seq)
        hit = (at < len(matched)) & (matched[np.minimum(at, len(matched) - 1)] == seq)
        answer[hit] = place[at[hit]]
    return answer


def _in_order(parts: list[_Part], schema: pa.Schema) -> Delta:
    columns = [pa.concat_arrays(arrays) for arrays in zip(*(p.columns for p in parts), strict=True)]
    time, place, rank, then, last = (np.concatenate(arrays) for arrays in list(zip(*parts, strict=True))[1:])
    order = np.lexsort((last, then, rank, place))
    taken = [c.take(pa.array(order)) for c in columns]
    return Delta.of(taken, schema, time[order], np.ones(len(order), np.int8), place[order])
