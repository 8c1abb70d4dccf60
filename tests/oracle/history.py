"""Histories of changes, and cuts of them into epochs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

KEYS = "abcde"
GROUPS = ("x", "y", "z")
#: Records of one kind that are in different partitions never tie in time: the last two digits tell them apart.
SLOTS = 100
#: Columns after the key, by topic.
COLUMNS = {"s": ("G", "V", "D"), "r": ("G", "V", "D"), "t": ("G", "W"), "u": ("X",)}
TABLES = ("t", "u")

Value = tuple[Any, ...]


@dataclass(frozen=True)
class Change:
    """One record of a topic: a stream's row, or an upsert or (without `values`) a tombstone of a table."""

    topic: str
    key: str
    time: int
    values: Value | None

    @property
    def raw_value(self) -> bytes | None:
        if self.values is None:
            return None
        return json.dumps(dict(zip(COLUMNS[self.topic], self.values, strict=True))).encode()

    def partition(self, partitions: int) -> int:
        return KEYS.index(self.key) % partitions


@dataclass(frozen=True)
class History:
    """Changes in the order in which they are appended, and over how many partitions each topic is spread."""

    changes: tuple[Change, ...]
    partitions: int


@dataclass(frozen=True)
class Cut:
    """How a history is cut: where it is fed in parts, how many rows an epoch takes, and when the engine dies.

    `parts`: shares of the history, fed one after the other with all queries caught up in between. `before`: how many
    of them are there before the queries are. `dies`: at which commit after the queries are there the engine dies, and
    whether the commit is done by then. It is opened again on what is left.
    """

    parts: tuple[int, ...] = (1,)
    before: int = 0
    max_rows: int = 65536
    dies: tuple[int, bool] | None = None

    def of(self, changes: Sequence[Change]) -> tuple[list[Change], Iterator[list[Change]]]:
        """The part that is there before the queries, and the parts that come after."""
        total, bounds = sum(self.parts), [0]
        for share in self.parts:
            bounds.append(bounds[-1] + share)
        places = [len(changes) * b // total for b in bounds]
        first = places[self.before]
        rest = zip(places[self.before :], places[self.before + 1 :], strict=False)
        return list(changes[:first]), (list(changes[a:b]) for a, b in rest)


ALL_BEFORE = Cut(before=1)
ALL_AFTER = Cut()


@st.composite
def cuts(draw: st.DrawFn, *, before: bool = True, dies: bool = True) -> Cut:
    """A row an epoch, all in one, in parts, or killed half-way.

    `before`: some may be there before the queries. `dies`: the engine may be killed.
    """
    parts = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    cut = Cut(parts, draw(st.integers(0, len(parts) if before else 0)), draw(st.sampled_from((1, 3, 65536))))
    if dies and cut.before < len(parts) and draw(st.booleans()):
        cut = replace(cut, dies=(draw(st.integers(1, 4)), draw(st.booleans())))
    return cut


_group = st.none() | st.sampled_from(GROUPS)
_number = st.none() | st.integers(-3, 9)
_half = st.none() | st.integers(-8, 8).map(lambda n: n / 2)  # sums of halves are exact
_values = {"s": st.tuples(_group, _number, _half), "t": st.tuples(_group, _number), "u": st.tuples(_number)}
_values["r"] = _values["s"]


@st.composite
def histories(
    draw: st.DrawFn, *topics: str, partitions: int | None = None, max_size: int = 24, ordered: bool = False
) -> History:
    """Changes of these topics, their times growing by seconds, partly out of order if not `ordered`."""
    spread = partitions or draw(st.sampled_from((1, 2)))
    now, changes = 20_000, []
    for _ in range(draw(st.integers(1, max_size))):
        topic = draw(st.sampled_from(topics))
        key = draw(st.sampled_from(KEYS))
        now += draw(st.sampled_from((0, 500, 1000, 4000, 11_000)))
        back = 0 if ordered else draw(st.sampled_from((0, 0, 0, 1500, 7000, 20_000)))
        gone = topic in TABLES and draw(st.integers(0, 3)) == 0
        slot = (8 if topic == "r" else 0) + KEYS.index(key) % spread
        values = None if gone else draw(_values[topic])
        changes.append(Change(topic, key, (now - back) // SLOTS * SLOTS + slot, values))
    return History(tuple(changes), spread)
