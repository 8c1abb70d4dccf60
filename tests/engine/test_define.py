"""CREATE, ALTER and DROP of sources and types: what is there afterwards, and what is refused and where it points."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ssql.errors import (
    ConfigError,
    CustomTypeNotFound,
    InvalidProperty,
    InvalidStatement,
    SourceExists,
    SourceNotFound,
    SqlError,
    SsqlError,
    SyntaxSqlError,
    TypeExists,
    TypeNotFound,
    UnknownProperty,
)
from ssql.types import BIGINT, Struct
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (id INT KEY, v STRING) WITH (kafka_topic='s', value_format='JSON');"
TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v STRING) WITH (kafka_topic='t', value_format='JSON');"


def names(bench: Bench, kind: str) -> list[str]:
    listed = bench.one(f"SHOW {kind};")[kind.lower()]
    return [s["name"] for s in listed if not s["name"].startswith("SSQL_")]


def test_create_answers_with_the_number_of_its_command(bench: Bench) -> None:
    first, second = bench.run(STREAM + TABLE)
    assert first["@type"] == "currentStatus"
    assert first["statementText"] == STREAM
    assert first["commandId"] == "stream/S/create"
    assert first["commandStatus"] == {"status": "SUCCESS", "message": "Stream created", "queryId": None}
    assert (first["commandSequenceNumber"], second["commandSequenceNumber"]) == (0, 1)
    assert names(bench, "STREAMS") == ["S"]
    assert names(bench, "TABLES") == ["T"]


def test_definitions_survive_a_restart(bench: Bench) -> None:
    bench.run("CREATE TYPE addr AS STRUCT<n INT>;" + STREAM + TABLE)
    bench.run("ALTER TABLE t ADD COLUMN w addr; DROP STREAM s; CREATE TYPE gone AS BIGINT; DROP TYPE gone;")
    before = bench.engine._core.catalog
    bench.reopen()
    assert bench.engine._core.catalog == before
    assert bench.one("CREATE TYPE n AS INT;")["commandSequenceNumber"] == 7


def test_key_columns_come_first_whatever_their_place(bench: Bench) -> None:
    bench.run("CREATE STREAM s (a INT, `k` STRING KEY, b INT) WITH (kafka_topic='s', format='JSON');")
    fields = bench.one("DESCRIBE s;")["sourceDescription"]["fields"]
    assert [(f["name"], f.get("fieldType")) for f in fields] == [("k", "KEY"), ("A", None), ("B", None)]


def test_partitions_make_the_topic(bench: Bench) -> None:
    bench.run("CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (kafka_topic='t', value_format='JSON', partitions=3);")
    topic = bench.engine._log.topic("t")
    assert topic is not None
    assert topic.partitions == 3
    assert topic.config["cleanup.policy"] == "compact"


def test_a_missing_topic_is_made_with_the_default_number_of_partitions(make: Callable[..., Bench]) -> None:
    bench = make(**{"topic.default.partitions": 5})
    bench.run("CREATE STREAM s (v INT) WITH (kafka_topic='s', value_format='JSON', retention_ms=1000);")
    topic = bench.engine._log.topic("s")
    assert topic is not None
    assert topic.partitions == 5
    assert topic.config == {"cleanup.policy": "delete", "retention.ms": "1000"}


def test_default_formats_come_from_the_session(bench: Bench) -> None:
    bench.run("SET 'ksql.persistence.default.format.value'='delimited';")
    bench.run("CREATE STREAM s (id INT KEY, v INT) WITH (kafka_topic='s');")
    described = bench.one("DESCRIBE s;")["sourceDescription"]
    assert (described["keyFormat"], described["valueFormat"]) == ("KAFKA", "DELIMITED")


def test_if_not_exists_keeps_what_is_there(bench: Bench) -> None:
    bench.run(STREAM)
    again = bench.one(STREAM.replace("STREAM s", "STREAM IF NOT EXISTS s").replace("v STRING", "v BIGINT"))
    assert again["@type"] == "warning_entity"
    assert again["message"] == "Cannot add stream `S`: A stream with the same name already exists."
    fields = bench.one("DESCRIBE s;")["sourceDescription"]["fields"]
    assert fields[1]["schema"]["type"] == "STRING"


def test_variables_and_types_are_resolved_before_they_are_stored(bench: Bench) -> None:
    bench.run("CREATE TYPE money AS DECIMAL(9,2); DEFINE topic = 'orders';")
    bench.run("CREATE STREAM s (v ARRAY<money>) WITH (kafka_topic='${topic}', value_format='JSON'); DROP TYPE money;")
    bench.reopen()
    described = bench.one("DESCRIBE s;")["sourceDescription"]
    assert described["topic"] == "orders"
    assert described["fields"][0]["schema"]["memberSchema"]["parameters"] == {"precision": 9, "scale": 2}


# (statement, error class, the words of the message, the text pointed at)
REFUSED: list[tuple[str, type[SsqlError], str, str]] = [
    (STREAM, SourceExists, "Cannot add stream 'S': A stream with the same name already exists", "s"),
    (STREAM.replace("STREAM", "TABLE").replace("KEY", "PRIMARY KEY"), SourceExists, "stream", "s"),
    ("CREATE STREAM x (v INT) WITH (kafka_topic='x');", InvalidProperty, "'VALUE_FORMAT'", "x"),
    ("CREATE STREAM x (v INT) WITH (value_format='JSON');", InvalidProperty, "KAFKA_TOPIC", "x"),
    ("CREATE STREAM x WITH (kafka_topic='x', value_format='JSON');", InvalidStatement, "No columns supplied.", "x"),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', valu_format='JSON');",
        UnknownProperty,
        "Invalid config variable(s) in the WITH clause: VALU_FORMAT",
        "valu_format",
    ),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='JSON', partitions='many');",
        InvalidProperty,
        "PARTITIONS",
        "'many'",
    ),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='s', value_format='JSON', partitions=7);",
        InvalidProperty,
        "already exists, with different partition",
        "7",
    ),
    ("CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='XML');", SsqlError, "Unknown format", "'XML'"),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', format='JSON', value_format='JSON');",
        InvalidProperty,
        "Cannot supply both",
        "value_format",
    ),
    (
        "CREATE STREAM x (v MAP<INT, INT>) WITH (kafka_topic='x', value_format='JSON');",
        SsqlError,
        "STRING keys",
        "'JSON'",
    ),
    (
        "CREATE STREAM x (a INT, b INT) WITH (kafka_topic='x', value_format='JSON', wrap_single_value=false);",
        SsqlError,
        "single-field",
        "false",
    ),
    ("CREATE STREAM x (v INT, V STRING) WITH (kafka_topic='x', value_format='JSON');", InvalidStatement, "Dupl", "V"),
    (
        "CREATE STREAM x (rowtime INT) WITH (kafka_topic='x', value_format='JSON');",
        InvalidStatement,
        "'ROWTIME' is a reserved column name",
        "rowtime",
    ),
    (
        "CREATE TABLE x (v INT) WITH (kafka_topic='x', value_format='JSON');",
        InvalidStatement,
        "Tables require a PRIMARY KEY",
        "x",
    ),
    (
        "CREATE STREAM x (v nope) WITH (kafka_topic='x', value_format='JSON');",
        TypeNotFound,
        "Cannot resolve unknown type: NOPE",
        "nope",
    ),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='JSON', timestamp='w');",
        InvalidProperty,
        "does not exist in the schema: 'W'",
        "'w'",
    ),
    (
        "CREATE STREAM x (v STRING) WITH (kafka_topic='x', value_format='JSON', timestamp='v');",
        InvalidProperty,
        "should be LONG(INT64)",
        "'v'",
    ),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='JSON', window_type='hopping');",
        InvalidProperty,
        "WINDOW_SIZE is needed",
        "'hopping'",
    ),
    (
        "CREATE STREAM x (v INT) WITH (kafka_topic='x', value_format='JSON', cleanup_policy='compact');",
        InvalidProperty,
        "CLEANUP_POLICY",
        "'compact'",
    ),
    (
        "CREATE STREAM x (h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS, g ARRAY<STRUCT<key STRING, value BYTES>> "
        "HEADERS) WITH (kafka_topic='x', value_format='JSON');",
        InvalidStatement,
        "already contains a HEADERS column",
        "g",
    ),
    (
        "CREATE STREAM x (h BYTES HEADER('a'), g BYTES HEADER('a')) WITH (kafka_topic='x', value_format='JSON');",
        InvalidStatement,
        "already contains a HEADER('a') column",
        "g",
    ),
    (
        "CREATE STREAM x (h STRING HEADER('a')) WITH (kafka_topic='x', value_format='JSON');",
        InvalidStatement,
        "expected BYTES, got STRING",
        "h",
    ),
    ("CREATE TYPE money AS INT;", TypeExists, 'a type named "MONEY" already exists', "money"),
    ("DROP TYPE nope;", CustomTypeNotFound, "Type NOPE does not exist.", "nope"),
    ("DROP STREAM sx;", SourceNotFound, "Stream SX does not exist", "sx"),
    ("DROP TABLE s;", InvalidStatement, "Incompatible data source type is STREAM", "s"),
    ("ALTER STREAM s ADD COLUMN v INT;", InvalidStatement, "Cannot add column `V` to schema", "v"),
    ("ALTER STREAM ro ADD COLUMN w INT;", InvalidStatement, "not supported on source streams", "ro"),
    ("DROP STREAM ro DELETE TOPIC;", InvalidStatement, "Cannot delete topic for read-only source: RO", "ro"),
    ("DROP STREAM ssql_errors;", SqlError, "read-only", "ssql_errors"),
    ("SELECT * FROM s;", SqlError, "/ksql cannot carry out SELECT", "SELECT"),
    ("CREATE STREAM;", SyntaxSqlError, "", ""),
]


@pytest.mark.parametrize(("sql", "kind", "words", "marked"), REFUSED, ids=[r[0][:60] for r in REFUSED])
def test_refused(bench: Bench, sql: str, kind: type[SsqlError], words: str, marked: str) -> None:
    bench.run(STREAM + "CREATE TYPE money AS DECIMAL(9,2);" + STREAM.replace("STREAM s", "SOURCE STREAM ro"))
    before = bench.engine._core.catalog
    if kind is SyntaxSqlError:
        with pytest.raises(SyntaxSqlError):
            bench.run(sql)
        return
    error = bench.fails(sql)
    assert isinstance(error, kind)
    assert words in error.message
    assert bench.marked(error).startswith(marked)
    assert bench.engine._core.catalog is before
    assert bench.engine._core.commands.next_sequence() == 3


def test_the_error_of_a_script_tells_its_place_and_what_was_done(bench: Bench) -> None:
    sql = STREAM + "\n" + TABLE + "\nASSERT TOPIC nope TIMEOUT 0 SECONDS;\n" + TABLE
    error = bench.fails(sql)
    assert error.position is not None
    assert (error.position.line, error.position.column) == (3, 14)
    assert error.statement == "ASSERT TOPIC nope TIMEOUT 0 SECONDS;"
    assert [e["commandId"] for e in error.entities] == ["stream/S/create", "table/T/create"]
    body = error.as_json()
    assert body["@type"] == "statement_error"
    assert body["entities"] == error.entities


def test_a_settings_error_is_one_of_the_statement_too(bench: Bench) -> None:
    error = bench.fails("SET 'auto.offset.reset'='sometimes';")
    assert isinstance(error, ConfigError)


# --- CREATE OR REPLACE, ALTER, DROP ------------------------------------------


def test_or_replace_adds_columns_at_the_end(bench: Bench) -> None:
    bench.run(STREAM)
    bench.run(STREAM.replace("CREATE STREAM", "CREATE OR REPLACE STREAM").replace("v STRING", "v STRING, w INT"))
    fields = bench.one("DESCRIBE s;")["sourceDescription"]["fields"]
    assert [f["name"] for f in fields] == ["ID", "V", "W"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("v STRING", "w STRING", "The following columns are changed, missing or reordered: [`V` STRING]"),
        ("v STRING", "v BIGINT", "The following columns are changed, missing or reordered: [`V` STRING]"),
        ("id INT KEY", "id BIGINT KEY", "Key columns must be identical"),
        ("id INT KEY, ", "", "Key columns must be identical"),
        ("kafka_topic='s'", "kafka_topic='other'", "has topic = KsqlTopic{kafkaTopicName='s'"),
        ("'JSON'", "'DELIMITED'", "which is not upgradeable to KsqlTopic{"),
        (
            "'JSON'",
            "'JSON', key_format='JSON'",
            "keyFormat=KeyFormat{format=FormatInfo{format=JSON, properties={}}, features=[UNWRAP_SINGLES]",
        ),
        ("CREATE OR REPLACE STREAM", "CREATE OR REPLACE SOURCE STREAM", "not supported on source streams"),
    ],
)
def test_or_replace_refuses_what_the_topic_would_not_fit(bench: Bench, old: str, new: str, words: str) -> None:
    bench.run(STREAM)
    error = bench.fails(STREAM.replace("CREATE STREAM", "CREATE OR REPLACE STREAM").replace(old, new))
    assert words in error.message


def test_alter_adds_columns_and_keeps_the_history_of_the_statement(bench: Bench) -> None:
    bench.run(STREAM + "ALTER STREAM s ADD COLUMN w INT, ADD x DATE;")
    described = bench.one("DESCRIBE s;")["sourceDescription"]
    assert [f["name"] for f in described["fields"]] == ["ID", "V", "W", "X"]
    assert described["statement"].endswith("ALTER STREAM s ADD COLUMN w INT, ADD x DATE;")


def test_drop_deletes_the_topic_when_asked(bench: Bench) -> None:
    bench.run(STREAM + TABLE + "DROP STREAM s DELETE TOPIC; DROP TABLE t; DROP TABLE IF EXISTS t;")
    assert bench.engine._log.topic("s") is None
    assert bench.engine._log.topic("t") is not None
    assert names(bench, "STREAMS") == names(bench, "TABLES") == []


def test_types(bench: Bench) -> None:
    bench.run("CREATE TYPE a AS STRUCT<n BIGINT>; CREATE TYPE IF NOT EXISTS a AS INT; CREATE TYPE b AS ARRAY<a>;")
    assert bench.engine._core.catalog.types["A"] == Struct((("N", BIGINT),))
    listed = bench.one("SHOW TYPES;")["types"]
    assert listed["B"]["memberSchema"]["type"] == "STRUCT"
    bench.run("DROP TYPE a; DROP TYPE IF EXISTS a;")
    assert list(bench.one("SHOW TYPES;")["types"]) == ["B"]


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("format_", ["JSON", "JSON_SR", "AVRO", "PROTOBUF", "PROTOBUF_NOSR", "DELIMITED", "KAFKA"])
def test_a_single_value_is_wrapped_as_the_settings_say_where_the_format_can(
    bench: Bench, format_: str, wrap: bool
) -> None:
    """CREATE and C*AS alike; what the statement says comes first, and several columns are always a record."""
    bench.run(
        f"SET 'ksql.persistence.wrap.single.values'='{str(wrap).lower()}';"
        f"CREATE STREAM s (k INT KEY, v INT) WITH (kafka_topic='s', partitions=1, value_format='{format_}');"
        "CREATE STREAM o AS SELECT * FROM s;"
        "CREATE STREAM j WITH (value_format='JSON') AS SELECT k, v, v AS w FROM s;"
        f"CREATE STREAM said WITH (value_format='JSON', wrap_single_value={not wrap}) AS SELECT * FROM s;"
        "INSERT INTO s VALUES (1, 2);"
    )
    can = wrap in {"PROTOBUF": (True,), "DELIMITED": (False,), "KAFKA": (False,)}.get(format_, (True, False))
    found = {name: bench.engine._core.catalog.sources[name].relation.value_format.wrap for name in "SOJ"}
    assert found == {"S": wrap if can else None, "O": wrap if can else None, "J": None}
    assert bench.engine._core.catalog.sources["SAID"].relation.value_format.wrap is not wrap
    assert bench.rows("SELECT * FROM o;") == [(1, 2)]
    assert bench.topic("SAID") == [(b"\0\0\0\1", b"2" if wrap else b'{"V":2}')]
    if format_ == "JSON":
        assert bench.topic("O") == [(b"\0\0\0\1", b'{"V":2}' if wrap else b"2")]
