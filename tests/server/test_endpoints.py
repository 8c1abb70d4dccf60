"""Endpoints called over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import ClientResponse

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from ssql.rights import Right

from .fake import Client, in_loop, serving

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY id;
    INSERT INTO s (id, v) VALUES ('a', 1);
    INSERT INTO s (id, v) VALUES ('b', 2);
    CREATE ENDPOINT totals ($least INT DEFAULT 0) AS SELECT id, total FROM t WHERE id = $id AND total >= $least;
    CREATE ENDPOINT changes AS SELECT id, v FROM s WHERE v > $above EMIT CHANGES;
"""


@contextlib.asynccontextmanager
async def defined(path: Path) -> AsyncIterator[Client]:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(path)}))) as engine:
        engine.execute(DEFINITIONS)
        assert await asyncio.to_thread(engine.caught_up, 10)
        async with serving(engine, most=Right.READ) as client:
            yield client


ROWS = {"columns": [{"name": "ID", "type": "STRING"}, {"name": "TOTAL", "type": "INTEGER"}], "rows": [["b", 2]]}


@in_loop
async def test_a_call_is_answered_in_each_form(tmp_path: Path) -> None:
    async with defined(tmp_path) as client:
        answer = await client.get("/endpoints/totals?id=b")
        assert (answer.status, answer.content_type, await answer.json()) == (200, "application/json", ROWS)
        for accept, expected in (
            ("application/x-ndjson", b'{"ID":"b","TOTAL":2}\n'),
            ("text/csv", b'"ID","TOTAL"\n"b",2\n'),
        ):
            answer = await client.get("/endpoints/TOTALS?ID=b&least=2", headers={"Accept": accept})
            assert (answer.content_type, (await answer.read()).replace(b"\r", b"")) == (accept, expected)
        answer = await client.get("/endpoints/totals?id=b", headers={"Accept": "application/vnd.apache.arrow.stream"})
        assert pa.ipc.open_stream(await answer.read()).read_all().to_pylist() == [{"ID": "b", "TOTAL": 2}]
        assert (await client.get("/endpoints/totals?id=b", headers={"Accept": "image/png"})).status == 406


@in_loop
async def test_a_call_may_be_a_json_object(tmp_path: Path) -> None:
    async with defined(tmp_path) as client:
        for body in ({"id": "b"}, {"id": "b", "least": 2}, {"id": "b", "least": 2.0}, {"id": "b", "least": None}):
            answer = await client.post("/endpoints/totals", json=body)
            assert (answer.status, await answer.json()) == (200, ROWS)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/endpoints/totals", 400, "parameter_missing"),
        ("/endpoints/totals?id=b&lest=1", 400, "parameter_unknown"),
        ("/endpoints/totals?id=b&least=x", 400, "parameter_refused"),
        ("/endpoints/totals?id=b&id=c", 400, "parameter_refused"),
        ("/endpoints/totls?id=b", 404, "endpoint_not_found"),
    ],
)
@in_loop
async def test_a_wrong_call_is_told(tmp_path: Path, path: str, status: int, code: str) -> None:
    async with defined(tmp_path) as client:
        answer = await client.get(path)
        assert (answer.status, (await answer.json())["code"]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        '{"id": {}}',
        '{"id": 1}',
        '{"id": false}',
        '{"id": "b", "least": "2"}',
        '{"id": "b", "least": 1e99999999}',
        '{"id": ["b"]}',
        '{"least": 1.5, "id": "b"}',
        "[]",
        "{",
        '{"id": true,}',
    ],
)
@in_loop
async def test_a_wrong_body_is_told(tmp_path: Path, body: str) -> None:
    async with defined(tmp_path) as client:
        answer = await client.post("/endpoints/totals", data=body)
        assert answer.status == 400


@in_loop
async def test_what_there_is_can_be_listed(tmp_path: Path) -> None:
    async with defined(tmp_path) as client:
        totals, changes = (await (await client.get("/endpoints")).json())["endpoints"]
        assert totals == {
            "name": "TOTALS",
            "path": "/endpoints/totals",
            "parameters": [
                {"name": "least", "type": "INTEGER", "required": False, "default": "0"},
                {"name": "id", "type": "STRING", "required": True, "default": None},
            ],
            "follows": False,
            "statement": "CREATE ENDPOINT totals ($least INT DEFAULT 0) AS "
            "SELECT id, total FROM t WHERE id = $id AND total >= $least;",
        }
        assert changes["follows"] is True


async def rows_of(answer: ClientResponse, count: int) -> list[Any]:
    """The first rows of a stream of events."""
    found: list[Any] = []
    while len(found) < count:
        line = await answer.content.readline()
        assert line
        if line.startswith(b"data:"):
            found += json.loads(line[5:])["rows"]
    return found


@in_loop
async def test_a_followed_endpoint_goes_on(tmp_path: Path) -> None:
    async with defined(tmp_path) as client:
        answer = await client.get("/endpoints/changes?above=1", headers={"Accept": "application/x-ndjson"})
        assert json.loads(await answer.content.readline()) == {"_diff": 1, "ID": "b", "V": 2}
        answer.close()
        answer = await client.post("/endpoints/changes", json={"above": 0, "changes": "every"})
        assert answer.content_type == "text/event-stream"
        assert await rows_of(answer, 2) == [{"_diff": 1, "ID": "a", "V": 1}, {"_diff": 1, "ID": "b", "V": 2}]
        answer.close()
        async with client.ws_connect("/endpoints/changes?above=1") as socket:
            while not (rows := json.loads(await socket.receive_str())["rows"]):
                pass
            assert rows == [{"_diff": 1, "ID": "b", "V": 2}]
        assert (await client.get("/endpoints/changes?above=1&snapshot=perhaps")).status == 400


@in_loop
async def test_who_may_read_may_call_and_not_define(tmp_path: Path) -> None:
    async with defined(tmp_path) as client:
        answer = await client.post("/ksql", json={"ksql": "CREATE ENDPOINT e AS SELECT id FROM s;"})
        body: Any = await answer.json(content_type=None)
        assert (answer.status, body["code"]) == (403, "forbidden")
        assert (await client.post("/ksql", json={"ksql": "DROP ENDPOINT totals;"})).status == 403
        assert (await client.post("/ksql", json={"ksql": "SHOW ENDPOINTS;"})).status == 200
