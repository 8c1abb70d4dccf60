"""PRINT: the records of a topic as lines, from now on or from the beginning."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from ssql.engine.api import PushQuery
from ssql.engine.print_topic import rowtime_text
from ssql.errors import SyntaxSqlError, TopicNotFound
from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import WAIT_S, Bench

TOPIC = "CREATE STREAM s (id STRING KEY, v STRING) WITH (kafka_topic='s', value_format='JSON', partitions=2);"


def append(bench: Bench, *records: tuple[bytes | None, bytes | None], partition: int = 0) -> None:
    rows = [{"key": k, "value": v, "timestamp": 1_588_869_712_072, "headers": None} for k, v in records]
    bench.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), partition)


def lines(printed: PushQuery, count: int) -> list[str]:
    """The next lines."""
    found: list[str] = []
    while len(found) < count:
        batch = printed.take(count - len(found), WAIT_S)
        assert batch is not None, found
        assert batch.num_rows, f"nothing came after {found}"
        found += batch.column(0).to_pylist()
    return found


def all_lines(bench: Bench, sql: str) -> list[str]:
    """The lines of a PRINT that ends by itself."""
    printed, found = bench.push(sql), list[str]()
    while (batch := printed.take(100, WAIT_S)) is not None:
        assert batch.num_rows
        found += batch.column(0).to_pylist()
    assert printed.error is None
    return found


@pytest.fixture
def topic(bench: Bench) -> Bench:
    bench.run(TOPIC + "UNSET 'auto.offset.reset';")
    return bench


def test_from_the_beginning_up_to_a_limit(topic: Bench) -> None:
    append(topic, (b"a", b'{"V": 12}'), (None, None))
    append(topic, (b"b", b"\xff"), partition=1)
    found = all_lines(topic, "PRINT s FROM BEGINNING LIMIT 3;")
    assert found[:2] == ["Key format: KAFKA_STRING", "Value format: JSON or KAFKA_STRING"]
    assert sorted(found[2:]) == [
        "Value format: does not match any supported format. It may be a STRING with encoding other than UTF8, or some "
        "other format.",
        r"rowtime: 2020/05/07 16:41:52.072 Z, key: <null>, value: <null>, partition: 0",
        r"rowtime: 2020/05/07 16:41:52.072 Z, key: a, value: {" + '"V": 12}, partition: 0',
        r"rowtime: 2020/05/07 16:41:52.072 Z, key: b, value: \xFF, partition: 1",
    ]


def test_from_now_on_until_it_is_closed(topic: Bench) -> None:
    append(topic, (b"before", b"x"))
    printed = topic.push("PRINT s;")
    append(topic, (b"after", b"x"))
    assert lines(printed, 3)[2].endswith("key: after, value: x, partition: 0")
    append(topic, (b"later", b"x"))
    assert "key: later" in lines(printed, 1)[0]
    printed.close()
    assert printed.take(10, 0) is None


def test_a_session_that_reads_from_the_beginning_prints_from_there(topic: Bench) -> None:
    append(topic, (b"a", b"x"))
    topic.run("SET 'auto.offset.reset' = 'earliest';")
    assert "key: a" in all_lines(topic, "PRINT s LIMIT 1;")[2]


@pytest.mark.parametrize(
    ("clause", "keys"),
    [
        ("INTERVAL 3 LIMIT 4", ["0", "3", "6", "9"]),
        ("SAMPLE 5 LIMIT 2", ["0", "5"]),
        ("LIMIT 2", ["0", "1"]),
        ("LIMIT 0", []),
    ],
)
def test_every_nth_record(topic: Bench, clause: str, keys: Sequence[str]) -> None:
    for start in (0, 4):
        append(topic, *((str(start + n).encode(), b"x") for n in range(4 if start == 0 else 8)))
    found = all_lines(topic, f"PRINT s FROM BEGINNING {clause};")
    assert [line.split("key: ")[1].split(",")[0] for line in found if line.startswith("rowtime")] == keys


def test_a_reader_that_waits_gets_every_record(topic: Bench) -> None:
    """More than the buffer holds: the reading waits, and nothing is lost."""
    for start in range(0, 10_000, 1000):
        append(topic, *((str(start + n).encode(), b"x") for n in range(1000)))
    printed = topic.push("PRINT s FROM BEGINNING;")
    found = lines(printed, 10_002)
    assert [int(line.split("key: ")[1].split(",")[0]) for line in found if line[:7] == "rowtime"] == list(range(10_000))


def test_an_unknown_topic_is_told_with_the_one_that_was_meant(topic: Bench) -> None:
    with pytest.raises(TopicNotFound) as caught:
        topic.engine.query("PRINT S;", topic.session)
    assert topic.marked(caught.value) == "S"
    assert caught.value.hint == 'Did you mean "s"?'


def test_an_interval_of_nothing_is_refused(topic: Bench) -> None:
    with pytest.raises(SyntaxSqlError) as caught:
        topic.engine.query("PRINT s INTERVAL 0;", topic.session)
    assert topic.marked(caught.value) == "0"


def test_the_engine_closes_while_a_topic_is_printed(topic: Bench) -> None:
    printed = topic.push("PRINT s;")
    topic.reopen()
    assert printed.take(1, 0) is None


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (-1, "N/A"),
        (0, "1970/01/01 00:00:00.000 Z"),
        (-2, "1969/12/31 23:59:59.998 Z"),
        (253_402_300_800_000, "+10000/01/01 00:00:00.000 Z"),
    ],
)
def test_any_timestamp_has_a_text(millis: int, text: str) -> None:
    assert rowtime_text(millis) == text
