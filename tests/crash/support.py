"""What the crash tests share: reading topics whole, and comparing them."""

from __future__ import annotations

from ssql.log.api import Log

#: Key, value, timestamp (ms).
Record = tuple[bytes | None, bytes | None, int]
Partitions = dict[int, list[Record]]


def records_of(log: Log, topic: str) -> Partitions:
    """All committed records of a topic, by partition, in order."""
    known = log.topic(topic)
    assert known is not None, f"there is no topic {topic}"
    found: Partitions = {}
    for partition in range(known.partitions):
        rows: list[Record] = []
        at, end = log.bounds(topic, partition)
        while at < end:
            fetch = log.read(topic, partition, at, 100_000)
            columns = (fetch.batch.column(name).to_pylist() for name in ("key", "value", "timestamp"))
            rows += zip(*columns, strict=True)
            assert fetch.next_offset > at
            at = fetch.next_offset
        found[partition] = rows
    return found


def changes_of(records: Partitions) -> dict[bytes | None, list[tuple[bytes | None, int]]]:
    """A table topic as the changes of each key, (value, timestamp), in order."""
    changes: dict[bytes | None, list[tuple[bytes | None, int]]] = {}
    for rows in records.values():
        for key, value, time in rows:
            changes.setdefault(key, []).append((value, time))
    return changes


def last_of(records: Partitions) -> dict[bytes | None, tuple[bytes | None, int]]:
    """The last value of each key of a table topic that is there (no tombstone), and its timestamp."""
    return {k: c[-1] for k, c in changes_of(records).items() if c[-1][0] is not None}


def same_records(name: str, expected: Partitions, found: Partitions) -> None:
    """Assert that a stream's topic is the same record for record; the first difference is told."""
    assert expected.keys() == found.keys(), name
    for partition, rows in expected.items():
        ours = found[partition]
        at = next((i for i, (a, b) in enumerate(zip(rows, ours, strict=False)) if a != b), None)
        assert at is None, f"{name}/{partition}: record {at} is {ours[at]}, not {rows[at]}"
        assert len(ours) == len(rows), f"{name}/{partition}: {len(ours)} records, not {len(rows)}"


def same_last(name: str, expected: Partitions, found: Partitions) -> None:
    """Assert that a table's topic ends in the same value (and timestamp) of each key."""
    wanted, got = last_of(expected), last_of(found)
    differing = {k: (got.get(k), wanted.get(k)) for k in wanted.keys() | got.keys() if got.get(k) != wanted.get(k)}
    assert not differing, f"{name}: {len(differing)} keys differ (found, expected): {dict([*differing.items()][:3])}"


def in_order(name: str, finest: Partitions, found: Partitions) -> None:
    """Assert that each key's changes are some of those that it goes through a row at a time, in that order.

    Catches repeated, reordered and invented changes, whatever epochs the changes were consolidated in.
    """
    wanted = changes_of(finest)
    for key, changes in changes_of(found).items():
        steps = iter(wanted.get(key, []))
        for change in changes:
            assert any(change == step for step in steps), f"{name}: key {key!r} goes {changes}, not {wanted.get(key)}"
