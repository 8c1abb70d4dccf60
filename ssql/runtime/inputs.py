"""The inputs of a dataflow: topics polled and decoded, their rows merged by time into the input of an epoch.

Rows of one partition keep their order. Between partitions the row with the smaller time goes first (a partition's
time being the greatest seen in it so far, so an out-of-order row does not jump back); at equal times tables go before
streams, then it is by name of the topic and number of the partition. While a partition has more to read, nothing that
what it may still bring would go before is let through: so replaying a backlog gives the same order however it is cut
into epochs, and wherever it was broken off.
"""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from ssql.errors import LogError, RegistryUnavailable
from ssql.log.api import Fetch, Log
from ssql.planner.relation import Relation
from ssql.runtime.decode import RelationDecoder, Rows, position_in
from ssql.runtime.delta import Delta, Indices, Int64s, Mask, concat, delta_schema
from ssql.runtime.rejects import Position, Reject

LOGGER = logging.getLogger("ssql.worker")

TopicPartition = tuple[str, int]
FOREVER = 1 << 62
#: How long (ms) one call waits for a partition that has more to read; until it comes, the others go on without
#: what would be later.
ALIGN_MS = 200.0
#: When (s) such a partition is taken for one that brings no more (its topic was deleted).
GIVE_UP_S = 10.0
#: Rows that are read ahead at least: epochs of fewer rows still see what each partition has next.
READ_ROWS = 1024
#: How long (ms) one look for such a partition's rows lasts.
BEHIND_MS = 20.0


class SchemaAwaited(Exception):
    """A relation's records cannot be read as long as the schema registry cannot be reached; they are read again."""

    def __init__(self, relation: str, cause: RegistryUnavailable) -> None:
        super().__init__(cause.message)
        self.relation = relation
        self.cause = cause


@dataclass
class _Piece:
    """A decoded fetch of one partition, read from record `at` on. `order` never decreases."""

    fetch: Fetch
    order: Int64s
    rows: dict[str, Rows]
    at: int = 0

    def __len__(self) -> int:
        return int(self.fetch.batch.num_rows)

    @property
    def offset(self) -> int:
        """Of the next record."""
        offset: int = self.fetch.batch.column("offset")[self.at].as_py()
        return offset


@dataclass
class _Partition:
    """Where one partition stands: `position` is processed, `fetched` is read into `pieces`.

    `time` and `ahead` are the order of the last row before these two. `behind_since`: when (s) it was first missed.
    """

    position: int
    fetched: int
    end: int
    time: int = -FOREVER
    ahead: int = -FOREVER
    pieces: list[_Piece] = field(default_factory=list)
    paused: bool = False
    behind_since: float | None = None
    #: before `own_end` the records of this writer are passed over
    own_writer: str | None = None
    own_end: int = 0

    @property
    def buffered(self) -> int:
        return sum(len(p) - p.at for p in self.pieces)

    def pass_gap(self, offset: int) -> None:
        """Go on to `offset` where no record is left before it (of a compacted topic)."""
        if self.pieces and self.pieces[0].offset >= offset > self.position:
            self.position = offset

    def order_at(self, offset: int) -> int:
        """The order of the record at `offset`; at least that where it is not read yet."""
        for piece in self.pieces:
            at = int(np.searchsorted(piece.fetch.batch.column("offset").to_numpy(), offset))
            if at < len(piece):
                return int(piece.order[at])
        return self.ahead


@dataclass(frozen=True)
class Bounds:
    """How far an epoch may go. `limits`: not past these offsets, nor to what would go after a record behind them: that
    one is to come. `until`: not past these either; what stands behind them is as if it was not there."""

    limits: Mapping[TopicPartition, int] = field(default_factory=dict)
    until: Mapping[TopicPartition, int] = field(default_factory=dict)

    def of(self, topic: str, partition: int) -> tuple[int, int]:
        place = topic, partition
        return self.limits.get(place, FOREVER), self.until.get(place, FOREVER)


#: What goes first at equal times: tables, then by topic and partition.
_Rank = tuple[int, str, int]
#: Rows before this (order, rank) may go; rows of the very partition that it is about may, too.
_Fence = tuple[int, _Rank]
_OPEN: _Fence = (FOREVER, (0, "", 0))


