"""ASSERT TOPIC and ASSERT SCHEMA: what holds, what does not, and waiting for it."""

from __future__ import annotations

import threading

import pytest

from ssql.errors import AssertionNotMet, InvalidProperty, UnknownProperty
from tests.engine.conftest import Bench

SOURCE = "CREATE STREAM s (id INT KEY, v STRING) WITH (kafka_topic='s', format='AVRO', partitions=2);"
OTHER = "CREATE STREAM o (v STRING) WITH (kafka_topic='o', value_format='AVRO', partitions=1);"


@pytest.fixture
def defined(bench: Bench) -> Bench:
    bench.run(SOURCE + OTHER)
    return bench


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("ASSERT TOPIC s;", {"@type": "assert_topic", "topicName": "s", "exists": True}),
        ("ASSERT TOPIC 's' WITH (PARTITIONS=2, replicas=1) TIMEOUT 5 SECONDS;", {"topicName": "s", "exists": True}),
        ("ASSERT NOT EXISTS TOPIC S;", {"topicName": "S", "exists": False}),
        ("ASSERT SCHEMA SUBJECT 's-key';", {"@type": "assert_schema", "subject": "s-key", "id": None, "exists": True}),
        ("ASSERT SCHEMA ID 1;", {"subject": None, "id": 1, "exists": True}),
        ("ASSERT SCHEMA SUBJECT 's-value' ID 2;", {"subject": "s-value", "id": 2, "exists": True}),
        ("ASSERT NOT EXISTS SCHEMA SUBJECT t;", {"subject": "t", "id": None, "exists": False}),
        ("ASSERT NOT EXISTS SCHEMA ID 9;", {"subject": None, "id": 9, "exists": False}),
        ("ASSERT NOT EXISTS SCHEMA SUBJECT 's-value' ID 1;", {"subject": "s-value", "id": 1, "exists": False}),
    ],
)
def test_what_holds_is_answered(defined: Bench, sql: str, answer: dict[str, object]) -> None:
    found = defined.one(sql)
    assert found.items() >= answer.items()
    assert (found["statementText"], found["warnings"]) == (sql, [])


@pytest.mark.parametrize(
    ("sql", "message", "marked"),
    [
        ("ASSERT TOPIC x", "Topic x does not exist", "x"),
        ("ASSERT NOT EXISTS TOPIC s WITH (PARTITIONS=9)", "Topic s exists", "s"),
        (
            "ASSERT TOPIC s WITH (PARTITIONS=3, REPLICAS=2)",
            "Mismatched configuration for topic s: For config partitions, expected 3 got 2\n"
            "Mismatched configuration for topic s: For config replicas, expected 2 got 1",
            "s",
        ),
        ("ASSERT SCHEMA SUBJECT x", "Schema with subject name x does not exist", None),
        ("ASSERT SCHEMA SUBJECT 's-value' ID 1", "Schema with subject name s-value id 1 does not exist", None),
        ("ASSERT NOT EXISTS SCHEMA ID 1", "Schema with id 1 exists", None),
    ],
)
def test_what_does_not_hold_fails_after_its_timeout(defined: Bench, sql: str, message: str, marked: str | None) -> None:
    timed = f"{sql} TIMEOUT 1 MILLISECOND"
    error = defined.fails(timed + ";")
    assert isinstance(error, AssertionNotMet)
    assert (error.ksql_code, error.status, error.message) == (41700, 417, message)
    assert defined.marked(error) == (marked or timed)


def test_the_timeout_comes_from_the_session_where_the_statement_has_none(defined: Bench) -> None:
    defined.run("SET 'ksql.assert.topic.default.timeout.ms' = '0'; SET 'assert.schema.default.timeout.ms' = '0';")
    assert isinstance(defined.fails("ASSERT TOPIC x;"), AssertionNotMet)
    assert isinstance(defined.fails("ASSERT SCHEMA ID 77;"), AssertionNotMet)


@pytest.mark.parametrize(
    ("sql", "makes"),
    [
        ("ASSERT TOPIC late WITH (PARTITIONS=1)", SOURCE.replace("'s'", "'late'").replace("=2", "=1")),
        ("ASSERT SCHEMA SUBJECT 'late-value'", SOURCE.replace("'s'", "'late'")),
        ("ASSERT NOT EXISTS TOPIC o", "DROP STREAM o DELETE TOPIC;"),
        ("ASSERT NOT EXISTS SCHEMA SUBJECT 'o-value'", "DROP STREAM o DELETE TOPIC;"),
    ],
)
def test_an_assertion_waits_for_what_it_says(bench: Bench, sql: str, makes: str) -> None:
    bench.run(OTHER)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(bench.engine.execute(f"{sql} TIMEOUT 20 SECONDS;")))
    asking.start()
    bench.run(makes)
    asking.join(20)
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("sql", "error", "marked"),
    [
        ("ASSERT TOPIC s WITH (PARTITION=2);", UnknownProperty, "PARTITION"),
        ("ASSERT TOPIC s WITH (RETENTION_MS=2);", UnknownProperty, "RETENTION_MS"),
        ("ASSERT TOPIC s WITH (PARTITIONS='two');", InvalidProperty, "'two'"),
    ],
)
def test_wrong_assertions_are_refused_at_once(bench: Bench, sql: str, error: type[Exception], marked: str) -> None:
    found = bench.fails(sql)
    assert isinstance(found, error)
    assert bench.marked(found) == marked
