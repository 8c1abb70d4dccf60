"""Subscriptions over lines that break and servers that go: every change is told once, in order."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ssql.client import following
from ssql.client.arrow_frames import FrameReader
from ssql.client.backends import Piece, Start, Statement
from ssql.client.following import LONGEST_PAUSE_S, Follower
from ssql.config import DATA_DIR, Config
from ssql.engine.api import Frame
from ssql.engine.engine import LocalEngine
from ssql.errors import QueryFailed, ServerUnavailable, SsqlError
from ssql.server.frames import ArrowTable
from ssql.types import BIGINT, STRING, Column
from tests.cli.fake import serving
from tests.client.conftest import KINDS
from tests.client.cutting import CuttingLine
from tests.server.fake import FakeEngine, FakeSubscription

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM orders (n BIGINT) WITH (KAFKA_TOPIC = 'orders', PARTITIONS = 1, VALUE_FORMAT = 'JSON');
    CREATE TABLE sums AS SELECT n % 10 AS k, COUNT(*) AS seen FROM orders GROUP BY n % 10;
"""
COLUMNS = (Column("N", BIGINT), Column("S", STRING))
EARLIEST = "SET 'auto.offset.reset' = 'earliest';"


def opened(directory: Path) -> contextlib.closing[LocalEngine]:
    return contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(directory)})))


def insert(engine: LocalEngine, numbers: range) -> None:
    assert all(ack.error is None for ack in engine.insert("orders", [{"n": n} for n in numbers]))
    assert engine.caught_up(10)


def numbers_of(subscription: Any, last: int) -> list[int]:
    """The numbers that are told, up to the last."""
    found: list[int] = []
    for delta in subscription:
        assert all(row._diff == 1 for row in delta)
        found += (row.n for row in delta)
        if found and found[-1] >= last:
            return found
    raise AssertionError("the subscription ended")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_starts_again_in_the_middle(tmp_path: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told: list[int] = []
    with contextlib.ExitStack() as client:
        with opened(tmp_path) as engine, serving(engine, port) as url:
            engine.execute(DEFINITIONS)
            insert(engine, range(5))
            db = client.enter_context(KINDS[kind](url))
            db.execute(EARLIEST)
            orders = client.enter_context(db.subscribe("SELECT n FROM orders"))
            sums = client.enter_context(db.subscribe("SELECT * FROM sums"))
            told += numbers_of(orders, 4)
            seen = {row.k: row.seen for row in next(delta for delta in sums if len(delta))}
            insert(engine, range(5, 8))  # nobody asks for these before the server goes
        with opened(tmp_path) as engine, serving(engine, port):
            insert(engine, range(8, 12))
            told += numbers_of(orders, 11)
            for delta in sums:
                seen = {} if delta.snapshot else seen
                seen |= {row.k: row.seen for row in delta if row._diff > 0}
                if sum(seen.values()) >= 12:
                    break
    assert told == list(range(12))
    assert seen == {k: 2 if k < 2 else 1 for k in range(10)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_is_cut_anywhere(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(following, "LONGEST_PAUSE_S", 0.01)
    chance = random.Random(5)
    lengths = [chance.randrange(20, 1500) for _ in range(30)]
    with opened(tmp_path) as engine, serving(engine) as url:
        engine.execute(DEFINITIONS)
        for start in range(0, 60, 10):
            insert(engine, range(start, start + 10))
        with contextlib.closing(CuttingLine(url, iter(lengths))) as line, KINDS[kind](line.url) as db:
            db.session.properties["auto.offset.reset"] = "earliest"
            with db.subscribe("SELECT n FROM orders", changes="every") as orders:
                assert numbers_of(orders, 59) == list(range(60))
                insert(engine, range(60, 80))
                assert numbers_of(orders, 79) == list(range(60, 80))
            assert line.cuts > 10


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_on_the_way_is_told_and_not_tried_again(kind: str) -> None:
    engine, subscription = FakeEngine(), FakeSubscription(columns=COLUMNS)
    engine.follow = lambda after: subscription
    subscription.feed(Frame(rows(1), False, {}, "t1"))
    subscription.end(QueryFailed("q", "it has failed"))
    with serving(engine) as url, KINDS[kind](url) as db, db.subscribe("SELECT 1") as changes:
        assert [row.n for row in next(changes)] == [1]
        with pytest.raises(QueryFailed, match="it has failed"):
            next(changes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stays_away(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        KINDS[kind](f"http://127.0.0.1:{port}") as db,
        db.subscribe("SELECT 1", reconnect_s=0.1) as subscription,
        pytest.raises(ServerUnavailable),
    ):
        next(subscription)


# --- without a line -----------------------------------------------------------


def rows(*numbers: int) -> pa.RecordBatch:
    """Rows of COLUMNS with the sign before them, as frames have them."""
    arrays = [
        pa.array([1] * len(numbers), pa.int8()),
        pa.array(numbers, pa.int64()),
        pa.array(map(str, numbers), pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["_diff", "N", "S"])


def follower(clock: Any = lambda: 0.0) -> Follower:
    return Follower(Start(Statement("SELECT 1")), patience_s=60, clock=clock)


def piece(batch: pa.RecordBatch, token: str | None, *, snapshot: bool = False) -> Piece:
    return Piece(batch, snapshot, token, {})


def test_a_snapshot_in_parts_is_told_once_it_is_whole() -> None:
    place = follower()
    assert place.take(piece(rows(1), None, snapshot=True)) is None
    assert place.take(piece(rows(2), None)) is None
    assert place.start.after is None
    place.lost(ServerUnavailable("x", "gone"))
    assert place.take(piece(rows(1, 2), None, snapshot=True)) is None
    delta = place.take(piece(rows(3), "t"))
    assert delta is not None
    assert ([row.n for row in delta], delta.snapshot, place.start.after) == ([1, 2, 3], True, "t")


def test_pauses_grow_up_to_a_bound_and_an_answer_ends_them() -> None:
    now = [0.0]
    place = follower(lambda: now[0])
    lost = ServerUnavailable("x", "gone")
    pauses = []
    for _ in range(9):
        pauses.append(place.lost(lost))
        now[0] += 1
    assert all(0.05 * 2**n <= p <= 0.1 * 2**n for n, p in enumerate(pauses[:7]))
    assert max(pauses) <= LONGEST_PAUSE_S
    place.take(piece(rows(1), "t"))
    assert place.lost(lost) <= 0.1
    now[0] += 60
    with pytest.raises(ServerUnavailable):
        place.lost(lost)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_frames_are_found_in_bytes_however_they_are_cut(size: int) -> None:
    form = ArrowTable()
    frames = [
        Frame(rows(1, 2, 3), True, {("t", 0): 1, ("t", 2): 5}, None),
        Frame(rows(), False, {("t", 0): 2}, "a"),
        Frame(rows(*range(1000)), False, {("t", 0): 3}, "b"),
    ]
    data = form.head(COLUMNS) + b"".join(form.frame(frame, COLUMNS) for frame in frames) + form.end(None)
    reader = FrameReader()
    found = [p for at in range(0, len(data), size) for p in reader.feed(data[at : at + size])]
    assert [(p.rows.num_rows, p.snapshot, p.token, p.frontier) for p in found] == [
        (f.rows.num_rows, f.snapshot, f.token, f.frontier) for f in frames
    ]
    with pytest.raises(SsqlError, match="it has failed") as told:
        list(FrameReader().feed(form.head(COLUMNS) + form.error(QueryFailed("q", "it has failed").as_json())))
    assert isinstance(told.value, QueryFailed)
