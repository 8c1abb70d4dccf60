"""Rows that cannot go on: collected during an epoch, written to the errors and late streams when it commits.

A reject names the input record by its place in the epoch (`_seq`); topic, partition, offset and raw bytes are
looked up when the epoch is written, so the hot path carries nothing for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ssql.planner.steps import Fault


class Position(NamedTuple):
    """Where an input record stands, and its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Reject:
    """A row that an operator gave up: which query, which input record (`seq`, or `position` itself), and why.

    `window`: start and end of the window that a late row came too late for. `relation`: that which a record was read
    for, and `fault`: what is wrong with it, where that is the record's own doing.
    """

    query_id: str
    reason: str
    seq: int | None = None
    position: Position | None = None
    window: tuple[int, int] | None = None
    row: str | None = None
    relation: str = ""
    fault: Fault | None = None


@dataclass
class Rejects:
    """What an epoch rejects. Counters live as long as the worker."""

    errors: list[Reject] = field(default_factory=list)
    late: list[Reject] = field(default_factory=list)
    errors_total: int = 0
    late_total: int = 0

    def clear(self) -> None:
        """Forget this epoch's rejects: it is committed, or will be run again."""
        self.errors.clear()
        self.late.clear()

    def commit(self) -> None:
        self.errors_total += len(self.errors)
        self.late_total += len(self.late)
        self.clear()
