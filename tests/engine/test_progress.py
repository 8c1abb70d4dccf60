"""How far queries and the opening of an engine are: exact wherever the worker is held, and done at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ssql.config import BATCH_MAX_ROWS, Config
from ssql.engine.api import Session
from ssql.engine.context import Request
from ssql.engine.describe import query_description
from ssql.engine.engine import LocalEngine
from ssql.engine.opening import Opening
from ssql.engine.progress import Stage
from ssql.log.api import RECORD_SCHEMA
from ssql.log.embedded import EmbeddedLog
from ssql.runtime.progress import PartitionLag, QueryProgress, QueryState

WAIT_S = 20.0
STREAM = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
TABLE = "CREATE TABLE spent AS SELECT k, SUM(v) AS v FROM s GROUP BY k EMIT CHANGES;"


class HeldLog(EmbeddedLog):
    """An embedded log in which each commit waits to be let through, while it is held."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._moved = threading.Condition()
        self._allowed: int | None = None
        self._at_gate = 0

    def hold(self, allowed: int) -> None:
        """So many more commits pass."""
        with self._moved:
            self._allowed = allowed
            self._moved.notify_all()

    def release(self) -> None:
        with self._moved:
            self._allowed = None
            self._moved.notify_all()

    def held(self) -> None:
        """Wait until a commit stands at the gate, with none allowed any more."""
        with self._moved:
            assert self._moved.wait_for(lambda: self._at_gate == 1 and self._allowed == 0, WAIT_S)

    def pass_gate(self) -> None:
        with self._moved:
            self._at_gate += 1
            self._moved.notify_all()
            assert self._moved.wait_for(lambda: self._allowed is None or self._allowed > 0, WAIT_S)
            self._at_gate -= 1
            if self._allowed is not None:
                self._allowed -= 1

    def writer(self, name: str) -> Any:
        return _Writer(super().writer(name), self)


class _Writer:
    def __init__(self, inner: Any, log: HeldLog) -> None:
        self._inner, self._log = inner, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        self._log.pass_gate()
        self._inner.commit()


def records(count: int) -> pa.RecordBatch:
    columns = [
        pa.array([b"%d" % (n % 7) for n in range(count)], pa.binary()),
        pa.array([b'{"V":%d}' % n for n in range(count)], pa.binary()),
        pa.array(range(count), pa.int64()),
        pa.nulls(count, RECORD_SCHEMA.field("headers").type),
    ]
    return pa.record_batch(columns, schema=RECORD_SCHEMA)


@contextmanager
def opened(log: HeldLog, rows: int, opening: Opening | None = None) -> Iterator[LocalEngine]:
    """An engine whose epochs have at most so many rows."""
    engine = LocalEngine(Config().with_values({BATCH_MAX_ROWS.key: rows}), log, opening)
    try:
        yield engine
    finally:
        log.release()
        engine.close()


def run(engine: LocalEngine, sql: str) -> None:
    engine.execute(sql, Session({"auto.offset.reset": "earliest"}))


def lags(engine: LocalEngine) -> list[tuple[int, int]]:
    """What /clusterStatus says of the one query: the next offset and the end of each partition."""
    (store,) = engine.cluster()["hostStoreLags"]["stateStoreLags"].values()
    return [(at["currentOffsetPosition"], at["endOffsetPosition"]) for at in store["lagByPartition"].values()]


def only(engine: LocalEngine) -> QueryProgress:
    (found,) = engine.progress().queries
    return found


def test_a_query_that_catches_up_tells_what_it_has_read_and_has_still_to_read(tmp_path: Path) -> None:
    log = HeldLog(tmp_path)
    with opened(log, 10) as engine:
        run(engine, STREAM)
        log.append("s", records(35))
        log.hold(1)  # that of the definition
        run(engine, TABLE)
        for read in (0, 10, 20):
            log.held()
            found = only(engine)
            assert (found.name, found.state) == ("SPENT", QueryState.CATCHING_UP)
            assert (found.records, found.records_total, found.lag) == (read, 35, 35 - read)
            assert found.partitions == (PartitionLag("s", 0, read, 35),)
            assert (found.lag_ms is None) == (read == 0)  # the records' times begin in 1970
            assert lags(engine) == [(read, 35)]
            query = engine._core.catalog.queries[found.query_id]
            described = query_description(Request(engine._core, Session()), query, None, found)
            assert described["progress"].startswith(f"SPENT catches up: {read} of 35 records")
            log.hold(1)
        log.release()
        assert engine.caught_up(WAIT_S)
        found = only(engine)
        assert (found.state, found.records, found.records_total, found.lag) == (QueryState.RUNNING, 35, 35, 0)
        assert (found.seconds_left, found.lag_ms) == (0.0, 0)


