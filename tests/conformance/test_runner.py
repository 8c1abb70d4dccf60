"""The runner itself: it passes what is right, and fails what is not."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ssql.testing.compare import same
from ssql.testing.cuts import pieces
from ssql.testing.records import Record
from ssql.types import BIGINT, BYTES, DOUBLE, INTEGER, STRING, Array, Map, SqlType, Struct
from ssql.types import Decimal as SqlDecimal
from tests.conformance import known
from tests.conformance.__main__ import main
from tests.conformance.cases import Case, load
from tests.conformance.rqtt import subset
from tests.conformance.verdict import FAILED, PASSED, SKIPPED, Verdict, judge

Raw = dict[str, Any]
COLUMNS = "(ID INT KEY, URL STRING, COST DECIMAL(6, 2))"
PAGES = (
    "CREATE STREAM PAGES (ID INT KEY, URL STRING, COST DECIMAL(6,2)) WITH (KAFKA_TOPIC='pages', VALUE_FORMAT='JSON');"
)
COPY = "CREATE STREAM COPY AS SELECT ID, URL, COST FROM PAGES;"
COUNTS = "CREATE TABLE COUNTS AS SELECT URL, COUNT(*) AS N FROM PAGES GROUP BY URL;"


def record(topic: str, key: Any, value: Any, timestamp: int | None = 0, **more: Any) -> Raw:
    return {"topic": topic, "key": key, "value": value, "timestamp": timestamp, "window": None, "headers": [], **more}


def case(*statements: str, suite: str = "qtt", **fields: Any) -> Case:
    """A case as a corpus would have it, through its JSON."""
    raw = {
        "id": f"{suite}/made/here",
        "suite": suite,
        "applicable": True,
        "needs": [],
        "statements": list(statements),
        "properties": {},
        "topics": [],
        "inputs": [],
        "outputs": [],
        "expected_exception": None,
        "post": None,
        "golden": None,
        "responses": [],
        "input_conditions": None,
        "items": [],
        **fields,
    }
    return Case(json.loads(json.dumps(raw), parse_float=Decimal))


PAGE = record("pages", 1, {"URL": "/a", "COST": "1.50"}, 5)
COPIED = record("COPY", 1, {"URL": "/a", "COST": "1.50"}, 5)


def outcome(made: Case) -> tuple[str, str]:
    verdict = judge(made)
    return verdict.outcome, verdict.reason


def test_a_case_passes_when_the_topic_holds_what_is_expected() -> None:
    assert outcome(case(PAGES, COPY, inputs=[PAGE], outputs=[COPIED])) == (PASSED, "")


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([{**COPIED, "key": 2}], "records: key"),
        ([{**COPIED, "value": {"URL": "/b", "COST": "1.50"}}], "records: value"),
        ([{**COPIED, "value": {"URL": "/a", "COST": "1.5"}}], "records: value"),
        ([{**COPIED, "value": {"URL": "/a"}}], "records: value"),
        ([{**COPIED, "value": None}], "records: value"),
        ([{**COPIED, "timestamp": 6}], "records: timestamp"),
        ([{**COPIED, "window": {"start": 0, "end": 10, "type": "TIME"}}], "records: window"),
        ([{**COPIED, "headers": [{"key": "h", "value": "aGk="}]}], "records: headers"),
        ([COPIED, COPIED], "records: number"),
    ],
)
def test_a_case_fails_for_any_difference_in_its_records(outputs: list[Raw], reason: str) -> None:
    assert outcome(case(PAGES, COPY, inputs=[PAGE], outputs=outputs)) == (FAILED, reason)


def test_a_case_fails_for_a_record_too_many() -> None:
    made = case(PAGES, COPY, inputs=[PAGE, PAGE], outputs=[COPIED])
    assert outcome(made) == (FAILED, "records: number")


def test_each_record_shows_its_own_effect() -> None:
    counts = [record("COUNTS", "/a", {"N": n}, 5) for n in (1, 2)]
    assert outcome(case(PAGES, COUNTS, inputs=[PAGE, PAGE], outputs=counts)) == (PASSED, "")


def test_cut_at_random_only_the_end_of_a_table_counts() -> None:
    last = record("COUNTS", "/a", {"N": 3}, 5)
    made = case(PAGES, COUNTS, inputs=[PAGE] * 3, outputs=[last])
    assert judge(made).outcome == FAILED
    assert judge(made, seed=1).outcome == PASSED
    wrong = case(PAGES, COUNTS, inputs=[PAGE] * 3, outputs=[{**last, "value": {"N": 2}}])
    assert judge(wrong, seed=1).reason == "end differs"


def test_windowed_keys_are_told_by_their_window() -> None:
    windowed = COUNTS.replace("FROM PAGES", "FROM PAGES WINDOW TUMBLING (SIZE 1 SECOND)")
    count = record("COUNTS", "/a", {"N": 1}, 5, window={"start": 0, "end": 1000, "type": "TIME"})
    assert outcome(case(PAGES, windowed, inputs=[PAGE], outputs=[count])) == (PASSED, "")
    assert outcome(case(PAGES, windowed, inputs=[PAGE], outputs=[{**count, "window": None}]))[1] == "records: window"


def failing(message: str, **more: Any) -> Raw:
    return {"kind": "statement", "message": message, "cause_message": None, "status": None, **more}


def test_an_expected_error_must_come_and_say_what_is_expected() -> None:
    wrong = "CREATE STREAM S AS SELECT ID, NOWHERE FROM PAGES;"
    assert outcome(case(PAGES, wrong, expected_exception=failing("NOWHERE"))) == (PASSED, "")
    assert outcome(case(PAGES, wrong, expected_exception=failing("ELSEWHERE"))) == (FAILED, "wrong error")
    assert outcome(case(PAGES, COPY, expected_exception=failing("NOWHERE"))) == (FAILED, "no error")
    assert outcome(case(PAGES, wrong))[0] == FAILED


def test_sources_are_compared_as_parsed() -> None:
    source = {
        "name": "COPY",
        "type": "STREAM",
        "schema": "id INT KEY, `URL` VARCHAR, COST DECIMAL(6, 2)",
        "key_format": {"format": "KAFKA", "window_type": None, "window_size_ms": None},
        "value_format": "JSON",
        "key_features": [],
        "value_features": [],
        "is_source": False,
    }

    def outcome_of(**change: Any) -> str:
        return judge(case(PAGES, COPY, golden={"sources": [{**source, **change}]})).reason

    assert outcome_of() == ""
    assert outcome_of(schema="ID INT KEY, URL VARCHAR, COST DECIMAL(6, 3)") == "sources"
    assert outcome_of(schema="ID INT, URL VARCHAR, COST DECIMAL(6, 2)") == "sources"
    assert outcome_of(type="TABLE") == "sources"
    assert outcome_of(value_features=["UNWRAP_SINGLES"]) == "sources"
    assert outcome_of(name="NOBODY") == "sources"
    assert outcome_of(key_format={**source["key_format"], "window_type": "SESSION"}) == "sources"  # type: ignore[dict-item]


def test_answers_are_compared_with_rows_as_a_bag() -> None:
    sql = "SELECT URL, N FROM COUNTS;"
    header = {"header": {"schema": "`URL` STRING KEY, `N` BIGINT"}}
    rows = [{"row": {"columns": [url, 1]}} for url in ("/b", "/a")]
    inputs = [PAGE, record("pages", 2, {"URL": "/b", "COST": 2}, 6)]

    def outcome_of(*entries: Raw) -> str:
        responses = [
            {"type": "admin", "statement": 0, "expected": {"@type": "currentStatus"}},
            {"type": "query", "statement": 2, "expected": list(entries)},
        ]
        return judge(case(PAGES, COUNTS, sql, suite="rqtt", inputs=inputs, responses=responses)).reason

    assert outcome_of(header, *rows) == ""
    assert outcome_of(header, rows[0], rows[0]) == "answer: rows differ"
    assert outcome_of(header, rows[0]) == "answer: number of entries differs"
    assert outcome_of({"header": {"schema": "`URL` STRING"}}, *rows) == "answer: header differs"


def test_a_script_asserts_records_and_sources() -> None:
    def outcome_of(*items: tuple[str, str], failure: Raw | None = None) -> str:
        listed = [{"kind": kind, "line": i, "sql": sql} for i, (kind, sql) in enumerate(items)]
        return judge(case(suite="yatt", items=listed, expected_exception=failure)).reason

    made = [
        ("statement", PAGES),
        ("statement", COPY),
        ("statement", "INSERT INTO PAGES (ROWTIME, ID, URL, COST) VALUES (7, 1, '/a', 1.5);"),
    ]
    right = ("assert_values", "ASSERT VALUES COPY (ROWTIME, ID, COST) VALUES (7, 1, 1.50);")
    wrong = ("assert_values", "ASSERT VALUES COPY (ID, URL) VALUES (1, '/b');")
    shape = f"ASSERT STREAM COPY {COLUMNS} WITH (KAFKA_TOPIC='COPY', VALUE_FORMAT='JSON');"
    assert outcome_of(*made, right, ("assert_stream", shape)) == ""
    assert outcome_of(*made, wrong) == "assertion"
    assert outcome_of(*made, right, right) == "assertion"
    assert outcome_of(*made, ("assert_tombstone", "ASSERT NULL VALUES COPY (ID) KEY (1);")) == "assertion"
    assert outcome_of(*made, ("assert_stream", shape.replace("6, 2", "5, 2"))) == "assertion"
    assert outcome_of(*made, wrong, failure=failing("record does not match")) == ""
    assert outcome_of(*made, right, failure=failing("record does not match")) == "no error"


@pytest.mark.parametrize(
    ("expected", "got", "sql_type", "equal"),
    [
        (None, None, STRING, True),
        (None, "", STRING, False),
        (True, True, None, True),
        (True, 1, INTEGER, False),
        (1, True, INTEGER, False),
        (Decimal("1.7"), 1, BIGINT, True),
        (1, "1", STRING, False),
        (Decimal("1.10"), Decimal("1.10"), SqlDecimal(4, 2), True),
        (Decimal("1.1"), Decimal("1.10"), SqlDecimal(4, 2), False),
        ("001.10", Decimal("1.10"), SqlDecimal(4, 2), True),
        (1, Decimal("1.00"), SqlDecimal(4, 2), False),
        (1, 1, SqlDecimal(4, 0), True),
        (Decimal("0.1"), Decimal("0.10000000001"), DOUBLE, True),
        (Decimal("0.1"), Decimal("0.1001"), DOUBLE, False),
        ("-12.5", Decimal("-12.5"), DOUBLE, True),
        (10**18, Decimal("1.0000000000000001E18"), DOUBLE, True),
        ("aGk=", b"hi", BYTES, True),
        ([1, None], [1, None], Array(INTEGER), True),
        ([1], [1, 1], Array(INTEGER), False),
        ({"a": 1}, {"A": 1}, Struct((("A", INTEGER),)), True),
        ({"A": 1}, {"a": 1}, Struct((("a", INTEGER),)), False),
        ({"A": None}, {}, Struct(()), False),
        ({"A": 1}, {"B": 1}, Struct((("B", INTEGER),)), False),
        ({"A": None}, {"B": 1}, Struct((("B", INTEGER),)), True),
        ({"a": Decimal("1.0")}, {"a": 1}, Map(STRING, DOUBLE), True),
    ],
)
def test_values_are_compared_in_their_sql_type(expected: Any, got: Any, sql_type: SqlType | None, equal: bool) -> None:
    assert same(expected, got, sql_type) is equal


def test_an_answer_may_have_more_than_is_expected() -> None:
    assert subset({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3})
    assert subset({"id|starts_with": "Q_"}, {"id": "Q_7"})
    assert not subset({"id|starts_with": "Q_"}, {"id": "X"})
    assert not subset({"a": None}, {})


@pytest.mark.parametrize("seed", range(20))
def test_pieces_keep_the_order_of_the_list(seed: int) -> None:
    chance = random.Random(seed)
    inputs = [
        Record.of(record(chance.choice(["t", "s"]), i, None, chance.randrange(5))) for i in range(chance.randrange(12))
    ]
    found = list(pieces(inputs, frozenset({"t"}), frozenset(), random.Random(seed)))
    assert [r for piece in found for r in piece] == inputs
    newest: dict[str, int] = {}
    for piece in found:
        places = []
        for r in piece:
            newest[r.topic] = max(newest.get(r.topic, 0), r.timestamp or 0)
            places.append((newest[r.topic], r.topic != "t"))
        assert places == sorted(places)


def test_the_command_prints_failures_and_closes_with_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = case(PAGES, COPY, inputs=[PAGE], outputs=[COPIED])
    wrong = case(PAGES, COPY, inputs=[PAGE], outputs=[{**COPIED, "key": 77}])
    cases = [
        {**right.raw, "id": "a/right"},
        {**wrong.raw, "id": "a/wrong"},
        {**right.raw, "id": "b", "applicable": False},
    ]
    file, out, listed = tmp_path / "cases.jsonl", tmp_path / "out.json", tmp_path / "known.txt"
    file.write_text("\n".join(json.dumps(c, default=str) for c in cases), encoding="utf-8")
    assert main([str(file), "--report", str(out), "--write-known", str(listed)]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "1 passed, 1 failed, 1 skipped"
    assert shown[0] == "FAILED a/wrong"
    assert any('"key":77' in line for line in shown)
    report = json.loads(out.read_text(encoding="utf-8"))
    assert {c["id"]: c["outcome"] for c in report["cases"]} == {"a/right": PASSED, "a/wrong": FAILED, "b": SKIPPED}
    assert report["reasons"] == {"records: key": 1}
    assert known.read(listed) == {known.digest("a/wrong")}
    assert main([str(file), "--select", "right"]) == 0
    assert [c.id for c in load(file, "wrong")] == ["a/wrong"]


def test_only_failures_that_are_not_listed_are_new(tmp_path: Path) -> None:
    listed = tmp_path / "known.txt"
    known.write(listed, [Verdict("old", FAILED), Verdict("fine", PASSED)])
    new = known.unknown(listed, [Verdict("old", FAILED), Verdict("fine", FAILED), Verdict("other", PASSED)])
    assert [v.id for v in new] == ["fine"]
