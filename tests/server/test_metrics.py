"""/metrics: what Prometheus' own parser reads there is what happened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine

from .fake import Client, FakePush, happens, in_loop, serving
from .test_query import push

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(tmp_path)}))) as opened:
        yield opened


async def read(client: Client, accept: str = "text/plain") -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and the values of its labels, in order of the labels' names."""
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.status == 200
    parse = openmetrics if "openmetrics" in accept else prometheus
    samples = [sample for family in parse(await answer.text()) for sample in family.samples]
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
@in_loop
async def test_what_went_through(engine: LocalEngine, accept: str) -> None:
    async with serving(engine) as client:
        assert (await client.post("/ksql", json={"ksql": DEFINITIONS})).status == 200
        rows = "".join(f'{{"ID":"k{n % 2}","V":{n}}}\n' for n in range(10))
        answer = await client.post("/inserts-stream", data='{"target":"S"}\n' + rows)
        assert len((await answer.text()).splitlines()) == 10
        assert await asyncio.to_thread(engine.caught_up, 10)
        found = await read(client, accept)
        assert found["ssql_topic_records_total", "read", "s"] == 10
        assert found["ssql_topic_bytes_total", "read", "s"] >= 10 * len('k0{"V":0}')
        assert found["ssql_query_rows_total", "read", "CTAS_T_1"] == 10
        assert found["ssql_query_rows_total", "failed", "CTAS_T_1"] == 0
        assert found["ssql_query_state", "CTAS_T_1", "RUNNING"] == 1
        assert found["ssql_epoch",] >= 1
        assert found["ssql_http_requests_total", "POST", "/inserts-stream", "200"] == 1
        assert found["ssql_http_request_seconds_count", "POST", "/ksql"] == 1


@in_loop
async def test_what_a_query_has_still_to_read(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        assert (await client.post("/ksql", json={"ksql": DEFINITIONS + "PAUSE ALL;"})).status == 200
        rows = "".join(f'{{"ID":"k{n % 2}","V":{n}}}\n' for n in range(10))
        answer = await client.post("/inserts-stream", data='{"target":"S"}\n' + rows)
        assert len((await answer.text()).splitlines()) == 10
        found = await read(client)
        assert found["ssql_query_lag_records", "0", "CTAS_T_1", "s"] == 10
        assert ("ssql_query_lag_seconds", "CTAS_T_1") not in found  # nothing was read, so nothing is known of its time
        assert found["ssql_query_catching_up", "CTAS_T_1"] == 0
        assert (found["ssql_open",], found["ssql_restore_tables",]) == (1, 0)
        assert (await client.post("/ksql", json={"ksql": "RESUME ALL;"})).status == 200
        assert await asyncio.to_thread(engine.caught_up, 10)
        found = await read(client)
        assert found["ssql_query_lag_records", "0", "CTAS_T_1", "s"] == 0
        assert found["ssql_query_lag_seconds", "CTAS_T_1"] == 0


@in_loop
async def test_unknown_paths_are_one_route() -> None:
    engine, _ = push()
    async with serving(engine) as client:
        for n in range(3):
            assert (await client.get(f"/nowhere/{n}")).status == 404
        assert (await read(client))["ssql_http_requests_total", "GET", "none", "404"] == 3


@in_loop
async def test_a_client_that_went_away_is_told_apart() -> None:
    engine, query = push()
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM S EMIT CHANGES;"})
        answer.close()
        await happens(query.closed.is_set)
        assert isinstance(query, FakePush)
        key = ("ssql_http_requests_total", "POST", "/query-stream", "499")
        while key not in (found := await read(client)):
            pass
        assert found[key] == 1
