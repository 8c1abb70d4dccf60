"""What is Kafka's own: crashes of transactional producers, brokers that go away, limits of a record."""

from __future__ import annotations

import importlib
import multiprocessing
import random
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
import pyarrow as pa
import pytest

from ssql.errors import LogError, LogUnavailable
from ssql.log import kafka_native
from ssql.log.api import RECORD_SCHEMA
from ssql.log.kafka import KafkaLog
from tests.log.support import drain, everything, numbered, numbers, records, values
from tests.support import kafka_broker

pytestmark = pytest.mark.kafka


@pytest.fixture
def log(kafka: str) -> Iterator[KafkaLog]:
    made = KafkaLog(kafka)
    yield made
    made.close()


@pytest.fixture
def topic(log: KafkaLog) -> Iterator[str]:
    name = f"topic-{time.time_ns()}"
    log.create_topic(name)
    yield name
    log.delete_topic(name)


WAYS = ("compiled", "plain", "messages")


@pytest.mark.parametrize("written", WAYS)
def test_every_way_of_writing_and_of_reading_gives_the_same(
    kafka: str, log: KafkaLog, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """Over librdkafka's C interface with compiled and with plain loops, and over confluent-kafka's messages."""

    def opened(way: str) -> KafkaLog:
        module = importlib.import_module("ssql.log.kafka_kernel" if way == "compiled" else "ssql.log.kafka_plain")
        monkeypatch.setattr(kafka_native, "loops", lambda _: module)
        return KafkaLog(kafka, native=way != "messages")

    topic = f"ways-{written}-{time.time_ns()}"
    log.create_topic(topic, 3)
    made: list[tuple[bytes | None, bytes | None, int, list[dict[str, object]] | None]] = [
        (b"k%d" % (n % 7) if n % 5 else None, b"v" * (n % 9) if n % 3 else None, 1 + n % 4, None) for n in range(300)
    ]
    made += [(b"", b"", 1, [{"key": "h", "value": b"1"}, {"key": "h", "value": None}]), (b"z", b"\0", 2, None)]
    batch = pa.record_batch(
        [pa.array(c, f.type) for c, f in zip(zip(*made, strict=True), RECORD_SCHEMA, strict=True)], schema=RECORD_SCHEMA
    )
    where = np.array([n % 3 for n in range(len(made))], np.int32)
    first = opened(written)
    writer = first.writer(f"w-{topic}")
    writer.begin()
    writer.append(topic, batch, where, mark=True)
    writer.append(topic, batch.slice(7).drop_columns(["headers"]), where[7:], mark=True)
    writer.append(topic, batch.slice(200), where[200:])
    writer.commit()
    writer.close()
    first.close()
    rows = len(made) + (len(made) - 7) + (len(made) - 200)
    for skipped in (False, True):
        for way in WAYS:
            second = opened(way)
            reader = second.reader()
            for partition in range(3):
                reader.assign(topic, partition, 0, skip_writer=f"w-{topic}" if skipped else None)
            fetches = drain(reader, len(made) - 200 if skipped else rows, 50 if way == "plain" else 10_000)
            reader.close()
            second.close()
            for partition in range(3):
                got = [row for f in fetches if f.partition == partition for row in f.batch.to_pylist()]
                expected = [made[n] for n in range(200, len(made)) if n % 3 == partition]
                if not skipped:
                    head = [made[n] for n in range(len(made)) if n % 3 == partition]
                    again = [(*made[n][:3], None) for n in range(7, len(made)) if n % 3 == partition]
                    expected = [*head, *again, *expected]
                assert [(r["key"], r["value"], r["timestamp"], r["headers"]) for r in got] == expected, way
                assert [r["offset"] for r in got] == sorted({r["offset"] for r in got})
    log.delete_topic(topic)


def write_for_ever(bootstrap: str, topic: str, begin: int, progress: Connection) -> None:
    """Transactions of two records, each number twice."""
    log = KafkaLog(bootstrap)
    writer = log.writer(f"crash-{topic}")
    for n in range(begin, begin + 1_000_000):
        writer.begin()
        writer.append(topic, numbered(n, n + 1))
        writer._producer.flush(10)
        progress.send(None)
        writer.append(topic, numbered(n, n + 1))
        writer.commit()
        progress.send(n)


def test_after_a_kill_there_are_whole_transactions_only(log: KafkaLog, kafka: str, topic: str) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["ssql.log.kafka", "tests.log.support"])
    chance = random.Random(3)
    done = 0
    for round_ in range(4):
        receive, send = processes.Pipe(duplex=False)
        child = processes.Process(target=write_for_ever, args=(kafka, topic, done, send), daemon=True)
        child.start()
        send.close()
        reported = done - 1
        # In every other round the kill comes between the two records of a transaction.
        for _ in range(2 * chance.randrange(1, 5) + round_ % 2):
            assert receive.poll(30)
            reached = receive.recv()
            reported = reported if reached is None else reached
        child.kill()
        child.join()
        # The next writer of the name ends what the killed one left open.
        log.writer(f"crash-{topic}").close()
        found = numbers(everything(log, topic))
        done = found[-1] + 1 if found else 0
        assert reported < done <= reported + 3
        assert found == sorted([*range(done)] * 2)


