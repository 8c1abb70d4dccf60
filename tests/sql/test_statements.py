"""Each statement of the language, and the node it becomes."""

from __future__ import annotations

from typing import Any

import pytest

from ssql.errors import Span, SyntaxSqlError
from ssql.sql import statements as ast
from ssql.sql.parser import parse_script, parse_statement
from ssql.sql.printer import print_statement
from ssql.types import BIGINT, BYTES, INTEGER, STRING, Array, Decimal, Struct
from tests.sql.support import bare

NOWHERE = Span(0, 0)
PLACE: Any = {"span": NOWHERE, "text": ""}


def name(text: str, quoted: bool = False) -> ast.Name:
    return ast.Name(text, NOWHERE, quoted)


def properties(**values: Any) -> ast.Properties:
    return {key: ast.Property(key, value, NOWHERE, NOWHERE) for key, value in values.items()}


def column(text: str, type_: Any, role: Any = "value", header: str | None = None) -> ast.ColumnDef:
    return ast.ColumnDef(name(text), type_, role, header)


def seconds(amount: int) -> ast.Interval:
    return ast.Interval(amount, "SECONDS")


_CONFIG: dict[str, Any] = {"connector.class": "x", "tasks.max": 1}
CONNECTOR = properties(**_CONFIG)
CASES: list[tuple[str, ast.Statement]] = [
    (
        "create stream s (id int key, v array<bigint>) with (kafka_topic='t', partitions=3, wrap_single_value=false);",
        ast.CreateSource(
            "STREAM",
            name("S"),
            (column("ID", INTEGER, "key"), column("V", Array(BIGINT))),
            properties(KAFKA_TOPIC="t", PARTITIONS=3, WRAP_SINGLE_VALUE=False),
            **PLACE,
        ),
    ),
    (
        "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS t (a STRING PRIMARY KEY, h BYTES HEADER('x')) WITH ('p' = -1.5)",
        ast.CreateSource(
            "TABLE",
            name("T"),
            (column("A", STRING, "primary key"), column("H", BYTES, "header", "x")),
            properties(P=-1.5),
            True,
            True,
            True,
            **PLACE,
        ),
    ),
    (
        "CREATE STREAM s (h ARRAY<STRUCT<key STRING, `value` BYTES>> HEADERS)",
        ast.CreateSource(
            "STREAM",
            name("S"),
            (column("H", Array(Struct((("KEY", STRING), ("value", BYTES)))), "headers"),),
            {},
            **PLACE,
        ),
    ),
    ("CREATE STREAM `s` WITH (format='JSON')",
     ast.CreateSource("STREAM", name("s", True), (), properties(FORMAT="JSON"), **PLACE)),
    ("ALTER TABLE t ADD COLUMN a INT, ADD b STRING",
     ast.AlterSource("TABLE", name("T"), (column("A", INTEGER), column("B", STRING)), **PLACE)),
    ("DROP STREAM IF EXISTS s DELETE TOPIC", ast.DropSource("STREAM", name("S"), True, True, **PLACE)),
    ("DROP TABLE t", ast.DropSource("TABLE", name("T"), **PLACE)),
    ("CREATE TYPE IF NOT EXISTS a AS STRUCT<x INT>",
     ast.CreateType(name("A"), Struct((("X", INTEGER),)), True, **PLACE)),
    ("CREATE TYPE a AS b ARRAY", ast.CreateType(name("A"), ast.TypeName("ARRAY<B>", NOWHERE), **PLACE)),
    ("DROP TYPE IF EXISTS a", ast.DropType(name("A"), True, **PLACE)),
    ("CREATE SOURCE CONNECTOR IF NOT EXISTS c WITH ('connector.class'='x', \"tasks.max\"=1)",
     ast.CreateConnector(
         name("C"), "SOURCE", CONNECTOR, True, **PLACE)),
    ("CREATE SINK CONNECTOR c WITH (a='b')", ast.CreateConnector(name("C"), "SINK", properties(a="b"), **PLACE)),
    ("DROP CONNECTOR IF EXISTS c", ast.DropConnector(name("C"), True, **PLACE)),
    ("CREATE OR REPLACE ENDPOINT e ($x INT, $y DECIMAL(4, 2) DEFAULT -1.50, $z a DEFAULT NULL) AS SELECT * FROM t\n",
     ast.CreateEndpoint(
         name("E"),
         (
             ast.ParameterDef(name("x"), INTEGER),
             ast.ParameterDef(name("y"), Decimal(4, 2), False, "-1.50"),
             ast.ParameterDef(name("z"), ast.TypeName("A", NOWHERE), False),
         ),
         "SELECT * FROM t",
         True,
         **PLACE,
     )),
    ("CREATE ENDPOINT IF NOT EXISTS `e` AS WITH q AS (SELECT 1) SELECT $a FROM q",
     ast.CreateEndpoint(
         name("e", True), (), "WITH q AS (SELECT 1) SELECT $a FROM q", if_not_exists=True, **PLACE)),
    ("DROP ENDPOINT IF EXISTS e", ast.DropEndpoint(name("E"), True, **PLACE)),
    ("SHOW ENDPOINTS", ast.Show("ENDPOINTS", **PLACE)),
    ("DESCRIBE ENDPOINT e", ast.Describe("ENDPOINT", name("E"), **PLACE)),
    ("DESCRIBE ENDPOINT", ast.Describe("SOURCE", name("ENDPOINT"), **PLACE)),
    ("TERMINATE ALL", ast.ChangeQuery("TERMINATE", None, **PLACE)),
    ("TERMINATE CSAS_X_1", ast.ChangeQuery("TERMINATE", name("CSAS_X_1"), **PLACE)),
    ("PAUSE q", ast.ChangeQuery("PAUSE", name("Q"), **PLACE)),
    ("RESUME ALL", ast.ChangeQuery("RESUME", None, **PLACE)),
    ("EXPLAIN CTAS_T_1", ast.Explain(name("CTAS_T_1"), None, **PLACE)),
    ("EXPLAIN DROP TABLE t", ast.Explain(None, ast.DropSource("TABLE", name("T"), **PLACE), **PLACE)),
    ("PRINT my_Topic", ast.Print(name("my_Topic"), **PLACE)),
    ("PRINT 'my-topic' FROM BEGINNING INTERVAL 5 LIMIT 10",
     ast.Print(name("my-topic", True), True, 5, 10, **PLACE)),
    ("PRINT t SAMPLE 2", ast.Print(name("t"), interval=2, **PLACE)),
    ("SHOW PROPERTIES", ast.Show("PROPERTIES", **PLACE)),
    ("LIST ALL TOPICS EXTENDED", ast.Show("TOPICS", True, True, **PLACE)),
    ("SHOW TOPICS", ast.Show("TOPICS", **PLACE)),
    ("SHOW STREAMS EXTENDED", ast.Show("STREAMS", True, **PLACE)),
    ("LIST TABLES", ast.Show("TABLES", **PLACE)),
    ("SHOW FUNCTIONS", ast.Show("FUNCTIONS", **PLACE)),
    ("SHOW CONNECTORS", ast.Show("CONNECTORS", **PLACE)),
    ("SHOW SOURCE CONNECTORS", ast.Show("CONNECTORS", scope="SOURCE", **PLACE)),
    ("SHOW SINK CONNECTORS", ast.Show("CONNECTORS", scope="SINK", **PLACE)),
    ("SHOW CONNECTOR PLUGINS", ast.Show("CONNECTOR PLUGINS", **PLACE)),
    ("SHOW TYPES", ast.Show("TYPES", **PLACE)),
    ("SHOW VARIABLES", ast.Show("VARIABLES", **PLACE)),
    ("SHOW QUERIES EXTENDED", ast.Show("QUERIES", True, **PLACE)),
    ("DESCRIBE s EXTENDED", ast.Describe("SOURCE", name("S"), True, **PLACE)),
    ("DESCRIBE `s`", ast.Describe("SOURCE", name("s", True), **PLACE)),
    ("DESCRIBE STREAMS EXTENDED", ast.Describe("STREAMS", None, True, **PLACE)),
    ("DESCRIBE TABLES", ast.Describe("TABLES", None, **PLACE)),
    ("DESCRIBE FUNCTION abs", ast.Describe("FUNCTION", name("ABS"), **PLACE)),
    ("DESCRIBE FUNCTION", ast.Describe("SOURCE", name("FUNCTION"), **PLACE)),
    ("DESCRIBE CONNECTOR c", ast.Describe("CONNECTOR", name("C"), **PLACE)),
    ("SET 'a.b'='c'", ast.SetProperty("a.b", "c", **PLACE)),
    ("UNSET 'a.b'", ast.UnsetProperty("a.b", **PLACE)),
    ("ALTER SYSTEM 'a'='b'", ast.AlterSystem("a", "b", **PLACE)),
    ("DEFINE v = '''x'''", ast.Define(name("V"), "'x'", **PLACE)),
    ("UNDEFINE v", ast.Undefine(name("V"), **PLACE)),
    ("RUN SCRIPT '/a/b.sql'", ast.RunScript("/a/b.sql", **PLACE)),
    ("ASSERT TOPIC my_topic", ast.AssertTopic(name("my_topic"), True, {}, **PLACE)),
    ("ASSERT NOT EXISTS TOPIC t WITH (partitions=1) TIMEOUT 5 SECONDS",
     ast.AssertTopic(name("t"), False, properties(PARTITIONS=1), seconds(5), **PLACE)),
    ("ASSERT SCHEMA SUBJECT 's-value' ID 3 TIMEOUT 1 SECOND",
     ast.AssertSchema(True, "s-value", 3, seconds(1), **PLACE)),
    ("ASSERT NOT EXISTS SCHEMA ID 3", ast.AssertSchema(False, None, 3, **PLACE)),
    ("ASSERT STREAM s (a INT KEY) WITH (format='JSON')",
     ast.AssertSource("STREAM", name("S"), (column("A", INTEGER, "key"),), properties(FORMAT="JSON"), **PLACE)),
    ("ASSERT TABLE t IS EMPTY", ast.AssertRows("TABLE", name("T"), (), (), **PLACE)),
    ("ASSERT CHANGES t IS EMPTY", ast.AssertRows("CHANGES", name("T"), (), (), **PLACE)),
    ("ASSERT ERRORS IS EMPTY", ast.AssertRows("ERRORS", None, (), (), **PLACE)),
    ("ASSERT LATE IS EMPTY", ast.AssertRows("LATE", None, (), (), **PLACE)),
    ("ASSERT TABLE t", ast.AssertSource("TABLE", name("T"), (), {}, **PLACE)),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql for sql, _ in CASES])
