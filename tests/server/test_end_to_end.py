"""The server over the real engine, on an embedded log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssql.config import BATCH_MAX_ROWS, DATA_DIR, PUSH_BUFFER_BYTES, Config
from ssql.engine.engine import LocalEngine
from ssql.engine.reads import database
from ssql.server.framing import V1, Delimited

from .fake import Client, happens, in_loop, serving

DEFINITIONS = """
    CREATE STREAM orders (id STRING KEY, item STRING, amount INT)
        WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=1);
    CREATE TABLE totals AS SELECT item, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY item;
"""
EARLIEST = {"auto.offset.reset": "earliest"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    opened = LocalEngine(Config({DATA_DIR.key: str(tmp_path)}))
    with contextlib.closing(opened):
        yield opened


@contextlib.asynccontextmanager
async def defined(engine: LocalEngine) -> AsyncIterator[Client]:
    async with serving(engine) as client:
        answer = await client.post("/ksql", json={"ksql": DEFINITIONS, "streamsProperties": EARLIEST})
        entities = await answer.json(content_type=None)
        assert answer.status == 200, entities
        assert [e["@type"] for e in entities] == ["currentStatus", "currentStatus"]
        yield client


async def insert(client: Client, engine: LocalEngine, *rows: dict[str, Any]) -> None:
    """Rows through /inserts-stream, seen by all queries when this returns."""
    lines = [json.dumps(line) for line in ({"target": "ORDERS"}, *rows)]
    answer = await client.post("/inserts-stream", data="\n".join(lines) + "\n")
    acks = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert acks == [{"status": "ok", "seq": i} for i in range(len(rows))]
    assert await asyncio.to_thread(engine.caught_up, 10)


@in_loop
async def test_rows_inserted_are_in_the_table_that_is_read(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        answer = await client.post(
            "/ksql", json={"ksql": "INSERT INTO orders (id, item, amount) VALUES ('1', 'tea', 2);"}
        )
        assert await answer.json(content_type=None) == []
        await insert(client, engine, {"id": "2", "item": "tea", "amount": 3}, {"ID": "3", "ITEM": "jam", "AMOUNT": 5})
        pull = await client.post("/query", json={"ksql": "SELECT * FROM totals WHERE item = 'tea';"})
        header, row = json.loads(await pull.text())
        assert header["header"]["schema"] == "`ITEM` STRING KEY, `N` BIGINT, `TOTAL` INTEGER"
        assert row == {"row": {"columns": ["tea", 2, 5]}}
        lines = await (await client.post("/query-stream", json={"sql": "SELECT item, n FROM totals;"})).text()
        assert sorted(lines.splitlines()[1:]) == ['["jam",1]', '["tea",2]']


@in_loop
async def test_a_push_query_shows_what_is_there_and_what_comes(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        await insert(client, engine, {"id": "1", "item": "tea", "amount": 2})
        sql = "SELECT id, amount * 10 AS cents FROM orders EMIT CHANGES;"
        push = await client.post("/query-stream", json={"sql": sql, "properties": EARLIEST})
        head = json.loads(await push.content.readline())
        assert (head["columnNames"], head["columnTypes"]) == (["ID", "CENTS"], ["STRING", "INTEGER"])
        assert await push.content.readline() == b'["1",20]\n'
        await insert(client, engine, {"id": "2", "item": "jam", "amount": 3})
        assert await push.content.readline() == b'["2",30]\n'
        assert engine.push_query(head["queryId"]) is not None
        push.close()
        await happens(lambda: engine.push_query(head["queryId"]) is None)


@in_loop
async def test_a_limit_ends_a_push_query(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        await insert(client, engine, *({"id": str(i), "item": "tea", "amount": i} for i in range(5)))
        sql = "SELECT id FROM orders EMIT CHANGES LIMIT 3;"
        push = await client.post("/query", json={"ksql": sql, "streamsProperties": EARLIEST})
        _, *rows, last = json.loads(await push.text())
        assert [row["row"]["columns"] for row in rows] == [["0"], ["1"], ["2"]]
        assert last == {"finalMessage": "Limit Reached"}


@in_loop
async def test_close_query_ends_a_push_query(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        push = await client.post("/query-stream", json={"sql": "SELECT * FROM orders EMIT CHANGES;"})
        query_id = json.loads(await push.content.readline())["queryId"]
        assert (await client.post("/close-query", json={"queryId": query_id})).status == 200
        assert await push.content.read() == b""
        assert (await client.post("/close-query", json={"queryId": query_id})).status == 400


@in_loop
async def test_a_topic_is_printed_as_it_grows(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        await insert(client, engine, {"id": "1", "item": "tea", "amount": 2})
        printed = await client.post("/query", json={"ksql": "PRINT orders FROM BEGINNING;"})
        lines = [await printed.content.readline() for _ in range(3)]
        assert lines[:2] == [b"Key format: JSON or KAFKA_STRING\n", b"Value format: JSON or KAFKA_STRING\n"]
        assert lines[2].endswith(b' Z, key: 1, value: {"ITEM":"tea","AMOUNT":2}, partition: 0\n')
        await insert(client, engine, {"id": "2", "item": "jam", "amount": 3})
        assert b"key: 2, " in await printed.content.readline()
        assert len(engine._core.prints) == 1
        printed.close()
        await happens(lambda: not engine._core.prints)
        answer = await client.post("/query-stream", json={"sql": "PRINT ORDERS;"})
        assert (answer.status, (await answer.json())["code"]) == (400, "topic_not_found")


def running(engine: LocalEngine) -> set[str]:
    """The ids of what the worker runs, subscriptions among it."""
    return {q.query_id for q in engine._core.worker.status()}


@pytest.mark.parametrize("path", ["/query", "/query-stream"])
@in_loop
async def test_a_client_that_leaves_takes_its_query_with_it(engine: LocalEngine, path: str) -> None:
    async with defined(engine) as client:
        before = running(engine)
        sql = "SELECT item, SUM(amount) FROM orders GROUP BY item EMIT CHANGES;"
        push = await client.post(path, json={"ksql": sql, "sql": sql})
        await push.content.readline()
        assert len(running(engine) - before) == 1
        push.close()  # nothing has come of it, and nothing will
        await happens(lambda: running(engine) == before)


@in_loop
async def test_a_query_that_is_closed_is_gone_when_the_answer_comes(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        before = running(engine)
        push = await client.post("/query-stream", json={"sql": "SELECT * FROM totals EMIT CHANGES;"})
        query_id = json.loads(await push.content.readline())["queryId"]
        assert [q.query_id for q in engine._core.running.all()] == [query_id]
        assert len(running(engine) - before) == 1
        assert (await client.post("/close-query", json={"queryId": query_id})).status == 200
        assert running(engine) == before


@pytest.mark.parametrize("path", ["/query", "/query-stream"])
@in_loop
async def test_what_many_are_given_is_made_into_bytes_once(
    engine: LocalEngine, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    for form in (V1, Delimited):
        rows = form.rows
        monkeypatch.setattr(form, "rows", lambda *args, rows=rows: made.append(args[1].num_rows) or rows(*args))
    async with defined(engine) as client:
        sql = "SELECT * FROM totals EMIT CHANGES;"
        many = [await client.post(path, json={"ksql": sql, "sql": sql}) for _ in range(20)]
        for push in many:
            await push.content.readline()
        await client.post("/ksql", json={"ksql": "INSERT INTO orders VALUES ('1', 'tea', 2);"})
        lines = {await push.content.readline() for push in many}
        assert len(lines) == 1
        assert b'"tea",1,2' in lines.pop()
        # Those who still read what came before they went over to the shared rows read the same.
        assert sum(made) <= 2
        for push in many:
            push.close()


@in_loop
async def test_a_client_that_reads_slowly_is_waited_for_and_misses_nothing(tmp_path: Path) -> None:
    config = Config({DATA_DIR.key: str(tmp_path), PUSH_BUFFER_BYTES.key: 100_000, BATCH_MAX_ROWS.key: 500})
    slow = LocalEngine(config)
    text = "x" * 4000
    async with defined(slow) as client:
        sql = "SELECT id, item FROM orders EMIT CHANGES;"
        push = await client.post("/query-stream", json={"sql": sql, "properties": EARLIEST})
        query_id = json.loads(await push.content.readline())["queryId"]
        for start in range(0, 10_000, 1000):  # 40 MB: more than the sockets of one machine take
            rows = [{"id": str(n), "item": text} for n in range(start, start + 1000)]
            await asyncio.to_thread(slow.insert, "orders", rows)
        assert await asyncio.to_thread(slow.caught_up, 10)
        # What waits is the bound, and at most the rows of the epoch that reached it.
        assert all(feed._bytes < 100_000 + 500 * 4100 for feed in slow._core.feeds._running.values())
        assert slow.push_query(query_id) is not None
        for n in range(10_000):
            assert json.loads(await push.content.readline()) == [str(n), text]
        push.close()
        await happens(lambda: slow.push_query(query_id) is None)
    await asyncio.to_thread(slow.close)


@in_loop
async def test_mistakes_are_answered_with_their_place(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        for path, field in (("/query", "ksql"), ("/query-stream", "sql")):
            answer = await client.post(path, json={field: "SELECT itme\nFROM totals;"})
            body = await answer.json()
            assert (answer.status, body["error_code"], body["code"]) == (400, 40001, "column_not_found")
            assert body["position"] == {"line": 1, "column": 8}
        answer = await client.post("/ksql", json={"ksql": "SHOW STREAMS; DROP STREAM nothing;"})
        body = await answer.json()
        assert (answer.status, body["@type"], body["statementText"]) == (400, "statement_error", "DROP STREAM nothing;")
        assert body["entities"] == []
        answer = await client.post("/ksql", json={"ksql": "SHOW STREAMS; ASSERT TOPIC nothing TIMEOUT 0 SECONDS;"})
        body = await answer.json()
        assert (answer.status, [e["@type"] for e in body["entities"]]) == (417, ["streams"])
        answer = await client.post("/inserts-stream", data='{"target":"ORDERS"}\n{"AMOUNT":"many"}\n')
        said = json.loads((await answer.text()).splitlines()[-1])
        assert (said["status"], said["seq"]) == ("error", 0)
        answer = await client.post("/inserts-stream", data='{"target":"NOTHING"}\n')
        assert answer.status == 400


@in_loop
async def test_the_server_says_who_it_is(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        info = (await (await client.get("/info")).json(content_type=None))["KsqlServerInfo"]
        assert info.keys() == {"version", "kafkaClusterId", "ksqlServiceId", "serverStatus"}
        assert info["serverStatus"] == "RUNNING"
        assert (await (await client.get("/healthcheck")).json(content_type=None))["isHealthy"] is True
        assert (await client.get("/v1/metadata")).status == 200


@in_loop
async def test_what_was_defined_is_there_after_a_restart(tmp_path: Path) -> None:
    config = Config({DATA_DIR.key: str(tmp_path)})
    first = LocalEngine(config)
    async with defined(first) as client:
        await insert(client, first, {"id": "1", "item": "tea", "amount": 2})
    await asyncio.to_thread(first.close)
    opened: list[LocalEngine] = []

    def open_engine() -> LocalEngine:
        opened.append(LocalEngine(config))
        return opened[0]

    async with serving(open_engine) as client:
        await happens(lambda: bool(opened))
        while (await client.get("/chc/ready")).status != 200:
            pass
        assert await asyncio.to_thread(opened[0].caught_up, 10)
        answer = await client.post("/query-stream", json={"sql": "SELECT total FROM totals WHERE item = 'tea';"})
        assert (await answer.text()).splitlines()[1:] == ["[2]"]


@in_loop
async def test_a_look_up_whose_like_was_planned_is_answered_at_once(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with defined(engine) as client:
        await insert(client, engine, {"id": "1", "item": "tea", "amount": 2}, {"id": "2", "item": "jam", "amount": 5})

        async def total(path: str, field: str, item: str) -> str:
            sql = f"SELECT total FROM totals WHERE item = '{item}';"
            return await (await client.post(path, json={field: sql})).text()

        paths = (("/sql", "sql"), ("/query", "ksql"), ("/query-stream", "sql"))
        for path in paths:
            assert "[2]" in await total(*path, "tea")
        monkeypatch.setattr(engine, "query", None)  # nothing is left to plan
        for path in paths:
            assert "[5]" in await total(*path, "jam")


@in_loop
async def test_a_read_whose_client_leaves_is_ended(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = threading.Event(), threading.Event()
    original = database.interrupted

    @contextlib.contextmanager
    def noted(cursor: Any, timeout_s: float | None) -> Iterator[None]:
        with original(cursor, timeout_s):
            began.set()
            try:
                yield
            finally:
                ended.set()

    monkeypatch.setattr(database, "interrupted", noted)
    async with defined(engine) as client:
        sql = "SELECT COUNT(*) FROM range(1000000000) a, range(1000000000) b"  # years
        asking = asyncio.create_task(client.post("/sql", json={"sql": sql}))
        await happens(began.is_set)
        asking.cancel()
        await happens(ended.is_set)
