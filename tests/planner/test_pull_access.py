"""How a pull query gets at its rows: the keys it looks up, and what is refused where table scans are off."""

from __future__ import annotations

from typing import Any

import pytest

from ssql.errors import KeyTypeMismatch, TableScanNeeded
from ssql.planner.pull import PullPlan, plan_pull
from ssql.planner.relation import KeyWindow
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Select
from tests.planner.harness import catalog, run_sql

BOUND = "Bound on key columns '[`K` STRING KEY]' must currently be '='."
COMBINED = "A comparison condition on the key column cannot be combined with other comparisons such as an IN predicate."
DIRECT = "A comparison must directly reference a key column."
RESOLVABLE = "A comparison must be between a key column and a resolvable expression."
SCAN = "Query requires table scan to be enabled."


def planned(sql: str, *, scans: bool = True, ranges: bool = True) -> PullPlan:
    relations = (
        catalog()
        .table("WT", "K STRING PRIMARY KEY, C BIGINT", window=KeyWindow("TUMBLING", 1000))
        .table("KT", "K STRING PRIMARY KEY, V INT, W STRING")
        .table("IT", "ID INT PRIMARY KEY, V INT")
        .table("DT", "D DOUBLE PRIMARY KEY, V INT")
        .table("TT", "TS TIMESTAMP PRIMARY KEY, V INT")
        .table("TWO", "A INT PRIMARY KEY, B STRING PRIMARY KEY, V INT")
    )
    statement = parse_statement(sql)
    assert isinstance(statement, Select)
    return plan_pull(statement.query, relations, scans=scans, ranges=ranges)


def keys(sql: str) -> list[tuple[Any, ...]] | None:
    plan = planned(sql)
    if plan.lookup is None:
        return None
    return sorted(tuple(r.values()) for r in run_sql(plan.lookup.sql, plan.lookup.udfs).to_pylist())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ID = 1", [(1,)]),
        ("1 = ID", [(1,)]),
        ("ID = 1 + 1", [(2,)]),
        ("ID IN (1, 2, 2)", [(1,), (2,)]),
        ("ID = 1 OR ID = 2", [(1,), (2,)]),
        ("(ID = 1 OR ID = 2) AND V = 7", [(1,), (2,)]),
        ("ID = 1 AND V > 2", [(1,)]),
        ("ID = 1 OR V = 2", None),
        ("ID > 1", None),
        ("ID = V", None),
        ("V = 1", None),
        ("NOT (ID = 1)", None),
    ],
)
def test_keys_are_looked_up_where_the_condition_pins_them(
    condition: str, expected: list[tuple[Any, ...]] | None
) -> None:
    assert keys(f"SELECT * FROM IT WHERE {condition};") == expected


def test_keys_of_several_columns_are_looked_up_only_when_all_are_pinned() -> None:
    assert keys("SELECT * FROM TWO WHERE B IN ('x', 'y') AND A = 1;") == [(1, "x"), (1, "y")]
    assert keys("SELECT * FROM TWO WHERE A = 1;") is None


# --- without table scans -----------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM KT WHERE K = 'a';",
        "SELECT * FROM KT WHERE 'a' = K;",
        "SELECT * FROM KT WHERE K = CONCAT('a', 'b');",
        "SELECT * FROM KT WHERE K IN ('a', 'b') AND V > 1;",
        "SELECT * FROM KT WHERE K = 'a' OR K = 'b' AND V = 1;",
        "SELECT * FROM KT WHERE NOT (NOT (K = 'a'));",
        "SELECT * FROM KT WHERE K = 'a' AND W LIKE 'x%';",
        "SELECT * FROM KT WHERE K = 'a' AND V BETWEEN 1 AND 3;",
        "SELECT * FROM KT WHERE K >= 'a';",
        "SELECT * FROM KT WHERE K < 'm' AND V = 1;",
        "SELECT * FROM TWO WHERE A = 1 AND B = 'x';",
        "SELECT * FROM WT WHERE K = 'a' AND WINDOWSTART > 5;",
    ],
)
def test_keys_and_a_range_of_them_need_no_scan(sql: str) -> None:
    assert planned(sql, scans=False)