def test_statement(sql: str, expected: ast.Statement) -> None:
    assert bare(parse_statement(sql, assertions=True)) == bare(expected)


def test_insert_values() -> None:
    insert = parse_statement("INSERT INTO s (a, `b`) VALUES (1, 'x'), (-2, f(3))")
    assert isinstance(insert, ast.InsertValues)
    assert [str(n) for n in insert.columns] == ["A", "b"]
    assert [len(row) for row in insert.rows] == [2, 2]
    plain = parse_statement("INSERT INTO s VALUES (1)")
    assert isinstance(plain, ast.InsertValues)
    assert plain.columns == ()


def test_insert_into_select() -> None:
    insert = parse_statement("INSERT INTO s WITH (query_id='q') SELECT * FROM t")
    assert isinstance(insert, ast.InsertInto)
    assert bare(insert.properties) == bare(properties(QUERY_ID="q"))
    assert isinstance(parse_statement("INSERT INTO s SELECT * FROM t EMIT CHANGES"), ast.InsertInto)


def test_create_as() -> None:
    create = parse_statement("CREATE OR REPLACE TABLE IF NOT EXISTS t WITH (partitions=1) AS SELECT * FROM s")
    assert isinstance(create, ast.CreateAs)
    assert (create.kind, str(create.name), create.or_replace, create.if_not_exists) == ("TABLE", "T", True, True)
    assert create.query.emit is None


