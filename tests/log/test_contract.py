"""What every Log promises; each test runs over each implementation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count, pairwise

import numpy as np
import pyarrow as pa
import pytest

from ssql.errors import LogFenced, TopicNotFound
from ssql.log.api import FETCH_SCHEMA, RECORD_SCHEMA, Fetch, Log
from ssql.log.embedded import EmbeddedLog
from ssql.log.partitioner import murmur2
from tests.log.support import drain, everything, numbered, offsets, records, values

_names = count()


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("kafka", marks=pytest.mark.kafka),
        pytest.param("kafka by messages", marks=pytest.mark.kafka),
    ]
)
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    made: Log
    if request.param == "embedded":
        made = EmbeddedLog(request.getfixturevalue("tmp_path") / "log")
    else:
        from ssql.log.kafka import KafkaLog

        made = KafkaLog(request.getfixturevalue("kafka"), native=request.param == "kafka")
    yield made
    made.close()


@pytest.fixture
def topic(log: Log) -> Iterator[str]:
    """A topic of one partition that no other test has."""
    name = fresh("topic")
    log.create_topic(name)
    yield name
    log.delete_topic(name)


def fresh(prefix: str) -> str:
    return f"{prefix}-{time.time_ns()}-{next(_names)}"


@pytest.fixture
def make_topic(log: Log) -> Iterator[Callable[[int], str]]:
    made: list[str] = []

    def make(partitions: int) -> str:
        name = fresh("topic")
        log.create_topic(name, partitions)
        made.append(name)
        return name

    yield make
    for name in made:
        log.delete_topic(name)


def test_topics_are_made_listed_and_deleted(log: Log) -> None:
    name = fresh("orders")
    assert log.topic(name) is None
    made = log.create_topic(name, 3, config={"cleanup.policy": "compact"})
    assert (made.name, made.partitions, made.config["cleanup.policy"]) == (name, 3, "compact")
    assert log.create_topic(name, 1).partitions == 3
    found = log.topic(name)
    assert found is not None
    assert (found.partitions, found.config["cleanup.policy"]) == (3, "compact")
    assert [t.partitions for t in log.topics() if t.name == name] == [3]
    log.delete_topic(name)
    log.delete_topic(name)
    assert log.topic(name) is None


def test_topics_of_kafkas_own_kind_of_name_are_listed_too(log: Log) -> None:
    name = fresh("__offsets")
    log.create_topic(name)
    assert name in [t.name for t in log.topics()]
    log.delete_topic(name)


def test_a_topic_that_is_not_there_is_named(log: Log) -> None:
    for attempt in (
        lambda: log.append("no-such-topic", numbered(0, 1)),
        lambda: log.bounds("no-such-topic", 0),
        lambda: log.read("no-such-topic", 0, 0, 1),
        lambda: log.reader().assign("no-such-topic", 0, 0),
    ):
        with pytest.raises(TopicNotFound, match='topic "no-such-topic" does not exist'):
            attempt()


def test_records_come_back_as_they_went_in(log: Log, topic: str) -> None:
    headers = [[("a", b"1"), ("a", None)], None, [], [("b", b"")]]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([b"k", None, b"", b"k\x00\xff"], pa.binary()),
            pa.array([None, b"v", b"", b"\x00"], pa.binary()),
            pa.array([5, 3, 1_700_000_000_000, 1], pa.int64()),
            pa.array(
                [None if h is None else [{"key": k, "value": v} for k, v in h] for h in headers], RECORD_SCHEMA[3].type
            ),
        ],
        schema=RECORD_SCHEMA,
    )
    log.append(topic, batch)
    log.append(topic, numbered(0, 2))
    reader = log.reader()
    reader.assign(topic, 0, 0)
    fetches = drain(reader, 6)
    reader.close()
    assert all(f.batch.schema.equals(FETCH_SCHEMA) for f in fetches)
    table = pa.Table.from_batches([f.batch for f in fetches])
    for column in ("key", "value", "timestamp"):
        assert table.column(column).to_pylist()[:4] == batch.column(column).to_pylist()
    assert table.column("timestamp").to_pylist()[4:] == [1000, 1001]
    got = [None if not h else [(x["key"], x["value"]) for x in h] for h in table.column("headers").to_pylist()]
    assert got == [[("a", b"1"), ("a", None)], None, None, [("b", b"")], None, None]
    assert offsets(fetches) == sorted(set(offsets(fetches)))


def test_headers_are_null_where_no_record_has_any(log: Log, topic: str) -> None:
    log.append(topic, numbered(0, 3))
    fetches = everything(log, topic, 3)
    assert sum(f.batch.column("headers").null_count for f in fetches) == 3


def test_nothing_is_seen_before_commit_and_nothing_of_an_abort(log: Log, topic: str) -> None:
    reader = log.reader()
    reader.assign(topic, 0, 0)
    writer = log.writer(fresh("w"))
    writer.begin()
    writer.append(topic, numbered(0, 2))
    assert values(reader.poll(100, 50)) == []
    writer.abort()
    assert values(reader.poll(100, 50)) == []
    writer.begin()
    writer.append(topic, numbered(2, 4))
    writer.append(topic, numbered(4, 5))
    writer.commit()
    assert values(drain(reader, 3)) == [b"2", b"3", b"4"]
    reader.close()
    writer.close()
    assert values(everything(log, topic, 3)) == [b"2", b"3", b"4"]


def test_a_transaction_is_seen_in_all_its_topics_or_in_none(log: Log, make_topic: Callable[[int], str]) -> None:
    left, right = make_topic(1), make_topic(2)
    writer = log.writer(fresh("w"))
    writer.begin()
    writer.append(left, numbered(0, 1))
    writer.append(right, numbered(1, 2), 1)
    writer.abort()
    writer.begin()
    writer.append(left, numbered(2, 3))
    writer.append(right, numbered(3, 4), 1)
    writer.append(right, numbered(4, 6), np.array([0, 1], np.int32))
    writer.commit()
    writer.close()
    assert values(everything(log, left, 1)) == [b"2"]
    assert values(everything(log, right, 1, 0)) == [b"4"]
    assert values(everything(log, right, 2, 1)) == [b"3", b"5"]


def test_a_second_writer_of_a_name_fences_the_first(log: Log, topic: str) -> None:
    name = fresh("w")
    first = log.writer(name)
    first.begin()
    first.append(topic, numbered(0, 1))
    first.commit()
    first.begin()
    first.append(topic, numbered(1, 2))
    second = log.writer(name)
    with pytest.raises(LogFenced):
        first.commit()
    second.begin()
    second.append(topic, numbered(2, 3))
    second.commit()
    with pytest.raises(LogFenced):  # noqa: PT012  # at which of the three is not promised
        first.begin()
        first.append(topic, numbered(3, 4))
        first.commit()
    first.close()
    second.close()
    assert values(everything(log, topic, 2)) == [b"0", b"2"]


def test_what_was_committed_is_written_at_once(log: Log, topic: str) -> None:
    writer = log.writer(fresh("w"))
    ends = [log.written(topic, 0)]
    for n in range(20):
        writer.begin()
        writer.append(topic, numbered(n, n + 1))
        writer.commit()
        ends.append(log.written(topic, 0))
    writer.close()
    found = everything(log, topic, 20)
    offsets = [offset for fetch in found for offset in fetch.batch.column("offset").to_pylist()]
    # Each commit's record stands between the ends before and after it.
    assert all(before <= offset < after for before, offset, after in zip(ends[:-1], offsets, ends[1:], strict=True))


def test_bounds_and_reading_to_the_end_agree(log: Log, topic: str) -> None:
    assert log.bounds(topic, 0) == (0, 0)
    writer = log.writer(fresh("w"))
    for n in range(3):
        writer.begin()
        writer.append(topic, numbered(n, n + 1))
        writer.commit()
    writer.begin()
    writer.append(topic, numbered(3, 4))
    writer.abort()
    writer.close()
    everything(log, topic, 3)
    first, end = log.bounds(topic, 0)
    assert first == 0
    reader = log.reader()
    reader.assign(topic, 0, 0)
    fetches: list[Fetch] = []
    deadline = time.monotonic() + 20
    while not fetches or fetches[-1].next_offset < end:
        assert time.monotonic() < deadline, fetches
        fetches += reader.poll(100, 500)
    reader.close()
    assert values(fetches) == [b"0", b"1", b"2"]
    assert fetches[-1].next_offset >= fetches[-1].end_offset


def test_reading_goes_on_from_any_offset(log: Log, topic: str) -> None:
    log.append(topic, numbered(0, 10))
    at = offsets(everything(log, topic, 10))
    for begin in (0, 4, 9):
        fetch = log.read(topic, 0, at[begin], 3)
        assert values([fetch]) == [b"%d" % n for n in range(begin, min(10, begin + 3))]
    end = log.bounds(topic, 0)[1]
    fetch = log.read(topic, 0, end, 3)
    assert (fetch.batch.num_rows, fetch.next_offset, fetch.end_offset) == (0, end, end)


def test_a_reader_follows_several_partitions_and_keeps_to_max_rows(log: Log, make_topic: Callable[[int], str]) -> None:
    topic = make_topic(3)
    for partition in range(3):
        log.append(topic, numbered(0, 100), partition)
    reader = log.reader()
    for partition in range(3):
        reader.assign(topic, partition, 0)
    got: dict[int, list[bytes | None]] = {0: [], 1: [], 2: []}
    deadline = time.monotonic() + 20
    while sum(map(len, got.values())) < 300:
        assert time.monotonic() < deadline
        fetches = reader.poll(30, 1000)
        assert sum(f.batch.num_rows for f in fetches) <= 30
        for fetch in fetches:
            got[fetch.partition] += values([fetch])
    assert all(rows == [b"%d" % n for n in range(100)] for rows in got.values())
    reader.unassign(topic, 1)
    log.append(topic, numbered(100, 101), 1)
    log.append(topic, numbered(200, 201), 2)
    assert values(drain(reader, 1)) == [b"200"]
    reader.assign(topic, 1, 0)
    assert len(values(drain(reader, 101))) == 101
    reader.close()


def test_own_records_are_passed_over(log: Log, topic: str) -> None:
    name = fresh("w")
    ours, other = log.writer(name), log.writer(fresh("w"))
    for n, writer in enumerate((ours, other, ours)):
        writer.begin()
        writer.append(topic, numbered(n, n + 1), mark=True)
        writer.commit()
    log.append(topic, numbered(3, 4))
    ours.begin()
    ours.append(topic, numbered(4, 5), mark=True)
    ours.commit()
    reader = log.reader()
    reader.assign(topic, 0, 0, skip_writer=name)
    everything(log, topic, 5)
    end = log.bounds(topic, 0)[1]
    fetches: list[Fetch] = []
    deadline = time.monotonic() + 20
    while not fetches or fetches[-1].next_offset < end:
        assert time.monotonic() < deadline, fetches
        fetches += reader.poll(100, 500)
    assert values(fetches) == [b"1", b"3"]
    assert all(f.batch.column("headers").null_count == f.batch.num_rows for f in fetches)
    reader.close()
    assert values(everything(log, topic, 5)) == [b"0", b"1", b"2", b"3", b"4"]
    ours.close()
    other.close()


def test_keys_lie_where_java_producers_put_them(log: Log, make_topic: Callable[[int], str]) -> None:
    topic = make_topic(5)
    keys = [b"key-%d" % n for n in range(200)]
    log.append(topic, records(*[(key, b"") for key in keys]))
    writer = log.writer(fresh("w"))
    writer.begin()
    writer.append(topic, records(*[(key, b"") for key in keys]))
    writer.append(topic, records(*[(None, b"")] * 50))
    writer.commit()
    writer.close()
    free = 0
    for partition in range(5):
        expected = [key for key in keys if (murmur2(key) & 0x7FFFFFFF) % 5 == partition]
        got = [
            k
            for f in everything(log, topic, 2 * len(expected) + 1, partition)
            for k in f.batch.column("key").to_pylist()
        ]
        assert [k for k in got if k is not None] == expected * 2
        free += got.count(None)
    assert free == 50


def test_truncated_records_are_gone_and_offsets_go_on(log: Log, topic: str) -> None:
    log.append(topic, numbered(0, 5))
    log.append(topic, numbered(5, 10))
    at = offsets(everything(log, topic, 10))
    log.truncate(topic, 0, at[7])
    assert log.bounds(topic, 0)[0] == at[7]
    assert values(everything(log, topic, 3)) == [b"7", b"8", b"9"]
    log.truncate(topic, 0, log.bounds(topic, 0)[1])
    log.append(topic, numbered(10, 11))
    fetches = everything(log, topic, 1)
    assert values(fetches) == [b"10"]
    assert offsets(fetches)[0] > at[-1]


def test_a_waiting_poll_is_woken_by_wake_and_by_records(log: Log, topic: str) -> None:
    log.append(topic, numbered(0, 1))
    reader = log.reader()
    reader.assign(topic, 0, 0)
    (*_, last) = drain(reader, 1)
    assert last.next_offset == last.end_offset
    waker = threading.Timer(0.05, reader.wake)
    waker.start()
    began = time.monotonic()
    assert reader.poll(10, 20_000) == []
    assert time.monotonic() - began < 10
    appender = threading.Timer(0.05, lambda: log.append(topic, numbered(1, 2)))
    appender.start()
    assert values(drain(reader, 1)) == [b"1"]
    waker.join()
    appender.join()
    reader.close()


def test_large_batches_and_many_small_ones_keep_their_order(log: Log, topic: str) -> None:
    rows = 20_000
    payload = b"x" * 50
    batch = records(*[(b"k", b"%06d" % n + payload) for n in range(rows)])
    log.append(topic, batch)
    writer = log.writer(fresh("w"))
    for n in range(20):
        writer.begin()
        writer.append(topic, numbered(n, n + 1))
        writer.commit()
    writer.begin()
    writer.append(topic, batch)
    writer.commit()
    writer.close()
    reader = log.reader()
    reader.assign(topic, 0, 0)
    fetches = drain(reader, 2 * rows + 20, 7_001)
    reader.close()
    expected = batch.column("value").to_pylist()
    assert values(fetches) == expected + [b"%d" % n for n in range(20)] + expected
    at = offsets(fetches)
    assert at == sorted(set(at))
    assert all(a.next_offset <= b.batch.column("offset")[0].as_py() for a, b in pairwise(fetches))


def test_one_log_serves_many_threads(log: Log, make_topic: Callable[[int], str]) -> None:
    topic = make_topic(2)

    def work(n: int) -> None:
        for i in range(5):
            log.append(topic, records((None, b"%d/%d" % (n, i))), n % 2)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = values(everything(log, topic, 10, 0)) + values(everything(log, topic, 10, 1))
    for n in range(4):
        assert [v for v in got if v is not None and v.startswith(b"%d/" % n)] == [b"%d/%d" % (n, i) for i in range(5)]