@pytest.mark.parametrize(
    ("sql", "message", "marked"),
    [
        ("SELECT * FROM KT;", SCAN, None),
        ("SELECT * FROM KT WHERE V = 1;", "WHERE clause missing key column for disjunct: (V = 1).", "V = 1"),
        ("SELECT * FROM KT WHERE K = 'a' OR V = 1;", "missing key column for disjunct: (V = 1).", "V = 1"),
        ("SELECT * FROM WT WHERE WINDOWSTART >= 5;", "disjunct: (WINDOWSTART >= 5).", "WINDOWSTART >= 5"),
        ("SELECT * FROM KT WHERE K <> 'a';", BOUND, "K <> 'a'"),
        ("SELECT * FROM KT WHERE K IS DISTINCT FROM 'a';", BOUND, "K IS DISTINCT FROM 'a'"),
        ("SELECT * FROM KT WHERE 'a' < K AND K < 'c';", COMBINED, "K < 'c'"),
        ("SELECT * FROM KT WHERE K BETWEEN 'a' AND 'c';", COMBINED, "K BETWEEN 'a' AND 'c'"),
        ("SELECT * FROM KT WHERE K = 'a' AND K IN ('a', 'b');", COMBINED, "K IN ('a', 'b')"),
        ("SELECT * FROM KT WHERE UCASE(K) = 'A';", DIRECT, "UCASE(K) = 'A'"),
        ("SELECT * FROM IT WHERE ID = V - 1;", RESOLVABLE, "ID = V - 1"),
        ("SELECT * FROM IT WHERE ID IN (1, V);", RESOLVABLE, "ID IN (1, V)"),
        ("SELECT * FROM KT WHERE 'a' LIKE 'a';", "Like condition must be between strings.", "'a' LIKE 'a'"),
        ("SELECT * FROM KT WHERE K IS NULL;", "Unsupported expression in WHERE clause: (K IS NULL).", "K IS NULL"),
        ("SELECT * FROM KT WHERE NOT (K = 'a' AND V = 1);", "Unsupported expression", "K = 'a'"),
        ("SELECT * FROM IT WHERE ID > 1;", SCAN, "ID > 1"),
        ("SELECT * FROM WT WHERE K <= 'a';", SCAN, "K <= 'a'"),
        ("SELECT * FROM KT WHERE K < 'a' OR K > 'c';", SCAN, "K < 'a'"),
        ("SELECT * FROM TWO WHERE A = 1 AND B > 'x';", SCAN, "B > 'x'"),
        (
            "SELECT * FROM TWO WHERE B <= 'x';",
            "Multi-column sources must specify every key in the WHERE clause. "
            "Specified: [`B`] Expected: [`A` INTEGER KEY, `B` STRING KEY].",
            "B <= 'x'",
        ),
    ],
)
def test_what_needs_a_scan_says_why(sql: str, message: str, marked: str | None) -> None:
    assert planned(sql)  # and is answered where scans are allowed
    with pytest.raises(TableScanNeeded) as caught:
        planned(sql, scans=False)
    error = caught.value
    assert message in error.message
    assert error.message.endswith("Add EMIT CHANGES if you intended to issue a push query.")
    assert (None if error.span is None else sql[error.span.start : error.span.end]) == marked


def test_ranges_can_be_switched_off_too() -> None:
    with pytest.raises(TableScanNeeded, match=SCAN):
        planned("SELECT * FROM KT WHERE K >= 'a';", scans=False, ranges=False)
    assert planned("SELECT * FROM KT WHERE K >= 'a';", ranges=False)


def test_a_condition_with_too_many_alternatives_is_a_scan() -> None:
    many = " AND ".join(f"(V = {n} OR V = {n + 1})" for n in range(20))
    with pytest.raises(TableScanNeeded, match=SCAN):
        planned(f"SELECT * FROM IT WHERE ID = 1 AND {many};", scans=False)


# --- the types of keys -------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said", "marked"),
    [
        ("SELECT * FROM IT WHERE ID IN ('10', 8);", "'10' can not be converted", "'10'"),
        ("SELECT * FROM IT WHERE ID IN (8, 5000000000);", "'5000000000' can not", "5000000000"),
        ("SELECT * FROM IT WHERE ID = 5000000000;", "'5000000000' can not", "5000000000"),
        ("SELECT * FROM IT WHERE ID = 10.5 AND V = 1;", "'10.5' can not", "10.5"),
        ("SELECT * FROM IT WHERE V = 1 AND (ID = 1 OR ID IN ('7'));", "'7' can not", "'7'"),
    ],
)
@pytest.mark.parametrize("scans", [True, False])
def test_a_key_is_looked_up_in_its_own_type(sql: str, said: str, marked: str, scans: bool) -> None:
    with pytest.raises(KeyTypeMismatch) as caught:
        planned(sql, scans=scans)
    assert said in caught.value.message
    assert caught.value.message.endswith("to the type of the key column: ID INTEGER KEY")
    assert caught.value.span is not None
    assert sql[caught.value.span.start : caught.value.span.end] == marked


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM DT WHERE D IN (10, 8.5, 1.0E1);",
        "SELECT * FROM TT WHERE TS = '2020-01-01T00:00:00';",
        "SELECT * FROM IT WHERE V IN ('10', 8);",  # no key
        "SELECT * FROM IT WHERE ID = 5000000000 OR V = 1;",  # not looked up
    ],
)
def test_smaller_numbers_and_times_as_text_are_keys(sql: str) -> None:
    assert planned(sql)
