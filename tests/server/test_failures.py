"""Every shape of error, as it goes over the wire."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from ssql.errors import InternalError, LogFull, SqlError, TooManyPushQueries
from ssql.server.app import MAX_BODY_BYTES
from ssql.server.query_stream import OFFERED

from .fake import FakeEngine, in_loop, serving

BAD_JSON = {
    "@type": "generic_error",
    "error_code": 40000,
    "message": "the request is not a JSON object",
    "code": "bad_request",
}

GOLDEN: list[tuple[str, str, Any, int, dict[str, Any]]] = [
    ("POST", "/ksql", b"{", 400, BAD_JSON),
    ("POST", "/ksql", b"", 400, BAD_JSON),
    ("POST", "/ksql", b"\xff", 400, BAD_JSON),
    ("POST", "/query", b'{"ksql"', 400, BAD_JSON),
    ("POST", "/query-stream", b"nope", 400, BAD_JSON),
    ("POST", "/close-query", b"nope", 400, BAD_JSON),
    ("POST", "/inserts-stream", b"nope\n", 400, BAD_JSON),
    (
        "POST", "/query-stream", b"{}", 400,
        BAD_JSON | {"message": "the request has the wrong fields: object missing required field `sql`"},
    ),
    (
        "POST", "/query-stream", b'{"sql": 5}', 400,
        BAD_JSON | {"message": "the request has the wrong fields: expected `str`, got `int` - at `$.sql`"},
    ),
    (
        "POST", "/inserts-stream", b"", 400,
        BAD_JSON | {"message": "the request has no first line with its target"},
    ),
    (
        "POST", "/close-query", b'{"queryId": "q9"}', 400,
        BAD_JSON | {"message": 'push query "q9" does not exist'},
    ),
    (
        "POST", "/ksql", b'{"ksql": "SHOW STREAMS;\\nSELECT 1;"}', 400,
        {
            "@type": "statement_error",
            "error_code": 40002,
            "message": "/ksql cannot carry out SELECT statements",
            "code": "wrong_endpoint",
            "statementText": "SHOW STREAMS;\nSELECT 1;",
            "entities": [],
            "position": {"line": 2, "column": 1},
            "hint": "Send it to /query-stream.",
        },
    ),
    (
        "POST", "/query", b'{"ksql": "SHOW STREAMS;"}', 400,
        {
            "@type": "statement_error",
            "error_code": 40002,
            "message": "/query cannot carry out SHOW statements",
            "code": "wrong_endpoint",
            "statementText": "SHOW STREAMS;",
            "entities": [],
            "position": {"line": 1, "column": 1},
            "hint": "Send it to /ksql.",
        },
    ),
    (
        "GET", "/nowhere", None, 404,
        {
            "@type": "generic_error",
            "error_code": 40400,
            "message": 'path "/nowhere" does not exist',
            "code": "path_not_found",
        },
    ),
    (
        "GET", "/ksql", None, 405,
        {
            "@type": "generic_error",
            "error_code": 40500,
            "message": "/ksql cannot be called with GET",
            "code": "method_not_allowed",
            "hint": "Use POST.",
        },
    ),
    (
        "GET", "/is_valid_property/auto.offset.rest", None, 400,
        {
            "@type": "generic_error",
            "error_code": 40000,
            "message": 'unknown setting "auto.offset.rest"',
            "code": "unknown_setting",
            "hint": 'Did you mean "auto.offset.reset"?',
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), GOLDEN)
@in_loop
async def test_an_error_has_one_shape(
    method: str, path: str, body: bytes | None, status: int, expected: dict[str, Any]
) -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.request(method, path, data=body)
        assert (answer.status, answer.content_type) == (status, "application/json")
        assert await answer.json() == expected


@in_loop
async def test_not_acceptable_names_what_there_is() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT 1;"}, headers={"Accept": "text/html"})
        assert answer.status == 406
        assert await answer.json() == {
            "@type": "generic_error",
            "error_code": 40600,
            "message": 'no answer can be given as "text/html"',
            "code": "not_acceptable",
            "hint": f"Accept one of: {', '.join(OFFERED)}.",
        }


@in_loop
async def test_a_body_too_large_is_413() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.post("/ksql", data=io.BytesIO(b" " * (MAX_BODY_BYTES + 1)))
        body = await answer.json()
        assert (answer.status, body["error_code"], body["code"]) == (413, 41300, "body_too_large")


@pytest.mark.parametrize(
    ("error", "status", "error_code"),
    [
        (SqlError("it is wrong"), 400, 40001),
        (TooManyPushQueries(2), 400, 40003),
        (LogFull("the disk is full"), 500, 50000),
        (InternalError("a sum fell below zero"), 500, 50000),
    ],
)
@pytest.mark.parametrize(("path", "field"), [("/ksql", "ksql"), ("/query", "ksql"), ("/query-stream", "sql")])
@in_loop
async def test_errors_of_the_engine_keep_status_and_code(
    path: str, field: str, error: Exception, status: int, error_code: int
) -> None:
    engine = FakeEngine()
    engine.raises = error
    async with serving(engine) as client:
        answer = await client.post(path, json={field: "SELECT 1;" if path != "/ksql" else "SHOW STREAMS;"})
        body = await answer.json()
        assert (answer.status, body["error_code"], body["@type"]) == (status, error_code, "generic_error")


@pytest.mark.parametrize("error", [KeyError("secret_table_hash"), InternalError("KeyError: secret_table_hash")])
@in_loop
async def test_a_fault_of_ours_shows_no_insides_and_is_logged_whole(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    engine.raises = error
    async with serving(engine) as client:
        answer = await client.post("/ksql", json={"ksql": "SHOW STREAMS;"})
        text = await answer.text()
    assert answer.status == 500
    assert json.loads(text)["error_code"] == 50000
    assert "secret" not in text
    assert "KeyError" not in text
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.getMessage() == "request failed method=POST path=/ksql"
    assert record.exc_info is not None
    assert "secret_table_hash" in caplog.text


@in_loop
async def test_a_refused_request_is_one_line_at_info(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine()
    engine.raises = SqlError("it is wrong")
    with caplog.at_level(logging.INFO, "ssql.server"):
        async with serving(engine) as client:
            await client.post("/ksql", json={"ksql": "SHOW STREAMS;"})
    (record,) = [r for r in caplog.records if r.name == "ssql.server" and "refused" in r.getMessage()]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert record.getMessage() == (
        "request refused method=POST path=/ksql status=400 error_code=40001 code=sql_error reason='it is wrong'"
    )