def test_the_main_dataflow_that_has_fallen_behind_catches_up(tmp_path: Path) -> None:
    with opened(HeldLog(tmp_path), 10) as engine:
        run(engine, STREAM + TABLE)
        assert engine.caught_up(WAIT_S)
    log = HeldLog(tmp_path)
    log.append("s", records(35))
    log.hold(0)
    with opened(log, 10) as engine:
        log.held()
        found = only(engine)
        assert (found.state, found.records, found.records_total) == (QueryState.CATCHING_UP, 0, 35)
        log.hold(1)
        log.held()
        assert (only(engine).records, only(engine).lag) == (10, 25)
        log.hold(2)
        log.held()
        assert (only(engine).state, only(engine).lag) == (QueryState.RUNNING, 5)  # less than an epoch
        log.release()
        assert engine.caught_up(WAIT_S)
        assert (only(engine).records, only(engine).records_total) == (35, 35)


def test_a_paused_query_tells_what_it_has_to_read_and_begins_anew_when_it_goes_on(tmp_path: Path) -> None:
    log = HeldLog(tmp_path)
    with opened(log, 10) as engine:
        run(engine, STREAM + TABLE)
        log.append("s", records(5))
        assert engine.caught_up(WAIT_S)
        (query_id,) = engine._core.catalog.queries
        run(engine, f"PAUSE {query_id};")
        log.append("s", records(15))
        found = only(engine)
        assert (found.state, found.lag, found.seconds_left) == (QueryState.PAUSED, 15, None)
        assert lags(engine) == [(5, 20)]
        [explained] = engine.execute(f"EXPLAIN {query_id};")
        assert "progress" not in explained["queryDescription"]
        [described] = engine.execute("DESCRIBE s EXTENDED;")
        (group,) = described["sourceDescription"]["queryOffsetSummaries"]
        assert [o["consumerOffset"] for o in group["topicSummaries"][0]["offsets"]] == [5]
        (at,) = explained["queryDescription"]["tasksMetadata"][0]["topicOffsets"]
        assert (at["committedOffset"], at["endOffset"]) == (5, 20)
        run(engine, f"RESUME {query_id};")
        assert engine.caught_up(WAIT_S)
        assert (only(engine).records, only(engine).lag) == (15, 0)


def test_what_is_restored_is_told_while_the_engine_is_opened(tmp_path: Path) -> None:
    with opened(HeldLog(tmp_path), 10) as engine:
        run(engine, STREAM + TABLE)
        log = engine._log
        log.append("s", records(35))
        assert engine.caught_up(WAIT_S)
    seen: list[tuple[Stage, int, int]] = []

    class Watching(HeldLog):
        """A log that looks, whenever it is read, how far the opening is."""

        def reader(self) -> Any:
            return _Reader(super().reader(), look)

    def look() -> None:
        progress = opening.progress().opening
        if progress.stage is Stage.RESTORING:
            seen.append((progress.stage, progress.restore.records, progress.restore.records_total))

    opening = Opening()
    assert opening.progress().opening.stage is Stage.LOG
    with opened(Watching(tmp_path), 10, opening) as engine:
        told = engine.progress().opening
        assert (told.stage, told.definitions, told.definitions_total) == (Stage.OPEN, 2, 2)
        restored = told.restore
        assert restored.tables == restored.tables_total == 2
        assert restored.records == restored.records_total > 0
        assert restored.rows >= 7
        assert restored.bytes > 0
        assert restored.seconds_left == 0.0
    assert seen[0] == (Stage.RESTORING, 0, restored.records)
    assert seen == sorted(seen, key=lambda one: one[1])


class _Reader:
    def __init__(self, inner: Any, look: Any) -> None:
        self._inner, self._look = inner, look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def poll(self, max_rows: int, timeout_ms: float) -> Any:
        self._look()
        return self._inner.poll(max_rows, timeout_ms)
