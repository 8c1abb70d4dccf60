"""The embedded log: topics in one local directory, without a broker.

An SQLite index (`store`) holds what must change at once; large batches lie in segment files (`segments`) that are
synced before the index refers to them. A process may be killed at any byte: what was committed is there, what was
not has left no trace. Several processes may use one directory at the same time.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.errors import InternalError, LogError, LogFenced, LogFull, TopicNotFound
from ssql.log.api import Fetch, Topic
from ssql.log.embedded_reader import EmbeddedReader, Wakeup
from ssql.log.maintenance import Maintenance
from ssql.log.partitioner import Placement
from ssql.log.records import checked, empty_fetch, same_shape
from ssql.log.segments import Reserve, Segments
from ssql.log.store import Store, storage, transaction
from ssql.log.stored import Packed, insert, put

#: Appends to one partition are joined to stored batches of about this size (bytes).
STORED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class TopicId:
    """A topic as the index knows it; ids are never used again."""

    id: int
    partitions: int


class EmbeddedLog:
    """A `Log` in one directory (created when missing).

    Args:
        maintain_s: seconds between two rounds of `maintain` in the background; None: only when it is called.

    Raises:
        LogError: when the directory cannot be used, or holds a log of a newer format.
    """

    kind = "embedded"

    def __init__(self, path: str | os.PathLike[str], *, maintain_s: float | None = None) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.segments = Segments(self.path / "segments")
        except OSError as failed:
            raise LogError(f'the log directory "{path}" cannot be used: {failed.strerror}') from failed
        self._index = self.path / "log.db"
        self._reserve = Reserve(self.path / "reserve")
        self._reserve.keep()
        self._store = Store(self._index)
        self._write_lock = threading.Lock()
        self._read_lock = threading.RLock()
        # Two processes that open a new directory at one time would meet in the switch to WAL mode.
        with (self.path / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._writing = self._store.connect()
            self._store.prepare(self._writing)
        self._reading = self._store.connect()
        self.cluster_id = str(self._reading.execute("SELECT cluster_id FROM about").fetchone()[0])
        self.wakeup = Wakeup()
        self._placement = Placement()
        self._append_lock = threading.Lock()
        self._ids: dict[str, TopicId] = {}
        self._maintenance = Maintenance(self._store, self._index, self.segments, self._write)
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        if maintain_s is not None:
            self._keeper = threading.Thread(
                target=self._keep, args=(maintain_s,), name="ssql-log-maintenance", daemon=True
            )
            self._keeper.start()

    # -- topics ------------------------------------------------------------------------------------------------

    def topics(self) -> Sequence[Topic]:
        with self._read_lock, storage(self._index):
            rows = self._reading.execute(
                "SELECT name, partitions, replicas, config FROM topics ORDER BY name"
            ).fetchall()
        return [_topic(row) for row in rows]

    def topic(self, name: str) -> Topic | None:
        with self._read_lock, storage(self._index):
            row = self._reading.execute(
                "SELECT name, partitions, replicas, config FROM topics WHERE name = ?", (name,)
            ).fetchone()
        return _topic(row) if row is not None else None

    def create_topic(
        self, name: str, partitions: int = 1, *, replicas: int | None = 1, config: Mapping[str, str] | None = None
    ) -> Topic:
        if partitions < 1:
            raise LogError(f'topic "{name}" needs at least one partition, not {partitions}')
        with self._write():
            made = self._writing.execute(
                "INSERT INTO topics (name, partitions, replicas, config) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO NOTHING RETURNING id",
                (name, partitions, replicas or 1, json.dumps(dict(config or {}), sort_keys=True)),
            ).fetchone()
            if made is not None:
                self._writing.executemany(
                    "INSERT INTO bounds (topic, partition) VALUES (?, ?)",
                    [(made[0], partition) for partition in range(partitions)],
                )
            row = self._writing.execute(
                "SELECT name, partitions, replicas, config FROM topics WHERE name = ?", (name,)
            ).fetchone()
        return _topic(row)

    def delete_topic(self, name: str) -> None:
        def delete() -> list[str]:
            with self._write() as connection:
                self._ids.pop(name, None)
                row = connection.execute("DELETE FROM topics WHERE name = ? RETURNING id", (name,)).fetchone()
                if row is None:
                    return []
                connection.execute("DELETE FROM bounds WHERE topic = ?", row)
                gone = connection.execute("DELETE FROM batches WHERE topic = ? RETURNING segment", row).fetchall()
            return sorted({segment for (segment,) in gone if segment is not None})

        self._free(delete)

    def topic_id(self, name: str) -> TopicId:
        """Id and partitions of a topic, from memory where it is known.

        Raises:
            TopicNotFound: with the nearest name.
        """
        found = self._ids.get(name)
        if found is None:
            with self._read_lock, storage(self._index):
                row = self._reading.execute("SELECT id, partitions FROM topics WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise TopicNotFound(name, candidates=[t.name for t in self.topics()])
            found = self._ids[name] = TopicId(*row)
        return found

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        with self._read_lock, storage(self._index):
            row = self._reading.execute(
                "SELECT first, past FROM bounds JOIN topics ON id = topic WHERE name = ? AND partition = ?",
                (topic, partition),
            ).fetchone()
        if row is None:
            raise self._no_partition(topic, partition)
        return int(row[0]), int(row[1])

    def written(self, topic: str, partition: int) -> int:
        return self.bounds(topic, partition)[1]

    def _no_partition(self, topic: str, partition: int) -> LogError:
        found = self.topic(topic)
        if found is None:
            return TopicNotFound(topic, candidates=[t.name for t in self.topics()])
        return LogError(f'topic "{topic}" has {found.partitions} partitions: there is no partition {partition}')

    # -- reading -----------------------------------------------------------------------------------------------

    def reader(self) -> EmbeddedReader:
        return self._reader_over(None)

    def _reader_over(self, lent: sqlite3.Connection | None) -> EmbeddedReader:
        return EmbeddedReader(
            self._store, self._index, self.segments, wakeup=self.wakeup, missing=self._no_partition, lent=lent
        )

    def read(self, topic: str, partition: int, offset: int, max_rows: int) -> Fetch:
        with self._read_lock:
            reader = self._reader_over(self._reading)
            reader.assign(topic, partition, offset)
            fetches = reader.poll(max_rows, 0)
            if fetches:
                return fetches[0]
            return Fetch(topic, partition, empty_fetch(), *reader.end(topic, partition))

    # -- writing -----------------------------------------------------------------------------------------------

    def writer(self, name: str) -> EmbeddedWriter:
        with self._write():
            row = self._writing.execute(
                "INSERT INTO writers (name, epoch) VALUES (?, 1) "
                "ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING id, epoch",
                (name,),
            ).fetchone()
        return EmbeddedWriter(self, name, int(row[0]), int(row[1]))

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        batch = checked(batch)
        with self._append_lock:
            parts = self._placement.split(batch, self.topic_id(topic).partitions, partition)
        self.commit([(topic, part, records) for part, records in parts], None)

    def commit(self, parts: Iterable[tuple[str, int, pa.RecordBatch]], writer: tuple[str, int, int] | None) -> None:
        """Make (topic, partition, records) durable and visible at once, for a writer (name, id, epoch) or for none.

        Raises:
            LogFull, LogUnavailable: and nothing was written.
            LogFenced: when a later writer has the name.
            TopicNotFound: when a topic is gone.
        """
        with self.segments.writing() as room:
            packed = [(topic, partition, put(room, batch)) for topic, partition, batch in _joined(parts)]
            room.sync()
            with self._write():
                if writer is not None:
                    self._check_epoch(*writer)
                for topic, partition, one in packed:
                    self._insert(topic, partition, writer[1] if writer is not None else None, one)
                room.keep()
        if packed:
            self.wakeup.notify()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, within a transaction."""
        with self._write_lock, transaction(self._writing, self._index):
            yield self._writing

    def _check_epoch(self, name: str, writer: int, epoch: int) -> None:
        (current,) = self._writing.execute("SELECT epoch FROM writers WHERE id = ?", (writer,)).fetchone()
        if current != epoch:
            raise LogFenced(f'another process writes as "{name}" now', hint="Only one server may run with this name.")

    def _insert(self, name: str, partition: int, writer: int | None, packed: Packed) -> None:
        topic, past = self._grow(name, partition, packed.rows)
        insert(self._writing, topic, partition, (past - packed.rows, past), writer=writer, packed=packed)

    def _grow(self, name: str, partition: int, rows: int) -> tuple[int, int]:
        """Move the end of a partition; the id of its topic and the new end."""
        grow = "UPDATE bounds SET past = past + ? WHERE topic = ? AND partition = ? RETURNING past"
        topic = self._ids.get(name)
        row = None
        if topic is not None:
            row = self._writing.execute(grow, (rows, topic.id, partition)).fetchone()
        if row is None:
            # The topic may have been deleted, and made again, by another process.
            found = self._writing.execute("SELECT id, partitions FROM topics WHERE name = ?", (name,)).fetchone()
            if found is None:
                self._ids.pop(name, None)
                raise TopicNotFound(name)
            topic = self._ids[name] = TopicId(*found)
            row = self._writing.execute(grow, (rows, topic.id, partition)).fetchone()
        if row is None or topic is None:
            raise LogError(f'topic "{name}" has no partition {partition}')
        return topic.id, int(row[0])

    # -- upkeep ------------------------------------------------------------------------------------------------

    def truncate(self, topic: str, partition: int, before: int) -> None:
        self._free(lambda: self._maintenance.truncate(self.topic_id(topic).id, partition, before))

    def _free(self, drop: Callable[[], list[str]]) -> None:
        """Drop batches, and those of the files they lay in that hold nothing else; this works on a full disk too."""
        try:
            segments = drop()
        except LogFull:
            self._reserve.release()
            segments = drop()
        if segments:
            with self._read_lock, storage(self._index):
                self._maintenance.sweep(self._reading, segments)
        self._reserve.keep()

    def maintain(self, now_ms: int | None = None) -> None:
        """One round of upkeep: `retention.ms`, `cleanup.policy=compact`, and files that hold (almost) nothing.

        Args:
            now_ms: the time that ages are counted from; by default the clock's.
        """
        self._maintenance.run(int(time.time() * 1000) if now_ms is None else now_ms)
        self._reserve.keep()
        self.wakeup.notify()

    def _keep(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            try:
                self.maintain()
            except LogError:
                # A full disk or a busy index: whoever writes hears of it; the next round tries again.
                continue

    def close(self) -> None:
        """Close the files. Nothing is lost without it."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._write_lock, self._read_lock:
            self._writing.close()
            self._reading.close()
            self.segments.close()


class EmbeddedWriter:
    """A transactional writer with a name: it gathers in memory and writes at `commit`."""

    def __init__(self, log: EmbeddedLog, name: str, writer: int, epoch: int) -> None:
        self._log = log
        self._identity = (name, writer, epoch)
        self._placement = Placement()
        self._parts: list[tuple[str, int, pa.RecordBatch]] | None = None

    def begin(self) -> None:
        if self._parts is not None:
            raise InternalError("begin within a transaction")
        self._parts = []

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,
        *,
        mark: bool = False,  # noqa: ARG002  # every stored batch names its writer
    ) -> None:
        if self._parts is None:
            raise InternalError("append outside of a transaction")
        split = self._placement.split(checked(batch), self._log.topic_id(topic).partitions, partition)
        self._parts += [(topic, part, records) for part, records in split]

    def commit(self) -> None:
        parts, self._parts = self._parts, None
        if parts is None:
            raise InternalError("commit outside of a transaction")
        self._log.commit(parts, self._identity)

    def abort(self) -> None:
        self._parts = None

    def close(self) -> None:
        self._parts = None


def _topic(row: tuple[str, int, int, str]) -> Topic:
    name, partitions, replicas, config = row
    return Topic(name, partitions, replicas, json.loads(config))


def _joined(parts: Iterable[tuple[str, int, pa.RecordBatch]]) -> list[tuple[str, int, pa.RecordBatch]]:
    """The appends of a transaction to one partition as one batch, or several of about STORED_BYTES."""
    groups: dict[tuple[str, int], list[list[pa.RecordBatch]]] = {}
    sizes: dict[tuple[str, int], int] = {}
    for topic, partition, batch in parts:
        key = (topic, partition)
        size = sizes.get(key, 0) + batch.nbytes
        if key not in groups or size > STORED_BYTES:
            groups.setdefault(key, []).append([])
            size = batch.nbytes
        groups[key][-1].append(batch)
        sizes[key] = size
    return [
        (topic, partition, pa.concat_batches(same_shape(group)) if len(group) > 1 else group[0])
        for (topic, partition), joined in groups.items()
        for group in joined
    ]
