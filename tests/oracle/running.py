"""A history through the engine: sources, queries, the cut, and what tables and topics hold in the end."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ssql.config import BATCH_MAX_ROWS, SQL_EXTENSIONS, Config
from ssql.engine.api import PullResult, PushQuery, Session
from ssql.engine.engine import LocalEngine
from ssql.errors import SsqlError
from ssql.log.api import RECORD_SCHEMA
from ssql.log.embedded import EmbeddedLog
from ssql.runtime.api import Offsets, Worker
from tests.oracle.history import COLUMNS, TABLES, Change, Cut, History

WAIT_S = 30.0
TYPES = {"G": "STRING", "V": "INT", "D": "DOUBLE", "W": "INT", "X": "INT"}


class Killed(BaseException):
    """The engine is gone at this commit."""


class MortalLog(EmbeddedLog):
    """An embedded log whose writers, once armed, fail for good at the n-th commit: before it is done, or after."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left: int | None = None
        self.done_by_then = False
        self.dead = False

    def writer(self, name: str) -> Any:
        return _MortalWriter(super().writer(name), self)


class _MortalWriter:
    def __init__(self, inner: Any, log: MortalLog) -> None:
        self._inner, self.log = inner, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        log = self.log
        if log.dead:
            raise Killed
        if log.left is not None:
            log.left -= 1
            log.dead = log.left == 0
        if not log.dead or log.done_by_then:
            self._inner.commit()
        if log.dead:
            raise Killed


@dataclass(frozen=True)
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    time: int

    @property
    def fields(self) -> Any:
        return None if self.value is None else json.loads(self.value)


class Run:
    """An engine on a directory, fed by hand."""

    def __init__(self, path: Path, partitions: int, max_rows: int, **settings: object) -> None:
        self._path, self._partitions = path, partitions
        self._config = Config().with_values({BATCH_MAX_ROWS.key: max_rows, SQL_EXTENSIONS.key: True, **settings})
        self.session = Session(properties={"auto.offset.reset": "earliest"})
        self._open()

    def _open(self) -> None:
        self.log = MortalLog(self._path)
        self.engine = LocalEngine(self._config, self.log)
        self._feeder = EmbeddedLog.writer(self.log, "feeder")

    @property
    def worker(self) -> Worker:
        return self.engine._core.worker

    def execute(self, sql: str) -> None:
        self.engine.execute(sql, self.session)

    def source(self, name: str) -> None:
        kind, key = ("TABLE", "PRIMARY KEY") if name in TABLES else ("STREAM", "KEY")
        columns = ", ".join(f"{c} {TYPES[c]}" for c in COLUMNS[name])
        self.execute(
            f"CREATE {kind} {name} (k STRING {key}, {columns}) "
            f"WITH (kafka_topic='{name}', value_format='JSON', partitions={self._partitions});"
        )

    def feed(self, changes: Sequence[Change]) -> None:
        """Append to all topics at once: the engine sees none or all of it."""
        rows: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for change in changes:
            record = {"key": change.key.encode(), "value": change.raw_value, "timestamp": change.time, "headers": None}
            rows[change.topic, change.partition(self._partitions)].append(record)
        if rows:
            self._feeder.begin()
            for (topic, partition), records in rows.items():
                self._feeder.append(topic, pa.RecordBatch.from_pylist(records, schema=RECORD_SCHEMA), partition)
            self._feeder.commit()

    def settle(self) -> None:
        assert self.engine.caught_up(WAIT_S)
        failed = [q for q in self.worker.status() if q.error is not None]
        assert not failed, failed

    def die(self, at: tuple[int, bool]) -> None:
        """Let the engine die at a commit to come."""
        self.log.left, self.log.done_by_then = at

    def settle_or_rise(self) -> None:
        """Wait until all is seen; an engine that died meanwhile is opened again."""
        try:
            reached = self.engine.caught_up(WAIT_S)
        except SsqlError:
            reached = False
        if not reached or self.log.dead:
            assert self.log.dead
            self.reopen()
        self.settle()

    def reopen(self) -> None:
        self.close()
        self._open()

    def spare(self) -> None:
        """From now on the engine lives."""
        self.log.left = None
        self.settle_or_rise()

    def close(self) -> None:
        self._feeder.close()
        self.engine.close()

    # --- what can be seen ----------------------------------------------------

    def pull(self, sql: str) -> list[tuple[Any, ...]]:
        result = self.engine.query(sql, self.session)
        assert isinstance(result, PullResult)
        return [tuple(column[i].as_py() for column in result.rows.columns) for i in range(result.rows.num_rows)]

    def push(self, sql: str) -> PushQuery:
        result = self.engine.query(sql, self.session)
        assert not isinstance(result, PullResult)
        return result

    def records(self, topic: str, before: Offsets | None = None) -> list[Record]:
        """Those of each partition in order; `before` these offsets."""
        found = self.log.topic(topic)
        assert found is not None, topic
        records = []
        for partition in range(found.partitions):
            at, end = self.log.bounds(topic, partition)
            end = end if before is None else before[topic, partition]
            while at < end:
                fetch = self.log.read(topic, partition, at, 1_000_000)
                kept = fetch.batch.filter(pc.less(fetch.batch.column("offset"), end))
                columns = (kept.column(n).to_pylist() for n in ("key", "value", "timestamp"))
                records += [Record(partition, *row) for row in zip(*columns, strict=True)]
                at = fetch.next_offset
        return records

    def compacted(self, topic: str, before: Offsets | None = None) -> dict[bytes | None, Any]:
        """The last value of each key of a table's topic, tombstones and what they delete left out."""
        last: dict[bytes | None, Record] = {}
        for record in self.records(topic, before):
            before = last.get(record.key)
            assert before is None or before.partition == record.partition, f"{record.key!r} is in two partitions"
            last[record.key] = record
        return {key: record.fields for key, record in last.items() if record.value is not None}


@contextmanager
def opened(history: History, cut: Cut) -> Iterator[Run]:
    """An engine with the sources, and nothing in them."""
    with TemporaryDirectory(prefix="ssql-oracle-") as directory:
        run = Run(Path(directory), history.partitions, cut.max_rows)
        try:
            for topic in COLUMNS:
                run.source(topic)
            yield run
        finally:
            run.close()


@contextmanager
def ran(history: History, cut: Cut, sql: str) -> Iterator[Run]:
    """The engine after the queries in `sql` have seen all of a history, cut as told."""
    with opened(history, cut) as run:
        before, after = cut.of(history.changes)
        run.feed(before)
        run.execute(sql)
        run.settle()
        if cut.dies is not None:
            run.die(cut.dies)
        for part in after:
            run.feed(part)
            run.settle_or_rise()
        run.spare()
        yield run
