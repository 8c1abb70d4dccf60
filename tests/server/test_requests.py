"""Accept headers and which path a statement belongs to."""

from __future__ import annotations

import contextlib

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from ssql.errors import BadRequest, NotAcceptable, SqlError, WrongEndpoint
from ssql.server.framing import DELIMITED_TYPE, JSON_TYPE, V1_TYPE
from ssql.server.requests import check_query, check_script, negotiated

OFFERED = (DELIMITED_TYPE, JSON_TYPE, V1_TYPE)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, DELIMITED_TYPE),
        ("", DELIMITED_TYPE),
        ("*/*", DELIMITED_TYPE),
        ("application/*", DELIMITED_TYPE),
        ("application/json", JSON_TYPE),
        ("Application/JSON; charset=utf-8", JSON_TYPE),
        (V1_TYPE, V1_TYPE),
        ("text/html, application/json;q=0.5, */*;q=0.1", JSON_TYPE),
        (f"{V1_TYPE};q=0.4, application/json;q=0.9", JSON_TYPE),
        (f"{JSON_TYPE}, {DELIMITED_TYPE}", JSON_TYPE),
        (f"*/*, {DELIMITED_TYPE};q=0", JSON_TYPE),
        (f"{JSON_TYPE};q=0.2, */*", DELIMITED_TYPE),
    ],
)
def test_the_content_type_is_the_one_the_client_likes_best(accept: str | None, expected: str) -> None:
    request = make_mocked_request("POST", "/", headers={} if accept is None else {"Accept": accept})
    assert negotiated(request, OFFERED) == expected


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/*", "*/*;q=0"])
def test_nothing_acceptable_is_406(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiated(make_mocked_request("POST", "/", headers={"Accept": accept}), OFFERED)


def test_a_quality_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadRequest):
        negotiated(make_mocked_request("POST", "/", headers={"Accept": "*/*;q=high"}), OFFERED)


@pytest.mark.parametrize(
    "script",
    [
        "",
        "CREATE TABLE t AS SELECT * FROM s;",
        "INSERT INTO s VALUES ('; SELECT 1;');",
        "SHOW STREAMS; -- ; SELECT\nSHOW TABLES;",
        "/* SELECT */ SHOW STREAMS;",
        "DESCRIBE `;select`;",
        "EXPLAIN SELECT * FROM s;",
    ],
)
def test_scripts_without_a_query_pass(script: str) -> None:
    check_script(script)


@pytest.mark.parametrize("script", ["select 1", "SHOW STREAMS;\n  SELECT * FROM s;", "-- x\nPRINT 't';", "(SELECT 1);"])
def test_scripts_with_a_query_are_refused_at_its_place(script: str) -> None:
    with pytest.raises(WrongEndpoint) as refused:
        check_script(script)
    assert refused.value.ksql_code == 40002
    assert refused.value.span is not None
    assert script[refused.value.span.start : refused.value.span.end].upper() in ("SELECT", "PRINT")


@pytest.mark.parametrize("sql", ["SELECT 1;", "select 1", "(SELECT 1)", "${q};", "oops", "'open"])
def test_queries_and_what_only_the_parser_can_judge_pass(sql: str) -> None:
    check_query(sql, "/query")


@pytest.mark.parametrize(
    ("sql", "error", "ksql_code"),
    [
        ("SHOW STREAMS;", WrongEndpoint, 40002),
        ("create stream s as select 1;", WrongEndpoint, 40002),
        ("", SqlError, 40001),
        ("  -- nothing\n;", SqlError, 40001),
        ("SELECT 1; SELECT 2;", SqlError, 40001),
    ],
)
def test_what_is_not_one_query_is_refused(sql: str, error: type[SqlError], ksql_code: int) -> None:
    with pytest.raises(error) as refused:
        check_query(sql, "/query")
    assert refused.value.ksql_code == ksql_code


@pytest.mark.parametrize(("sql", "prints"), [("PRINT 't';", True), ("print t", True), ("SELECT print FROM s;", False)])
def test_a_print_is_told_from_a_select(sql: str, prints: bool) -> None:
    assert check_query(sql, "/query") is prints


@given(st.text(alphabet="sSELCT;'`\"-/*${} \n()1", max_size=30))
def test_no_text_breaks_the_check(script: str) -> None:
    with contextlib.suppress(SqlError):
        check_script(script)
    with contextlib.suppress(SqlError):
        check_query(script, "/query")
