"""Syntax errors as users see them. `SSQL_WRITE_GOLDEN=1 pytest tests/sql/test_errors.py` rewrites the expected text."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from ssql.errors import (
    InvalidLiteral,
    NotSupportedYet,
    SsqlError,
    SyntaxSqlError,
    TypeNotFound,
    VariableNotFound,
    WrongKeyRole,
)
from ssql.sql.parser import parse_script, parse_statement, parse_type, resolve_type

GOLDEN = Path(__file__).parent / "golden" / "errors.txt"

WRONG = {
    "misspelt first keyword": "SELCT * FROM s;",
    "misspelt keyword": "SELECT * FORM s;",
    "misspelt keyword after a column, where it could be an alias": "SELECT a FORM s;",
    "misspelt keyword after a source": "SELECT * FROM s WHER x > 1;",
    "misspelt keyword of two words": "SELECT * FROM s GRUP BY a;",
    "misspelt operator": "SELECT * FROM s WHERE a BETWEN 1 AND 2;",
    "misspelt second word": "CREATE OR REPLAC STREAM s (a INT);",
    "misspelt kind": "CREATE STREEM s (a INT);",
    "misspelt window": "SELECT * FROM s WINDOW TUMBLIN (SIZE 5 SECONDS) GROUP BY a;",
    "misspelt EMIT": "SELECT * FROM s EMIT CHANGE;",
    "missing comma between columns": "CREATE STREAM s (a INT b INT);",
    "missing comma between items": "SELECT a, b c d FROM s;",
    "missing comma between arguments": "SELECT ABS(a b) FROM s;",
    "missing comma between fields": "CREATE TYPE t AS STRUCT<a INT b INT>;",
    "unclosed string": "CREATE STREAM s (a INT) WITH (kafka_topic = 'abc);",
    "unclosed name": "SELECT `abc FROM s;",
    "empty name": "SELECT a AS `` FROM s;",
    "unclosed comment": "SELECT a /* FROM s;",
    "unclosed parenthesis": "SELECT (a + 1 FROM s;",
    "unclosed call, inside a closed one": "SELECT ABS(ROUND(a) FROM s;",
    "unclosed bracket": "SELECT a[1 FROM s;",
    "unclosed type": "SELECT CAST(a AS ARRAY<INT) FROM s;",
    "unexpected end": "SELECT a FROM",
    "unexpected end before the semicolon": "SELECT * FROM s WHERE;",
    "nothing at all": "",
    "missing operand": "SELECT a + FROM s;",
    "reserved word as a column": "CREATE STREAM s (a INT, from INT);",
    "reserved word as an alias": "SELECT a AS select FROM s;",
    "tab before the caret": "SELECT a,\n\tb\tc d FROM s;",
    "wide characters before the caret": "SELECT '日本語', `名前` x y FROM s;",
    "second statement of a script": "SELECT a FROM s;\n\n  SELECT b FRM s x;",
    "the error of a statement, not of the next": "SELECT a FROM;\nSELECT 'unclosed FROM s;",
    "strange character": "SELECT a ? b FROM s;",
    "variable where there are none": "SELECT ${v} FROM s;",
    "wrong unit": "SELECT * FROM a JOIN b WITHIN 5 MONTHS ON a.x = b.x;",
    "join without ON": "SELECT * FROM a JOIN b;",
    "comma join": "SELECT * FROM orders o, users u;",
    "query in FROM without a name": "SELECT * FROM (SELECT a FROM s);",
    "comparisons do not chain": "SELECT a = b = c FROM s;",
    "condition in GROUP BY": "SELECT COUNT(*) FROM s GROUP BY a AND b;",
    "empty IN": "SELECT * FROM s WHERE a IN ();",
    "NULL as a type": "SELECT CAST(a AS NULL) FROM s;",
    "BIGINT overflow": "SELECT 9223372036854775808 FROM s;",
    "DOUBLE overflow": "SELECT -1.7976931348623160E308 FROM s;",
    "no DECIMAL": "SELECT DECIMAL 'abc' FROM s;",
    "DECIMAL of no size": "CREATE STREAM s (a DECIMAL(2, 3));",
    "key of a stream": "CREATE STREAM s (a INT PRIMARY KEY);",
    "key of a table": "CREATE TABLE t (a INT KEY);",
    "too few values": "INSERT INTO s (a, b) VALUES (1);",
    "property given twice": "CREATE STREAM s (a INT) WITH (format = 'JSON', FORMAT = 'JSON');",
    "NULL as a property": "CREATE STREAM s (a INT) WITH (format = NULL);",
    "connector of no kind": "CREATE CONNECTOR c WITH (a = 'b');",
    "columns with AS SELECT": "CREATE STREAM s (a INT) AS SELECT * FROM t;",
    "source with AS SELECT": "CREATE SOURCE STREAM s AS SELECT * FROM t;",
    "setting without quotes": "SET a = 'b';",
    "assertion of a test": "ASSERT NULL VALUES s (a) KEY (1);",
    "schema of nothing": "ASSERT SCHEMA TIMEOUT 1 SECOND;",
    "union": "SELECT a FROM s UNION ALL SELECT b FROM t;",
    "common table expression": "WITH t AS (SELECT a FROM s) SELECT a FROM t;",
}


def refused(sql: str) -> SsqlError:
    with pytest.raises(SsqlError) as caught:
        parse_script(sql) if sql else parse_statement(sql)
    return caught.value


def test_syntax_errors_look_like_this() -> None:
    written = "\n".join(f"-- {claim}\n{refused(sql).render()}\n" for claim, sql in WRONG.items())
    if os.environ.get("SSQL_WRITE_GOLDEN"):
        GOLDEN.write_text(written, encoding="utf-8")
    assert written == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("sql", WRONG.values(), ids=WRONG)
def test_every_error_has_a_kind_and_a_place_in_the_script(sql: str) -> None:
    error = refused(sql)
    assert isinstance(error, SyntaxSqlError | NotSupportedYet | InvalidLiteral | WrongKeyRole)
    assert error.text == sql
    assert error.span is not None
    assert 0 <= error.span.start < error.span.end <= len(sql) + 1


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT\n  CAST(a AS NULL) FROM s;",
         "line 2:13: Syntax Error\nSyntax error at or near 'NULL' at line 2:13\nexpected a type, found \"NULL\""),
        ("CREATE STREAM s (k STRING (KEY));", "line 1:28: Syntax Error\nExpecting {'STRING', INTEGER_VALUE}"),
        ("SELECT a FROM s LIMIT many;", "line 1:23: Syntax Error\nExpecting INTEGER_VALUE"),
        ("SELECT a FROM s GROUP BY a, (b, c);", "line 1:31: Syntax Error\nmissing ')' at ','"),
        ("SELCT * FROM s;", "line 1:1: Syntax Error\nUnknown statement 'SELCT'\nDid you mean 'SELECT'?"),
        ("CREATE STREAM s (a INT, from INT);",
         "line 1:25: Syntax Error\n\"from\" is a reserved keyword and it can't be used as an identifier. "
         "You can use it as an identifier by escaping it as 'from' "),
        ("SELECT a FROM s WHERE 'b;", "line 1:23: Syntax Error\nunclosed string"),
        ("ASSERT VALUES s (a) VALUES (1);",
         "line 1:8: Syntax Error\nSyntax error at or near 'VALUES' at line 1:8\n"
         "expected NOT EXISTS, TOPIC or SCHEMA, found \"VALUES\""),
        ("SELECT 9223372036854775808 FROM s;",
         "Failed to prepare statement: line 1:9: Invalid numeric literal: 9223372036854775808"),
        ("SELECT a FROM s LIMIT 2.5;", "Failed to prepare statement: Value must be integer for command: LIMIT"),
        ("PRINT t INTERVAL 1e1;", "Failed to prepare statement: Value must be integer for command: INTERVAL"),
        ("CREATE TABLE t (a INT KEY);",
         "Failed to prepare statement: Line: 1, Col: 17: Column `A` is a 'KEY' column: please use 'PRIMARY KEY' for "
         "tables."),
    ],
)  # fmt: skip
def test_messages_over_http_are_ksqldbs_with_the_place_before_them(sql: str, message: str) -> None:
    body = refused(sql).as_json()
    assert body["message"] == message
    assert body["summary"] == refused(sql).message


def test_places_count_lines_and_columns_in_the_whole_script() -> None:
    error = refused("SELECT a FROM s;\nSELECT b\n  FROM s WHERE c = ;")
    assert error.position is not None
    assert (error.position.line, error.position.column) == (3, 19)


def test_nesting_has_an_end() -> None:
    error = refused("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM s;")
    assert error.message == "the statement is nested too deeply"


def test_a_custom_type_that_nobody_knows() -> None:
    type_ = parse_type("ARRAY<BIGNT>")
    with pytest.raises(TypeNotFound) as caught:
        resolve_type(type_, lambda _: None)
    assert caught.value.message == "Cannot resolve unknown type: BIGNT"
    assert caught.value.hint == "Did you mean BIGINT?"


def test_an_undefined_variable() -> None:
    sql = "CREATE STREAM s (a INT)\n  WITH (kafka_topic = 'x_${topik}');"
    with pytest.raises(VariableNotFound) as caught:
        parse_script(sql, {"topic": "t"})
    assert caught.value.render() == textwrap.dedent("""\
        error: variable "topik" is not defined  [variable_not_found]
        LINE 2:   WITH (kafka_topic = 'x_${topik}');
                                         ^^^^^^^^
        HINT: Did you mean "TOPIC"?""")
