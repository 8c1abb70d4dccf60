"""What opens and closes with the application."""

from __future__ import annotations

import asyncio
import logging
import threading

import msgspec
import pytest

from ssql.engine.opening import Opening
from ssql.engine.progress import Progress, Stage
from ssql.errors import LogFull, SqlError
from ssql.server.app import ROUTES
from ssql.server.state import STATE

from .fake import FakeEngine, catching_up, happens, in_loop, serving

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


@in_loop
async def test_while_the_engine_opens_it_is_told_how_far_that_is() -> None:
    opening, go, engine = Opening(), threading.Event(), FakeEngine()

    def open_engine() -> FakeEngine:
        assert go.wait(15)
        return engine

    opening.stage = Stage.RESTORING
    opening.restoring.expect({"a": (0, 4), "b": (0, 6)})
    opening.restoring.read(4, 1_200_000, 9000)
    opening.restoring.whole("a")
    async with serving(open_engine, opening=opening) as client:
        answer = await client.get("/chc/ready")
        body = await answer.json()
        assert (answer.status, body["error_code"]) == (503, 50302)
        assert body["hint"] == "Try again in a few seconds. It is restoring 1 of 2 tables, 1.2 M rows."
        assert body["progress"]["stage"] == "RESTORING"
        assert body["progress"]["restore"]["rows"] == 1_200_000
        assert msgspec.convert(await (await client.get("/progress")).json(), Progress) == opening.progress()
        metrics = await (await client.get("/metrics")).text()
        for line in ("ssql_open 0.0", "ssql_restore_tables 1.0", "ssql_restore_tables_expected 2.0"):
            assert f"\n{line}\n" in metrics
        go.set()
        opened = client.app[STATE].opened
        assert opened is not None
        await opened
        assert msgspec.convert(await (await client.get("/progress")).json(), Progress) == engine.at


@in_loop
async def test_what_catches_up_after_the_start_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "ssql.server")
    monkeypatch.setattr("ssql.server.progress.TELL_S", 0.001)
    engine = FakeEngine()
    engine.at = catching_up(10)
    async with serving(lambda: engine, opening=Opening()) as client:
        await happens(lambda: any("catching up" in r.getMessage() for r in caplog.records))
        engine.at = catching_up(40)
        await happens(lambda: any(r.getMessage().startswith("caught up") for r in caplog.records))
        assert client.app[STATE].engine is engine
    lines = [r.getMessage() for r in caplog.records if "up query" in r.getMessage()]
    assert lines[0] == (
        "catching up query=CTAS_SPENT_1 name=SPENT records=10 records_total=40 records_per_second=15 seconds_left=2"
    )
    assert lines[-1] == "caught up query=CTAS_SPENT_1 name=SPENT records=40"
