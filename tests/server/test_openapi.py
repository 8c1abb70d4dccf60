"""What the server says of itself: valid documents, in which nothing is left out, and which are true."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from ssql.server.app import ROUTES, make_app
from ssql.server.auth import Credentials, hash_password
from ssql.server.described import description_of, text_of
from ssql.server.openapi import document

from .fake import Client, FakeEngine, in_loop, serving

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM s (id STRING KEY, v INT, big BIGINT, d DOUBLE, dec DECIMAL(6, 2), b BOOLEAN, at TIMESTAMP, day DATE,
            t TIME, bytes BYTES, tags ARRAY<STRING>, m MAP<STRING, INT>, st STRUCT<x INT, at DATE>)
        WITH (kafka_topic='s', value_format='JSON', partitions=1);
    CREATE TABLE t AS SELECT id, COUNT(*) AS n, SUM(v) AS total FROM s GROUP BY id;
    INSERT INTO s VALUES ('a', 1, 2, 3.5, 4.25, true, '2024-01-31T00:00:00', '2024-01-31', '12:00',
        TO_BYTES('a', 'ascii'), ARRAY['x', NULL], MAP('k' := 1), STRUCT(x := 1, at := '2024-01-31'));
    INSERT INTO s (id, v) VALUES ('b', NULL);
    CREATE ENDPOINT totals ($least INT DEFAULT 0) AS SELECT id, total FROM t WHERE id = $id AND total >= $least;
    CREATE ENDPOINT everything AS SELECT * FROM s WHERE v < $v OR at > $at OR dec = $dec OR b = $b OR day = $day;
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(tmp_path)}))) as opened:
        opened.execute(DEFINITIONS)
        assert opened.caught_up(10)
        yield opened


def schema_of(found: dict[str, Any], path: str, method: str = "get", kind: str = "application/json") -> Any:
    return found["paths"][path][method]["responses"]["200"]["content"][kind]["schema"]


async def read(client: Client, path: str) -> Any:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (200, "application/json")
    return await answer.json()


def test_no_route_is_without_a_text_and_a_description() -> None:
    silent = [f"{route.method} {route.path}" for route in ROUTES if not text_of(route.handler)]
    assert not silent
    unknown = [f"{route.method} {route.path}" for route in ROUTES if description_of(route.handler) is None]
    assert not unknown


def test_every_route_is_in_the_document() -> None:
    found = document(make_app(FakeEngine()), (), secured=False)  # type: ignore[arg-type]
    described = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    named = [operation["operationId"] for methods in found["paths"].values() for operation in methods.values()]
    assert len(set(named)) == len(ROUTES)


@in_loop
async def test_the_document_is_valid_openapi(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        found = await read(client, "/openapi.json")
        OpenAPIV31SpecValidator(found).validate()
        assert "security" not in found


@in_loop
async def test_credentials_are_in_the_document_where_they_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text(f'[users.ada]\npassword = "{hash_password("secret")}"\nright = "admin"\n')
    async with serving(FakeEngine(), credentials=Credentials(file)) as client:
        assert (await client.get("/openapi.json")).status == 401
        client.session.headers["Authorization"] = "Basic YWRhOnNlY3JldA=="
        found = await read(client, "/openapi.json")
        OpenAPIV31SpecValidator(found).validate()
        assert set(found["components"]["securitySchemes"]) == {"basic", "key"}
        assert "401" in found["paths"]["/ksql"]["post"]["responses"]


@in_loop
async def test_endpoints_are_there_with_their_types(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        found = await read(client, "/openapi.json")
        parameters = {p["name"]: p for p in found["paths"]["/endpoints/totals"]["get"]["parameters"]}
        assert parameters["id"]["required"] is True
        assert parameters["least"]["schema"]["default"] == 0
        assert (parameters["least"]["required"], parameters["least"]["schema"]["type"]) == (False, "integer")
        answers = await read(client, "/endpoints/everything?v=5&at=2000-01-01&dec=0&b=true&day=2000-01-01")
        assert len(answers["rows"]) == 1
        schema = schema_of(found, "/endpoints/everything")
        jsonschema.validate(answers, schema)
        for at, kind in enumerate(answers["columns"]):
            wrong: Any = {} if kind["type"] == "ARRAY<STRING>" else ["no value of any other type"]
            (row,) = answers["rows"]
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**answers, "rows": [[*row[:at], wrong, *row[at + 1 :]]]}, schema)


@in_loop
async def test_streams_and_tables_are_channels(engine: LocalEngine) -> None:
    async with serving(engine) as client:
        found = await read(client, "/asyncapi")
        assert found == await read(client, "/asyncapi.json")
        assert found["asyncapi"] == "3.0.0"
        assert {name: c["address"] for name, c in found["channels"].items() if name in "ST"} == {"S": "s", "T": "T"}
        assert found["operations"]["read_S"]["action"] == "receive"
        assert found["operations"]["write_T"]["action"] == "send"
        table = found["components"]["messages"]["T"]
        assert list(table["payload"]["properties"]) == ["N", "TOTAL"]
        assert list(table["bindings"]["kafka"]["key"]["properties"]) == ["ID"]
        references(found, found)


#: What schemathesis looks at. That valid data is taken is not among them: no schema says what is SQL.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.mark.slow
def test_the_server_is_as_the_document_says(engine: LocalEngine) -> None:
    async def run() -> tuple[int | None, str]:
        async with serving(engine) as client:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "schemathesis.cli", "run", str(client.make_url("/openapi.json"))),
                # This one ends the server.
                *("--exclude-path", "/ksql/terminate", "--checks", ",".join(CHECKS)),
                *("--max-examples", "20", "--seed", "1", "--no-color", "--suppress-health-check", "all"),
                env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.schemathesis_hooks"},
                cwd=Path(__file__).parents[2],
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                said, _ = await child.communicate()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        return child.returncode, said.decode()

    code, said = asyncio.run(run())
    assert code == 0, said


def references(node: Any, whole: Any) -> None:
    """Every reference in the document leads somewhere."""
    if isinstance(node, dict):
        if "$ref" in node:
            at = whole
            for part in node["$ref"].removeprefix("#/").split("/"):
                at = at[part]
        for value in node.values():
            references(value, whole)
    elif isinstance(node, list):
        for value in node:
            references(value, whole)