@dataclass
class _Topic:
    decoders: dict[str, RelationDecoder]
    partitions: dict[int, _Partition]
    skip_writer: str | None
    is_table: bool

    def rank(self, name: str, number: int) -> _Rank:
        return (0 if self.is_table else 1, name, number)


@dataclass(frozen=True)
class EpochInput:
    """What an epoch reads: for each relation its rows (+1, in order of `_seq`) and whether each is live."""

    rows: Mapping[str, tuple[Delta, Mask]]
    rejects: tuple[Reject, ...]
    records: int
    positions: Mapping[TopicPartition, int]
    next_seq: int
    _located: tuple[tuple[Int64s, Fetch, int], ...] = ()

    @property
    def located(self) -> tuple[tuple[Int64s, Fetch, int], ...]:
        """The fetches that records were taken from: the records' places, the fetch, and the first of them in it."""
        return self._located

    def locate(self, seq: int) -> Position | None:
        """The input record at a place of the merged order."""
        for seqs, fetch, start in self._located:
            found = int(np.searchsorted(seqs, seq))
            if found < len(seqs) and seqs[found] == seq:
                return position_in(fetch, start + found)
        return None


class Inputs:
    """All topics that a dataflow reads. Used by the worker's thread only, `wake` apart."""

    def __init__(self, log: Log, max_rows: int, linger_ms: float = 0.0) -> None:
        self._log = log
        self._max_rows = max_rows
        self._read_rows = max(max_rows, READ_ROWS)
        self._linger_ms = linger_ms
        self._reader = log.reader()
        #: in order of name
        self._topics: dict[str, _Topic] = {}
        self._ends: dict[TopicPartition, int] = {}
        self.next_seq = 0

    # --- what is read ---------------------------------------------------------

    def read(
        self,
        relation: Relation,
        decoder: RelationDecoder,
        positions: Mapping[TopicPartition, int],
        times: Mapping[TopicPartition, int],
        *,
        skip_writer: str | None = None,
    ) -> None:
        """Read a relation's topic, from `positions` where the topic is new here; its decoder may be replaced.

        `times`: what `times` answered where these positions were reached.
        """
        found = self._log.topic(relation.topic)
        topic = self._topics.get(relation.topic)
        if topic is None:
            partitions = {}
            for number in range(found.partitions if found else 0):
                begin, end = self._log.bounds(relation.topic, number)
                at = max(positions.get((relation.topic, number), begin), 0)
                partitions[number] = _Partition(at, at, end, times.get((relation.topic, number), -FOREVER))
            topic = _Topic({}, partitions, skip_writer, relation.kind == "TABLE")
            self._topics = dict(sorted({**self._topics, relation.topic: topic}.items()))
        topic.decoders[relation.name] = decoder
        topic.is_table |= relation.kind == "TABLE"
        # Once its own records are passed over they always are: some may lie beyond what has been read.
        topic.skip_writer = topic.skip_writer or skip_writer
        self._restart(relation.topic)

    def forget(self, relation: Relation) -> None:
        """Stop reading for a relation; the topic is left when nothing else reads it."""
        topic = self._topics.get(relation.topic)
        if topic is None:
            return
        topic.decoders.pop(relation.name, None)
        if not topic.decoders:
            for number in topic.partitions:
                self._reader.unassign(relation.topic, number)
                del self._ends[relation.topic, number]
            del self._topics[relation.topic]

    def _restart(self, name: str) -> None:
        """Read again from the processed position: what was decoded was decoded for other relations."""
        topic = self._topics[name]
        for number, partition in topic.partitions.items():
            partition.pieces.clear()
            partition.fetched, partition.ahead = partition.position, partition.time
            partition.paused, partition.behind_since = False, None
            self._note_end(name, number)
            self._assign(name, number, partition.position)

    def _assign(self, name: str, number: int, at: int) -> None:
        topic = self._topics[name]
        partition = topic.partitions[number]
        own = partition.own_writer if at < partition.own_end else None
        self._reader.assign(name, number, at, skip_writer=topic.skip_writer or own)

    def pass_own(self, ends: Mapping[TopicPartition, int], writer: str) -> None:
        """Pass over what a writer wrote before these offsets, and over nothing behind them."""
        for (name, number), end in ends.items():
            if name in self._topics and number in self._topics[name].partitions:
                partition = self._topics[name].partitions[number]
                partition.own_writer, partition.own_end = writer, end
                self._restart(name)

    def rewind(self, positions: Mapping[TopicPartition, int], times: Mapping[TopicPartition, int]) -> None:
        """Go back to what `positions` and `times` answered before: what was taken since is to be taken again."""
        for name, topic in self._topics.items():
            for number, partition in topic.partitions.items():
                partition.position = positions.get((name, number), partition.position)
                partition.time = times.get((name, number), -FOREVER)
            self._restart(name)

    def skipped(self) -> set[str]:
        """The topics in which our own records are passed over."""
        return {name for name, topic in self._topics.items() if topic.skip_writer is not None}

    def reads(self, topic: str) -> bool:
        return topic in self._topics

    def positions(self) -> dict[TopicPartition, int]:
        """The next record to be processed of each partition."""
        return {(n, p): s.position for n, t in self._topics.items() for p, s in t.partitions.items()}

    def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends as far as is known. Of a topic in which our own records are passed over that is
        how far it is read: what else is there is not known before."""
        return self._ends.copy()

    def _note_end(self, name: str, number: int) -> None:
        """Kept up as it changes: it is asked for in each epoch, and there may be thousands of partitions."""
        topic = self._topics[name]
        partition = topic.partitions[number]
        self._ends[name, number] = partition.end if topic.skip_writer is None else partition.fetched

    def times(self) -> dict[TopicPartition, int]:
        """The greatest time processed of each partition that any was processed of."""
        return {(n, p): s.time for n, t in self._topics.items() for p, s in t.partitions.items() if s.time > -FOREVER}

    def pass_over(self, ends: Mapping[TopicPartition, int]) -> None:
        """Read on to these offsets, so that records that are only passed over do not keep the position back."""
        deadline = clock.monotonic() + ALIGN_MS / 1000
        waiting = [self._topics[t].partitions[p] for t, p in ends if t in self._topics]
        targets = [end for (t, _), end in ends.items() if t in self._topics]
        while any(p.fetched < end for p, end in zip(waiting, targets, strict=True)) and clock.monotonic() < deadline:
            self._read(BEHIND_MS)

    def close(self) -> None:
        self._reader.close()

    def wake(self) -> None:
        self._reader.wake()

    # --- epochs ----------------------------------------------------------------

    def behind(self) -> bool:
        """Whether there is more to read than is here for the next epoch."""
        partitions = (p for t in self._topics.values() for p in t.partitions.values())
        return any(p.fetched < p.end and p.buffered < self._max_rows for p in partitions)

    def read_ahead(self, wait_ms: float) -> bool:
        """Read and decode what comes next, without taking it. False when that is enough, or cannot be done now."""
        if not self.behind():
            return False
        try:
            self._read(wait_ms)
        except (LogError, SchemaAwaited) as trouble:
            LOGGER.debug("could not read ahead: %s", trouble)  # `take` meets it again
            return False
        return True

    def take(self, wait_ms: float, bounds: Bounds | None = None) -> EpochInput | None:
        """The next rows in order, at most `max_rows`; waits up to `wait_ms` for the first one.

        None when nothing is there.

        Raises:
            SchemaAwaited: where the next rows wait for the schema registry.
        """
        if not self._topics:
            self._reader.poll(1, wait_ms)
            return None
        bounds = bounds or Bounds()
        fence = self._fill(wait_ms, bounds)
        if self._linger_ms and 0 < self._buffered() < self._max_rows:
            fence = self._linger(bounds)
        return self._cut(fence, bounds)

    def _buffered(self) -> int:
        return sum(p.buffered for t in self._topics.values() for p in t.partitions.values())

    def _linger(self, bounds: Bounds) -> _Fence:
        """Wait for more rows, until the epoch is full or its time is up."""
        end = clock.monotonic() + self._linger_ms / 1000
        while (left := end - clock.monotonic()) > 0 and self._buffered() < self._max_rows:
            self._read(left * 1000)
        return self._fence(bounds)[1]

    def _fill(self, wait_ms: float, bounds: Bounds) -> _Fence:
        """Read until every partition has rows or is at its end; answers up to where rows may go."""
        deadline = clock.monotonic() + ALIGN_MS / 1000
        first = True
        while True:
            behind, fence = self._fence(bounds)
            if first or behind:
                first = False
                self._read(BEHIND_MS if behind else 0.0 if self._buffered() else wait_ms)
                behind, fence = self._fence(bounds)
            if not behind or clock.monotonic() >= deadline:
                return fence

    def _fence(self, bounds: Bounds) -> tuple[bool, _Fence]:
        """Whether some partition has more to read and nothing here; and where what may still come would begin."""
        fence, behind, now = _OPEN, False, clock.monotonic()
        for name, topic in self._topics.items():
            for number, partition in topic.partitions.items():
                limit, until = bounds.of(name, number)
                missed = partition.fetched < min(partition.end, limit, until) and not partition.buffered
                if not missed:
                    partition.behind_since = None
                elif partition.behind_since is None:
                    partition.behind_since = now
                elif now - partition.behind_since > GIVE_UP_S:
                    LOGGER.warning("nothing comes of topic %s, partition %d: going on without it", name, number)
                    partition.end, missed = partition.fetched, False
                    self._note_end(name, number)
                behind |= missed
                if until <= limit and partition.fetched >= until:
                    continue
                if limit < partition.end and partition.fetched >= limit:
                    fence = min(fence, (partition.order_at(limit), topic.rank(name, number)))
                elif partition.fetched < partition.end:
                    fence = min(fence, (partition.ahead, topic.rank(name, number)))
        return behind, fence

    def _read(self, timeout_ms: float) -> None:
        self._throttle()
        read_again: set[TopicPartition] = set()
        for found in self._reader.poll(self._read_rows, timeout_ms):
            topic = self._topics.get(found.topic)
            if topic is None or (found.topic, found.partition) in read_again:
                continue
            fetch = found
            partition = topic.partitions[fetch.partition]
            if topic.skip_writer is None and partition.fetched < partition.own_end <= fetch.next_offset:
                # From here on nothing is passed over.
                fetch = _before(fetch, partition.own_end)
                self._assign(fetch.topic, fetch.partition, partition.own_end)
                read_again.add((fetch.topic, fetch.partition))
            partition.end = max(partition.end, fetch.end_offset)
            partition.fetched = fetch.next_offset
            self._note_end(fetch.topic, fetch.partition)
            if not fetch.batch.num_rows:
                if not partition.pieces:
                    partition.position = fetch.next_offset
                continue
            rows: dict[str, Rows] = {}
            for name, decoder in topic.decoders.items():
                try:
                    rows[name] = decoder.decode(fetch)
                except RegistryUnavailable as away:
                    for other in self._topics:  # what was fetched with it is read again too
                        self._restart(other)
                    raise SchemaAwaited(name, away) from away
            partition.pieces.append(_Piece(fetch, self._order(fetch, rows, partition), rows))

    def _order(self, fetch: Fetch, rows: Mapping[str, Rows], partition: _Partition) -> Int64s:
        """The time by which each record is merged: event time, never decreasing within the partition."""
        time: Int64s = fetch.batch.column("timestamp").to_numpy(zero_copy_only=False).astype(np.int64, copy=True)
        for one in rows.values():
            time[one.record] = one.time
            break  # relations over one topic that disagree about its time: the first decides the order
        order = np.maximum(np.maximum.accumulate(time), partition.ahead)
        partition.ahead = int(order[-1])
        return order

    def _throttle(self) -> None:
        """Partitions that ran ahead of the others wait, so that what is buffered stays bounded."""
        for name, topic in self._topics.items():
            for number, partition in topic.partitions.items():
                if not partition.paused and partition.buffered > 2 * self._read_rows:
                    self._reader.unassign(name, number)
                    partition.paused = True
                elif partition.paused and partition.buffered < self._read_rows:
                    self._assign(name, number, partition.fetched)
                    partition.paused = False

    def _cut(self, fence: _Fence, bounds: Bounds) -> EpochInput | None:
        """Take the rows before the fence, at most `max_rows` in merged order."""
        taken: list[tuple[_Topic, _Partition, _Piece, int, int]] = []
        for name, topic in self._topics.items():
            for number, partition in topic.partitions.items():
                limit = min(bounds.of(name, number))
                bound, first = fence
                side: Literal["left", "right"] = "right" if topic.rank(name, number) <= first else "left"
                if limit < FOREVER:
                    partition.pass_gap(limit)
                for piece in partition.pieces:
                    stop = int(np.searchsorted(piece.order, bound, side=side))
                    if limit < FOREVER:
                        offsets = piece.fetch.batch.column("offset").to_numpy()
                        stop = min(stop, int(np.searchsorted(offsets, limit)))
                    if stop > piece.at:
                        taken.append((topic, partition, piece, piece.at, stop))
                    if stop < len(piece):
                        break
        if not taken:
            return None
        order = np.concatenate([p.order[a:b] for _, _, p, a, b in taken])
        owner = np.repeat(np.arange(len(taken)), [b - a for *_, a, b in taken])
        if len(taken) > 1:
            rank = np.array([0 if t.is_table else 1 for t, *_ in taken])
            merged = np.lexsort((rank[owner], order))[: self._max_rows]
            kept = np.bincount(owner[merged], minlength=len(taken))
            place = np.full(len(order), -1, dtype=np.int64)
            place[merged] = np.arange(len(merged))
        else:
            kept = np.array([min(len(order), self._max_rows)])
            place = np.arange(len(order))
        return self._assemble(taken, kept, place)

    def _assemble(
        self, taken: list[tuple[_Topic, _Partition, _Piece, int, int]], kept: Indices, place: Indices
    ) -> EpochInput:
        rows: dict[str, list[tuple[pa.RecordBatch, Int64s, Int64s, Mask]]] = {}
        schemas: dict[str, pa.Schema] = {}
        rejects: list[Reject] = []
        located: list[tuple[Int64s, Fetch, int]] = []
        offset, records = 0, 0
        for (topic, partition, piece, start, stop), count in zip(taken, kept.tolist(), strict=True):
            seqs = self.next_seq + place[offset : offset + count]
            offset += stop - start
            if not count:
                continue
            end = start + count
            records += count
            located.append((seqs, piece.fetch, start))
            for name, one in piece.rows.items():
                low, high = (int(x) for x in np.searchsorted(one.record, [start, end]))
                schemas[name] = topic.decoders[name].schema
                if high > low:
                    batch = one.batch.slice(low, high - low)
                    seq = seqs[one.record[low:high] - start]
                    rows.setdefault(name, []).append((batch, one.time[low:high], seq, one.live[low:high]))
                rejects += self._rejects_between(one, piece.fetch, start, end)
            self._advance(partition, piece, end)
        next_seq = self.next_seq + records
        self.next_seq = next_seq
        deltas = {name: _delta(parts, schemas[name]) for name, parts in rows.items()}
        return EpochInput(deltas, tuple(rejects), records, self.positions(), next_seq, tuple(located))

    @staticmethod
    def _rejects_between(rows: Rows, fetch: Fetch, start: int, end: int) -> list[Reject]:
        if not rows.rejects:
            return []
        offsets = fetch.batch.column("offset")
        low, high = offsets[start].as_py(), offsets[end - 1].as_py()
        return [r for r in rows.rejects if r.position is not None and low <= r.position.offset <= high]

    @staticmethod
    def _advance(partition: _Partition, piece: _Piece, end: int) -> None:
        piece.at = end
        partition.time = int(piece.order[end - 1])
        if end == len(piece):
            partition.pieces.remove(piece)
            # The reader may be past records that nobody sees: control records, or those of a skipped writer.
            partition.position = piece.fetch.next_offset if partition.pieces else partition.fetched
        else:
            partition.position = piece.fetch.batch.column("offset")[end].as_py()


def _before(fetch: Fetch, end: int) -> Fetch:
    """What of a fetch stands before an offset."""
    rows = int(np.searchsorted(fetch.batch.column("offset").to_numpy(), end))
    return replace(fetch, batch=fetch.batch.slice(0, rows), next_offset=end)


def _delta(parts: list[tuple[pa.RecordBatch, Int64s, Int64s, Mask]], schema: pa.Schema) -> tuple[Delta, Mask]:
    batch = concat([p[0] for p in parts])
    time, seq, live = (np.concatenate([p[i] for p in parts]) for i in (1, 2, 3))
    delta = Delta.of(batch.columns, delta_schema(schema), time, np.ones(len(time), np.int8), seq)
    if len(parts) > 1:
        order = np.argsort(seq, kind="stable")
        return delta.take(order), live[order]
    return delta, live
