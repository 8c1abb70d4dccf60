"""WITH (TIMESTAMP): records that give no time, and the times of what a query writes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ssql.log.api import RECORD_SCHEMA
from tests.engine.conftest import Bench

TIMED = "CREATE STREAM s (k INT KEY, v INT, at BIGINT) WITH (kafka_topic='s', partitions=1, value_format='JSON'{});"
TEXT = (
    "CREATE STREAM s (k INT KEY, v INT, at STRING) WITH (kafka_topic='s', partitions=1, value_format='JSON', "
    "timestamp='at', timestamp_format='yyyy-MM-dd');"
)


def append(bench: Bench, *records: tuple[int, bytes | None, int]) -> None:
    """Records of topic s: key, value, timestamp."""
    rows = [
        {"key": key.to_bytes(4, "big"), "value": value, "timestamp": time, "headers": None}
        for key, value, time in records
    ]
    bench.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), 0)
    bench.settle()


def times(bench: Bench, topic: str) -> list[tuple[bool, int]]:
    """Whether each record has a value, and its timestamp."""
    batch = bench.engine._log.read(topic, 0, 0, 100).batch
    return list(zip(batch.column("value").is_valid().to_pylist(), batch.column("timestamp").to_pylist(), strict=True))


def failures(bench: Bench) -> dict[str, str | None]:
    """The reason why each query failed, by what its id begins with."""
    return {s.query_id.rsplit("_", 1)[0]: s.error for s in bench.engine._core.worker.status()}


@pytest.mark.parametrize(
    ("setting", "source", "bad", "reason"),
    [
        ("ksql.timestamp.throw.on.invalid", TIMED.format(", timestamp='at'"), b'{"V":1,"AT":-1}', "column AT holds no"),
        ("ksql.timestamp.throw.on.invalid", TIMED.format(", timestamp='at'"), b'{"V":1}', "column AT holds no"),
        ("ksql.timestamp.throw.on.invalid", TEXT, b'{"V":1,"AT":"soon"}', "column AT holds no"),
        ("ksql.fail.on.deserialization.error", TIMED.format(""), b'{"V":"x"}', 'cannot read "x" as INT'),
        ("ksql.fail.on.deserialization.error", TIMED.format(""), b"{", "not valid JSON"),
    ],
)
def test_a_query_may_be_asked_to_fail_at_a_bad_record(
    bench: Bench, setting: str, source: str, bad: bytes, reason: str
) -> None:
    at = b'"2020-02-02"' if source is TEXT else b"7"
    good = b'{"V":2,"AT":%s}' % at
    bench.run(source + f"SET '{setting}'='true';CREATE STREAM strict AS SELECT * FROM s;UNSET '{setting}';")
    bench.run("CREATE STREAM lax AS SELECT * FROM s;")
    append(bench, (1, good, 0))
    append(bench, (2, bad, 0), (3, good, 0))
    why = failures(bench)
    assert why["CSAS_LAX"] is None
    assert reason in str(why["CSAS_STRICT"])
    timeless = "Fatal user code error in TimestampExtractor callback for record"
    assert (timeless in str(why["CSAS_STRICT"])) == ("timestamp" in setting)
    assert [key for key, _ in bench.topic("STRICT")] == [b"\0\0\0\1"]
    assert [key for key, _ in bench.topic("LAX")] == [b"\0\0\0\1", b"\0\0\0\3"]
    assert bench.rows("SELECT query_id, `OFFSET` FROM ssql_errors;") == [("CSAS_LAX_2", 1)]
    # What was asked for holds after a restart too.
    bench.reopen()
    bench.run("RESUME CSAS_STRICT_1;")
    bench.settle()
    assert reason in str(failures(bench)["CSAS_STRICT"])


def test_a_record_without_a_value_has_the_stream_time(bench: Bench) -> None:
    bench.run(TIMED.format("") + "CREATE STREAM o WITH (timestamp='at') AS SELECT * FROM s;")
    append(bench, (1, b'{"V":1,"AT":5}', 100), (2, None, 50), (3, None, 200), (4, b'{"V":1}', 300))
    assert times(bench, "O") == [(True, 5), (False, 100), (False, 200)]
    bench.reopen()
    append(bench, (5, None, 10))
    assert times(bench, "O")[3:] == [(False, 300)]


def test_a_tables_deletion_is_written_whatever_its_timestamp_was(bench: Bench) -> None:
    bench.run(
        "CREATE TABLE s (k INT PRIMARY KEY, v INT, at BIGINT) WITH (kafka_topic='s', partitions=1, "
        "value_format='JSON');"
        "CREATE TABLE o WITH (timestamp='at') AS SELECT * FROM s;"
    )
    append(bench, (1, b'{"V":1,"AT":5}', 100))
    append(bench, (1, None, 110))
    assert times(bench, "O") == [(True, 5), (False, 110)]
    assert bench.rows("SELECT * FROM o;") == []