def test_test_runner_assertions() -> None:
    values = parse_statement("ASSERT VALUES s (a, b) VALUES (1, 'x')", assertions=True)
    assert isinstance(values, ast.AssertValues)
    assert (str(values.source), len(values.columns), len(values.rows[0]), values.tombstone) == ("S", 2, 2, False)
    several = parse_statement("ASSERT VALUES s (a) VALUES (1), (2)", assertions=True)
    assert isinstance(several, ast.AssertValues)
    assert len(several.rows) == 2
    tombstone = parse_statement("ASSERT NULL VALUES s (a) KEY (1)", assertions=True)
    assert isinstance(tombstone, ast.AssertValues)
    assert tombstone.tombstone


def test_rows_that_a_test_asserts() -> None:
    for text, what, deleted in (
        ("ASSERT TABLE t (a, b) VALUES (1, 'x'), (2, NULL)", "TABLE", [False, False]),
        ("ASSERT STREAM s VALUES (1)", "STREAM", [False]),
        ("ASSERT CHANGES t (a, b) VALUES (1, 'x'), DELETED (1)", "CHANGES", [False, True]),
        ("ASSERT LATE (topic) VALUES ('t')", "LATE", [False]),
    ):
        rows = parse_statement(text, assertions=True)
        assert isinstance(rows, ast.AssertRows)
        assert (rows.what, [row.deleted for row in rows.rows]) == (what, deleted)
        assert print_statement(parse_statement(print_statement(rows), assertions=True)) == print_statement(rows)
    for wrong in (
        "ASSERT TABLE t (a, b) VALUES (1)",
        "ASSERT TABLE t (a) VALUES DELETED (1)",
        "ASSERT ERRORS t IS EMPTY",
    ):
        with pytest.raises(SyntaxSqlError):
            parse_statement(f"ASSERT {wrong}", assertions=True)


