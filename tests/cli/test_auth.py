"""`ssql auth` makes credentials that a server takes, and the command gives them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ssql_cli.main import main

from ssql.rights import Right
from ssql.server.auth import Credentials
from tests.support.command import SSQL, server, url_of


def made(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The part for the file, and what was said beside it."""
    assert main(["auth", *arguments]) == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_parts_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))
    user, nothing = made("user", "ada", "--right", "admin", capsys=capsys)
    key, told = made("key", "app-1", capsys=capsys)
    assert nothing == ""
    secret = told.split()[-1]
    assert "open sesame" not in user
    assert secret not in key
    file = tmp_path / "credentials.toml"
    file.write_text(user + "\n" + key)
    credentials = Credentials(file)
    assert asyncio.run(credentials.right_of("ada", "open sesame")) is Right.ADMIN
    assert asyncio.run(credentials.right_of("app-1", secret)) is Right.READ
    assert asyncio.run(credentials.right_of("app-1", "open sesame")) is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a.b", '"'])
def test_a_name_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(SystemExit):
        main(["auth", "key", name])


def test_the_command_gives_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part, told = made("key", "app", "--right", "admin", capsys=capsys)
    secret = told.split()[-1]
    (tmp_path / "credentials.toml").write_text(part)
    (tmp_path / "ssql.toml").write_text(f"auth.file = {json.dumps(str(tmp_path / 'credentials.toml'))}\n")
    with server(tmp_path / "data", "--config", str(tmp_path / "ssql.toml")) as (_, line):
        url = url_of(line)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/info", timeout=10)
        arguments = ["-o", "csv", "-e", "SHOW TABLES;"]
        refused = subprocess.run([SSQL, "--server", url, *arguments], capture_output=True, text=True, check=False)
        assert refused.returncode != 0
        assert "not authorized" in refused.stderr
        address = url.replace("://", f"://app:{secret}@")
        for where, said in ((address, {}), (url, {"SSQL_USER": "app", "SSQL_PASSWORD": secret})):
            ran = subprocess.run(
                [SSQL, "--server", where, *arguments],
                capture_output=True, text=True, env={**os.environ, **said}, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
        for given in (["-u", "app", "-p", secret], ["--token", f"app:{secret}"]):
            ran = subprocess.run(
                [SSQL, "--server", url, *given, *arguments], capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, ran.stderr
