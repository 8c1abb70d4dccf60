"""What the crash tests share: reading topics whole, comparing them, and a log that dies at a chosen moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.log.api import Fetch, Log, Reader, Topic, Writer

#: Key, value, timestamp (ms).
Record = tuple[bytes | None, bytes | None, int]
Partitions = dict[int, list[Record]]


def records_of(log: Log, topic: str) -> Partitions:
    """All committed records of a topic, by partition, in order."""
    known = log.topic(topic)
    assert known is not None, f"there is no topic {topic}"
    found: Partitions = {}
    for partition in range(known.partitions):
        rows: list[Record] = []
        at, end = log.bounds(topic, partition)
        while at < end:
            fetch = log.read(topic, partition, at, 100_000)
            columns = (fetch.batch.column(name).to_pylist() for name in ("key", "value", "timestamp"))
            rows += zip(*columns, strict=True)
            assert fetch.next_offset > at
            at = fetch.next_offset
        found[partition] = rows
    return found


def changes_of(records: Partitions) -> dict[bytes | None, list[tuple[bytes | None, int]]]:
    """A table topic as the changes of each key, (value, timestamp), in order."""
    changes: dict[bytes | None, list[tuple[bytes | None, int]]] = {}
    for rows in records.values():
        for key, value, time in rows:
            changes.setdefault(key, []).append((value, time))
    return changes


def last_of(records: Partitions) -> dict[bytes | None, tuple[bytes | None, int]]:
    """The last value of each key of a table topic that is there (no tombstone), and its timestamp."""
    return {k: c[-1] for k, c in changes_of(records).items() if c[-1][0] is not None}


def same_records(name: str, expected: Partitions, found: Partitions) -> None:
    """Assert that a stream's topic is the same record for record; the first difference is told."""
    assert expected.keys() == found.keys(), name
    for partition, rows in expected.items():
        ours = found[partition]
        at = next((i for i, (a, b) in enumerate(zip(rows, ours, strict=False)) if a != b), None)
        assert at is None, f"{name}/{partition}: record {at} is {ours[at]}, not {rows[at]}"
        assert len(ours) == len(rows), f"{name}/{partition}: {len(ours)} records, not {len(rows)}"


def same_last(name: str, expected: Partitions, found: Partitions) -> None:
    """Assert that a table's topic ends in the same value (and timestamp) of each key."""
    wanted, got = last_of(expected), last_of(found)
    differing = {k: (got.get(k), wanted.get(k)) for k in wanted.keys() | got.keys() if got.get(k) != wanted.get(k)}
    assert not differing, f"{name}: {len(differing)} keys differ (found, expected): {dict([*differing.items()][:3])}"


def in_order(name: str, finest: Partitions, found: Partitions) -> None:
    """Assert that each key's changes are some of those that it goes through a row at a time, in that order.

    Catches repeated, reordered and invented changes, whatever epochs the changes were consolidated in.
    """
    wanted = changes_of(finest)
    for key, changes in changes_of(found).items():
        steps = iter(wanted.get(key, []))
        for change in changes:
            assert any(change == step for step in steps), f"{name}: key {key!r} goes {changes}, not {wanted.get(key)}"


class Killed(Exception):
    """The process that this log stands for is dead. No `SsqlError`: nobody is to answer it, or try again."""


#: Called before and after each act with its number, what it is ("commit default_main") and "before" or "after"; it
#: may raise `Killed`, or what a log in trouble raises.
Hook = Callable[[int, str, str], None]


@dataclass
class Fate:
    """What happens to a `MortalLog`."""

    hook: Hook
    acts: int = 0
    told: list[str] = field(default_factory=list)
    dead: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def act(self, what: str, do: Callable[[], Any]) -> Any:
        """Carry out something that leaves a trace, if nothing befalls the log just before or just after it."""
        with self._lock:
            self.alive()
            self.acts += 1
            number = self.acts
            self.told.append(what)
            try:
                self.hook(number, what, "before")
                done = do()
                self.hook(number, what, "after")
            except Killed:
                self.dead = True
                raise
            return done

    def alive(self) -> None:
        if self.dead:
            raise Killed


class MortalLog:
    """A log whose process may be killed: from then on every call fails, and nothing more is written.

    Every act that leaves something behind (a commit, an append, a topic made or deleted, a truncation, a name taken)
    is a moment to die, before it and after it.
    """

    def __init__(self, log: Log, fate: Fate) -> None:
        self._log = log
        self._fate = fate
        self.kind = log.kind
        self.cluster_id = log.cluster_id

    def topics(self) -> Sequence[Topic]:
        self._fate.alive()
        return self._log.topics()

    def topic(self, name: str) -> Topic | None:
        self._fate.alive()
        return self._log.topic(name)

    def create_topic(
        self, name: str, partitions: int = 1, *, replicas: int = 1, config: Mapping[str, str] | None = None
    ) -> Topic:
        made: Topic = self._fate.act(
            f"create {name}", lambda: self._log.create_topic(name, partitions, replicas=replicas, config=config)
        )
        return made

    def delete_topic(self, name: str) -> None:
        self._fate.act(f"delete {name}", lambda: self._log.delete_topic(name))

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self._fate.alive()
        return self._log.bounds(topic, partition)

    def read(self, topic: str, partition: int, offset: int, max_rows: int) -> Fetch:
        self._fate.alive()
        return self._log.read(topic, partition, offset, max_rows)

    def reader(self) -> Reader:
        self._fate.alive()
        return self._log.reader()

    def writer(self, name: str) -> Writer:
        writer = self._fate.act(f"writer {name}", lambda: self._log.writer(name))
        return MortalWriter(writer, name, self._fate)

    def append(self, topic: str, batch: pa.RecordBatch, partition: int | None = None) -> None:
        self._fate.act(f"append {topic}", lambda: self._log.append(topic, batch, partition))

    def truncate(self, topic: str, partition: int, before: int) -> None:
        self._fate.act(f"truncate {topic}", lambda: self._log.truncate(topic, partition, before))

    def close(self) -> None:
        """The log under it stays open: whoever made it closes it."""


class MortalWriter:
    """The writer of a `MortalLog`."""

    def __init__(self, writer: Writer, name: str, fate: Fate) -> None:
        self._writer = writer
        self._name = name
        self._fate = fate

    def begin(self) -> None:
        self._fate.alive()
        self._writer.begin()

    def append(
        self,
        topic: str,
        batch: pa.RecordBatch,
        partition: int | npt.NDArray[np.int32] | None = None,
        *,
        mark: bool = False,
    ) -> None:
        self._fate.alive()
        self._writer.append(topic, batch, partition, mark=mark)

    def commit(self) -> None:
        self._fate.act(f"commit {self._name}", self._writer.commit)

    def abort(self) -> None:
        self._fate.alive()
        self._writer.abort()

    def close(self) -> None:
        """A dead process closes nothing."""
