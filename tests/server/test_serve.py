"""A whole server process: socket first, engine then, and an orderly end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssql.config import LISTEN, Config
from ssql.errors import ConfigError
from ssql.server.serve import _listener, _url, serve

HERE = Path(__file__).parent

#: A server over the fake engine. Its engine opens when a line comes on stdin; a line on stdout tells each step.
PROGRAM = """
import logging, sys
sys.path.insert(0, sys.argv[2])
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
heavy = lambda: sorted(m for m in ("duckdb", "numba", "pyarrow", "sqlglot") if m in sys.modules)
from ssql.config import Config
from ssql.server.serve import serve
def open_engine():
    print("opening", *before, flush=True)
    if sys.stdin.readline().strip() == "fail":
        from ssql.errors import LogFull
        raise LogFull("the disk is full")
    from server.fake import FakeEngine, FakePush
    engine = FakeEngine()
    engine.answer = FakePush()
    close = engine.close
    engine.close = lambda: (print("closed", engine.answer.closed.is_set(), flush=True), close())
    return engine
before = heavy()
serve(Config().with_values({"listen": sys.argv[1]}), ready=lambda url: print("ready", url, flush=True),
      open_engine=open_engine)
"""


#: A server over the real engine, with the embedded log in a directory.
REAL_PROGRAM = """
import sys
from ssql.config import Config
from ssql.server.serve import serve
serve(Config().with_values({"listen": sys.argv[1], "data.dir": sys.argv[2]}),
      ready=lambda url: print("ready", url, flush=True))
"""


@contextlib.contextmanager
def process(port: int, program: str = PROGRAM, argument: str = str(HERE.parent)) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, f"127.0.0.1:{port}", argument],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent.parent,
    ) as child:  # fmt: skip
        limit = threading.Timer(30, child.kill)
        limit.start()
        try:
            yield child
        finally:
            limit.cancel()
            child.kill()


def say(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()


def heard(child: subprocess.Popen[str]) -> list[str]:
    assert child.stdout is not None
    return child.stdout.readline().split()


def get(port: int, path: str) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_listens_opens_serves_and_ends(port: int, number: signal.Signals) -> None:
    with process(port) as child:
        assert heard(child) == ["opening"]  # and nothing heavy was loaded before the socket was open
        status, body = get(port, "/info")
        assert (status, body["error_code"]) == (503, 50302)  # type: ignore[index]
        say(child, "go")
        assert heard(child) == ["ready", f"http://127.0.0.1:{port}"]
        assert get(port, "/info")[0] == 200

        stream = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        stream.request("POST", "/query", json.dumps({"ksql": "SELECT * FROM T EMIT CHANGES;"}))
        answer = stream.getresponse()
        assert b"header" in answer.readline()
        child.send_signal(number)
        assert answer.read() == b'{"finalMessage":"Query Completed"}]'
        stream.close()
        assert heard(child) == ["closed", "True"]
        assert child.wait() == 0
        assert child.stderr is not None
        log = child.stderr.read().splitlines()
    assert f"ssql.server INFO listening url=http://127.0.0.1:{port}" in log
    assert any(line.startswith("ssql.server.access INFO request done method=GET path=/info status=200") for line in log)
    assert not any(" ERROR " in line or " WARNING " in line for line in log)


def test_a_server_told_to_end_while_it_opens_ends(port: int) -> None:
    with process(port) as child:
        assert heard(child) == ["opening"]
        child.send_signal(signal.SIGTERM)
        say(child, "go")
        assert heard(child) == ["closed", "False"]
        assert child.wait() == 0


def test_a_server_over_the_real_engine_starts_and_restarts_in_its_directory(port: int, tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with process(port, REAL_PROGRAM, str(tmp_path)) as child:
            assert heard(child) == ["ready", f"http://127.0.0.1:{port}"]
            seen.append(get(port, "/info"))
            child.send_signal(signal.SIGTERM)
            assert child.wait() == 0
    assert seen[0] == seen[1]  # the cluster's id included
    assert seen[0][0] == 200


def test_an_engine_that_cannot_be_opened_ends_the_server(port: int) -> None:
    with process(port) as child:
        assert heard(child) == ["opening"]
        say(child, "fail")
        assert child.wait() != 0
        assert child.stderr is not None
        assert "LogFull: the disk is full" in child.stderr.read()


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1", "127.0.0.1:high", "https://127.0.0.1:1", ":8088x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        serve(Config({LISTEN.key: address}), open_engine=lambda: pytest.fail("must not open"))


@pytest.mark.parametrize("address", ["127.0.0.1:0", "http://127.0.0.1:0", "http://127.0.0.1:0,http://0.0.0.0:1"])
def test_addresses_are_read_as_ksqldb_writes_them_too(address: str) -> None:
    with _listener(address, "http") as listener:
        assert _url(listener, "http") == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_address_in_use_is_an_os_error() -> None:
    with _listener("127.0.0.1:0", "http") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=os.strerror(98)):
            serve(Config({LISTEN.key: f"127.0.0.1:{port}"}), open_engine=lambda: pytest.fail("must not open"))
