"""Each assertion holds when it should, fails when it should, and says what was there."""

from __future__ import annotations

import pytest

from .support import ORDERS, fails, passes

DELETIONS = """
CREATE TABLE users (id INT PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON');
CREATE TABLE named AS SELECT id, name FROM users WHERE name IS NOT NULL EMIT CHANGES;
INSERT INTO users (ROWTIME, id, name) VALUES (1, 1, 'ada'), (2, 2, 'bob');
INSERT INTO users (ROWTIME, id, name) VALUES (3, 1, NULL);
"""
WINDOWS = """
CREATE STREAM hits (id INT KEY, page STRING) WITH (KAFKA_TOPIC='hits', VALUE_FORMAT='JSON');
CREATE TABLE visits AS SELECT page, COUNT(*) AS n FROM hits
    WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 0 SECONDS) GROUP BY page EMIT CHANGES;
INSERT INTO hits (ROWTIME, id, page) VALUES (1000, 1, '/a'), (12000, 2, '/a'), (2000, 3, '/late');
"""


@pytest.mark.parametrize(
    "assertion",
    [
        "ASSERT VALUES sold (item, n) VALUES ('tea', 1), ('jam', 1);\nASSERT VALUES sold (n, ROWTIME) VALUES (2, 3);",
        "ASSERT TABLE sold (item, n, total) VALUES ('tea', 2, 8), ('jam', 1, 4);",
        "ASSERT TABLE sold (total, item) VALUES (4, 'jam'), (4 + 4, 'te' + 'a');",
        "ASSERT TABLE sold VALUES ('jam', 1, 4), ('tea', 2, 8);",
        "ASSERT STREAM orders (id, qty) VALUES (3, 5), (2, 4), (1, 3);",
        "ASSERT CHANGES sold (item, n) VALUES ('tea', 1), ('jam', 1), ('tea', 2);\nASSERT CHANGES sold IS EMPTY;",
        "ASSERT ERRORS IS EMPTY;\nASSERT LATE IS EMPTY;",
        "ASSERT TABLE sold (item STRING PRIMARY KEY, n BIGINT, total INT)\n"
        "WITH (KAFKA_TOPIC='SOLD', VALUE_FORMAT='JSON');",
    ],
)
def test_what_is_so_passes(assertion: str) -> None:
    passes(ORDERS + assertion)


def test_a_changelog_shows_deletions() -> None:
    passes(DELETIONS + "ASSERT CHANGES named (id, name) VALUES (1, 'ada'), (2, 'bob'), DELETED (1);")
    passes(DELETIONS + "ASSERT TABLE named (id, name) VALUES (2, 'bob');")
    passes(DELETIONS + "ASSERT VALUES named (id) VALUES (1), (2);\nASSERT NULL VALUES named (id) KEY (1);")
    passes(DELETIONS + "INSERT INTO users (ROWTIME, id) VALUES (4, 2);\nASSERT TABLE named IS EMPTY;")


def test_a_changelog_is_that_since_the_last_assertion() -> None:
    more = "INSERT INTO orders (ROWTIME, id, item, qty) VALUES (4, 4, 'jam', 1);"
    first = "ASSERT CHANGES sold (item, n) VALUES ('tea', 1), ('jam', 1), ('tea', 2);"
    passes(f"{ORDERS}{first}{more}ASSERT CHANGES sold (item, n) VALUES ('jam', 2);")
    assert "1 missing" in fails(f"{ORDERS}{first}{more}ASSERT CHANGES sold (item, n) VALUES ('jam', 2), ('tea', 3);")


def test_windows_are_columns_and_late_rows_are_told() -> None:
    passes(WINDOWS + "ASSERT TABLE visits (page, WINDOWSTART, WINDOWEND, n) VALUES ('/a', 10000, 20000, 1), "
           "('/a', 0, 10000, 1);\nASSERT LATE (topic, window_start) VALUES ('hits', 0);")  # fmt: skip
    assert "1 missing" in fails(WINDOWS + "ASSERT LATE (topic) VALUES ('hits'), ('hits');")


