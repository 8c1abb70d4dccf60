"""Statements with tokens dropped, doubled, swapped and replaced: carried out, or refused with a reason; never a 5xx."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.badinput.served import Served

VALID = (
    "SELECT id, amount * 2 AS twice FROM orders WHERE amount > 1 AND item LIKE 't%' EMIT CHANGES LIMIT 1;",
    "SELECT item, n FROM totals WHERE item IN ('tea', 'jam') AND n >= 0;",
    "SELECT item, COUNT(*) AS n, SUM(price) AS s FROM orders WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) "
    "WHERE amount IS NOT NULL GROUP BY item HAVING COUNT(*) > 1 EMIT CHANGES;",
    "SELECT o.id AS id, o.item, i.name, CAST(i.price AS DOUBLE) * o.amount AS cost FROM orders o LEFT JOIN items i "
    "ON o.item = i.item WHERE i.name <> 'x' EMIT CHANGES;",
    "SELECT id, CASE WHEN amount < 0 THEN 'neg' ELSE 'pos' END AS sign, tags[1] AS tag, ARRAY_LENGTH(tags) AS l, "
    "FILTER(tags, t => t = 'a') AS f FROM orders PARTITION BY id EMIT CHANGES;",
    "SELECT item, MAX(total) AS m FROM totals WHERE total BETWEEN 1 AND 5 GROUP BY item ORDER BY m DESC LIMIT 3;",
    "CREATE OR REPLACE STREAM m1 (id STRING KEY, v STRUCT<a INT, b MAP<STRING, DOUBLE>>) "
    "WITH (kafka_topic='m1', value_format='JSON', partitions=1);",
    "CREATE STREAM IF NOT EXISTS m2 WITH (kafka_topic='m2', partitions=1) AS SELECT id, UCASE(item) AS i FROM orders;",
    "CREATE TABLE IF NOT EXISTS m3 AS SELECT amount, COUNT(*) AS n, LATEST_BY_OFFSET(id) AS l FROM orders "
    "GROUP BY amount;",
    "INSERT INTO orders (id, item, amount, tags) VALUES ('1', 'tea', 1 + 2, ARRAY['a', 'b']);",
    "EXPLAIN SELECT id, amount FROM orders WHERE amount > 1 EMIT CHANGES;",
    "DESCRIBE orders EXTENDED; SHOW QUERIES; SET 'auto.offset.reset'='earliest'; DESCRIBE FUNCTION UCASE;",
    "DEFINE a = '1'; SHOW VARIABLES; UNDEFINE a; ALTER STREAM m1 ADD COLUMN w INT; DROP STREAM IF EXISTS m1;",
)

TOKEN = re.compile(r"\s+|'[^']*'|\w+|=>|->|<=|>=|<>|.", re.DOTALL)
STRAY = (
    *("'", "`", '"', "(", ")", ",", ";", "*", "->", "--", "/*", "-", "\0", "ß", "\U0001f600", "${a}"),
    *("NULL", "''", "1.5", "1e400", "99999999999999999999", "CAST(", "ARRAY["),
    *("CASE", "BETWEEN", "AS", "KEY", "DISTINCT", "OVER"),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid statement, changed in one to four places."""
    tokens = TOKEN.findall(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(("drop", "double", "swap", "replace", "put", "cut"))):
            case "drop":
                del tokens[at : at + draw(st.integers(1, 3))]
            case "double":
                tokens.insert(at, tokens[at])
            case "swap":
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "replace":
                tokens[at] = draw(st.sampled_from((*STRAY, *tokens)))
            case "put":
                tokens.insert(at, draw(st.sampled_from(STRAY)))
            case "cut":
                tokens = tokens[: at + 1]
        if not tokens:
            return ""
    return "".join(tokens)


def check(served: Served, sql: str) -> None:
    answers = [served.ksql(sql), served.query(sql), served.post("/query", {"ksql": sql})]
    for answer in answers:
        assert answer.status == 200 or 400 <= answer.status < 500, answer.body
        if answer.status != 200:
            error = answer.error
            assert error["message"]
            assert error["code"]
            assert error["code"] != "internal_error"
            assert "Traceback" not in answer.body


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_statement_never_breaks_the_server(served: Served, sql: str) -> None:
    check(served, sql)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_a_mutated_statement_never_breaks_the_server_at_length(served: Served, sql: str) -> None:
    check(served, sql)


def test_the_server_still_answers(served: Served) -> None:
    assert served.answers()
