"""Clients of ksqlDB, from PyPI and npm, run unmodified against a server over the real engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import server, url_of

HERE = Path(__file__).parent

pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with server(tmp_path / "data") as (_, line):
        yield url_of(line)


def seen_by(*command: str, cwd: Path = HERE) -> dict[str, Any]:
    """What a script of ours saw through its client."""
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return seen


def by_node(folder: Path, script: str, *arguments: str) -> dict[str, Any]:
    shutil.copy(HERE / script, folder)
    return seen_by("node", script, *arguments, cwd=folder)


def test_ksqldb_from_pypi(url: str) -> None:
    seen = seen_by(sys.executable, "ksqldb_pypi.py", url)
    assert "auto.offset.reset" in seen["properties"]
    assert seen["created"] == "SUCCESS"
    assert seen["acks"] == [{"status": "ok", "seq": 0}, {"status": "ok", "seq": 1}]
    for head, *rows in (seen["pulled"], seen["pushed"]):
        assert head["columnNames"] == ["ID", "V"]
        assert rows == [["a", 1], ["b", 2]]


def test_ksqldb_client_from_npm(node_modules: Path, url: str) -> None:
    seen = by_node(node_modules, "ksqldb_client.js", url)
    assert "ORDERS" in seen["streams"]
    assert seen["tables"] == ["COUNTS"]
    assert seen["queries"] == [["COUNTS"]]
    assert seen["fields"] == ["ID", "V"]
    assert seen["acks"] == [{"status": "ok", "seq": 0}] * 3
    assert seen["pushed"] == [{"ID": "k0", "V": 0}, {"ID": "k1", "V": 1}, {"ID": "k0", "V": 2}]
    assert seen["terminated"] is True
    assert seen["pulled"] == [{"ID": "k0", "N": 2}]
    assert seen["refused"] == 400


def test_ksqldb_js_from_npm(node_modules: Path, url: str) -> None:
    seen = by_node(node_modules, "ksqldb_js.js", url)
    people = [["ada", 36], ["bob", 12], ["cyd", 36]]
    assert seen["info"] == ["KsqlServerInfo"]
    assert seen["healthy"] is True
    assert seen["created"] == "SUCCESS"
    assert seen["query"].startswith("CSAS_GROWN_")
    assert seen["pushed"][0]["columnNames"] == ["NAME", "AGE"]
    assert seen["pushed"][1:] == people
    assert seen["acks"] == [{"status": "ok", "seq": n} for n in range(3)]
    assert seen["terminated"] == "terminate_query"
    assert sorted(seen["pulled"]) == people
    assert seen["dated"] == 3
    assert {"PEOPLE", "GROWN"} <= set(seen["streams"])
    assert seen["valid"] is True
    assert seen["refused"] == "ksqlDBError"
