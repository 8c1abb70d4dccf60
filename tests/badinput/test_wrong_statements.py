"""Wrong statements over HTTP: a 400 that says what is wrong and where, and a server that goes on.

`golden/statements.txt` has each error as people read it; SSQL_REWRITE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ssql.engine.api import Session
from ssql.engine.engine import LocalEngine
from ssql.errors import SsqlError
from tests.badinput.served import Answer, Served

GOLDEN = Path(__file__).parent / "golden" / "statements.txt"

WRONG = (
    # what cannot be read
    "SELEC * FROM orders;",
    "SELECT * FORM orders;",
    "SELECT id, FROM orders EMIT CHANGES;",
    "SELECT 'open FROM orders;",
    "SELECT `open FROM orders;",
    "SELECT (amount + 1 FROM orders EMIT CHANGES;",
    "SELECT amount ++* 2 FROM orders EMIT CHANGES;",
    "SELECT CASE WHEN amount > 1 THEN 2 FROM orders EMIT CHANGES;",
    "SELECT * FROM orders WHERE;",
    "SELECT * FROM orders GROUP amount;",
    "SELECT * FROM orders EMIT CHANGE;",
    "CREATE STREAM x (id STRING KEY amount INT) WITH (kafka_topic='x');",
    "CREATE STREAM x (id STRNG KEY) WITH (kafka_topic='x', value_format='JSON');",
    "CREATE STREAM (id STRING) WITH (kafka_topic='x');",
    "DROP orders;",
    "INSERT INTO orders VALUES ('1', 'tea'",
    "\tSELECT\t'\u7d05\u8336' AS t,\n\t\tnope FROM orders EMIT CHANGES;",
    # names that are not there
    "SELECT itme FROM orders EMIT CHANGES;",
    "SELECT orders.nope FROM orders EMIT CHANGES;",
    "SELECT * FROM ordres EMIT CHANGES;",
    "SELECT LENGHT(item) FROM orders EMIT CHANGES;",
    "SELECT n FROM totals WHERE itemm = 'tea';",
    "INSERT INTO nothing VALUES (1);",
    "INSERT INTO orders (id, amuont) VALUES ('1', 2);",
    "DROP STREAM nothing;",
    "DESCRIBE nothing;",
    "TERMINATE nothing;",
    "CREATE STREAM x WITH (kafka_topi='x') AS SELECT * FROM orders;",
    "SET 'auto.offset.rest'='earliest';",
    "SHOW STREAMS EXTENDD;",
    # types that do not go together
    "SELECT item + amount * 'x' FROM orders EMIT CHANGES;",
    "SELECT * FROM orders WHERE amount;",
    "SELECT * FROM orders WHERE item = 5 EMIT CHANGES;",
    "SELECT UCASE(amount) FROM orders EMIT CHANGES;",
    "SELECT SUBSTRING(item) FROM orders EMIT CHANGES;",
    "SELECT CAST(tags AS INT) FROM orders EMIT CHANGES;",
    "SELECT tags->x FROM orders EMIT CHANGES;",
    "INSERT INTO orders (id, amount) VALUES ('1', 'many');",
    # clauses that do not go together
    "SELECT item, amount FROM orders GROUP BY item EMIT CHANGES;",
    "SELECT item, COUNT(*) FROM orders GROUP BY COUNT(*) EMIT CHANGES;",
    "SELECT * FROM orders HAVING amount > 1 EMIT CHANGES;",
    "SELECT * FROM orders WINDOW TUMBLING (SIZE 1 HOUR) EMIT CHANGES;",
    "SELECT item, COUNT(*) FROM orders WINDOW TUMBLING (SIZE 0 HOURS) GROUP BY item EMIT CHANGES;",
    "SELECT item, COUNT(*) FROM orders WINDOW HOPPING (SIZE 1 HOUR) GROUP BY item EMIT CHANGES;",
    "SELECT item, SUM(COUNT(*)) FROM orders GROUP BY item EMIT CHANGES;",
    "SELECT item, price FROM orders JOIN items ON orders.item = items.item EMIT CHANGES;",
    "SELECT * FROM orders JOIN items EMIT CHANGES;",
    "SELECT * FROM orders JOIN items ON orders.amount = items.item EMIT CHANGES;",
    "SELECT * FROM items PARTITION BY name EMIT CHANGES;",
    "CREATE TABLE x AS SELECT * FROM orders;",
    "CREATE STREAM x AS SELECT item, COUNT(*) AS n FROM orders GROUP BY item;",
    "CREATE STREAM orders AS SELECT * FROM orders;",
    "CREATE TABLE x AS SELECT amount FROM items;",
    "CREATE TABLE x (id STRING, v INT) WITH (kafka_topic='x', value_format='JSON');",
    "CREATE STREAM x (id STRING KEY) WITH (kafka_topic='x', value_format='NOPE');",
    "CREATE STREAM x (id STRING KEY, ID INT) WITH (kafka_topic='x', value_format='JSON');",
    "DROP STREAM orders;",
    "DROP TABLE orders;",
    "INSERT INTO totals SELECT item, amount FROM orders;",
    "SELECT id, SUM(amount) OVER (PARTITION BY item) FROM orders EMIT CHANGES;",
    "SHOW STREAMS; DROP STREAM nothing; SHOW TABLES;",
)


def sent(served: Served, sql: str) -> Answer:
    return served.query(sql) if sql.lstrip().startswith("SELECT ") or "\tSELECT" in sql else served.ksql(sql)


def raised(engine: LocalEngine, sql: str) -> SsqlError:
    with pytest.raises(SsqlError) as caught:
        (engine.query if "SELECT" in sql[:7] else engine.execute)(sql, Session())
    return caught.value


@pytest.mark.parametrize("sql", WRONG)
def test_a_wrong_statement_is_answered_with_its_place(served: Served, sql: str) -> None:
    answer = sent(served, sql)
    assert answer.status == 400, answer.body
    error = answer.error
    assert error["@type"] in ("statement_error", "generic_error")
    assert error["error_code"] // 100 == 400
    assert error["code"] not in ("internal_error", "")
    lines = sql.split("\n")
    place = error["position"]
    assert 1 <= place["line"] <= len(lines)
    assert 1 <= place["column"] <= len(lines[place["line"] - 1]) + 1
    where = re.search(r"line (\d+):(\d+): |Line: (\d+), Col: (\d+): ", error["message"], re.IGNORECASE)
    if where is not None:
        assert [int(n) for n in where.groups() if n] == [place["line"], place["column"]]
    for inside in ("Traceback", 'File "', ".py", "duckdb", "sqlglot", "Error:", "Exception:"):
        assert inside not in answer.body, inside


def test_the_server_goes_on(served: Served) -> None:
    for sql in WRONG:
        sent(served, sql)
    assert served.answers()


def test_as_people_read_them(engine: LocalEngine) -> None:
    shown = "\n\n".join(f"{sql}\n{raised(engine, sql).render()}" for sql in WRONG) + "\n"
    if os.environ.get("SSQL_REWRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")
