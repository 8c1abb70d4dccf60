"""The Kafka reader's positions, over a source whose takes the test writes."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from ssql.log.api import FETCH_SCHEMA
from ssql.log.kafka_reader import KafkaReader
from ssql.log.kafka_source import Part, Taken


class Scripted:
    """A source that hands out what it was given."""

    def __init__(self, takes: list[Taken]) -> None:
        self._takes = takes

    def assign(self, topic: str, partition: int, offset: int) -> None:
        """Nothing is fetched."""

    def unassign(self, topic: str, partition: int) -> None:
        """Nothing is fetched."""

    def take(self, rows: int, timeout_s: float, skip: Callable[[str, int], bytes | None]) -> Taken:
        return self._takes.pop(0)

    def high(self, topic: str, partition: int) -> int:
        return 0

    def wake(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing is held."""


def part(begin: int, end: int) -> Part:
    rows = [
        {"key": None, "value": b"v", "timestamp": 1, "headers": None, "offset": offset} for offset in range(begin, end)
    ]
    return Part("t", 0, pa.RecordBatch.from_pylist(rows, schema=FETCH_SCHEMA), None)


def test_an_end_that_was_reached_before_the_records_of_the_same_take_does_not_set_the_position_back() -> None:
    takes = [Taken([part(0, 100)], {("t", 0): 101}), Taken([part(101, 150)], {("t", 0): 101})]
    reader = KafkaReader(lambda _: Scripted(takes), lambda _: 1)
    reader.assign("t", 0, 0)
    (first,) = reader.poll(1000, 0)
    assert (first.next_offset, first.end_offset) == (101, 101)  # a control record was passed
    (second,) = reader.poll(1000, 0)
    assert (second.next_offset, second.end_offset) == (150, 150)
