"""What ksqlDB's servers say to each other, said to ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from ssql.log.embedded import EmbeddedLog
from ssql.server import cluster

from .fake import Client, FakeEngine, in_loop, serving

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=2);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM s GROUP BY id;
    CREATE TABLE kept AS SELECT id, SUM(v) AS v FROM s GROUP BY id;
    INSERT INTO s (id, v) VALUES ('a', 1);
"""


def opened(path: Path) -> LocalEngine:
    return LocalEngine(Config({DATA_DIR.key: str(path)}))


async def post(client: Client, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body)
    return answer.status, await answer.json(content_type=None)


@in_loop
async def test_the_status_tells_what_each_query_has_read(tmp_path: Path) -> None:
    with contextlib.closing(opened(tmp_path)) as engine:
        async with serving(engine) as client:
            assert (await post(client, "/ksql", {"ksql": DEFINITIONS}))[0] == 200
            assert await asyncio.to_thread(engine.caught_up, 10)
            answer = await (await client.get("/clusterStatus")).json(content_type=None)
            ((host, own),) = answer["clusterStatus"].items()
            assert host == f"127.0.0.1:{client.port}"
            assert own["hostAlive"] is True
            assert own["activeStandbyPerQuery"]["CTAS_T_1"] == {
                "activeStores": ["s"],
                "activePartitions": [{"topic": "s", "partition": 0}, {"topic": "s", "partition": 1}],
                "standByStores": [],
                "standByPartitions": [],
            }
            lags = own["hostStoreLags"]["stateStoreLags"]["CTAS_T_1#s"]
            assert lags["size"] == 2
            assert sorted(lag["currentOffsetPosition"] for lag in lags["lagByPartition"].values()) == [0, 1]
            assert {lag["offsetLag"] for lag in lags["lagByPartition"].values()} == {0}


@in_loop
async def test_other_servers_are_shown_while_they_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000
    monkeypatch.setattr(cluster, "_now_ms", lambda: now)
    other = {"host": "other", "port": 8088}
    lags = {"stateStoreLags": {"q#t": {"lagByPartition": {}, "size": 0}}, "updateTimeMs": 5}
    async with serving(FakeEngine()) as client:
        assert await post(client, "/heartbeat", {"hostInfo": other, "timestamp": 5}) == (200, {"ok": True})
        assert await post(client, "/lag", {"ksqlHost": other, "hostStoreLags": lags}) == (200, {"ok": True})
        for after_ms, alive in ((cluster.WINDOW_MS - 1, True), (cluster.WINDOW_MS, False)):
            now = 1_000_000 + after_ms
            status = (await (await client.get("/clusterStatus")).json(content_type=None))["clusterStatus"]
            assert status["other:8088"] == {
                "hostAlive": alive,
                "lastStatusUpdateMs": 1_000_000,
                "activeStandbyPerQuery": {},
                "hostStoreLags": lags,
            }


@in_loop
async def test_servers_are_not_remembered_without_end() -> None:
    async with serving(FakeEngine()) as client:
        for n in range(cluster.HOSTS_KEPT + 5):
            client.app[cluster.HOSTS].heard(f"h{n}:1")
        status = (await (await client.get("/clusterStatus")).json(content_type=None))["clusterStatus"]
        assert "h4:1" not in status
        assert "h5:1" in status


@pytest.mark.parametrize(
    ("path", "body"), [("/heartbeat", {"hostInfo": {"host": "a"}, "timestamp": 1}), ("/lag", {}), ("/lag", [])]
)
@in_loop
async def test_what_is_no_report_is_refused(path: str, body: Any) -> None:
    async with serving(FakeEngine()) as client:
        status, error = await post(client, path, body)
        assert (status, error["error_code"]) == (400, 40000)


@in_loop
async def test_a_terminated_cluster_is_empty_and_answers_nothing(tmp_path: Path) -> None:
    with contextlib.closing(opened(tmp_path)) as engine:
        async with serving(engine) as client:
            assert (await post(client, "/ksql", {"ksql": DEFINITIONS}))[0] == 200
            push = await client.post("/query-stream", json={"sql": "SELECT * FROM s EMIT CHANGES;"})
            status, (entity,) = await post(client, "/ksql/terminate", {"deleteTopicList": ["T"]})
            assert (status, entity["commandStatus"]["status"]) == (200, "SUCCESS")
            assert json.loads((await push.text()).splitlines()[0])["columnNames"] == ["ID", "V"]
            status, error = await post(client, "/ksql", {"ksql": "SHOW STREAMS;"})
            assert (status, error["error_code"]) == (503, 50304)
    with contextlib.closing(EmbeddedLog(tmp_path)) as log:
        topics = {topic.name for topic in log.topics()}
        assert {"s", "KEPT"} <= topics
        assert "T" not in topics
        assert not any("command_topic" in name or "state" in name for name in topics)
    with contextlib.closing(opened(tmp_path)) as engine:
        engine.execute(DEFINITIONS.replace("KEPT", "other"))
        assert engine.caught_up(10)
        answer = engine.query("SELECT n FROM t;")
        assert answer.rows.to_pydict() == {"N": [2]}  # type: ignore[union-attr]


@in_loop
async def test_a_wrong_pattern_ends_nothing(tmp_path: Path) -> None:
    with contextlib.closing(opened(tmp_path)) as engine:
        async with serving(engine) as client:
            status, error = await post(client, "/ksql/terminate", {"deleteTopicList": ["T", "["]})
            assert (status, error["message"]) == (400, "Invalid pattern: [")
            assert (await post(client, "/ksql", {"ksql": "SHOW STREAMS;"}))[0] == 200
