"""Input cut into transactions at random, so that the engine sees it in the order in which it is listed.

Records of several topics go into one transaction only as long as the engine's order of rows (by the greatest time seen
in their topic, tables before streams at equal times) is the order of the list; where a column gives the time, the order
is not known here, and each transaction has records of one topic.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from ssql.testing.bench import Bench

#: How likely a transaction ends after a record.
CUT = 0.3


class Timed(Protocol):
    """A record of a topic with its time (ms)."""

    @property
    def topic(self) -> str: ...

    @property
    def timestamp(self) -> int | None: ...


T = TypeVar("T", bound=Timed)


def pieces(
    inputs: Sequence[T], tables: frozenset[str], timed: frozenset[str], chance: random.Random
) -> Iterator[list[T]]:
    """The inputs in order, cut at random and wherever the order of rows would not be that of the list.

    `tables`: topics that are read as tables; `timed`: those whose records' time is a column.
    """
    piece: list[T] = []
    newest: dict[str, int] = {}
    for record in inputs:
        time = max(newest.get(record.topic, 0), record.timestamp or 0)
        place = (time, record.topic not in tables)
        if piece:
            last = piece[-1]
            before = (newest[last.topic], last.topic not in tables)
            ordered = last.topic == record.topic or (before < place and not timed & {last.topic, record.topic})
            if not ordered or chance.random() < CUT:
                yield piece
                piece = []
        piece.append(record)
        newest[record.topic] = time
    if piece:
        yield piece


def tables_of(made: Bench) -> frozenset[str]:
    """The topics that are read as tables."""
    return frozenset(s.relation.topic for s in made.catalog.sources.values() if s.relation.kind == "TABLE")


def timed_of(made: Bench) -> frozenset[str]:
    """The topics whose records' time is a column."""
    return frozenset(s.relation.topic for s in made.catalog.sources.values() if s.relation.timestamp is not None)
