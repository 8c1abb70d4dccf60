"""Upkeep of the embedded log: what is too old goes, what is superseded goes, and files that hold nothing go."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssql.log.records import same_shape, with_offsets
from ssql.log.segments import Segments
from ssql.log.store import Store, storage
from ssql.log.stored import ENTRY, Entry, insert, load, put

#: Kafka's defaults for `delete.retention.ms` and `min.cleanable.dirty.ratio`.
_TOMBSTONE_MS = 86_400_000
_DIRTY_RATIO = 0.5
#: Compacted neighbours are joined to stored batches of about this size (bytes).
_JOIN_BYTES = 1 << 20
#: A closed segment file of which less than this share is in use is written anew.
_LIVE_SHARE = 0.25


class _Topic(NamedTuple):
    id: int
    name: str
    config: Mapping[str, str]

    def has_policy(self, policy: str) -> bool:
        return policy in self.config.get("cleanup.policy", "delete")


class _Changed(Exception):
    """What was to be replaced is not there any more: the next round sees the new state."""


class Maintenance:
    """Upkeep of one log.

    Args:
        writing: lends the connection that writes, within a transaction.
    """

    def __init__(
        self,
        store: Store,
        index: Path,
        segments: Segments,
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._store = store
        self._index = index
        self._segments = segments
        self._writing = writing

    def run(self, now_ms: int) -> None:
        """One round over all topics."""
        with storage(self._index), closing(self._store.connect()) as reading:
            rows = reading.execute("SELECT id, name, config FROM topics").fetchall()
            for topic in (_Topic(row[0], row[1], json.loads(row[2])) for row in rows):
                partitions = reading.execute("SELECT partition FROM bounds WHERE topic = ?", (topic.id,)).fetchall()
                for (partition,) in partitions:
                    if topic.has_policy("delete"):
                        self._expire(reading, topic, partition, now_ms)
                    if topic.has_policy("compact"):
                        self._compact(reading, topic, partition, now_ms)
            self._rewrite_sparse(reading)
            self.sweep(reading, self._segments.names())

    def truncate(self, topic: int, partition: int, before: int) -> list[str]:
        """Drop the stored batches that lie before an offset; the segment files that they lay in."""
        with self._writing() as connection:
            row = connection.execute(
                "UPDATE bounds SET first = min(max(first, ?), past) WHERE topic = ? AND partition = ? RETURNING first",
                (before, topic, partition),
            ).fetchone()
            if row is None:
                return []
            gone = connection.execute(
                "DELETE FROM batches WHERE topic = ? AND partition = ? AND next <= ? RETURNING segment",
                (topic, partition, row[0]),
            ).fetchall()
        return sorted({segment for (segment,) in gone if segment is not None})

    def sweep(self, reading: sqlite3.Connection, names: Iterable[str]) -> None:
        """Remove those of the files that no batch lies in and nobody writes."""
        for name in names:
            with self._segments.claimed(name) as ours:
                # Asked while the file is ours: nobody can commit a batch in it meanwhile.
                if ours and not reading.execute("SELECT 1 FROM batches WHERE segment = ? LIMIT 1", (name,)).fetchone():
                    self._segments.remove(name)

    def _expire(self, reading: sqlite3.Connection, topic: _Topic, partition: int, now_ms: int) -> None:
        keep_ms = int(topic.config.get("retention.ms", "-1"))
        if keep_ms < 0:
            return
        rows = reading.execute(
            "SELECT next, newest FROM batches WHERE topic = ? AND partition = ? ORDER BY next", (topic.id, partition)
        )
        before = None
        for past, newest in rows:
            if newest >= now_ms - keep_ms:
                break
            before = past
        rows.close()
        if before is not None:
            self.sweep(reading, self.truncate(topic.id, partition, before))

    # -- compaction --------------------------------------------------------------------------------------------

    def _compact(self, reading: sqlite3.Connection, topic: _Topic, partition: int, now_ms: int) -> None:
        """Keep the last record of each key; the newest stored batch stays as it is, and so does the order."""
        (cleaned,) = reading.execute(
            "SELECT cleaned FROM bounds WHERE topic = ? AND partition = ?", (topic.id, partition)
        ).fetchone()
        entries = [
            Entry(*row)
            for row in reading.execute(
                f"SELECT {ENTRY} FROM batches WHERE topic = ? AND partition = ? ORDER BY next", (topic.id, partition)
            )
        ]
        closed = entries[:-1]
        total = sum(entry.length for entry in closed)
        dirty = sum(entry.length for entry in closed if entry.next > cleaned)
        ratio = float(topic.config.get("min.cleanable.dirty.ratio", _DIRTY_RATIO))
        if not dirty or dirty < ratio * total:
            return
        where = f'topic "{topic.name}", partition {partition}'
        batches: list[pa.RecordBatch] = []
        for entry in entries:
            batch = load(reading, self._index, self._segments, entry, where)
            if batch is None:
                return
            batches.append(batch)
        keep = _latest([batch.column(0) for batch in batches])
        oldest = now_ms - int(topic.config.get("delete.retention.ms", _TOMBSTONE_MS))
        ends = [0, *accumulate(batch.num_rows for batch in batches)]
        kept = []
        for entry, batch, (begin, end) in zip(closed, batches, pairwise(ends), strict=False):
            mask = keep[begin:end]
            dead = pc.and_(pc.is_null(batch.column(1)), pc.less(batch.column(2), oldest))
            mask &= ~dead.to_numpy(zero_copy_only=False)
            kept.append((entry, batch if mask.all() else _rows_of(batch, entry.base, mask)))
        try:
            self._replace(topic.id, partition, kept)
        except _Changed:
            return
        self.sweep(reading, sorted({entry.segment for entry in closed if entry.segment is not None}))

    def _replace(self, topic: int, partition: int, kept: list[tuple[Entry, pa.RecordBatch]]) -> None:
        with self._segments.writing() as room:
            replaced: list[Entry] = []
            packed = []
            for group in _groups(kept):
                if len(group) == 1 and group[0][1].num_rows == group[0][0].next - group[0][0].base:
                    continue
                replaced += [entry for entry, _ in group]
                some = [with_offsets(batch, entry.base) for entry, batch in group if batch.num_rows]
                if some:
                    joined = put(room, pa.concat_batches(same_shape(some)))
                    packed.append((group[0][0].base, group[-1][0].next, group[0][0].writer, joined))
            room.sync()
            with self._writing() as connection:
                gone = connection.executemany("DELETE FROM batches WHERE id = ?", [(entry.id,) for entry in replaced])
                if gone.rowcount != len(replaced):
                    raise _Changed
                for base, past, writer, one in packed:
                    insert(connection, topic, partition, (base, past), writer=writer, packed=one)
                connection.execute(
                    "UPDATE bounds SET cleaned = ? WHERE topic = ? AND partition = ?",
                    (kept[-1][0].next, topic, partition),
                )
                room.keep()

    # -- files -------------------------------------------------------------------------------------------------

    def _rewrite_sparse(self, reading: sqlite3.Connection) -> None:
        """Move the last batches out of closed files in which nearly all is dead."""
        in_use = dict(
            reading.execute("SELECT segment, sum(length) FROM batches WHERE segment IS NOT NULL GROUP BY segment")
        )
        for name, live in in_use.items():
            with self._segments.claimed(name) as ours:
                if not ours or live > _LIVE_SHARE * self._segments.path(name).stat().st_size:
                    continue
                self._move(reading, name)

    def _move(self, reading: sqlite3.Connection, name: str) -> None:
        entries = [Entry(*row) for row in reading.execute(f"SELECT {ENTRY} FROM batches WHERE segment = ?", (name,))]
        with self._segments.writing() as room:
            moved = []
            for entry in entries:
                batch = load(reading, self._index, self._segments, entry, f"file {name}")
                if batch is not None:
                    moved.append((entry.id, put(room, batch).place))
            room.sync()
            with self._writing() as connection:
                connection.executemany(
                    "UPDATE batches SET segment = ?, position = ?, crc = ? WHERE id = ? AND segment = ?",
                    [(p.segment, p.position, p.crc, batch, name) for batch, p in moved if p is not None],
                )
                room.keep()


def _latest(keys: list[pa.Array]) -> npt.NDArray[np.bool_]:
    """Which records, of all the batches in order, are the last of their key; those without a key all are."""
    # 64-bit offsets: the keys of a partition together may exceed 2 GiB.
    encoded = pa.chunked_array([array.cast(pa.large_binary()) for array in keys]).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy()
    last = np.zeros(len(encoded.dictionary) + 1, np.int64)
    order = np.arange(len(codes))
    last[codes] = order
    keep: npt.NDArray[np.bool_] = (codes < 0) | (last[codes] == order)
    return keep


def _rows_of(batch: pa.RecordBatch, base: int, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    return with_offsets(batch, base).filter(pa.array(mask))


def _groups(kept: list[tuple[Entry, pa.RecordBatch]]) -> list[list[tuple[Entry, pa.RecordBatch]]]:
    """Neighbours of one writer, up to about _JOIN_BYTES together."""
    groups: list[list[tuple[Entry, pa.RecordBatch]]] = []
    size = 0
    for entry, batch in kept:
        added = batch.nbytes
        if not groups or groups[-1][-1][0].writer != entry.writer or size + added > _JOIN_BYTES:
            groups.append([])
            size = 0
        groups[-1].append((entry, batch))
        size += added
    return groups
