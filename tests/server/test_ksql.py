"""POST /ksql and the small GET paths."""

from __future__ import annotations

import pytest

from ssql.engine.api import Session
from ssql.errors import SourceNotFound, Span

from .fake import FakeEngine, in_loop, serving

STATUS = {
    "@type": "currentStatus",
    "statementText": "CREATE STREAM S ...;",
    "commandId": "stream/`S`/create",
    "commandStatus": {"status": "SUCCESS", "message": "Stream created", "queryId": None},
    "commandSequenceNumber": 0,
    "warnings": [],
}


@in_loop
async def test_entities_are_answered_as_one_array() -> None:
    engine = FakeEngine()
    engine.entities = [STATUS, {"@type": "streams", "streams": []}]
    async with serving(engine) as client:
        # as `curl -d` sends it
        answer = await client.post("/ksql", data='{"ksql": "CREATE STREAM ...; SHOW STREAMS;"}')
        assert answer.status == 200
        assert answer.content_type == "application/vnd.ksql.v1+json"
        assert await answer.json(content_type=None) == engine.entities


@in_loop
async def test_a_request_carries_its_session() -> None:
    engine = FakeEngine()
    body = {
        "ksql": "SHOW STREAMS;",
        "streamsProperties": {"auto.offset.reset": "earliest", "n": 1},
        "sessionVariables": {"v": "x"},
        "commandSequenceNumber": 7,
        "requestProperties": {"any": True},
        "later": None,
    }
    async with serving(engine) as client:
        assert (await client.post("/ksql", json=body)).status == 200
        assert (await client.post("/ksql", json={"ksql": "a;", "streamsProperties": None})).status == 200
    assert engine.scripts == [
        ("SHOW STREAMS;", Session({"auto.offset.reset": "earliest", "n": 1}, {"v": "x"})),
        ("a;", Session()),
    ]


@in_loop
async def test_accept_decides_the_content_type() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.post("/ksql", json={"ksql": ";"}, headers={"Accept": "application/json"})
        assert answer.content_type == "application/json"
        assert (await client.post("/ksql", json={"ksql": ";"}, headers={"Accept": "text/xml"})).status == 406


@in_loop
async def test_an_error_has_the_entities_done_before_it() -> None:
    engine = FakeEngine()
    script = "CREATE STREAM S ...;\nDROP STREAM X;"
    error = SourceNotFound("X", span=Span(33, 34)).within(script, statement="DROP STREAM X;")
    error.entities = [STATUS]
    engine.raises = error
    async with serving(engine) as client:
        answer = await client.post("/ksql", json={"ksql": script})
        assert answer.status == 400
        body = await answer.json()
    assert body == {
        "@type": "statement_error",
        "error_code": 40001,
        "message": "X does not exist.",
        "code": "source_not_found",
        "statementText": "DROP STREAM X;",
        "entities": [STATUS],
        "position": {"line": 2, "column": 13},
    }


@in_loop
async def test_nothing_is_carried_out_when_a_query_is_among_the_statements() -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        answer = await client.post("/ksql", json={"ksql": "CREATE STREAM s ...; SELECT 1;"})
        assert (answer.status, (await answer.json())["error_code"]) == (400, 40002)
    assert engine.scripts == []


@in_loop
async def test_outcomes_can_be_asked_for_later() -> None:
    engine = FakeEngine()
    engine.entities = [STATUS]
    async with serving(engine) as client:
        await client.post("/ksql", json={"ksql": "CREATE STREAM ...;"})
        assert await (await client.get("/status")).json(content_type=None) == {
            "commandStatuses": {"stream/`S`/create": "SUCCESS"}
        }
        one = await client.get("/status/stream/`S`/create")
        assert await one.json(content_type=None) == STATUS["commandStatus"]
        assert (await client.get("/status/stream/T/create")).status == 404


@in_loop
async def test_only_the_latest_outcomes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssql.server.state.STATUSES_KEPT", 2)
    engine = FakeEngine()
    engine.entities = [STATUS | {"commandId": f"stream/{name}/create"} for name in "ABC"]
    async with serving(engine) as client:
        await client.post("/ksql", json={"ksql": "CREATE STREAM ...;"})
        kept = await (await client.get("/status")).json(content_type=None)
    assert list(kept["commandStatuses"]) == ["stream/B/create", "stream/C/create"]


CLUSTER = {"id": "", "scope": {"path": [], "clusters": {"kafka-cluster": "c1", "ksql-cluster": "default_"}}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/info",
            {
                "KsqlServerInfo": {
                    "version": "0.1.0",
                    "kafkaClusterId": "c1",
                    "ksqlServiceId": "default_",
                    "serverStatus": "RUNNING",
                }
            },
        ),
        (
            "/healthcheck",
            {"isHealthy": True, "details": {"metastore": {"isHealthy": True}}, "serverState": "RUNNING"},
        ),
        ("/v1/metadata", {"version": "0.1.0", "clusterId": CLUSTER}),
        ("/v1/metadata/id", CLUSTER),
        ("/is_valid_property/auto.offset.reset", True),
        ("/is_valid_property/ksql.streams.auto.offset.reset", True),
        ("/is_valid_property/ksql.streams.num.stream.threads", True),
        ("/chc/ready", {}),
        ("/chc/live", {}),
        ("/status", {"commandStatuses": {}}),
    ],
)
@in_loop
async def test_small_paths(path: str, expected: object) -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.get(path)
        assert answer.status == 200
        assert await answer.json(content_type=None) == expected


@in_loop
async def test_the_root_leads_to_info() -> None:
    async with serving(FakeEngine()) as client:
        answer = await client.get("/", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (307, "/info")
