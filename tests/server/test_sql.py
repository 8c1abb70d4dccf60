"""/sql: one SELECT as JSON, NDJSON, CSV or Arrow, and the same forms on /query-stream."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal as Exact
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import ClientPayloadError

from ssql.engine.api import PullResult, Session
from ssql.errors import QueryFailed
from ssql.server import pump
from ssql.server.pump import ROWS_AT_ONCE
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    Struct,
)

from .fake import COLUMNS, FakeEngine, happens, in_loop, serving
from .test_query import pull, push

JSON = "application/json"
LINES = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"

SELECT = {"sql": "SELECT * FROM T"}


async def read(client: Any, accept: str, **body: Any) -> bytes:
    async with client.post("/sql", json={**SELECT, **body}, headers={"Accept": accept}) as answer:
        assert (answer.status, answer.content_type) == (200, accept)
        content: bytes = await answer.read()
        return content


# --- forms -------------------------------------------------------------------


@in_loop
async def test_json_has_columns_and_rows() -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        for answer in (
            await client.post("/sql", json=SELECT),
            await client.get("/sql", params=SELECT),
            await client.post("/sql", json=SELECT, headers={"Accept": "*/*"}),
        ):
            assert (answer.status, answer.content_type) == (200, JSON)
            assert await answer.json() == {
                "columns": [{"name": "ID", "type": "STRING"}, {"name": "N", "type": "BIGINT"}],
                "rows": [["a", 1], ["b", None]],
            }


@in_loop
async def test_lines_are_objects() -> None:
    async with serving(pull(("a", 1), ('q"', None))) as client:
        lines = (await read(client, LINES)).splitlines()
    assert [json.loads(line) for line in lines] == [{"ID": "a", "N": 1}, {"ID": 'q"', "N": None}]


@in_loop
async def test_csv_has_a_line_of_names() -> None:
    async with serving(pull(("a", 1), ('q"\n,', None), ("", 3), (None, 4))) as client:
        text = (await read(client, CSV)).decode()
    assert text == '"ID","N"\n"a",1\n"q""\n,",\n"",3\n,4\n'


@in_loop
async def test_arrow_is_a_stream_with_sql_types() -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        with pa.ipc.open_stream(await read(client, ARROW)) as reader:
            table = reader.read_all()
    assert table.to_pylist() == [{"ID": "a", "N": 1}, {"ID": "b", "N": None}]
    assert [f.metadata[b"sql.type"] for f in table.schema] == [b"STRING", b"BIGINT"]


@pytest.mark.parametrize("accept", [JSON, LINES, CSV, ARROW])
@in_loop
async def test_no_rows_are_an_answer_too(accept: str) -> None:
    async with serving(pull()) as client:
        content = await read(client, accept)
    if accept == JSON:
        assert json.loads(content)["rows"] == []
    elif accept == ARROW:
        assert pa.ipc.open_stream(content).read_all().num_rows == 0
    else:
        assert content == (b'"ID","N"\n' if accept == CSV else b"")


@pytest.mark.parametrize("accept", [JSON, LINES, CSV, ARROW])
@in_loop
async def test_a_large_answer_is_whole_and_in_order(accept: str) -> None:
    rows = [(f"k{i}", i) for i in range(3 * ROWS_AT_ONCE + 5)]
    async with serving(pull(*rows)) as client:
        content = await read(client, accept)
    found: list[Any]
    match accept:
        case "application/json":
            found = json.loads(content)["rows"]
        case "application/x-ndjson":
            found = [list(json.loads(line).values()) for line in content.splitlines()]
        case "text/csv":
            found = [[k, int(n)] for k, n in list(csv.reader(io.StringIO(content.decode())))[1:]]
        case _:
            found = [list(r.values()) for r in pa.ipc.open_stream(content).read_all().to_pylist()]
    assert [tuple(row) for row in found] == rows


@in_loop
async def test_every_type_has_a_text_in_csv() -> None:
    values: list[tuple[Any, Any, str]] = [
        (BOOLEAN, True, "true"),
        (DOUBLE, 1.5, "1.5"),
        (Decimal(38, 10), Exact("1E-10"), "0.0000000001"),
        (BYTES, b"\x00\xff!", "AP8h"),
        (DATE, dt.date(2020, 1, 31), "2020-01-31"),
        (TIME, dt.time(23, 59), "23:59"),
        (TIMESTAMP, dt.datetime(2020, 1, 31, 23, 59, 58, 123000), "2020-01-31T23:59:58.123"),
        (Array(STRING), ["x", None], '["x",null]'),
        (Map(STRING, BIGINT), [("x", 1)], '{"x":1}'),
        (Struct((("S", STRING),)), {"S": "y"}, '{"S":"y"}'),
    ]
    columns = tuple(Column(f"C{i}", t) for i, (t, _, _) in enumerate(values))
    table = pa.table([pa.array([v, None], t.arrow) for t, v, _ in values], [c.name for c in columns])
    engine = FakeEngine()
    engine.answer = PullResult("q", columns, table)
    async with serving(engine) as client:
        text = (await read(client, CSV)).decode()
        arrow = pa.ipc.open_stream(await read(client, ARROW)).read_all()
    _, first, second = csv.reader(io.StringIO(text))
    assert first == [expected for _, _, expected in values]
    assert second == [""] * len(values)
    assert arrow.to_pylist() == table.to_pylist()


# --- what is asked -----------------------------------------------------------


@in_loop
async def test_the_session_may_say_all_that_sql_can() -> None:
    engine = pull()
    async with serving(engine) as client:
        await client.post("/sql", json={**SELECT, "properties": {"a": 1}, "variables": {"v": "w"}})
        await client.get("/sql", params=SELECT)
    assert [session for _, session in engine.queries] == [
        Session({"a": 1}, {"v": "w"}, full_sql=True),
        Session(full_sql=True),
    ]


@pytest.mark.parametrize(
    ("sql", "hint", "column"),
    [
        ("SELECT * FROM T EMIT CHANGES;", "/subscribe", 17),
        ("SELECT * FROM T EMIT FINAL LIMIT 3", "/subscribe", 17),
        ("CREATE STREAM S (A INT);", "/ksql", 1),
        ("PRINT 't';", "/query-stream", None),
    ],
)
@in_loop
async def test_what_is_no_question_is_refused_before_it_begins(sql: str, hint: str, column: int | None) -> None:
    engine = pull()
    async with serving(engine) as client:
        answer = await client.post("/sql", json={"sql": sql})
        body = await answer.json()
    assert (answer.status, body["error_code"], body["code"]) == (400, 40002, "wrong_endpoint")
    assert hint in body["hint"]
    assert body.get("position", {}).get("column") == column
    assert engine.queries == []


@in_loop
async def test_names_and_texts_are_no_emit_clause() -> None:
    async with serving(pull()) as client:
        for sql in ("SELECT 'EMIT CHANGES'", "SELECT EMIT CHANGES FROM T", "SELECT 1 -- EMIT CHANGES"):
            assert (await client.post("/sql", json={"sql": sql})).status == 200


@in_loop
async def test_a_push_query_that_began_all_the_same_is_ended() -> None:
    engine, query = push()
    async with serving(engine) as client:
        assert (await client.post("/sql", json=SELECT)).status == 400
        await happens(query.closed.is_set)


@in_loop
async def test_bad_requests_say_what_is_missing() -> None:
    async with serving(pull()) as client:
        assert "sql" in (await (await client.get("/sql")).json())["message"]
        assert (await client.post("/sql", json={"ksql": "SELECT 1"})).status == 400
        refused = await client.post("/sql", json=SELECT, headers={"Accept": "image/png"})
        assert (refused.status, (await refused.json())["error_code"]) == (406, 40600)


@pytest.mark.parametrize("accept", [CSV, ARROW])
@in_loop
async def test_an_answer_that_cannot_say_its_error_is_cut_off(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "INLINE_ROWS", 0)  # written in parts, as a large one
    engine = FakeEngine()
    engine.answer = PullResult("q", COLUMNS, pa.table({"ID": ["a"]}))  # a column short: a fault of ours
    async with serving(engine) as client:
        with pytest.raises(ClientPayloadError):
            await read(client, accept)


@in_loop
async def test_an_answer_that_can_say_its_error_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "INLINE_ROWS", 0)
    engine = FakeEngine()
    engine.answer = PullResult("q", COLUMNS, pa.table({"ID": ["a"]}))
    async with serving(engine) as client:
        assert json.loads(await read(client, JSON))["error"]["error_code"] == 50000
        assert json.loads((await read(client, LINES)).splitlines()[-1])["_error"]["error_code"] == 50000


# --- /query-stream in these forms --------------------------------------------


@pytest.mark.parametrize("accept", [LINES, CSV, ARROW])
@in_loop
async def test_query_stream_answers_pull_queries_in_them(accept: str) -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        answer = await client.post("/query-stream", json=SELECT, headers={"Accept": accept})
        assert (answer.status, answer.content_type) == (200, accept)
        content = await answer.read()
        assert content == await read(client, accept)


@pytest.mark.parametrize("accept", [LINES, CSV, ARROW])
@in_loop
async def test_query_stream_answers_push_queries_with_the_sign_of_each_row(accept: str) -> None:
    engine, query = push()
    query.feed(("a", 1, 1), ("b", 2, 1))
    query.feed(("a", 1, -1))
    query.end()
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json=SELECT, headers={"Accept": accept})
        content = await answer.read()
    match accept:
        case "application/x-ndjson":
            rows = [tuple(json.loads(line).items()) for line in content.splitlines()]
        case "text/csv":
            table = list(csv.DictReader(io.StringIO(content.decode())))
            rows = [(("_diff", int(r["_diff"])), ("ID", r["ID"]), ("N", int(r["N"]))) for r in table]
        case _:
            rows = [tuple(r.items()) for r in pa.ipc.open_stream(content).read_all().to_pylist()]
    assert rows == [
        (("_diff", 1), ("ID", "a"), ("N", 1)),
        (("_diff", 1), ("ID", "b"), ("N", 2)),
        (("_diff", -1), ("ID", "a"), ("N", 1)),
    ]


@in_loop
async def test_a_push_query_that_fails_is_cut_off_where_it_cannot_say_why() -> None:
    engine, query = push()
    query.end(error=QueryFailed("transient_1", "the source was dropped"))
    async with serving(engine) as client:
        with pytest.raises(ClientPayloadError):
            await (await client.post("/query-stream", json=SELECT, headers={"Accept": ARROW})).read()
