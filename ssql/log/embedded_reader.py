"""Reading the embedded log: positions in partitions, and a poll that asks the index only for what is new."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.errors import LogError
from ssql.log.api import Fetch
from ssql.log.records import empty_fetch, offsets_of, same_shape, to_fetch, without_offsets
from ssql.log.segments import Segments
from ssql.log.store import Store, storage, transaction
from ssql.log.stored import ENTRY, Entry, load

#: How often (s) a waiting poll looks for commits of other processes; those of its own process wake it.
LOOK_S = 0.002
#: Index rows fetched at once, in catching up and in following the end.
_LOCATE_ROWS = 256
_FOLLOW_ROWS = 4096
#: Batches up to this size (bytes) are joined in one fetch; larger ones are handed out as they lie on disk.
_JOIN_BYTES = 1 << 20


class Wakeup:
    """Tells the readers of this process that something was committed. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.serial = 0

    def notify(self) -> None:
        with self._changed:
            self.serial += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Until `notify` was called since `serial` was `seen`."""
        with self._changed:
            if self.serial == seen:
                self._changed.wait(timeout_s)


@dataclass(slots=True)
class _Position:
    """Where the reader is in one partition, and the stored batches it knows to lie ahead."""

    topic: str
    partition: int
    topic_id: int
    at: int
    past: int
    skip: str | None
    ahead: deque[Entry] = field(default_factory=deque)
    #: whether `ahead` goes to the end of the partition, so that what is new can be put behind it
    complete: bool = False
    #: whether `at` moved without records, which the caller is still to hear of
    moved: bool = False
    loaded: tuple[int, pa.RecordBatch, npt.NDArray[np.int64]] | None = None


class _Piece(NamedTuple):
    batch: pa.RecordBatch
    offsets: npt.NDArray[np.int64]
    next: int


class EmbeddedReader:
    """A `Reader` of the embedded log, over a connection of its own (or one that is lent to it)."""

    def __init__(
        self,
        store: Store,
        path: Path,
        segments: Segments,
        *,
        wakeup: Wakeup,
        missing: Callable[[str, int], LogError],
        lent: sqlite3.Connection | None = None,
    ) -> None:
        self._path = path
        self._segments = segments
        self._wakeup = wakeup
        self._missing = missing
        self._owned = lent is None
        self._connection = store.connect() if lent is None else lent
        self._positions: dict[tuple[str, int], _Position] = {}
        self._by_id: dict[tuple[int, int], _Position] = {}
        #: partitions with something ahead, the one that waits longest first
        self._ready: dict[tuple[str, int], _Position] = {}
        self._unlocated: dict[tuple[str, int], _Position] = {}
        self._writers: dict[int, str] = {}
        self._version = -1
        self._seen = -1
        self._woken = False

    def assign(self, topic: str, partition: int, offset: int, *, skip_writer: str | None = None) -> None:
        self.unassign(topic, partition)
        with storage(self._path):
            row = self._connection.execute(
                "SELECT topic, past FROM bounds JOIN topics ON id = topic WHERE name = ? AND partition = ?",
                (topic, partition),
            ).fetchone()
        if row is None:
            raise self._missing(topic, partition)
        position = _Position(topic, partition, int(row[0]), offset, int(row[1]), skip_writer)
        self._positions[topic, partition] = position
        self._by_id[position.topic_id, partition] = position
        self._unlocated[topic, partition] = position

    def unassign(self, topic: str, partition: int) -> None:
        position = self._positions.pop((topic, partition), None)
        if position is not None:
            self._by_id.pop((position.topic_id, partition), None)
            self._ready.pop((topic, partition), None)
            self._unlocated.pop((topic, partition), None)

    def poll(self, max_rows: int, timeout_ms: float) -> list[Fetch]:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            serial = self._wakeup.serial
            with storage(self._path):
                fetches = self._take(max_rows)
            if fetches or self._woken:
                self._woken = False
                return fetches
            left = deadline - time.monotonic()
            if left <= 0:
                return fetches
            self._wakeup.wait(serial, min(left, LOOK_S))

    def end(self, topic: str, partition: int) -> tuple[int, int]:
        """Where reading is, and the end of the partition as known."""
        position = self._positions[topic, partition]
        return position.at, position.past

    def wake(self) -> None:
        self._woken = True
        self._wakeup.notify()

    def close(self) -> None:
        if self._owned:
            self._connection.close()

    # -- what lies ahead ---------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Learn what was committed since the last call: microseconds when nothing was."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version and not self._unlocated:
            return
        with transaction(self._connection, self._path, "DEFERRED"):
            if version != self._version:
                self._follow()
            for position in self._unlocated.values():
                self._locate(position)
        self._unlocated.clear()
        self._version = version

    def _follow(self) -> None:
        """Put the new batches behind those that are known."""
        (last,) = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'batches'"
        ).fetchone()
        if last == self._seen:
            return
        rows: list[tuple[Any, ...]] = []
        if any(position.complete for position in self._positions.values()):
            rows = self._connection.execute(
                f"SELECT topic, partition, {ENTRY} FROM batches WHERE id > ? ORDER BY id LIMIT {_FOLLOW_ROWS}",
                (self._seen,),
            ).fetchall()
        for row in rows:
            position = self._by_id.get((row[0], row[1]))
            if position is None or not position.complete:
                continue
            entry = Entry(*row[2:])
            if entry.base >= position.past:
                position.past = entry.next
                position.ahead.append(entry)
                self._ready[position.topic, position.partition] = position
            elif entry.next > position.at:
                # Compaction has put one batch in the place of others.
                self._relocate(position)
        if len(rows) < last - self._seen:
            # Too many for one look, or some are gone again: look at each partition.
            for position in self._positions.values():
                if position.complete:
                    self._relocate(position)
        self._seen = last

    def _relocate(self, position: _Position) -> None:
        position.complete = False
        position.ahead.clear()
        self._unlocated[position.topic, position.partition] = position

    def _locate(self, position: _Position) -> None:
        """Find the next batches of one partition by its position."""
        key = (position.topic, position.partition)
        row = self._connection.execute(
            "SELECT first, past FROM bounds WHERE topic = ? AND partition = ?", (position.topic_id, position.partition)
        ).fetchone()
        position.ahead.clear()
        position.complete = True
        if row is None:  # deleted: nothing more will come
            self._ready.pop(key, None)
            return
        first, position.past = row
        if position.at < first:
            position.at = first
            position.moved = True
        rows = self._connection.execute(
            f"SELECT {ENTRY} FROM batches WHERE topic = ? AND partition = ? AND next > ? ORDER BY next "
            f"LIMIT {_LOCATE_ROWS}",
            (position.topic_id, position.partition, position.at),
        ).fetchall()
        position.ahead.extend(Entry(*row) for row in rows)
        position.complete = len(rows) < _LOCATE_ROWS
        if rows or position.moved:
            self._ready[key] = position

    # -- taking it ---------------------------------------------------------------------------------------------

    def _take(self, max_rows: int) -> list[Fetch]:
        self._refresh()
        if not self._ready:
            return []
        fetches: list[Fetch] = []
        left = max(1, max_rows)
        # An equal share for each first, then what is left to whoever still has something.
        share = max(1, left // len(self._ready))
        for most in (share, left):
            for key, position in list(self._ready.items()):
                if left <= 0:
                    return fetches
                rows, found = self._take_from(position, min(most, left))
                left -= rows
                fetches += found
                del self._ready[key]
                if position.ahead:
                    self._ready[key] = position
                elif not position.complete:
                    self._unlocated[key] = position
        return fetches

    def _take_from(self, position: _Position, quota: int) -> tuple[int, list[Fetch]]:
        pieces: list[_Piece] = []
        rows = 0
        while position.ahead and rows < quota:
            entry = position.ahead[0]
            if entry.next <= position.at:
                position.ahead.popleft()
                continue
            if position.skip is not None and self._writer(entry.writer) == position.skip:
                position.at = entry.next
                position.moved = True
                position.ahead.popleft()
                continue
            loaded = self._load(position, entry)
            if loaded is None:  # truncated or compacted meanwhile
                self._relocate(position)
                break
            batch, offsets = loaded
            begin = int(np.searchsorted(offsets, position.at))
            count = min(len(offsets) - begin, quota - rows)
            if begin + count == len(offsets):
                position.at = entry.next
                position.loaded = None
                position.ahead.popleft()
            else:
                position.at = int(offsets[begin + count])
            rows += count
            if count == 0:  # compacted away
                position.moved = True
                continue
            pieces.append(_Piece(batch.slice(begin, count), offsets[begin : begin + count], position.at))
        fetches = self._fetches(position, pieces)
        if position.moved:
            position.moved = False
            if fetches:
                last = fetches.pop()
                fetches.append(Fetch(last.topic, last.partition, last.batch, position.at, position.past))
            else:
                fetches.append(Fetch(position.topic, position.partition, empty_fetch(), position.at, position.past))
        return rows, fetches

    def _fetches(self, position: _Position, pieces: list[_Piece]) -> list[Fetch]:
        groups: list[list[_Piece]] = []
        size = _JOIN_BYTES
        for piece in pieces:
            added = piece.batch.nbytes
            if size + added > _JOIN_BYTES:
                groups.append([])
                size = 0
            groups[-1].append(piece)
            size += added
        fetches = []
        for group in groups:
            if len(group) == 1:
                batch, offsets, _ = group[0]
            else:
                offsets = np.concatenate([piece.offsets for piece in group])
                batch = pa.concat_batches(same_shape([without_offsets(piece.batch) for piece in group]))
            fetches.append(
                Fetch(position.topic, position.partition, to_fetch(batch, offsets), group[-1].next, position.past)
            )
        return fetches

    def _load(self, position: _Position, entry: Entry) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]] | None:
        """The records of a stored batch and their offsets, or None when it is there no more."""
        if position.loaded is not None and position.loaded[0] == entry.id:
            return position.loaded[1], position.loaded[2]
        where = f'topic "{position.topic}", partition {position.partition}'
        batch = load(self._connection, self._path, self._segments, entry, where)
        if batch is None:
            return None
        offsets = offsets_of(batch, entry.base)
        position.loaded = (entry.id, batch, offsets)
        return batch, offsets

    def _writer(self, writer: int | None) -> str | None:
        if writer is None:
            return None
        name = self._writers.get(writer)
        if name is None:
            (name,) = self._connection.execute("SELECT name FROM writers WHERE id = ?", (writer,)).fetchone()
            self._writers[writer] = name
        return name
