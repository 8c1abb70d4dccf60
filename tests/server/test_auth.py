"""Credentials: who has none gets nothing, and nobody does more than is theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from ssql.config import AUTH_FILE, DATA_DIR, LISTEN, Config
from ssql.engine.engine import LocalEngine
from ssql.errors import ConfigError
from ssql.rights import Right
from ssql.server.app import ROUTES
from ssql.server.auth import Credentials, hash_password, new_secret
from ssql.server.described import description_of
from ssql.server.serve import serve

from .fake import Client, FakeEngine, in_loop, serving

PASSWORD = "correct horse, battery: staple é"
SECRET, STORED = new_secret()
FILE = f"""
[users.ada]
password = "{hash_password(PASSWORD)}"
right = "admin"

[keys.writer]
secret = "{STORED}"
right = "write"

[keys.reader]
secret = "{STORED}"
right = "read"
"""
Headers = dict[str, str]


def basic(name: str, secret: str) -> Headers:
    return {"Authorization": encode_basic_auth(name, secret, encoding="utf-8")}


ADA = basic("ada", PASSWORD)
WRITER, READER = basic("writer", SECRET), basic("reader", SECRET)


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return read(tmp_path, FILE)


def read(folder: Path, text: str) -> Credentials:
    path = folder / "credentials.toml"
    path.write_text(text)
    return Credentials(path)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(tmp_path / "data")}))) as opened:
        opened.execute(
            "CREATE STREAM s (id STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
        )
        yield opened


async def ksql(client: Client, auth: Headers, sql: str) -> tuple[int, Any]:
    answer = await client.post("/ksql", json={"ksql": sql}, headers=auth)
    return answer.status, await answer.json(content_type=None)


@in_loop
async def test_without_credentials_nothing_is_answered(credentials: Credentials) -> None:
    engine = FakeEngine()
    async with serving(engine, credentials=credentials) as client:
        for route in ROUTES:
            answer = await client.request(route.method, route.path)
            assert answer.status == 401, route.path
            body = await answer.json()
            assert (body["error_code"], body["code"]) == (40100, "unauthorized")
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert (await client.get("/nowhere")).status == 401
    assert (engine.scripts, engine.queries, engine.inserts) == ([], [], [])


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ????",
        "Basic YWRh",  # no colon
        basic("ada", "wrong")["Authorization"],
        basic("ada", "")["Authorization"],
        basic("nobody", PASSWORD)["Authorization"],
        basic("reader", SECRET[:-1])["Authorization"],
        basic("ada", SECRET)["Authorization"],
        f"Bearer {SECRET}",
        f"Digest reader:{SECRET}",
    ],
)
@in_loop
async def test_wrong_credentials_are_none(credentials: Credentials, header: str) -> None:
    async with serving(FakeEngine(), credentials=credentials) as client:
        for _ in range(2):  # nothing of it is remembered
            assert (await client.get("/info", headers={"Authorization": header})).status == 401


@in_loop
async def test_who_is_known_is_let_in(credentials: Credentials) -> None:
    async with serving(FakeEngine(), credentials=credentials) as client:
        for auth in (ADA, WRITER, READER, ADA):
            assert (await client.get("/info", headers=auth)).status == 200
        bearer = {"Authorization": f"Bearer reader:{SECRET}"}
        assert (await client.get("/info", headers=bearer)).status == 200


@in_loop
async def test_a_reader_changes_nothing(credentials: Credentials, engine: LocalEngine) -> None:
    async with serving(engine, credentials=credentials) as client:
        before = engine.execute("SHOW STREAMS; SHOW QUERIES; SHOW TYPES; SHOW TOPICS;")
        for sql in (
            "CREATE STREAM t AS SELECT * FROM s;",
            "CREATE TYPE x AS INT;",
            "DROP STREAM s;",
            "TERMINATE ALL;",
            "ALTER SYSTEM 'auto.offset.reset' = 'earliest';",
            "INSERT INTO s (id, v) VALUES ('a', 1);",
            "SHOW STREAMS; DROP STREAM s DELETE TOPIC;",
        ):
            status, body = await ksql(client, READER, sql)
            assert (status, body["error_code"], body["code"]) == (403, 40300, "forbidden"), sql
        inserting = await client.post("/inserts-stream", data='{"target":"S"}\n{"ID":"a","V":1}\n', headers=READER)
        assert inserting.status == 403
        assert engine.execute("SHOW STREAMS; SHOW QUERIES; SHOW TYPES; SHOW TOPICS;") == before
        assert (await ksql(client, READER, "SHOW STREAMS; DESCRIBE s;"))[0] == 200
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM s;"}, headers=READER)
        assert answer.status == 200
        assert len((await answer.text()).splitlines()) == 1


@in_loop
async def test_a_path_needs_the_right_that_is_described(credentials: Credentials, engine: LocalEngine) -> None:
    async with serving(engine, credentials=credentials) as client:
        for route in ROUTES:
            described = description_of(route.handler)
            assert described is not None
            answer = await client.request(route.method, route.path, data='{"target": "S"}\n', headers=READER)
            assert (answer.status == 403) == (described.right > Right.READ), route.path


@in_loop
async def test_a_writer_inserts_and_an_admin_defines(credentials: Credentials, engine: LocalEngine) -> None:
    async with serving(engine, credentials=credentials) as client:
        assert (await ksql(client, WRITER, "INSERT INTO s (id, v) VALUES ('a', 1);"))[0] == 200
        status, body = await ksql(client, WRITER, "CREATE STREAM t AS SELECT * FROM s;")
        assert (status, body["position"]) == (403, {"line": 1, "column": 1})
        assert (await ksql(client, ADA, "CREATE STREAM t AS SELECT * FROM s;"))[0] == 200


@in_loop
async def test_where_a_file_defines_nobody_else_does(engine: LocalEngine) -> None:
    async with serving(engine, most=Right.WRITE) as client:
        anybody = basic("any", "body")
        assert (await ksql(client, anybody, "CREATE STREAM t AS SELECT * FROM s;"))[0] == 403
        assert (await ksql(client, anybody, "INSERT INTO s (id, v) VALUES ('a', 1);"))[0] == 200


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[users.a]\nright = 'read'", 'needs "password"'),
        (f"[keys.a]\nsecret = '{STORED}'\nright = 'raed'", "no right"),
        ("[keys.a]\nsecret = 'plain'\nright = 'read'", "no hash"),
        ("[users.a]\npassword = 'scrypt:1:1:1:x:y'\nright = 'read'", "no hash"),
        (f"[users.a]\npassword = 'scrypt:{1 << 30}:8:1:AAAA:{'A' * 43}='\nright = 'read'", "no hash"),
        (f"[keys.a]\nsecret = '{STORED}'\nright = 'read'\n[groups.b]", "unknown part"),
        (FILE + f"[users.reader]\npassword = '{STORED}'\nright = 'read'", "twice"),
        ("users = 1", "no table"),
        ("[", "no valid TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, text)


def test_a_server_does_not_start_without_its_file() -> None:
    config = Config().with_values({LISTEN.key: "127.0.0.1:0", AUTH_FILE.key: "nowhere.toml"})
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        serve(config, open_engine=lambda: pytest.fail("must not open"))
