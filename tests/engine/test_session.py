"""SET, UNSET, DEFINE, UNDEFINE and ALTER SYSTEM: what a session carries, and what holds for all of them."""

from __future__ import annotations

import pytest

from ssql.config import ASSERT_TOPIC_TIMEOUT_MS
from ssql.engine.api import Session
from ssql.errors import ConfigError, InvalidStatement, UnknownSetting, VariableNotFound
from tests.engine.conftest import Bench

SOURCE = "CREATE STREAM ${name} (v STRING) WITH (kafka_topic='${name}', value_format='JSON', partitions=1);"


def value(bench: Bench, name: str) -> object:
    properties = bench.one("SHOW PROPERTIES;")["properties"]
    return next(p["value"] for p in properties if p["name"] == name)


# --- variables ---------------------------------------------------------------


def test_variables_stand_for_names_texts_and_numbers(bench: Bench) -> None:
    bench.run("DEFINE name = 'orders'; DEFINE many = '3'; DEFINE quoted = '''x''';")
    bench.run(SOURCE.replace("=1", "=${many}"))
    bench.run("INSERT INTO ${NAME} VALUES (${quoted}), ('${name}'), ('$${name}');")
    assert bench.rows("SELECT v FROM ${name} WHERE v <> '';") == [("${name}",), ("orders",), ("x",)]
    assert bench.one("SHOW TOPICS;")["topics"] == [{"name": "orders", "replicaInfo": [1, 1, 1]}]
    assert bench.one("SHOW VARIABLES;")["variables"] == [
        {"name": "MANY", "value": "3"},
        {"name": "NAME", "value": "orders"},
        {"name": "QUOTED", "value": "'x'"},
    ]


def test_a_variable_without_a_value_is_refused_before_anything_is_done(bench: Bench) -> None:
    error = bench.engine.execute
    with pytest.raises(VariableNotFound) as caught:
        error("DEFINE nam = 'x';" + SOURCE, bench.session)
    assert bench.marked(caught.value) == "${name}"
    assert caught.value.hint == 'Did you mean "NAM"?'
    assert bench.session.variables == {}


@pytest.mark.parametrize("key", ["ksql.variable.substitution.enable", "variable.substitution.enable"])
def test_substitution_is_turned_off_and_on_for_what_follows(bench: Bench, key: str) -> None:
    insert = "INSERT INTO s VALUES ('${name}');"
    bench.run(f"DEFINE name = 's'; {SOURCE} SET '{key}' = 'false'; {insert} UNSET '{key}'; {insert}")
    assert bench.rows("SELECT v FROM s;") == [("${name}",), ("s",)]
    bench.run(f"SET '{key}' = 'false';")
    assert bench.rows("SELECT v FROM s WHERE v = '${name}';") == [("${name}",)]
    bench.run("INSERT INTO s VALUES ('${nothing}');")


def test_undefining_what_is_not_defined_is_a_warning(bench: Bench) -> None:
    bench.run("DEFINE a = '1';")
    assert bench.run("UNDEFINE A;") == []
    assert bench.one("UNDEFINE a;") == {
        "@type": "warning_entity",
        "statementText": "UNDEFINE a;",
        "warnings": [],
        "message": "Cannot undefine variable 'A' which was never defined",
    }


def test_a_script_is_not_read_by_the_engine(bench: Bench) -> None:
    error = bench.fails("RUN SCRIPT 'x.sql';")
    assert isinstance(error, InvalidStatement)
    assert "carried out by the command" in error.message


# --- settings ----------------------------------------------------------------


@pytest.mark.parametrize("statement", ["SET 'ksql.streams.auto.offest.reset' = 'latest';", "UNSET 'auto.offset.rest';"])
def test_a_mistyped_setting_is_told_with_the_one_that_was_meant(bench: Bench, statement: str) -> None:
    error = bench.fails(statement)
    assert isinstance(error, UnknownSetting)
    assert error.hint in (
        'Did you mean "ksql.streams.auto.offset.reset"?',
        'Did you mean "auto.offset.reset"?',
    )


def test_settings_of_ksqldb_that_change_nothing_here_are_taken_and_shown(bench: Bench) -> None:
    bench.run("SET 'ksql.streams.num.stream.threads' = '4'; SET 'ksql.query.pull.max.qps' = '9';")
    assert value(bench, "ksql.streams.num.stream.threads") == "4"
    bench.run("UNSET 'ksql.streams.num.stream.threads';")
    shown = bench.one("SHOW PROPERTIES;")
    assert shown["overwrittenProperties"] == ["auto.offset.reset", "ksql.query.pull.max.qps"]


def test_alter_system_holds_for_all_sessions_and_over_restarts(bench: Bench) -> None:
    altered = bench.one("ALTER SYSTEM 'ksql.assert.topic.default.timeout.ms' = '0';")
    assert altered["commandId"] == "cluster/ksql.assert.topic.default.timeout.ms/alter"
    assert altered["commandStatus"]["message"] == "assert.topic.default.timeout.ms was set to 0."
    assert value(bench, ASSERT_TOPIC_TIMEOUT_MS.key) == "0"
    bench.reopen()
    bench.session = Session()
    assert value(bench, ASSERT_TOPIC_TIMEOUT_MS.key) == "0"
    bench.run("SET 'assert.topic.default.timeout.ms' = '7';")
    assert value(bench, ASSERT_TOPIC_TIMEOUT_MS.key) == "7"
    bench.run("UNSET 'assert.topic.default.timeout.ms'; ALTER SYSTEM 'assert.topic.default.timeout.ms' = '3';")
    assert value(bench, ASSERT_TOPIC_TIMEOUT_MS.key) == "3"


def test_queries_start_as_alter_system_says(bench: Bench) -> None:
    bench.session = Session(variables={"name": "s"})
    bench.run(SOURCE + "INSERT INTO s VALUES ('before');")
    bench.run("ALTER SYSTEM 'auto.offset.reset' = 'earliest'; CREATE STREAM copied AS SELECT * FROM s;")
    assert bench.rows("SELECT v FROM copied;") == [("before",)]


@pytest.mark.parametrize(
    ("statement", "error", "message"),
    [
        ("ALTER SYSTEM 'auto.offset.rest' = 'latest';", UnknownSetting, 'unknown setting "auto.offset.rest"'),
        ("ALTER SYSTEM 'auto.offset.reset' = 'first';", ConfigError, "expected earliest or latest"),
        ("ALTER SYSTEM 'listen' = '0.0.0.0:1';", ConfigError, "belongs to the server"),
    ],
)
def test_what_cannot_be_altered(bench: Bench, statement: str, error: type[Exception], message: str) -> None:
    found = bench.fails(statement)
    assert isinstance(found, error)
    assert message in found.message
    assert bench.marked(found) == statement[:-1]


def test_altering_what_has_no_effect_is_a_warning(bench: Bench) -> None:
    (warning,) = bench.one("ALTER SYSTEM 'ksql.streams.num.stream.threads' = '4';")["warnings"]
    assert warning == {"message": "ksql.streams.num.stream.threads has no effect here."}
