"""How the rows of a test come in, and what befalls the engine meanwhile.

    ONE_BY_ONE   each row is an epoch of its own, in one partition: what a test says is said of this
    EPOCHS       transactions of random size, in one partition, in an order that the engine sees as that of the test
    SHUFFLED     rows spread over partitions, keys at random; rows of different keys, and of different topics, come in
                 any order that the engine puts right again by time
    REVERSED     as SHUFFLED, and of rows at one time the last is seen first, as far as partitions go
    DIES_AFTER   each life of the engine ends just after its first commit
    DIES_BEFORE  each life ends just before its second one, with all that was done since the first

Rows without a key are all of one: nothing else says where they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ssql.testing.bench import PARTITIONS, Bench
from ssql.testing.cuts import pieces, tables_of, timed_of
from ssql.testing.mortal import Hook, Killed

#: Lives of one run after which the engine is left alone: one that gets no further would have no end.
LIVES = 200
_MANY = 1 << 30
_AN_EPOCH_A_ROW = {"batch.max.rows": 1}


@dataclass(frozen=True)
class Given:
    """One record for a topic (RECORD_SCHEMA, one row)."""

    topic: str
    batch: pa.RecordBatch

    @property
    def timestamp(self) -> int:
        time: int = self.batch.column("timestamp")[0].as_py()
        return time

    @property
    def key(self) -> bytes | None:
        key: bytes | None = self.batch.column("key")[0].as_py()
        return key


#: Records that go in at once: each with its partition.
Transaction = Sequence[tuple[Given, int]]


@dataclass
class Coming:
    """Where rows come in, in one run. `homes`: a number a key, which says which partition its rows are in."""

    bench: Bench
    chance: random.Random
    homes: dict[bytes | None, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """One way. `transactions`: how rows that are given one after the other come in; each is processed before the next.

    `in_order`: the records of each key of a stream must come out in the same order as one by one.
    """

    name: str
    transactions: Callable[[Coming, Sequence[Given]], Iterator[Transaction]]
    settings: Mapping[str, object] = field(default_factory=dict)
    one_task: bool = True
    hook: Callable[[int], Hook] | None = None
    in_order: bool = True


def _one_by_one(coming: Coming, rows: Sequence[Given]) -> Iterator[Transaction]:  # noqa: ARG001
    """All rows of one topic at once: an epoch takes one of them."""
    at = 0
    while at < len(rows):
        end = next((i for i in range(at, len(rows)) if rows[i].topic != rows[at].topic), len(rows))
        yield [(row, 0) for row in rows[at:end]]
        at = end


def _epochs(coming: Coming, rows: Sequence[Given]) -> Iterator[Transaction]:
    for piece in pieces(rows, tables_of(coming.bench), timed_of(coming.bench), coming.chance):
        yield [(row, 0) for row in piece]


def _shuffled(coming: Coming, rows: Sequence[Given]) -> Iterator[Transaction]:
    for row in rows:
        coming.homes.setdefault(row.key, coming.chance.randrange(_MANY))
    return _spread(coming, rows, coming.chance.shuffle)


def _reversed(coming: Coming, rows: Sequence[Given]) -> Iterator[Transaction]:
    for row in rows:
        coming.homes.setdefault(row.key, _MANY - 1 - len(coming.homes))
    return _spread(coming, rows, list.reverse)


def _spread(coming: Coming, rows: Sequence[Given], mix: Callable[[list[Any]], None]) -> Iterator[Transaction]:
    """Each key's rows in one partition; the partitions' rows in an order that `mix` makes, each in its own."""
    timed = timed_of(coming.bench)
    for piece in ascending(rows, timed):
        lanes: dict[tuple[str, int], list[Given]] = {}
        for row in piece:
            # Where a column gives the time, the engine's order is not known here: it stays that of the test.
            place = 0 if row.topic in timed else coming.homes[row.key] % _partitions(coming.bench, row.topic)
            lanes.setdefault((row.topic, place), []).append(row)
        mixed = list(lanes.items())
        mix(mixed)
        yield [(row, partition) for (_, partition), lane in mixed for row in lane]


def ascending(rows: Sequence[Given], timed: frozenset[str]) -> Iterator[list[Given]]:
    """The rows cut where a topic's time goes back: a late row comes late. A topic of `timed` stands alone."""
    piece: list[Given] = []
    newest: dict[str, int] = {}
    for row in rows:
        alone = bool(timed & {row.topic, *(r.topic for r in piece)}) and any(r.topic != row.topic for r in piece)
        if piece and (alone or row.timestamp < newest.get(row.topic, 0)):
            yield piece
            piece = []
        piece.append(row)
        newest[row.topic] = max(newest.get(row.topic, 0), row.timestamp)
    if piece:
        yield piece


def _partitions(bench: Bench, topic: str) -> int:
    found = bench.log.topic(topic)
    return PARTITIONS if found is None else found.partitions


@dataclass(frozen=True)
class Deaths:
    """Each life ends before or after its commit of that number."""

    when: str
    commit: int

    def __call__(self, life: int) -> Hook:
        commits = 0

        def hook(number: int, what: str, at: str) -> None:  # noqa: ARG001
            nonlocal commits
            if not is_commit(what):
                return
            commits += at == "before"
            if life < LIVES and commits == self.commit and at == self.when:
                raise Killed

        return hook


def is_commit(what: str) -> bool:
    """An epoch's, or that of a statement."""
    return what.startswith("commit ") or (what.startswith("append ") and what.endswith("_command_topic"))


ONE_BY_ONE = Arrival("one row after the other", _one_by_one, _AN_EPOCH_A_ROW)
EPOCHS = Arrival("rows in transactions of random size", _epochs, in_order=False)
SHUFFLED = Arrival("rows shuffled over partitions and topics", _shuffled, one_task=False, in_order=False)
REVERSED = Arrival("rows of different keys in reverse", _reversed, one_task=False, in_order=False)
DIES_AFTER = Arrival("a crash after each commit", _one_by_one, _AN_EPOCH_A_ROW, hook=Deaths("after", 1))
DIES_BEFORE = Arrival("a crash before each commit", _one_by_one, _AN_EPOCH_A_ROW, hook=Deaths("before", 2))
#: What a test is carried out under again.
RERUNS = (EPOCHS, SHUFFLED, REVERSED, DIES_AFTER, DIES_BEFORE)
