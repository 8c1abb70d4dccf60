"""Which place `connect` is told of, and who asks there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ssql
from ssql.client.targets import Local, Options, Server, place_of
from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP
from ssql.errors import BadTarget, DirectoryInUse, ServerUnavailable, Unauthorized
from ssql.server.auth import Credentials, hash_password, new_secret
from tests.cli.fake import serving
from tests.client.conftest import KINDS
from tests.server.fake import FakeEngine


@pytest.mark.parametrize(
    ("target", "options", "place"),
    [
        ("http://host", {}, Server("http://host:8088")),
        ("http://host:80", {}, Server("http://host:80")),
        ("https://host", {}, Server("https://host")),
        ("http://[::1]:8088", {}, Server("http://[::1]:8088")),
        ("http://a%40b:c%3Ad@host", {}, Server("http://host:8088", ("a@b", "c:d"))),
        ("http://host", {"user": "ada", "password": "x"}, Server("http://host:8088", ("ada", "x"))),
        ("https://host", {"api_key": "k:s", "verify": False}, Server("https://host", "k:s", verify=False)),
        ("data", {}, Local({DATA_DIR.key: "data"})),
        (Path("data"), {"config": {"batch.max.ms": 5}}, Local({DATA_DIR.key: "data", "batch.max.ms": 5})),
        ("kafka://a:9092,b:9092", {}, Local({KAFKA_BOOTSTRAP.key: "a:9092,b:9092"})),
    ],
)
def test_a_place(target: Any, options: Options, place: Server | Local) -> None:
    assert place_of(target, options) == place


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("ftp://host", {}, "no address of a server"),
        ("http://", {}, "no address of a server"),
        ("http://host:x", {}, "no address of a server"),
        ("http://host", {"config": {}}, '"config" does not go with'),
        ("data", {"user": "ada"}, '"user" does not go with'),
        ("http://ada@host", {"api_key": "k:s"}, "one of them is enough"),
        ("http://host", {"password": "x"}, "without a user"),
    ],
)
def test_no_place(target: str, options: Options, message: str) -> None:
    with pytest.raises(BadTarget, match=message):
        place_of(target, options)


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(place_of("http://ada:secret@host", {}))


@pytest.mark.parametrize("kind", ["connect", "connect_async"])
def test_who_asks(tmp_path: Path, kind: str) -> None:
    secret, stored = new_secret()
    file = tmp_path / "credentials.toml"
    file.write_text(
        f'[users.ada]\npassword = "{hash_password("x y")}"\nright = "admin"\n'
        f'[keys.app]\nsecret = "{stored}"\nright = "read"\n'
    )

    def ask(url: str, **options: Any) -> None:
        opened = {"connect": "blocking", "connect_async": "awaited"}[kind]
        with KINDS[opened](url, **options) as db:
            db.execute("SHOW QUERIES;")

    with serving(FakeEngine(), credentials=Credentials(file)) as url:
        ask(url, user="ada", password="x y")
        ask(url.replace("//", "//ada:x%20y@"))
        ask(url, api_key=f"app:{secret}")
        for options in ({}, {"user": "ada", "password": "z"}, {"api_key": "app:z"}):
            with pytest.raises(Unauthorized):
                ask(url, **options)


def test_what_answers_is_no_server_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="cannot be used"):
        ssql.connect("https://host", verify=tmp_path / "none.pem")
    with ssql.connect("http://127.0.0.1:9") as db, pytest.raises(ServerUnavailable, match="could not reach"):
        db.tables()


def test_one_engine_at_a_time_works_in_a_directory(tmp_path: Path) -> None:
    with ssql.connect(tmp_path), pytest.raises(DirectoryInUse):
        ssql.connect(tmp_path)
    with ssql.connect(tmp_path) as db:
        assert db.tables() == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    script = """
import sys, ssql
assert "pyarrow" not in sys.modules and "ssql.client" not in sys.modules
ssql.connect("http://localhost:1")
loaded = {"duckdb", "sqlglot", "numba", "ssql.engine.engine"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)
