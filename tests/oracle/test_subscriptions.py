"""Clients that lose their subscription, at any place, and go on with their last token: while the engine runs, after it
was closed and opened again, after it was killed. What they have at each frontier is what the log up to there leads to,
computed from scratch; nothing is missed, and nothing comes twice.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.config import PUSH_BUFFER_BYTES
from ssql.engine.api import Frame, Subscription
from ssql.engine.subscriptions import feeds
from ssql.runtime.api import Offsets
from tests.oracle.checks import LONG, QUICK, windowed_key
from tests.oracle.history import COLUMNS, History, histories
from tests.oracle.running import WAIT_S, Run

Row = tuple[Any, ...]


def compacted(run: Run, topic: str, at: Offsets) -> list[Row]:
    return [((key or b"").decode(), *fields.values()) for key, fields in run.compacted(topic, at).items()]


def groups(run: Run, at: Offsets) -> list[Row]:
    by: dict[str, list[Any]] = defaultdict(list)
    for record in run.records("s", at):
        if record.fields["G"] is not None:
            by[record.fields["G"]].append(record.fields["V"])
    return [(g, len(vs), sum(v for v in vs if v is not None)) for g, vs in by.items()]


def joined(run: Run, at: Offsets) -> list[Row]:
    right = dict(compacted(run, "u", at))
    return [(k, w, right[k]) for k, _, w in compacted(run, "t", at) if k in right]


def windows(run: Run, at: Offsets) -> list[Row]:
    found = ((windowed_key(key or b""), fields["N"]) for key, fields in run.compacted("O", at).items())
    return [(g, start, start + 10_000, n) for (g, start), n in found]


def streamed(run: Run, at: Offsets) -> list[Row]:
    return [
        ((r.key or b"").decode(), r.fields["V"])
        for r in run.records("s", at)
        if r.fields["V"] is not None and r.fields["V"] > 2
    ]


@dataclass(frozen=True)
class Case:
    """A SELECT that is followed, and what it has come to by some offsets. `sql`: what is there before; `alone`: how
    many who follow a key are left with a query of their own."""

    select: str
    oracle: Callable[[Run, Offsets], Sequence[Row]]
    sql: str = ""
    topics: tuple[str, ...] = ("s", "t", "u")
    stream: bool = False
    alone: int = feeds.FEW


TABLES = {
    "a table": Case("SELECT k, g, w FROM t", lambda run, at: compacted(run, "t", at)),
    "a filtered table": Case(
        "SELECT k, w FROM t WHERE w > 2",
        lambda run, at: [(k, w) for k, _, w in compacted(run, "t", at) if w is not None and w > 2],
    ),
    "a view": Case(
        "SELECT * FROM o",
        lambda run, at: compacted(run, "O", at),
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, SUM(v) AS sv FROM s GROUP BY g;",
    ),
    "a view without its key": Case(
        "SELECT n FROM o",
        lambda run, at: [(n,) for _, n in compacted(run, "O", at)],
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM s GROUP BY g;",
    ),
    "a key of a table": Case(
        "SELECT g, w FROM t WHERE k = 'a' AND w > 1",
        lambda run, at: [(g, w) for k, g, w in compacted(run, "t", at) if k == "a" and w is not None and w > 1],
        alone=0,
    ),
    "a key of a view": Case(
        "SELECT * FROM o WHERE 'x' = g",
        lambda run, at: [row for row in compacted(run, "O", at) if row[0] == "x"],
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, SUM(v) AS sv FROM s GROUP BY g;",
        alone=0,
    ),
    "a key of windows": Case(
        "SELECT * FROM o WHERE g = 'x'",
        lambda run, at: [row for row in windows(run, at) if row[0] == "x"],
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) "
        "GROUP BY g;",
        alone=0,
    ),
    "groups": Case("SELECT g, COUNT(*) AS n, SUM(v) AS sv FROM s GROUP BY g", groups),
    "joined tables": Case("SELECT t.k AS k, w, x FROM t JOIN u ON t.k = u.k", joined),
    "windows": Case(
        "SELECT * FROM o",
        windows,
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) "
        "GROUP BY g;",
    ),
}
STREAMS = {
    "a stream": Case("SELECT k, v FROM s WHERE v > 2", streamed, stream=True),
    "a key of a stream": Case(
        "SELECT k, v FROM s WHERE v > 2 AND k = 'a'",
        lambda run, at: [row for row in streamed(run, at) if row[0] == "a"],
        stream=True,
        alone=0,
    ),
    "a derived stream": Case(
        "SELECT k, v FROM o",
        lambda run, at: [((r.key or b"").decode(), r.fields["V"]) for r in run.records("O", at)],
        "CREATE STREAM o AS SELECT k, v + 1 AS v FROM s WHERE v > 0;",
        stream=True,
    ),
    "a stream with a table": Case(
        "SELECT s.k AS k, v FROM s LEFT JOIN t ON s.k = t.k",
        lambda run, at: [((r.key or b"").decode(), r.fields["V"]) for r in run.records("s", at)],
        stream=True,
    ),
}


class Client:
    """Takes in frames, and knows no more than what they say."""

    def __init__(self, run: Run, case: Case, *, every: bool) -> None:
        self._run, self._case, self._every = run, case, every
        self._token: str | None = None
        self._subscription: Subscription | None = None
        self.rows: list[Row] = []

    def leave(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def come(self) -> Subscription:
        if self._subscription is None:
            self._subscription = self._run.engine.subscribe(
                self._case.select, self._run.session, after=self._token, every_change=self._every
            )
        return self._subscription

    def take(self, frames: int | None = None) -> None:
        """What is there now, or some of it."""
        for _ in itertools.count() if frames is None else range(frames):
            frame = self.come().take(timeout_s=0.0)
            if frame is None:
                return
            self._put(frame)

    def _put(self, frame: Frame) -> None:
        if frame.snapshot:
            assert not self._case.stream
            self.rows = []
        keys = [frame.rows.schema.get_field_index(k) - 1 for k in self.come().keys]
        for diff, *values in (tuple(row.values()) for row in frame.rows.to_pylist()):
            self._change(diff, tuple(values), keys)
        if frame.token is not None:
            self._token = frame.token
            self.check(frame.frontier)

    def _change(self, diff: int, row: Row, keys: list[int]) -> None:
        if self._case.stream:
            assert diff == 1
            self.rows.append(row)
            return
        if not keys:
            if diff > 0:
                self.rows.append(row)
            else:
                self.rows.remove(row)
            return
        mine = [r for r in self.rows if [r[k] for k in keys] == [row[k] for k in keys]]
        if diff < 0:
            assert mine == [row], "a row went that was not there"
        elif self._every:
            assert not mine, "a row came that was there"
        for old in mine:
            self.rows.remove(old)
        if diff > 0:
            self.rows.append(row)

    def check(self, frontier: Offsets) -> None:
        expected = self._case.oracle(self._run, frontier)
        if not self._case.stream:
            assert sorted(self.rows, key=repr) == sorted(expected, key=repr)
            return
        # Rows of one key are in order.
        assert by_key(self.rows) == by_key(expected)

    def catch_up(self) -> None:
        """Take until it has come to what all there is leads to."""
        deadline = time.monotonic() + WAIT_S
        topics = [t for t in self._run.log.topics() if not t.name.startswith("_")]
        ends = {(t.name, p): self._run.log.bounds(t.name, p)[1] for t in topics for p in range(t.partitions)}
        expected = self._case.oracle(self._run, ends)
        while Counter(self.rows) != Counter(expected):
            frame = self.come().take(timeout_s=1.0)
            if frame is not None:
                self._put(frame)
            assert self.come().error is None
            assert time.monotonic() < deadline, (self.rows, expected)


def by_key(rows: Sequence[Row]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return dict(found)


@dataclass(frozen=True)
class Life:
    """What befalls the engine and its clients: after each part of the history one of these."""

    deeds: tuple[str, ...]
    max_rows: int
    buffer_bytes: int
    every: bool


DEEDS = ("take", "take one", "leave", "leave and come", "reopen", "reopen and take one", "kill", "nothing")


@st.composite
def lives(draw: st.DrawFn) -> Life:
    deeds = draw(st.lists(st.sampled_from(DEEDS), min_size=1, max_size=8))
    return Life(
        tuple(deeds), draw(st.sampled_from((1, 3, 65536))), draw(st.sampled_from((1, 1 << 20))), draw(st.booleans())
    )


def do(deed: str, run: Run, clients: list[Client]) -> None:
    if "reopen" in deed:
        for client in clients:
            client.leave()
        run.reopen()
        run.settle()
    if "leave" in deed:
        clients[0].leave()
    if "come" in deed:
        clients[0].come()
    if "take" in deed:
        clients[0].take(1 if "one" in deed else None)
    clients[1].take(2)


def check_clients(case: Case, history: History, life: Life) -> None:
    with TemporaryDirectory(prefix="ssql-oracle-") as directory, mock.patch.object(feeds, "FEW", case.alone):
        run = Run(Path(directory), history.partitions, life.max_rows, **{PUSH_BUFFER_BYTES.key: life.buffer_bytes})
        try:
            for topic in COLUMNS:
                run.source(topic)
            if case.sql:
                run.execute(case.sql)
            clients = [Client(run, case, every=life.every), Client(run, case, every=False)]
            for client in clients:
                client.come()
            parts = len(life.deeds)
            for n, deed in enumerate(life.deeds):
                size = len(history.changes)
                if deed == "kill":
                    run.die((1 + n % 2, n % 3 == 0))
                run.feed(history.changes[size * n // parts : size * (n + 1) // parts])
                before = run.engine
                run.settle_or_rise()
                run.log.left = None
                if run.engine is not before:
                    for client in clients:
                        client.leave()
                do(deed, run, clients)
            run.spare()
            for client in clients:
                client.take()
                client.catch_up()
                client.leave()
        finally:
            run.close()


@pytest.mark.parametrize("name", [*TABLES, *STREAMS])
@QUICK
@given(histories("s", "t", "u"), lives())
def test_a_client_goes_on_where_it_stopped(name: str, history: History, life: Life) -> None:
    check_clients((TABLES | STREAMS)[name], history, life)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TABLES, *STREAMS])
@LONG
@given(histories("s", "t", "u", max_size=60), lives())
def test_a_client_goes_on_where_it_stopped_at_length(name: str, history: History, life: Life) -> None:
    check_clients((TABLES | STREAMS)[name], history, life)
