"""/inserts-stream: rows in as lines, acknowledgements out as they are done."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ssql.engine.api import Session
from ssql.errors import LogFull, TypeMismatch
from ssql.server.inserts_stream import decoded_rows

from .fake import FakeEngine, happens, in_loop, serving

JSON = "application/json"


def body(*lines: Any, target: str = "S", **head: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in ({"target": target, **head}, *lines))


class Sender:
    """A request body that a test sends piece by piece."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, *lines: Any) -> None:
        self._pieces.put_nowait(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def end(self) -> None:
        self._pieces.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


@in_loop
async def test_every_row_is_acknowledged() -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        answer = await client.post("/inserts-stream", data=body({"ID": "a"}, {"ID": "b", "N": [1, {"x": None}]}))
        assert (answer.status, answer.content_type) == (200, "application/vnd.ksqlapi.delimited.v1")
        assert await answer.text() == '{"status":"ok","seq":0}\n{"status":"ok","seq":1}\n'
    assert engine.inserts == [("S", [{"ID": "a"}, {"ID": "b", "N": [1, {"x": None}]}], Session())]


@in_loop
async def test_acknowledgements_as_an_array() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.post("/inserts-stream", data=body({"ID": "a"}, {"ID": "b"}), headers={"Accept": JSON})
        assert await answer.json() == [{"status": "ok", "seq": 0}, {"status": "ok", "seq": 1}]
        answer = await client.post("/inserts-stream", data=body(), headers={"Accept": JSON})
        assert await answer.json() == []


@in_loop
async def test_properties_go_with_the_rows() -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        await (await client.post("/inserts-stream", data=body({"ID": "a"}, properties={"p": 1}))).read()
    assert engine.inserts[0][2] == Session({"p": 1})


@in_loop
async def test_empty_lines_and_a_missing_last_newline_do_not_matter() -> None:
    engine = FakeEngine()
    data = b'\n{"target":"S"}\r\n\n  \n{"ID":"a"}\n\n{"ID":"b"}'
    async with serving(engine) as client:
        answer = await client.post("/inserts-stream", data=data)
        assert len((await answer.text()).splitlines()) == 2
    assert [row for _, rows, _ in engine.inserts for row in rows] == [{"ID": "a"}, {"ID": "b"}]


@in_loop
async def test_rows_are_acknowledged_while_the_request_goes_on() -> None:
    engine, sender = FakeEngine(), Sender()
    async with serving(engine) as client:
        sender.send({"target": "S"})
        answer = await client.post("/inserts-stream", data=sender)
        for seq in range(3):
            sender.send({"ID": f"k{seq}"})
            assert json.loads(await answer.content.readline()) == {"status": "ok", "seq": seq}
        sender.end()
        assert await answer.content.read() == b""
    assert len(engine.inserts) == 3


@in_loop
async def test_what_arrives_during_a_batch_is_the_next_batch() -> None:
    engine, sender = FakeEngine(), Sender()
    entered, go = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert go.wait(15)

    engine.before_insert = hold
    async with serving(engine) as client:
        sender.send({"target": "S"})
        answer = await client.post("/inserts-stream", data=sender)
        sender.send({"ID": "first"})
        await happens(entered.is_set)
        for i in range(100):
            sender.send({"ID": f"k{i}"})
        sender.end()
        content = (await request_of(client)).content
        await happens(content.is_eof)  # all of it is here
        go.set()
        acks = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert acks == [{"status": "ok", "seq": i} for i in range(101)]
    assert [len(rows) for _, rows, _ in engine.inserts] == [1, 100]


async def request_of(client: Any) -> Any:
    """The one request that the server is at."""
    (connection,) = client.server.runner.server.connections
    return connection._current_request


@in_loop
async def test_a_large_stream_is_inserted_in_batches_and_in_order() -> None:
    engine = FakeEngine()
    rows = [{"ID": f"key {i}", "N": i} for i in range(20_000)]

    async def pieces() -> AsyncIterator[bytes]:
        data = body(*rows)
        for start in range(0, len(data), 30_011):
            yield data[start : start + 30_011]

    async with serving(engine) as client:
        answer = await client.post("/inserts-stream", data=pieces())
        acks = [json.loads(line)["seq"] for line in (await answer.text()).splitlines()]
    assert acks == list(range(20_000))
    assert [row for _, batch, _ in engine.inserts for row in batch] == rows
    assert len(engine.inserts) < 200


@in_loop
async def test_an_unknown_target_is_refused_before_any_row() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.post("/inserts-stream", data=body({"ID": "a"}, target="SS"))
        assert answer.status == 400
        assert (await answer.json())["code"] == "source_not_found"


@in_loop
async def test_a_line_that_is_no_object_ends_the_stream_at_its_place() -> None:
    engine = FakeEngine()
    data = body({"ID": "a"}, {"ID": "b"}) + b'{"ID": oops}\n' + b'{"ID":"never"}\n'
    async with serving(engine) as client:
        answer = await client.post("/inserts-stream", data=data)
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert lines == [
        {"status": "ok", "seq": 0},
        {"status": "ok", "seq": 1},
        {
            "@type": "generic_error",
            "error_code": 40000,
            "message": "the row is not a JSON object",
            "code": "bad_request",
            "status": "error",
            "seq": 2,
        },
    ]
    assert engine.inserts[0][1] == [{"ID": "a"}, {"ID": "b"}]


@pytest.mark.parametrize("accept", [JSON, "application/vnd.ksqlapi.delimited.v1"])
@in_loop
async def test_a_refused_row_is_the_last_thing_said(accept: str) -> None:
    engine = FakeEngine()
    engine.refuse = {1: TypeMismatch("N is a BIGINT")}
    async with serving(engine) as client:
        answer = await client.post(
            "/inserts-stream", data=body({"ID": "a"}, {"N": "x"}, {"ID": "c"}), headers={"Accept": accept}
        )
        text = await answer.text()
    said = json.loads(text) if accept == JSON else [json.loads(line) for line in text.splitlines()]
    assert [(ack["status"], ack["seq"]) for ack in said] == [("ok", 0), ("ok", 2), ("error", 1)]
    assert (said[-1]["error_code"], said[-1]["message"]) == (40001, "N is a BIGINT")


@in_loop
async def test_a_log_that_cannot_take_rows_ends_the_stream() -> None:
    engine = FakeEngine()

    def full() -> None:
        raise LogFull("the disk is full")

    engine.before_insert = full
    async with serving(engine) as client:
        answer = await client.post("/inserts-stream", data=body({"ID": "a"}))
        (line,) = (await answer.text()).splitlines()
    assert answer.status == 200
    said = json.loads(line)
    assert (said["status"], said["seq"], said["code"]) == ("error", 0, "disk_full")


@in_loop
async def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssql.server.inserts_stream.MAX_LINE_BYTES", 1000)
    async with serving(FakeEngine()) as client:
        answer = await client.post("/inserts-stream", data=b'{"target":"' + b"x" * 2000)
        assert (answer.status, (await answer.json())["error_code"]) == (413, 41300)
        sender = Sender()
        sender.send({"target": "S"})
        answer = await client.post("/inserts-stream", data=sender)
        sender.send("x" * 2000)
        sender.end()
        said = json.loads(await answer.text())
        assert (said["seq"], said["error_code"]) == (0, 40000)  # it came with its end: a row that is no object


def test_rows_that_only_fit_together_across_lines_are_no_rows() -> None:
    rows, error = decoded_rows([b'{"a":[1', b"2]}", b'{"b":3}'])
    assert rows == []
    assert error is not None
    rows, error = decoded_rows([b'{"a":1} {"b":2}'])
    assert rows == []
    assert error is not None
