"""What ksqlDB's own clients read of answers, and send: its Java client, its command, and those that people wrote."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssql import __version__
from ssql.config import DATA_DIR, LISTEN, Config
from ssql.engine.engine import LocalEngine

from .fake import Client, in_loop, serving

STREAM = "CREATE STREAM s (id STRING KEY, v INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);"
TABLE = "CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    opened = LocalEngine(Config({DATA_DIR.key: str(tmp_path), LISTEN.key: "http://[::]:8099,https://[::]:8100"}))
    with contextlib.closing(opened):
        yield opened


@contextlib.asynccontextmanager
async def defined(engine: LocalEngine) -> AsyncIterator[Client]:
    async with serving(engine) as client:
        assert (await ksql(client, STREAM + TABLE))[0] == 200
        yield client


async def ksql(client: Client, script: str, **fields: Any) -> tuple[int, Any]:
    answer = await client.post("/ksql", json={"ksql": script, **fields})
    return answer.status, await answer.json(content_type=None)


@in_loop
async def test_keys_of_a_source_are_marked_for_the_java_client_and_for_the_command(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        _, (entity,) = await ksql(client, "DESCRIBE t;")
        key, count = entity["sourceDescription"]["fields"]
        assert (key["type"], key["fieldType"]) == ("KEY", "KEY")
        assert set(count) == {"name", "schema"}


@in_loop
async def test_a_host_is_a_name_and_a_port(engine: LocalEngine) -> None:
    """The command fails at every other form."""
    async with defined(engine) as client:
        _, (entity,) = await ksql(client, "EXPLAIN CTAS_T_1;")
        assert entity["queryDescription"]["ksqlHostQueryStatus"] == {"localhost:8099": "RUNNING"}
        answer = await client.get("/clusterStatus", headers={"Host": "db.example"})
        assert list((await answer.json(content_type=None))["clusterStatus"]) == ["db.example:80"]


@in_loop
async def test_what_is_there_already_is_a_warning(engine: LocalEngine) -> None:
    """The Java client takes it by its beginning."""
    async with defined(engine) as client:
        for statement, shown in ((STREAM, "stream `S`: A stream"), (TABLE, "table `T`: A table")):
            again = statement.replace(" s (", " IF NOT EXISTS s (").replace(" t AS", " IF NOT EXISTS t AS")
            status, (entity,) = await ksql(client, again)
            assert (status, entity["@type"]) == (200, "warning_entity")
            assert entity["message"] == f"Cannot add {shown} with the same name already exists."


@in_loop
async def test_a_script_that_is_no_sql_is_told_as_a_statement(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        status, body = await ksql(client, "SHOW TYPES; SHOW THINGS;")
        assert (status, body["@type"], body["error_code"]) == (400, "statement_error", 40001)
        assert (body["statementText"], body["entities"]) == ("SHOW TYPES; SHOW THINGS;", [])


@in_loop
async def test_fields_of_a_request_may_be_missing_or_of_other_types(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        for body in ("{}", '{"ksql":null}', '{"ksql":"","streamsProperties":null,"other":[1]}'):
            answer = await client.post("/ksql", data=body)
            assert (answer.status, await answer.json(content_type=None)) == (200, [])
        _, (entity,) = await ksql(client, "SHOW VARIABLES;", sessionVariables={"n": 5, "yes": True, "t": "x"})
        assert entity["variables"] == [
            {"name": "n", "value": "5"},
            {"name": "t", "value": "x"},
            {"name": "yes", "value": "true"},
        ]


@in_loop
async def test_bytes_that_are_no_text_are_a_bad_request(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        for path in ("/ksql", "/query", "/query-stream", "/close-query", "/inserts-stream"):
            answer = await client.post(path, data=b'{"ksql":"\xff","sql":"\xff","queryId":"\xff","target":"\xff"}\n')
            assert (answer.status, (await answer.json())["error_code"]) == (400, 40000), path
        answer = await client.post("/inserts-stream", data=b'{"target":"s"}\n{"id":"a"}\n{"id":"\xff"}\n')
        ok, refused = map(json.loads, (await answer.text()).splitlines())
        assert ok == {"status": "ok", "seq": 0}
        assert (refused["status"], refused["seq"], refused["error_code"]) == ("error", 1, 40000)


@in_loop
async def test_an_outcome_is_found_by_a_quoted_name(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        for name in ("S", "%60S%60"):
            answer = await client.get(f"/status/stream/{name}/create")
            assert (await answer.json(content_type=None))["message"] == "Stream created"


@in_loop
async def test_the_version_is_one_that_ksql_migrations_takes(engine: LocalEngine) -> None:
    """It reads two numbers, and wants 6.0 or more; it asks with a body, as the Java client always does."""
    async with serving(engine) as client:
        answer = await client.request("GET", "/info", json={})
        version = (await answer.json(content_type=None))["KsqlServerInfo"]["version"]
    found = re.match(r"v?([0-9]+)\.([0-9]+)\..*", version)
    assert found is not None
    assert int(found[1]) >= 6
    assert version.endswith(__version__)


@in_loop
async def test_query_answers_in_the_forms_of_query_stream_where_they_are_accepted(engine: LocalEngine) -> None:
    async with defined(engine) as client:
        for accept, begins in (
            ("application/vnd.ksqlapi.delimited.v1", '{"queryId":'),
            ("application/vnd.ksql.v1+protobuf", '[{"header":{"queryId":'),
            ("application/json; charset=utf-8", '[{"header":{"queryId":'),
            ("application/json;q=0.5, application/vnd.ksqlapi.delimited.v1", '{"queryId":'),
        ):
            answer = await client.post("/query", json={"ksql": "SELECT * FROM t;"}, headers={"Accept": accept})
            assert answer.status == 200
            assert answer.content_type in accept
            assert (await answer.text()).startswith(begins)
