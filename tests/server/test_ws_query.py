"""/ws/query as ksqlDB has it: columns, rows, close codes and their reasons."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import WSMsgType

from ssql.engine.api import PullResult, Session
from ssql.errors import QueryFailed, TooManyPushQueries
from ssql.server.websocket import MAX_REASON_BYTES, cut
from ssql.types import STRING, Column

from .fake import COLUMNS, Client, FakeEngine, FakePush, changes, happens, in_loop, serving
from .test_query import pull, push

FIELDS = [
    {"name": "ID", "schema": {"type": "STRING", "fields": None, "memberSchema": None}},
    {"name": "N", "schema": {"type": "BIGINT", "fields": None, "memberSchema": None}},
]


@contextlib.asynccontextmanager
async def asked(client: Client, ksql: str = "SELECT * FROM T;", **more: Any) -> AsyncIterator[Any]:
    request = json.dumps({"ksql": ksql, **more})
    async with client.ws_connect("/ws/query", params={"request": request, "version": "1"}) as socket:
        yield socket


async def end(socket: Any) -> tuple[int, str]:
    last = await socket.receive()
    assert last.type is WSMsgType.CLOSE
    return last.data, last.extra


@in_loop
async def test_a_pull_query_has_its_columns_and_a_message_a_row() -> None:
    async with serving(pull(("a", 1), ("b,\n},", None))) as client, asked(client) as socket:
        first, *fields = await socket.receive_json()
        assert [first, *fields] == [{**FIELDS[0], "type": "KEY", "fieldType": "KEY"}, FIELDS[1]]
        assert await socket.receive_str() == '{"row":{"columns":["a",1]}}'
        assert await socket.receive_json() == {"row": {"columns": ["b,\n},", None]}}
        assert await end(socket) == (1000, "done")


@in_loop
async def test_a_push_query_lasts_as_long_as_both_sides_want_it() -> None:
    engine, query = push()
    async with serving(engine) as client, asked(client, streamsProperties={"a": 1}) as socket:
        assert await socket.receive_json() == FIELDS
        for n in range(3):
            query.feed(("a", n, 1))
            assert await socket.receive_json() == {"row": {"columns": ["a", n]}}
        query.feed(("a", 3, -1))
        assert await socket.receive_json() == {"row": {"columns": ["a", None], "tombstone": True}}
        query.end("Limit Reached")
        assert await end(socket) == (1000, "done")
    assert engine.queries == [("SELECT * FROM T;", Session({"a": 1}))]

    engine, query = push()
    async with serving(engine) as client:
        async with asked(client) as socket:
            await socket.receive_json()
        await happens(query.closed.is_set)


@in_loop
async def test_print_has_a_text_a_line() -> None:
    engine, query = FakeEngine(), FakePush(columns=(Column("LINE", STRING),))
    engine.answer = query
    async with serving(engine) as client, asked(client, "PRINT t;") as socket:
        query.feed(('Key format: "x"', 1))
        assert await socket.receive_json() == 'Key format: "x"'
        query.end()
        assert await end(socket) == (1000, "done")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "Error parsing request: missing request parameter"),
        ({"request": ""}, "Error parsing request: missing request parameter"),
        ({"request": "{"}, "the request is not a JSON object"),
        ({"request": '{"ksql":""}'}, 'Error parsing request: "ksql" field of "request" must be populated'),
        ({"request": '{"ksql":"SELECT 1;"}', "version": "2"}, "Received invalid api version: 2"),
        ({"request": '{"ksql":"DROP STREAM S;"}'}, "/ws/query cannot carry out DROP statements"),
    ],
)
@in_loop
async def test_a_request_that_is_refused_says_why_in_its_end(parameters: dict[str, str], reason: str) -> None:
    async with serving(pull()) as client, client.ws_connect("/ws/query", params=parameters) as socket:
        assert await end(socket) == (1003, reason)


@in_loop
async def test_a_query_that_is_refused_and_one_that_fails() -> None:
    engine = FakeEngine()
    engine.raises = TooManyPushQueries(3)
    async with serving(engine) as client, asked(client) as socket:
        assert await end(socket) == (1003, "3 push queries are running already")

    engine, query = push()
    query.end(error=QueryFailed("transient_1", "é" * 200))
    async with serving(engine) as client, asked(client) as socket:
        await socket.receive_json()
        code, reason = await end(socket)
        assert code == 1011
        assert reason.startswith('query "transient_1" failed: é')
        assert reason.endswith("...")

    engine = FakeEngine()
    engine.answer = PullResult("q", COLUMNS, pa.table({"ID": ["a"]}))  # a column short: a fault of ours
    async with serving(engine) as client, asked(client) as socket:
        await socket.receive_json()
        assert await end(socket) == (1011, "the server could not carry out the request")


@in_loop
async def test_a_server_that_cannot_answer_now_asks_to_try_again() -> None:
    def never() -> Any:
        raise QueryFailed("q", "the engine is not to be opened here")

    async with serving(never) as client, asked(client) as socket:
        assert await end(socket) == (1013, "the server is starting")


@in_loop
async def test_a_client_that_does_not_read_is_not_hurried() -> None:
    engine, query = push()
    query.source = (changes(*((f"k{i}", i, 1) for i in range(1000))) for _ in itertools.count())
    async with serving(engine) as client, asked(client) as socket:
        socket._conn.protocol.pause_reading()
        before = -1
        while query.taken != before:  # until the server stops
            before = query.taken
            for _ in range(5):
                assert (await client.get("/info")).status == 200
        assert before < 200_000
        socket._conn.protocol.resume_reading()


@in_loop
async def test_without_an_upgrade_it_is_a_bad_request() -> None:
    async with serving(pull()) as client:
        answer = await client.get("/ws/query", params={"request": "{}"})
        assert (answer.status, (await answer.json())["error_code"]) == (400, 40000)


@pytest.mark.parametrize("reason", ["", "a" * 123, "a" * 124, "é" * 62, "a" + "é" * 100])
def test_a_reason_fits_into_a_close_frame(reason: str) -> None:
    found = cut(reason)
    assert len(found) <= MAX_REASON_BYTES
    assert reason.startswith(found.decode().removesuffix("...")) or found.decode() == reason
    assert (found.decode() == reason) == (len(reason.encode()) <= MAX_REASON_BYTES)
