"""What must be equal when a run ends: pull query, compacted topic and oracle; or a stream's records and its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from tests.oracle.history import History
from tests.oracle.replay import Replay
from tests.oracle.running import Record, Run

Row = tuple[Any, ...]
KeyOf = Callable[[bytes], Row]

#: A few examples for each query in every run of the tests; many, and failing ones made small, where there is time.
LONG = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
QUICK = settings(LONG, max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def text_key(key: bytes) -> Row:
    return (key.decode(),)


def int_key(key: bytes) -> Row:
    return (int.from_bytes(key, "big", signed=True),)


def windowed_key(key: bytes) -> Row:
    """The key, then the start of its window; windows' ends are not in the topic."""
    return (key[:-8].decode(), int.from_bytes(key[-8:], "big"))


def _plain(value: Any, *, sort: bool = False) -> Any:
    if isinstance(value, list):
        return tuple(sorted(value, key=repr) if sort else value)
    return value


def _bag(rows: Iterable[Sequence[Any]], unordered: Sequence[int] = ()) -> list[Row]:
    return sorted((tuple(_plain(v, sort=i in unordered) for i, v in enumerate(r)) for r in rows), key=repr)


def same_table(
    run: Run, replay: Replay, name: str, oracle: str, *, key_of: KeyOf = text_key, unordered: Sequence[int] = ()
) -> None:
    """The table's rows are those of the oracle's query: when pulled, and in its topic.

    `unordered`: columns with arrays whose order says nothing.
    """
    expected = _bag(replay.rows(oracle), unordered)
    pulled = run.pull(f"SELECT * FROM {name};")
    assert _bag(pulled, unordered) == expected
    kept = run.compacted(name.upper())
    windowed = key_of is windowed_key
    in_topic = [(*key_of(key or b""), *fields.values()) for key, fields in kept.items()]
    without_end = [(*r[:2], *r[3:]) for r in expected] if windowed else expected
    shifted = [i - 1 for i in unordered] if windowed else unordered
    assert _bag(in_topic, shifted) == sorted(without_end, key=repr)


def same_stream(
    run: Run, replay: Replay, history: History, name: str, oracle: str, *, key_of: KeyOf = text_key
) -> None:
    """The topic's records are the oracle's rows: time, key, values. In order where the input is one partition's.

    The oracle's query gives them in order.
    """
    expected = _by_key((r[1], (r[0], *r[2:])) for r in replay.rows(oracle))
    found = _by_key(_row(record, key_of) for record in run.records(name.upper()))
    if history.partitions > 1:
        expected, found = ({k: _bag(rows) for k, rows in by.items()} for by in (expected, found))
    assert found == expected


def _row(record: Record, key_of: KeyOf) -> tuple[Any, Row]:
    key = None if record.key is None else key_of(record.key)[0]
    return key, (record.time, *(record.fields or {}).values())


def _by_key(rows: Iterable[tuple[Any, Row]]) -> dict[Any, list[Row]]:
    by: dict[Any, list[Row]] = defaultdict(list)
    for key, row in rows:
        by[key].append(row)
    return dict(by)
