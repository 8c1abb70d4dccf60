"""What opens and closes with the application."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from ssql.errors import LogFull, SqlError
from ssql.server.app import ROUTES
from ssql.server.state import STATE

from .fake import FakeEngine, happens, in_loop, serving

STARTING = {
    "@type": "generic_error",
    "error_code": 50302,
    "message": "the server is starting",
    "code": "server_starting",
    "hint": "Try again in a few seconds.",
}


@in_loop
async def test_until_the_engine_is_open_requests_are_put_off() -> None:
    engine, go = FakeEngine(), threading.Event()

    def open_engine() -> FakeEngine:
        assert go.wait(15)
        return engine

    async with serving(open_engine) as client:
        for path in ("/info", "/healthcheck", "/chc/ready", "/v1/metadata"):
            answer = await client.get(path)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            assert await answer.json() == STARTING
        for path, body in (
            ("/ksql", '{"ksql":";"}'),
            ("/query", '{"ksql":"SELECT 1;"}'),
            ("/query-stream", '{"sql":"SELECT 1;"}'),
            ("/inserts-stream", '{"target":"S"}\n'),
            ("/close-query", '{"queryId":"q"}'),
        ):
            answer = await client.post(path, data=body)
            assert (answer.status, await answer.json()) == (503, STARTING)
        assert (await client.get("/chc/live")).status == 200
        go.set()
        opened = client.app[STATE].opened
        assert opened is not None
        await opened
        assert (await client.get("/chc/ready")).status == 200
        assert (await client.get("/info")).status == 200
        assert not engine.closed.is_set()
    assert engine.closed.is_set()


@in_loop
async def test_an_engine_that_cannot_be_opened_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def open_engine() -> FakeEngine:
        raise LogFull("the disk is full")

    async with serving(open_engine) as client:
        opened = client.app[STATE].opened
        assert opened is not None
        with pytest.raises(LogFull):
            await opened
        assert (await client.get("/info")).status == 503
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "engine not opened error='the disk is full'"
    ]


@in_loop
async def test_an_engine_that_was_given_is_left_open() -> None:
    engine = FakeEngine()
    async with serving(engine):
        pass
    assert not engine.closed.is_set()


@in_loop
async def test_a_server_that_ends_refuses_new_requests() -> None:
    async with serving(FakeEngine()) as client:
        client.app[STATE].stopping = True
        answer = await client.post("/ksql", json={"ksql": "SHOW STREAMS;"})
        assert (answer.status, (await answer.json())["error_code"]) == (503, 50303)
        assert (await client.get("/chc/live")).status == 200


@pytest.mark.parametrize(
    ("path", "body"), [("/ksql", '{"ksql":"DROP STREAM S;"}'), ("/inserts-stream", '{"target":"S"}\n{"ID":"a"}\n')]
)
@in_loop
async def test_what_was_sent_is_carried_out_though_its_client_goes_away(
    path: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ssql.server")
    engine, entered, go = FakeEngine(), threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert go.wait(15)
        raise SqlError("too late to tell")

    engine.before_execute = engine.before_insert = hold
    async with serving(engine) as client:
        request = asyncio.ensure_future(client.post(path, data=body))
        await happens(entered.is_set)
        request.cancel()
        await asyncio.wait([request])
        if not request.cancelled():
            request.result().close()
        await happens(lambda: not client.server.runner.server.connections)
        go.set()
        await happens(lambda: "failed after its client was gone error='too late to tell'" in caplog.text)


def test_every_path_is_there_once() -> None:
    paths = [(route.method, route.path) for route in ROUTES]
    assert len(paths) == len(set(paths))
