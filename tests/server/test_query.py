"""/query and /query-stream: the three forms, pull answers, and push queries for as long as both sides want them."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import threading
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import ClientError

from ssql.engine.api import PullResult, Session
from ssql.errors import QueryFailed
from ssql.server import pump
from ssql.server.pump import ROWS_AT_ONCE
from ssql.server.state import STATE
from ssql.types import BIGINT, STRING, Array, Column, Struct

from .fake import COLUMNS, FakeEngine, FakePush, changes, happens, in_loop, serving

V1 = "application/vnd.ksql.v1+json"
JSON = "application/json"
DELIMITED = "application/vnd.ksqlapi.delimited.v1"


def pull(*rows: tuple[Any, ...], **options: Any) -> FakeEngine:
    engine = FakeEngine()
    table = pa.Table.from_batches([changes(*((*row, 1) for row in rows))]).drop_columns("_diff")
    engine.answer = PullResult("query_1", COLUMNS, table, **options)
    return engine


def push() -> tuple[FakeEngine, FakePush]:
    engine, query = FakeEngine(), FakePush()
    engine.answer = query
    return engine, query


# --- pull --------------------------------------------------------------------


@in_loop
async def test_a_pull_answer_in_v1_is_one_array() -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T;"})
        assert (answer.status, answer.content_type) == (200, V1)
        assert await answer.text() == (
            '[{"header":{"queryId":"query_1","schema":"`ID` STRING KEY, `N` BIGINT"}},\n'
            '{"row":{"columns":["a",1]}},\n'
            '{"row":{"columns":["b",null]}}]'
        )


@in_loop
async def test_keys_are_not_marked_where_the_engine_says_so() -> None:
    async with serving(pull(mark_keys=False, final_message="Limit Reached")) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM S;"}, headers={"Accept": JSON})
        assert answer.content_type == JSON
        assert await answer.text() == (
            '[{"header":{"queryId":"query_1","schema":"`ID` STRING, `N` BIGINT"}},\n{"finalMessage":"Limit Reached"}]'
        )


@in_loop
async def test_a_pull_answer_line_by_line() -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"})
        assert (answer.status, answer.content_type) == (200, DELIMITED)
        assert await answer.text() == (
            '{"queryId":"query_1","columnNames":["ID","N"],"columnTypes":["STRING","BIGINT"]}\n["a",1]\n["b",null]\n'
        )


@in_loop
async def test_a_pull_answer_as_a_json_array() -> None:
    async with serving(pull(("a", 1), ("b", None))) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers={"Accept": JSON})
        assert answer.content_type == JSON
        assert await answer.json() == [
            {"queryId": "query_1", "columnNames": ["ID", "N"], "columnTypes": ["STRING", "BIGINT"]},
            ["a", 1],
            ["b", None],
        ]


@in_loop
async def test_query_stream_in_v1_by_accept() -> None:
    async with serving(pull(("a", 1))) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers={"Accept": V1})
        assert answer.content_type == V1
        assert json.loads(await answer.text())[1] == {"row": {"columns": ["a", 1]}}


@in_loop
async def test_nested_types_are_named_as_ksqldb_names_them() -> None:
    engine = FakeEngine()
    columns = (Column("A", Array(STRING)), Column("B", Struct((("X", BIGINT),))))
    engine.answer = PullResult("q", columns, pa.table([pa.array([], c.type.arrow) for c in columns], ["A", "B"]))
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"})
        assert (await answer.json(content_type=None))["columnTypes"] == ["ARRAY<STRING>", "STRUCT<`X` BIGINT>"]


@in_loop
async def test_a_large_pull_answer_is_whole_and_in_order() -> None:
    rows = [(f"k{i}", i) for i in range(3 * ROWS_AT_ONCE + 5)]
    async with serving(pull(*rows)) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T;"})
        elements = json.loads(await answer.text())
    assert [tuple(e["row"]["columns"]) for e in elements[1:]] == rows


@in_loop
async def test_a_query_carries_its_session() -> None:
    engine = pull()
    async with serving(engine) as client:
        await client.post(
            "/query", json={"ksql": "SELECT 1;", "streamsProperties": {"a": 1}, "sessionVariables": {"v": "w"}}
        )
        await client.post(
            "/query-stream", json={"sql": "SELECT 1;", "properties": {"a": 1}, "sessionVariables": {"v": "w"}}
        )
    assert [session for _, session in engine.queries] == [Session({"a": 1}, {"v": "w"})] * 2


@in_loop
async def test_a_failure_after_the_header_is_the_last_element(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "INLINE_ROWS", 0)  # written in parts, as a large answer
    engine = FakeEngine()
    engine.answer = PullResult("q", COLUMNS, pa.table({"ID": ["a"]}))  # a column short: a fault of ours
    async with serving(engine) as client:
        for path, field, accept in (("/query", "ksql", V1), ("/query-stream", "sql", JSON)):
            answer = await client.post(path, json={field: "SELECT * FROM T;"}, headers={"Accept": accept})
            assert answer.status == 200
            last = json.loads(await answer.text())[-1]
            assert last.get("errorMessage", last)["error_code"] == 50000
    assert "request failed" in caplog.text


@in_loop
async def test_a_small_answer_is_one_message_and_its_failure_has_its_status(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(pull(("a", 1))) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T;"})
        assert answer.headers["Content-Length"] == str(len(await answer.read()))
    engine = FakeEngine()
    engine.answer = PullResult("q", COLUMNS, pa.table({"ID": ["a"]}))
    async with serving(engine) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T;"})
        assert (answer.status, (await answer.json())["error_code"]) == (500, 50000)
    assert "request failed" in caplog.text


# --- push --------------------------------------------------------------------


@in_loop
async def test_v1_push_elements_end_their_line_at_once() -> None:
    engine, query = push()
    async with serving(engine) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
        lines = answer.content
        assert await lines.readline() == (
            b'[{"header":{"queryId":"transient_1","schema":"`ID` STRING, `N` BIGINT"}},\n'
        )
        query.feed(("a", 1, 1))
        assert await lines.readline() == b'{"row":{"columns":["a",1]}},\n'
        query.feed(("a", 2, 1), ("a", 2, -1))
        assert await lines.readline() == b'{"row":{"columns":["a",2]}},\n'
        assert await lines.readline() == b'{"row":{"columns":["a",null],"tombstone":true}},\n'
        query.end("Limit Reached")
        assert await lines.read() == b'{"finalMessage":"Limit Reached"}]'
        await happens(query.closed.is_set)


@in_loop
async def test_a_push_query_without_a_message_of_its_own_is_completed() -> None:
    engine, query = push()
    query.end()
    async with serving(engine) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
        assert json.loads(await answer.text())[-1] == {"finalMessage": "Query Completed"}


@pytest.mark.parametrize("accept", [DELIMITED, JSON])
@in_loop
async def test_the_second_version_leaves_deletions_out_and_the_log_says_so(
    accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine, query = push()
    query.feed(("a", 1, 1), ("a", 1, -1), ("b", 2, 1))
    query.feed(("b", 2, -1))
    query.end("Limit Reached")
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT 1;"}, headers={"Accept": accept})
        text = await answer.text()
    elements = [json.loads(line) for line in text.splitlines()] if accept == DELIMITED else json.loads(text)
    assert elements[1:] == [["a", 1], ["b", 2]]
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert messages == [f"deletions left out query_id=transient_1 rows=2 content_type={accept}"]


@pytest.mark.parametrize(
    ("path", "field", "accept"),
    [("/query", "ksql", V1), ("/query-stream", "sql", JSON), ("/query-stream", "sql", DELIMITED)],
)
@in_loop
async def test_a_push_query_that_fails_says_why(path: str, field: str, accept: str) -> None:
    engine, query = push()
    query.feed(("a", 1, 1))
    query.end(error=QueryFailed("transient_1", "the source was dropped"))
    async with serving(engine) as client:
        answer = await client.post(path, json={field: "SELECT 1;"}, headers={"Accept": accept})
        text = await answer.text()
    last = json.loads(text.splitlines()[-1]) if accept == DELIMITED else json.loads(text)[-1]
    error = last["errorMessage"] if accept == V1 else last
    assert error["message"] == 'query "transient_1" failed: the source was dropped'
    assert error["error_code"] == 50000


@in_loop
async def test_close_query_ends_the_stream() -> None:
    engine, query = push()
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T EMIT CHANGES;"})
        header = json.loads(await answer.content.readline())
        closing = await client.post("/close-query", json={"queryId": header["queryId"]})
        assert (closing.status, await closing.read()) == (200, b"")
        assert await answer.content.read() == b""
    assert query.closed.is_set()


@pytest.mark.parametrize("cancels", [True, False], ids=["cancelling server", "plain server"])
@in_loop
async def test_a_client_that_goes_away_ends_its_query(cancels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssql.server.pump.LOST_CLIENT_CHECK_S", 0.01 if not cancels else 1000)
    engine, query = push()
    async with serving(engine) as client:
        client.server.runner.server.handler_cancellation = cancels
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
        await answer.content.readline()
        assert not query.closed.is_set()
        answer.close()
        await happens(query.closed.is_set)
    assert query.closings == 1


@in_loop
async def test_a_client_that_goes_away_while_its_query_starts_leaves_none_behind() -> None:
    engine, query = push()
    starting, go = threading.Event(), threading.Event()

    def start() -> FakePush:
        starting.set()
        assert go.wait(15)
        return query

    engine.answer = start
    async with serving(engine) as client:
        request = asyncio.ensure_future(client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"}))
        await happens(starting.is_set)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await client.session.close()
        go.set()
        await happens(query.closed.is_set)


@in_loop
async def test_a_slow_reader_holds_its_query_back() -> None:
    engine, query = push()
    batch = changes(*((f"key {i}", i, 1) for i in range(1000)))
    query.source = itertools.repeat(batch)  # endless
    async with serving(engine) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
        await answer.content.readline()
        (pump,) = client.app[STATE].pumps
        transport = pump.request.transport
        assert transport is not None
        for _ in range(5):
            await happens(lambda: pump.request.protocol.writing_paused)
            # One batch (about 42 kB) on top of what asyncio and aiohttp let a writer go ahead (64 kB each).
            assert transport.get_write_buffer_size() < 200_000
            for _ in range(5 * 1000):
                await answer.content.readline()
        answer.close()
        await happens(query.closed.is_set)


@in_loop
async def test_a_client_that_takes_nothing_for_too_long_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    engine, query = push()
    query.source = itertools.repeat(changes(*((f"key {i}", i, 1) for i in range(1000))))  # endless
    with caplog.at_level(logging.INFO, "ssql.server"):
        async with serving(engine, idle_timeout_s=0.05) as client:
            answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
            await happens(query.closed.is_set)
            assert client.app[STATE].pumps == set()
            with pytest.raises(ClientError):
                await answer.read()
    assert "its reader took nothing for 0.05 s" in caplog.text


@in_loop
async def test_many_push_queries_run_side_by_side() -> None:
    engine = FakeEngine()
    queries = [FakePush(f"transient_{i}") for i in range(50)]
    waiting = iter(queries)
    engine.answer = lambda: next(waiting)
    async with serving(engine) as client:
        answers = [await client.post("/query-stream", json={"sql": "SELECT 1;"}) for _ in queries]
        for i, query in enumerate(queries):
            query.feed((f"k{i}", i, 1))
        for i, answer in enumerate(answers):
            await answer.content.readline()
            assert await answer.content.readline() == b'["k%d",%d]\n' % (i, i)
            answer.close()
        await happens(lambda: all(q.closed.is_set() for q in queries))


@in_loop
async def test_rows_fed_from_many_threads_all_arrive() -> None:
    engine, query = push()
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT 1;"})
        await answer.content.readline()
        threads = [
            threading.Thread(target=lambda t=t: [query.feed((f"{t}", i, 1)) for i in range(100)]) for t in range(4)
        ]
        for thread in threads:
            thread.start()
        rows = [json.loads(await answer.content.readline()) for _ in range(400)]
        for thread in threads:
            thread.join()
        for t in range(4):
            assert [n for key, n in rows if key == str(t)] == list(range(100))


@in_loop
async def test_shutting_down_ends_streams_with_their_end() -> None:
    engine, query = push()
    async with serving(engine) as client:
        answer = await client.post("/query", json={"ksql": "SELECT * FROM T EMIT CHANGES;"})
        await answer.content.readline()
        stopping = asyncio.ensure_future(client.server.close())
        assert await answer.content.read() == b'{"finalMessage":"Query Completed"}]'
        await stopping
        assert query.closed.is_set()


# --- PRINT -------------------------------------------------------------------

LINE = (Column("LINE", STRING),)


@pytest.mark.parametrize(
    ("path", "field", "accept", "answered"),
    [
        ("/query", "ksql", V1, "text/plain"),
        ("/query", "ksql", "text/plain", "text/plain"),
        ("/query-stream", "sql", "*/*", DELIMITED),
    ],
)
@in_loop
async def test_a_print_is_answered_line_by_line(path: str, field: str, accept: str, answered: str) -> None:
    engine, query = FakeEngine(), FakePush(columns=LINE)
    engine.answer = query
    async with serving(engine) as client:
        answer = await client.post(path, json={field: "PRINT t;"}, headers={"Accept": accept})
        assert (answer.status, answer.content_type) == (200, answered)
        query.feed(("Key format: JSON", 1), ("rowtime: now, value: ä", 1))
        assert await answer.content.readline() == b"Key format: JSON\n"
        assert await answer.content.readline() == "rowtime: now, value: ä\n".encode()
        query.end(error=QueryFailed("transient_t_1", "the topic was deleted"))
        assert await answer.content.read() == b'query "transient_t_1" failed: the topic was deleted\n'
        await happens(query.closed.is_set)


@in_loop
async def test_a_print_has_no_json_form() -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "PRINT t;"}, headers={"Accept": JSON})
        assert (answer.status, (await answer.json())["code"]) == (406, "not_acceptable")
    assert engine.queries == []