def test_a_script_is_its_statements_with_places_in_all_of_it() -> None:
    script = "-- first\nDROP TABLE a ; ;\n\n /* x; */ SET 'a;b'='c';\nSELECT * FROM s"
    statements = parse_script(script)
    assert [s.text for s in statements] == ["DROP TABLE a", "SET 'a;b'='c'", "SELECT * FROM s"]
    assert [script[s.span.start : s.span.end] for s in statements] == [s.text for s in statements]
    drop = statements[0]
    assert isinstance(drop, ast.DropSource)
    assert script[drop.name.span.start : drop.name.span.end] == "a"


def test_an_explained_statement_is_its_own_text() -> None:
    script = "  EXPLAIN /* why */ SELECT * FROM s;"
    (explain,) = parse_script(script)
    assert isinstance(explain, ast.Explain)
    assert explain.statement is not None
    assert explain.statement.text == "SELECT * FROM s"
    assert script[explain.statement.span.start : explain.statement.span.end] == "SELECT * FROM s"


def test_no_statements() -> None:
    assert parse_script(" -- nothing\n ; ") == []


def test_property_places() -> None:
    sql = "CREATE STREAM s (a INT) WITH (Kafka_Topic = 'x', 'partitions' = -1)"
    create = parse_statement(sql)
    assert isinstance(create, ast.CreateSource)
    found = [
        (sql[p.name_span.start : p.name_span.end], sql[p.value_span.start : p.value_span.end])
        for p in create.properties.values()
    ]
    assert found == [("Kafka_Topic", "'x'"), ("'partitions'", "-1")]