def test_an_open_transaction_holds_back_the_end(log: KafkaLog, topic: str) -> None:
    writer = log.writer(f"open-{topic}")
    writer.begin()
    writer.append(topic, numbered(0, 1))
    writer._producer.flush(10)
    log.append(topic, numbered(1, 2))
    assert log.bounds(topic, 0) == (0, 0)
    reader = log.reader()
    reader.assign(topic, 0, 0)
    fetches = reader.poll(10, 300)
    assert values(fetches) == []
    assert [(f.next_offset, f.end_offset) for f in fetches] in ([], [(0, 0)])
    writer.commit()
    assert numbers(drain(reader, 2)) == [0, 1]
    reader.close()
    writer.close()


def test_a_record_that_is_too_large_is_named_and_nothing_is_written(log: KafkaLog, topic: str) -> None:
    writer = log.writer(f"large-{topic}")
    writer.begin()
    writer.append(topic, records((b"k", b"x" * 990_000)))
    with pytest.raises(LogError, match=f'a record of 1000003 bytes is too large for topic "{topic}"'):
        writer.append(topic, records((b"k", b""), (b"key", b"x" * 1_000_000)))
    writer.abort()
    with pytest.raises(LogError, match="too large"):
        log.append(topic, records((b"key", b"x" * 1_000_000)))
    writer.begin()
    writer.append(topic, records((b"k", b"x" * 990_000)))
    writer.append(topic, numbered(7, 8))
    writer.commit()
    writer.close()
    assert [len(v or b"") for v in values(everything(log, topic, 2))] == [990_000, 1]


@pytest.mark.slow
def test_a_broker_that_goes_away_is_said_and_its_return_is_used(kafka: str) -> None:
    if kafka_broker.missing() is not None:
        pytest.skip("needs a broker of its own")
    with kafka_broker.Broker.running() as broker:
        log = KafkaLog(broker.bootstrap, timeout_s=3)
        log.create_topic("t")
        reader, writer = log.reader(), log.writer("w")
        reader.assign("t", 0, 0)
        writer.begin()
        writer.append("t", numbered(0, 1))
        writer.commit()
        assert numbers(drain(reader, 1)) == [0]
        broker.stop()
        with pytest.raises(LogUnavailable):
            reader.poll(10, 20_000)
        writer.begin()
        writer.append("t", numbered(1, 2))
        with pytest.raises(LogUnavailable):
            writer.commit()
        with pytest.raises(LogUnavailable):
            log.append("t", numbered(1, 2))
        with pytest.raises(LogUnavailable):
            log.topics()
        broker.start()
        deadline = time.monotonic() + 60
        for n in (2, 3):
            while True:
                assert time.monotonic() < deadline
                try:
                    writer.begin()
                    writer.append("t", numbered(n, n + 1))
                    writer.commit()
                    break
                except LogUnavailable:
                    writer.abort()
        log.append("t", numbered(4, 5))
        found: list[int] = []
        while len(found) < 3:
            assert time.monotonic() < deadline
            try:
                found += numbers(reader.poll(10, 1000))
            except LogUnavailable:
                continue
        assert found == [2, 3, 4]
        for part in (reader, writer, log):
            part.close()