def test_what_could_not_be_processed_is_asserted() -> None:
    bad = """
        CREATE STREAM texts (id INT KEY, t STRING) WITH (KAFKA_TOPIC='texts', VALUE_FORMAT='JSON');
        CREATE STREAM numbers AS SELECT id, 10 / CAST(t AS INT) AS n FROM texts EMIT CHANGES;
        INSERT INTO texts (ROWTIME, id, t) VALUES (1, 1, '0');
    """
    passes(bad + "ASSERT ERRORS (query_id, topic) VALUES ('CSAS_NUMBERS_1', 'texts');\nASSERT ERRORS IS EMPTY;")
    assert "1 not expected" in fails(bad + "ASSERT ERRORS IS EMPTY;")


def test_a_wrong_value_fails_with_the_rows_side_by_side() -> None:
    assert fails(ORDERS + "ASSERT TABLE sold (item, n, total) VALUES ('tea', 2, 7), ('rye', 1, 4);") == (
        "a.sql:5: the rows of table SOLD: 1 missing, 1 not expected, 1 different\n"
        "  ITEM  | N | TOTAL\n"
        "  ------+---+------\n"
        "- 'tea' | 2 | 7       <- expected\n"
        "+ 'tea' | 2 | 8       <- there\n"
        "        |   | ^\n"
        "- 'rye' | 1 | 4       <- missing\n"
        "+ 'jam' | 1 | 4       <- not expected"
    )


@pytest.mark.parametrize(
    ("assertion", "told"),
    [
        ("ASSERT VALUES sold (item, n) VALUES ('tea', 2);", "Expected record does not match actual."),
        ("ASSERT VALUES sold (n) VALUES (1), (1), (2), (3);", "<- missing"),
        ("ASSERT NULL VALUES sold (item) KEY ('tea');", "Expected record does not match actual."),
        ("ASSERT TABLE sold IS EMPTY;", "2 not expected"),
        ("ASSERT TABLE sold (item) VALUES ('tea'), ('jam'), ('tea');", "1 missing"),
        ("ASSERT STREAM sold IS EMPTY;", "SOLD is a table, not a stream"),
        ("ASSERT CHANGES sold (item, n) VALUES ('jam', 1), ('tea', 1), ('tea', 2);", "the changes of SOLD"),
        ("ASSERT CHANGES sold (item) VALUES DELETED ('tea');", "2 not expected, 1 different"),
        ("ASSERT ERRORS (topic) VALUES ('orders');", "1 missing"),
        ("ASSERT TABLE nobody IS EMPTY;", "NOBODY does not exist."),
        ("ASSERT TABLE sold (itm) VALUES ('tea');", 'HINT: Did you mean "ITEM"?'),
        ("ASSERT TABLE sold VALUES ('tea', 1);", "there are 2 values, and not one for each column (ITEM, N, TOTAL)"),
        ("ASSERT TABLE sold (item STRING PRIMARY KEY) WITH (KAFKA_TOPIC='SOLD', VALUE_FORMAT='JSON');",
         "Expected schema does not match"),
    ],
)  # fmt: skip
def test_what_is_not_so_fails(assertion: str, told: str) -> None:
    assert told in fails(ORDERS + assertion)


def test_an_error_of_an_assertion_has_its_line_in_the_file() -> None:
    assert fails(ORDERS + "\n\nASSERT TABLE sold (item, nn)\n  VALUES ('tea', 1);") == (
        "a.sql:7: error: Column 'NN' cannot be resolved.  [column_not_found]\n"
        "LINE 7: ASSERT TABLE sold (item, nn)\n"
        "                                 ^^\n"
        'HINT: Did you mean "N"?'
    )


def test_all_records_of_a_long_topic_are_seen() -> None:
    """More than the log gives at a time: each is a batch of its own."""
    rows = ", ".join(f"({n}, {n})" for n in range(300))
    passes(
        f"""
        CREATE STREAM s (id INT KEY) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
        INSERT INTO s (ROWTIME, id) VALUES {rows};
        ASSERT STREAM s (ROWTIME, id) VALUES {rows};
        """
    )
