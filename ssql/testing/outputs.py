"""Records in, records out: what a topic holds against what a test lists, record by record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ssql.testing.bench import Bench
from ssql.testing.codec import Found, TopicCodec, header_list
from ssql.testing.records import Json, Mismatch, Record


def feed(made: Bench, inputs: Sequence[Record]) -> None:
    """One record after the other, each fully processed before the next one of another topic."""
    made.settle()
    for _, records in groupby(inputs, key=lambda r: r.topic):
        made.produce(list(records), 0)
        made.settle()


def compare_outputs(made: Bench, outputs: Sequence[Record], *, any_zero: bool) -> None:
    """Raise `Mismatch` unless each topic that is listed holds exactly the records that are listed, in order.

    `any_zero`: an expected timestamp of 0 says nothing.
    """
    for topic, wanted in by_topic(outputs).items():
        found = made.records(topic)
        codec = made.codec(topic)
        for i, (expected, got) in enumerate(zip(wanted, found, strict=False)):
            what = difference(codec, expected, got, any_zero=any_zero)
            if what is not None:
                raise Mismatch(
                    f"records: {what}",
                    f"record {i} of {topic}: the {what} differs",
                    expected=[shown(r) for r in wanted],
                    got=[r.shown() for r in found],
                )
        if len(found) != len(wanted):
            raise Mismatch(
                "records: number",
                f"topic {topic} has {len(found)} records and not {len(wanted)}",
                expected=[shown(r) for r in wanted],
                got=[r.shown() for r in found],
            )


def by_topic(records: Sequence[Record]) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for record in records:
        topics.setdefault(record.topic, []).append(record)
    return topics


def difference(codec: TopicCodec, expected: Record, got: Found, *, any_zero: bool) -> str | None:
    """What is not as expected, None if all is. `any_zero`: an expected timestamp of 0 says nothing."""
    if not codec.key.same(expected.key, got.key):
        return "key"
    if expected.window != got.window:
        return "window"
    if not codec.value.same(expected.value, got.value):
        return "value"
    if expected.timestamp not in (None, got.timestamp) and not (any_zero and expected.timestamp == 0):
        return "timestamp"
    if header_list(expected) != got.headers:
        return "headers"
    return None


def shown(record: Record) -> dict[str, Json]:
    """An expected record as it is printed beside what was found."""
    found: dict[str, Json] = {"key": record.key, "value": record.value, "timestamp": record.timestamp}
    if record.window:
        found["window"] = [record.window.start, record.window.end]
    if record.headers:
        found["headers"] = header_list(record)
    return found
