"""QTT with epochs cut at random: many rows an epoch, and in the end the same tables and streams.

The input is appended in transactions of random size, each of which the engine may take as one epoch. What is compared
is what must not depend on the cut: the last value of each key of a table with its time (that of a tombstone is not
compared), the records of each key of a stream as a bag.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa

from ssql.testing.bench import Bench
from ssql.testing.codec import Found
from ssql.testing.cuts import pieces, tables_of, timed_of
from ssql.testing.outputs import by_topic, difference, shown
from ssql.testing.records import Mismatch, Record
from ssql.testing.values import json_text
from tests.conformance.bench import bench
from tests.conformance.cases import Case
from tests.conformance.qtt import defined, finish

T = TypeVar("T", Record, Found)


def run(case: Case, seed: int) -> None:
    """Carry out a case; raises `Mismatch` where it does not end as it should."""
    with bench(case, one_task=True, settings={}) as made:
        if not defined(case, made):
            return
        made.settle()
        chance = random.Random(f"{seed} {case.script}")
        for chunk in pieces(case.inputs, tables_of(made), timed_of(made), chance):
            _produce(made, chunk)
            made.settle()
        finish(case, made)
        for topic, wanted in by_topic(case.outputs).items():
            _compare(made, topic, wanted, any_zero=not case.inputs)


def _produce(made: Bench, records: Sequence[Record]) -> None:
    """Append records of any topics at once."""
    writer = made.log.writer("conformance-input")
    writer.begin()
    for topic, of_topic in by_topic(records).items():
        codec = made.codec(topic)
        writer.append(topic, pa.concat_batches([codec.encode(r) for r in of_topic]), 0)
    writer.commit()
    writer.close()


def _compare(made: Bench, topic: str, wanted: Sequence[Record], *, any_zero: bool) -> None:
    found, codec = made.records(topic), made.codec(topic)
    is_table = topic in tables_of(made)
    expected = _last(wanted, _wanted_key) if is_table else list(wanted)
    left = _last(found, _found_key) if is_table else list(found)
    for record in expected:
        if is_table and record.value is None:
            continue  # a row that is not there: whatever is left of its key is found below
        match = next((r for r in left if difference(codec, record, r, any_zero=any_zero) is None), None)
        if match is not None:
            left.remove(match)
        else:
            raise _mismatch(topic, wanted, found, f"{json_text(record.key)} has no such record")
    left = [r for r in left if not (is_table and r.value is None)]
    if left:
        raise _mismatch(topic, wanted, found, f"{json_text(left[0].key)} has a record more")


def _wanted_key(record: Record) -> str:
    return f"{json_text(record.key)} {record.window}"


def _found_key(record: Found) -> str:
    return f"{record.key!r} {record.window}"


def _last(records: Sequence[T], key: Callable[[T], str]) -> list[T]:
    """The last record of each key."""
    return list({key(record): record for record in records}.values())


def _mismatch(topic: str, wanted: Sequence[Record], found: Sequence[Found], what: str) -> Mismatch:
    return Mismatch(
        "end differs",
        f"topic {topic}: {what}",
        expected=[shown(r) for r in wanted],
        got=[r.shown() for r in found],
    )
