"""A log whose process dies at a chosen moment: what a crash is to everything above the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.log.api import Fetch, Log, Reader, Topic, Writer


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
        self, name: str, partitions: int = 1, *, replicas: int | None = 1, config: Mapping[str, str] | None = None
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

    def written(self, topic: str, partition: int) -> int:
        self._fate.alive()
        return self._log.written(topic, partition)

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
