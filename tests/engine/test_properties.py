"""WITH: each property's names and values, what they do to a topic, and what is refused, with its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ssql.errors import FormatError, InvalidProperty, SqlError, SyntaxSqlError, UnknownProperty
from ssql.log.api import Topic
from tests.engine.conftest import Bench

BASE = "KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1"
SOURCE = "CREATE STREAM s (k STRING KEY, v BIGINT, w STRING) WITH (kafka_topic='s', value_format='JSON', partitions=2);"
DAY_MS = 86_400_000


def topic(bench: Bench, name: str) -> Topic:
    found = bench.engine._log.topic(name)
    assert found is not None
    return found


# --- what a topic gets -------------------------------------------------------


@pytest.mark.parametrize(
    ("properties", "partitions", "replicas", "config"),
    [
        ("PARTITIONS=3, REPLICAS=2", 3, 2, {"cleanup.policy": "delete"}),
        ("PARTITIONS='3'", 3, 1, {"cleanup.policy": "delete"}),
        ("RETENTION_MS=5000", 1, 1, {"cleanup.policy": "delete", "retention.ms": "5000"}),
        ("RETENTION_MS=-1", 1, 1, {"cleanup.policy": "delete", "retention.ms": "-1"}),
    ],
)
def test_the_topic_of_a_stream(
    bench: Bench, properties: str, partitions: int, replicas: int, config: Mapping[str, str]
) -> None:
    bench.run(f"CREATE STREAM t (v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', {properties});")
    assert topic(bench, "t") == Topic("t", partitions, replicas, config)


WINDOW = "WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 3 DAYS, GRACE PERIOD 1 HOUR)"
COUNTS = "AS SELECT k, COUNT(*) AS n FROM s {} GROUP BY k"
WINDOWED = COUNTS.format(WINDOW)
THREE_DAYS, SIX_DAYS = str(3 * DAY_MS), str(6 * DAY_MS)


@pytest.mark.parametrize(
    ("created", "partitions", "policy", "retention"),
    [
        ("STREAM t AS SELECT * FROM s", 2, "delete", None),
        ("STREAM t WITH (PARTITIONS=4, RETENTION_MS=7) AS SELECT * FROM s", 4, "delete", "7"),
        (f"TABLE t {COUNTS.format('')}", 2, "compact", None),
        (f"TABLE t {WINDOWED}", 2, "compact,delete", THREE_DAYS),
        (f"TABLE t WITH (RETENTION_MS=9) {WINDOWED}", 2, "compact,delete", THREE_DAYS),
        (f"TABLE t WITH (RETENTION_MS={SIX_DAYS}) {WINDOWED}", 2, "compact,delete", SIX_DAYS),
        (f"TABLE t WITH (RETENTION_MS=-1) {WINDOWED}", 2, "compact,delete", "-1"),
    ],
)
def test_the_topic_of_a_query(bench: Bench, created: str, partitions: int, policy: str, retention: str | None) -> None:
    bench.run(SOURCE + f"CREATE {created};")
    config = {"cleanup.policy": policy} | ({} if retention is None else {"retention.ms": retention})
    assert topic(bench, "T") == Topic("T", partitions, 1, config)


def test_a_query_takes_the_replicas_of_its_source(bench: Bench) -> None:
    bench.run(SOURCE.replace("partitions=2", "partitions=2, replicas=3") + "CREATE STREAM d AS SELECT * FROM s;")
    assert topic(bench, "D").replicas == 3
    bench.run("CREATE STREAM e WITH (REPLICAS=1) AS SELECT * FROM s;")
    assert topic(bench, "E").replicas == 1


def test_a_query_takes_the_retention_of_its_source(bench: Bench) -> None:
    bench.run(SOURCE.replace("partitions=2", f"partitions=2, retention_ms={SIX_DAYS}"))
    bench.run("CREATE STREAM d AS SELECT * FROM s; CREATE STREAM e WITH (RETENTION_MS=5) AS SELECT * FROM d;")
    assert topic(bench, "D").config["retention.ms"] == SIX_DAYS
    assert topic(bench, "E").config["retention.ms"] == "5"
    # Of a window's and the source's the longer one holds; a table that is compacted alone has none.
    bench.run(f"CREATE TABLE w {WINDOWED}; CREATE TABLE c {COUNTS.format('')};")
    assert topic(bench, "W").config["retention.ms"] == SIX_DAYS
    assert topic(bench, "C").config == {"cleanup.policy": "compact"}


def test_a_topic_that_is_there_must_be_as_asked_for(bench: Bench) -> None:
    bench.run(SOURCE)
    other = "CREATE STREAM o (v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', {});"
    for properties, said, marked in (("PARTITIONS=3", "2 partitions", "3"), ("REPLICAS=2", "1 replicas", "2")):
        error = bench.fails(other.format(properties))
        assert isinstance(error, InvalidProperty)
        assert error.message.endswith(f"it has {said}")
        assert bench.marked(error) == marked
    bench.run(other.format("PARTITIONS=2, REPLICAS=1"))


# --- names and values that are refused ---------------------------------------

REFUSED: list[tuple[str, type[SqlError] | type[FormatError], str]] = [
    ("(v INT) WITH (KAFKA_TOPIK='t')", UnknownProperty, "KAFKA_TOPIK"),
    (f"(v INT) WITH ({BASE}, QUERY_ID='x')", UnknownProperty, "QUERY_ID"),
    (f"(v INT) WITH ({BASE}, KAFKA_TOPIC='u')", SyntaxSqlError, "KAFKA_TOPIC"),
    ("(v INT) WITH (KAFKA_TOPIC='no topic!', VALUE_FORMAT='JSON')", InvalidProperty, "'no topic!'"),
    ("(v INT) WITH (KAFKA_TOPIC='..', VALUE_FORMAT='JSON')", InvalidProperty, "'..'"),
    ("(v INT) WITH (KAFKA_TOPIC='', VALUE_FORMAT='JSON')", InvalidProperty, "''"),
    ("(v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSN')", FormatError, "'JSN'"),
    ("(v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=0)", InvalidProperty, "0"),
    ("(v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS='many')", InvalidProperty, "'many'"),
    (f"(v INT) WITH ({BASE}, REPLICAS=1.5)", InvalidProperty, "1.5"),
    (f"(v INT) WITH ({BASE}, RETENTION_MS=-2)", InvalidProperty, "-2"),
    (f"(v INT) WITH ({BASE}, CLEANUP_POLICY='compact')", InvalidProperty, "'compact'"),
    (f"(v INT) WITH ({BASE}, FORMAT='JSON')", InvalidProperty, "VALUE_FORMAT"),
    (f"(v INT) WITH ({BASE}, WRAP_SINGLE_VALUE='yes')", InvalidProperty, "'yes'"),
    (f"(v INT, w INT) WITH ({BASE}, WRAP_SINGLE_VALUE=false)", FormatError, "false"),
    (f"(v INT) WITH ({BASE}, TIMESTAMP='w')", InvalidProperty, "'w'"),
    (f"(v INT) WITH ({BASE}, TIMESTAMP='v')", InvalidProperty, "'v'"),
    (f"(v BIGINT) WITH ({BASE}, TIMESTAMP_FORMAT='yyyy')", InvalidProperty, "TIMESTAMP_FORMAT"),
    (f"(v STRING) WITH ({BASE}, TIMESTAMP='v', TIMESTAMP_FORMAT='yyyy bad')", InvalidProperty, "'yyyy bad'"),
    (f"(v STRING) WITH ({BASE}, TIMESTAMP='v', TIMESTAMP_FORMAT='yyyy''T')", InvalidProperty, "'yyyy''T'"),
    (f"(k INT KEY, v INT) WITH ({BASE}, WINDOW_TYPE='SLIDING')", InvalidProperty, "'SLIDING'"),
    (f"(k INT KEY, v INT) WITH ({BASE}, WINDOW_TYPE='HOPPING')", InvalidProperty, "'HOPPING'"),
    (f"(k INT KEY) WITH ({BASE}, WINDOW_TYPE='HOPPING', WINDOW_SIZE='20')", InvalidProperty, "'20'"),
    (f"(k INT KEY) WITH ({BASE}, WINDOW_TYPE='SESSION', WINDOW_SIZE='2 DAYS')", InvalidProperty, "'2 DAYS'"),
    (f"(k INT KEY, v INT) WITH ({BASE}, WINDOW_SIZE='20 SECONDS')", InvalidProperty, "WINDOW_SIZE"),
    (f"(v INT) WITH ({BASE}, WINDOW_TYPE='SESSION')", InvalidProperty, "'SESSION'"),
    (f"(v INT) WITH ({BASE}, VALUE_SCHEMA_ID=1)", InvalidProperty, "VALUE_SCHEMA_ID"),
    ("WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID='x')", InvalidProperty, "'x'"),
    ("(v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO', VALUE_SCHEMA_FULL_NAME='1 x')", InvalidProperty, "'1 x'"),
    ("(v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='DELIMITED', VALUE_DELIMITER='||')", InvalidProperty, "'||'"),
]


@pytest.mark.parametrize(("rest", "kind", "marked"), REFUSED, ids=[rest for rest, *_ in REFUSED])
def test_wrong_properties_are_refused_at_their_place(
    bench: Bench, rest: str, kind: type[SqlError] | type[FormatError], marked: str
) -> None:
    sql = f"CREATE STREAM t {rest};"
    with pytest.raises(kind) as caught:
        bench.run(sql)
    assert bench.marked(caught.value) == marked
    assert bench.engine._log.topic("t") is None
    assert "T" not in bench.engine._core.catalog.sources


@pytest.mark.parametrize(
    ("written", "meant"),
    [("KAFKA_TOPIK", "KAFKA_TOPIC"), ("VALUE_FROMAT", "VALUE_FORMAT"), ("PARTITION", "PARTITIONS")],
)
def test_a_mistyped_name_is_told_with_the_one_that_was_meant(bench: Bench, written: str, meant: str) -> None:
    assert bench.fails(f"CREATE STREAM t (v INT) WITH ({written}='t');").hint == f"Did you mean {meant}?"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (k INT PRIMARY KEY, v INT) WITH ({base}, RETENTION_MS=9);",
        "CREATE TABLE t WITH (RETENTION_MS=9) AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;",
    ],
)
def test_a_table_without_windows_has_no_retention(bench: Bench, sql: str) -> None:
    bench.run(SOURCE)
    error = bench.fails(sql.format(base=BASE))
    assert isinstance(error, InvalidProperty)
    assert bench.marked(error) == "RETENTION_MS"


@pytest.mark.parametrize("name", ["WINDOW_TYPE", "WINDOW_SIZE", "SOURCE_CONNECTOR"])
def test_what_a_query_does_not_take(bench: Bench, name: str) -> None:
    bench.run(SOURCE)
    error = bench.fails(f"CREATE STREAM t WITH ({name}='x') AS SELECT * FROM s;")
    assert isinstance(error, UnknownProperty)
    assert bench.marked(error) == name
