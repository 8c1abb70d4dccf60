"""Functions that have no value for what they are given: NULL, and a report of the record; the other rows go on."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from ssql.log.api import RECORD_SCHEMA
from ssql.runtime.operators.base import EXAMINED, TOGETHER
from tests.engine.conftest import Bench

STREAM = "CREATE STREAM s (k STRING KEY, t STRING, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
ERRORS = "SELECT `OFFSET`, reason FROM ssql_errors;"


def append(bench: Bench, *texts: str | None) -> None:
    """Records whose column `t` is that text, and whose `n` is their place."""
    rows = [
        {"key": b"k", "value": json.dumps({"T": text, "N": n}).encode(), "timestamp": 1, "headers": None}
        for n, text in enumerate(texts)
    ]
    bench.engine._log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), 0)
    bench.settle()


def values(bench: Bench, name: str = "O") -> list[object]:
    """The column X of the rows that were written."""
    return [None if value is None else json.loads(value)["X"] for _, value in bench.topic(name)]


# expression over `t`, a text that it has no value for, what the reason says, a good text and its value
FAILING = [
    ("EXTRACTJSONFIELD(t, '$.a')", "{a", 'EXTRACTJSONFIELD: "{a" is not JSON', '{"a": 1}', "1"),
    ("JSON_ARRAY_LENGTH(t)", "[", 'JSON_ARRAY_LENGTH: "[" is not JSON', "[1]", 1),
    ("JSON_KEYS(t)", "no", "JSON_KEYS: ", '{"a": 1}', ["a"]),
    ("JSON_RECORDS(t)", "no", "JSON_RECORDS: ", '{"a": 1}', {"a": "1"}),
    ("JSON_ITEMS(t)", "no", "JSON_ITEMS: ", '[{"a":1}]', ['{"a":1}']),
    ("JSON_CONCAT(t, '[1]')", "no", "JSON_CONCAT: ", "[2]", "[2,1]"),
    ("EXTRACTJSONFIELD('{}', t)", "a..b", "is not a JSON path", "$.a", None),
    ("PARSE_DATE(t, 'yyyy-MM-dd')", "2020-13-01", "PARSE_DATE: month 13 is not within 1..12", "1970-01-02", 1),
    ("STRINGTOTIMESTAMP(t, 'yyyy-MM-dd')", "x", "STRINGTOTIMESTAMP: text 'x' does not match", "1970-01-01", 0),
    ("PARSE_TIMESTAMP('1970', t)", "yyyy!", "PARSE_TIMESTAMP: ", "yyyy", 0),
    ("PARSE_TIME(t, 'HHmm')", "2500", "PARSE_TIME: ", "0001", 60_000),
    ("FORMAT_TIMESTAMP(FROM_UNIXTIME(0), t)", "bad", "FORMAT_TIMESTAMP: unknown letter b", "yyyy", "1970"),
    ("FORMAT_DATE(FROM_DAYS(0), t)", "HH", "FORMAT_DATE: the pattern 'HH' needs a time", "yyyy", "1970"),
    ("CONVERT_TZ(FROM_UNIXTIME(0), t, 'UTC')", "Mars", "CONVERT_TZ: no such time zone: Mars", "UTC", 0),
    ("TO_BYTES(t, 'base64')", "*", 'TO_BYTES: "*" is not base64', "YQ==", "YQ=="),
    ("TO_BYTES(t, 'hex')", "xyz", "is not hexadecimal", "61", "YQ=="),
    ("FROM_BYTES(TO_BYTES('a', 'utf8'), t)", "utf9", 'FROM_BYTES: there is no encoding "utf9"', "utf8", "a"),
    ("ENCODE(t, 'base64', 'utf8')", "?", "ENCODE: ", "YQ==", "a"),
    ("INT_FROM_BYTES(TO_BYTES(t, 'utf8'))", "abc", "INT_FROM_BYTES: 4 bytes are needed, not 3", "\0\0\0\1", 1),
    ("REGEXP_EXTRACT(t, 'aa')", "(", 'REGEXP_EXTRACT: the pattern "(" cannot be read', "a", "a"),
    ("REGEXP_REPLACE('b', t, 'c')", "[", "REGEXP_REPLACE: ", "b", "c"),
    ("REGEXP_SPLIT_TO_ARRAY('abc', t)", "*", "REGEXP_SPLIT_TO_ARRAY: ", "b", ["a", "c"]),
    ("URL_DECODE_PARAM(t)", "%z", "URL_DECODE_PARAM: ", "a%20b", "a b"),
    ("MASK_LEFT('Abc', CAST(t AS INT))", "-1", "MASK_LEFT: ", "1", "Xbc"),
    ("GENERATE_SERIES(1, 3, CAST(t AS INT))", "0", "GENERATE_SERIES: ", "1", [1, 2, 3]),
    ("COALESCE(JSON_KEYS(t), ARRAY['none'])", "{", "JSON_KEYS: ", "[]", ["none"]),
    ("CONCAT('x', EXTRACTJSONFIELD(t, '$.a'))", "{", "EXTRACTJSONFIELD: ", '{"a": 1}', "x1"),
    ("TRANSFORM(ARRAY[t], e => JSON_ARRAY_LENGTH(e))", "{", "JSON_ARRAY_LENGTH: ", "[1]", [1]),
    ("CASE WHEN t = '{' THEN JSON_ARRAY_LENGTH(t) ELSE 0 END", "{", "JSON_ARRAY_LENGTH: ", "}", 0),
    ("CAST(t AS BYTES)", "*", 'cannot read "*" as BYTES', "YQ==", "YQ=="),
    ("n / 0", "any", "division by zero", None, None),
    ("ARRAY_LENGTH(ARRAY[1, JSON_ARRAY_LENGTH(t)])", "{", "JSON_ARRAY_LENGTH: ", None, 2),
]


@pytest.mark.parametrize("case", FAILING, ids=[case[0] for case in FAILING])
def test_a_failure_is_null_and_reported(bench: Bench, case: tuple[str, str, str, str | None, object]) -> None:
    expression, bad, reason, good, value = case
    bench.run(STREAM + f"CREATE STREAM o AS SELECT k, {expression} AS x FROM s;")
    append(bench, *((good, bad, good) if good is not None else (bad,)))
    assert values(bench) == ([value, None, value] if good is not None else [value])
    ((offset, said),) = bench.rows(ERRORS)
    assert offset == (1 if good is not None else 0)
    assert reason in said


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ARRAY[n, JSON_ARRAY_LENGTH(t), CAST(t AS INT)]", [0, None, None]),
        ("MAP('a' := JSON_ARRAY_LENGTH(t), 'b' := n)", {"a": None, "b": 0}),
        ("STRUCT(a := t, b := STRUCT(c := JSON_ARRAY_LENGTH(t), d := n))", {"A": "{", "B": {"C": None, "D": 0}}),
    ],
)
def test_of_an_array_a_map_or_a_struct_what_fails_is_null(bench: Bench, expression: str, value: object) -> None:
    bench.run(STREAM + f"CREATE STREAM o AS SELECT k, {expression} AS x FROM s;")
    append(bench, "{", None)
    assert values(bench)[0] == value
    assert [offset for offset, _ in bench.rows(ERRORS)] == [0]


@pytest.mark.parametrize(
    ("expression", "text", "value"),
    [
        ("EXTRACTJSONFIELD(t, '$.b')", '{"a": 1}', None),
        ("EXTRACTJSONFIELD(t, '$.b')", None, None),
        ("JSON_ARRAY_LENGTH(t)", "{}", None),
        ("IS_JSON_STRING(t)", "{", False),
        ("JSON_ARRAY_CONTAINS(t, 1)", "{", False),
        ("URL_EXTRACT_HOST(t)", "no url", None),
        ("URL_EXTRACT_PORT(t)", "http://a", None),
        ("REGEXP_EXTRACT('b', t)", "a", None),
        ("REGEXP_EXTRACT_ALL('b', t, 3)", "b", None),
        ("CHR(t)", "\\u00", None),
        ("UUID(TO_BYTES(t, 'utf8'))", "abc", None),
        ("LPAD(TO_BYTES(t, 'utf8'), -1, TO_BYTES('x', 'utf8'))", "a", None),
        ("SPLIT_TO_MAP(t, '', ':')", "a:b", None),
        ("CASE WHEN t = '{' THEN 0 ELSE JSON_ARRAY_LENGTH(t) END", "{", 0),
        ("CAST(t AS INT)", None, None),
        ("n / 2", "a", 0),
    ],
)
def test_what_is_null_by_its_meaning_is_not_reported(
    bench: Bench, expression: str, text: str | None, value: object
) -> None:
    bench.run(STREAM + f"CREATE STREAM o AS SELECT k, {expression} AS x FROM s;")
    append(bench, text)
    assert values(bench) == [value]
    assert bench.rows(ERRORS) == []


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("CREATE STREAM o AS SELECT k, t AS x FROM s WHERE JSON_ARRAY_LENGTH(t) > 0;", ["[1]", "[2]"]),
        ("CREATE STREAM o AS SELECT k, EXPLODE(JSON_ITEMS(t)) AS x FROM s;", []),
        ("CREATE STREAM o AS SELECT {l} AS l, t AS x FROM s PARTITION BY {l};", None),
        ("CREATE TABLE o AS SELECT {l} AS l, COUNT(*) AS x FROM s GROUP BY {l};", [1, 2]),
        ("CREATE TABLE o AS SELECT k, SUM(JSON_ARRAY_LENGTH(t)) AS x FROM s GROUP BY k;", [1, 1, 2]),
        (
            "CREATE TABLE o AS SELECT k, 1 AS x FROM s GROUP BY k HAVING JSON_ARRAY_LENGTH(LATEST_BY_OFFSET(t)) > 0;",
            None,
        ),
    ],
)
def test_wherever_an_expression_stands(bench: Bench, query: str, written: list[object] | None) -> None:
    bench.run(STREAM + query.format(l="JSON_ARRAY_LENGTH(t)"))
    for text in ("[1]", "[", "[2]"):
        append(bench, text)
    if written is not None:
        assert values(bench) == written
    assert 1 in {offset for offset, _ in bench.rows(ERRORS)}
    assert bench.one("SHOW QUERIES;")["queries"][0]["state"] == "RUNNING"


def test_many_failures_among_many_rows_that_are_null_by_their_meaning(bench: Bench) -> None:
    """Each of a few failures is told with its reason; of very many, rows near the failures may be told too."""
    bench.run(STREAM + "CREATE STREAM o AS SELECT k, EXTRACTJSONFIELD(t, '$.a') AS x FROM s;")
    few = [n for n in range(5000) if n % 100 == 7]
    append(bench, *("{" if n in few else "{}" for n in range(5000)))
    assert sorted(bench.rows(ERRORS)) == [(n, 'EXTRACTJSONFIELD: "{" is not JSON') for n in few]
    assert values(bench) == [None] * 5000


def test_more_failures_than_are_examined(bench: Bench) -> None:
    bench.run(STREAM + "CREATE STREAM o AS SELECT k, EXTRACTJSONFIELD(t, '$.a') AS x FROM s;")
    count = EXAMINED + 3 * TOGETHER
    append(bench, *("{" for _ in range(count)), *("{}" for _ in range(3 * TOGETHER)))
    told = dict(bench.rows(ERRORS))
    exactly = [n for n, reason in told.items() if "is not JSON" in str(reason)]
    assert len(exactly) == EXAMINED
    assert set(range(count)) <= told.keys()
    assert len(told) < count + 2 * TOGETHER


def test_a_constant_that_fails_is_told_for_every_row(bench: Bench) -> None:
    bench.run(STREAM + "CREATE STREAM o AS SELECT k, PARSE_DATE('x', 'yyyy') AS x FROM s;")
    append(bench, "a", "b")
    assert values(bench) == [None, None]
    assert [offset for offset, _ in bench.rows(ERRORS)] == [0, 1]


def test_a_pull_query_gives_null_for_what_fails(bench: Bench) -> None:
    bench.run(STREAM)
    append(bench, "{", '{"a": 1}')
    assert bench.rows("SELECT n, EXTRACTJSONFIELD(t, '$.a') FROM s;") == [(0, None), (1, "1")]
