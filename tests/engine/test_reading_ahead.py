"""In a backlog the next rows are read while the log is busy with a commit."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from ssql.config import BATCH_MAX_ROWS, Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine
from ssql.log.api import RECORD_SCHEMA
from ssql.log.embedded import EmbeddedLog

ROWS = 10_000
#: How long (s) a commit waits for somebody to read.
PATIENCE_S = 10.0


class BusyLog(EmbeddedLog):
    """An embedded log whose commits, once `slow`, wait until a reader has looked for more."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.slow = False
        self.committing = threading.Event()
        self.looked = threading.Event()
        self.overlaps: list[bool] = []

    def reader(self) -> Any:
        return _Reader(super().reader(), self)

    def writer(self, name: str) -> Any:
        return _Writer(super().writer(name), self)


class _Reader:
    def __init__(self, inner: Any, log: BusyLog) -> None:
        self._inner, self._log = inner, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def poll(self, max_rows: int, timeout_ms: float) -> Any:
        if self._log.committing.is_set():
            self._log.looked.set()
        return self._inner.poll(max_rows, timeout_ms)


class _Writer:
    def __init__(self, inner: Any, log: BusyLog) -> None:
        self._inner, self._log = inner, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        if self._log.slow:
            self._log.slow = False
            self._log.committing.set()
            self._log.overlaps.append(self._log.looked.wait(PATIENCE_S))
            self._log.committing.clear()
        self._inner.commit()


def records(count: int) -> pa.RecordBatch:
    columns = [
        pa.array([b"%d" % (n % 7) for n in range(count)], pa.binary()),
        pa.array([b'{"V":%d}' % n for n in range(count)], pa.binary()),
        pa.array(range(count), pa.int64()),
        pa.nulls(count, RECORD_SCHEMA.field("headers").type),
    ]
    return pa.record_batch(columns, schema=RECORD_SCHEMA)


def test_what_comes_next_is_read_during_a_commit(tmp_path: Path) -> None:
    log = BusyLog(tmp_path)
    with closing(LocalEngine(Config().with_values({BATCH_MAX_ROWS.key: ROWS // 10}), log)) as engine:
        engine.execute(
            "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
            "CREATE TABLE t AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY k;",
            Session({"auto.offset.reset": "earliest"}),
        )
        assert engine.caught_up(60)
        log.slow = True
        log.append("s", records(ROWS), 0)
        assert engine.caught_up(60)
        assert log.overlaps == [True]
        answer = engine.query("SELECT * FROM t;")
        assert isinstance(answer, PullResult)
        found = {r["K"]: (r["N"], r["TOTAL"]) for r in answer.rows.to_pylist()}
        assert found == {str(k): (len(range(k, ROWS, 7)), sum(range(k, ROWS, 7))) for k in range(7)}
