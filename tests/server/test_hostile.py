"""Clients that mean harm, or are broken: each gets its answer or its end, others are answered, memory stays flat."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated
from hyperframe.frame import HeadersFrame

HERE = Path(__file__).parent

#: A server whose answers never end. /info tells how many frames and batches were taken, and the memory in use (bytes).
PROGRAM = """
import itertools, json, os, sys
sys.path.insert(0, sys.argv[1])
from ssql.config import Config
from ssql.server.serve import serve
from server.fake import FakeEngine, FakePush, FakeSubscription, changes, frame

rows = [(f"k{i}", i, 1) for i in range(2000)]
batch, one = changes(*rows), frame(*rows, token="t")
given = []

def endless(found, what):
    given.append(found)
    found.source = itertools.repeat(what)
    return found

engine = FakeEngine()
engine.answer = lambda: endless(FakePush(), batch)
engine.follow = lambda after: endless(FakeSubscription(), one)
engine.info = lambda: {
    "taken": sum(found.taken for found in given),
    "closed": sum(found.closed.is_set() for found in given),
    "memory": int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
}
settings = {"listen": "127.0.0.1:0", **json.loads(sys.argv[2])}
serve(Config().with_values(settings), ready=lambda url: print(url, flush=True), open_engine=lambda: engine)
"""

#: What memory may grow by (bytes) whatever clients do: far less than what they would have sent or taken.
ROOM = 32 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


class Server:
    """A server process, and a client of it that does nothing wrong."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.good = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def info(self) -> dict[str, int]:
        try:
            self.good.request("GET", "/info")
            answer = self.good.getresponse()
        except ConnectionError:  # it was idle for as long as a connection may be
            self.good.close()
            self.good.request("GET", "/info")
            answer = self.good.getresponse()
        assert answer.status == 200
        found: dict[str, int] = json.loads(answer.read())["KsqlServerInfo"]
        return found

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as found:
            yield found


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[Server]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(HERE.parent), json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            server = Server(int(process.stdout.readline().rsplit(":", 1)[1]))
            server.info()
            yield server
            server.info()  # it still answers
            server.good.close()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(**{"request.timeout.seconds": 1}) as found:
        yield found


def all_of(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def body_of(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    return found


def settled(server: Server) -> int:
    """What was taken once no more is."""
    before, same = -1, 0
    while same < 20:
        taken = server.info()["taken"]
        same = same + 1 if taken == before else 0
        before = taken
    return before


UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "request_",
    [
        "GET /subscribe?sql=SELECT+1 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /subscribe?sql=SELECT+1 HTTP/1.1\r\nHost: h\r\nAccept: application/vnd.apache.arrow.stream\r\n\r\n",
        f"GET /subscribe?sql=SELECT+1 HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n",
        f"GET /ws/query?request=%7B%22ksql%22%3A%22SELECT%201%22%7D HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n",
        'POST /query-stream HTTP/1.1\r\nHost: h\r\nContent-Length: 18\r\n\r\n{"sql":"SELECT 1"}',
    ],
    ids=["events", "arrow", "websocket", "ws-query", "query-stream"],
)
def test_clients_that_never_read(server: Server, request_: str) -> None:
    grown = [grown_by_clients_that_never_read(server, request_, 10) for _ in range(2)]
    assert min(grown) < ROOM  # what is loaded when it is first used is no growth


def grown_by_clients_that_never_read(server: Server, request_: str, number: int) -> int:
    before = server.info()
    with contextlib.ExitStack() as clients:
        for _ in range(number):
            client = clients.enter_context(server.connection())
            client.sendall(request_.encode())
        while server.info()["taken"] < before["taken"] + number:
            pass
        settled(server)
        after = server.info()
    while server.info()["closed"] < before["closed"] + number:
        pass
    return after["memory"] - before["memory"]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"G",
        b"PRI",
        b"GET /info HTTP/1.1\r\nHost:",
        b"GET /info HTTP/1.1\r\nHost: h\r\nX: 1\r\n",
        b"GET /info HTTP/1.1\r\nHost: h\r\n\r\nGET /info HT",
    ],
)
def test_half_a_head(server: Server, said: bytes) -> None:
    with server.connection() as client:
        client.sendall(said)
        server.info()
        answer = all_of(client)  # it ends, without the client's doing
        assert answer.count(b"200 OK") == said.count(b"\r\n\r\n")


@pytest.mark.parametrize("half", ["preface", "nothing", "head"])
def test_half_a_head_of_http2(server: Server, half: str) -> None:
    with server.connection() as client:
        h2 = H2Connection(H2Configuration(client_side=True))
        h2.initiate_connection()
        said = h2.data_to_send()
        if half == "preface":
            said = said[:20]
        if half == "head":
            begun = HeadersFrame(1)
            begun.data = h2.encoder.encode([(":method", "GET"), (":path", "/info"), (":scheme", "http")])
            said += begun.serialize()  # without END_HEADERS: a CONTINUATION has to follow
        client.sendall(said)
        server.info()
        all_of(client)


@pytest.mark.parametrize("path", ["/sql", "/subscribe", "/ksql", "/query-stream", "/endpoints/x"])
def test_half_a_body(server: Server, path: str) -> None:
    with server.connection() as client:
        head = f"POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 100\r\n\r\n"
        client.sendall(head.encode() + b'{"sql":')
        server.info()
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert body_of(answer)["code"] == "request_too_slow"


def test_a_gigabyte_that_is_announced_is_refused_at_once(server: Server) -> None:
    with server.connection() as client:
        client.sendall(b"POST /sql HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n{")
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert body_of(answer)["code"] == "body_too_large"


def test_a_body_without_end(server: Server) -> None:
    before = server.info()["memory"]
    part = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with server.connection() as client:
        client.sendall(b"POST /sql HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1024):
                client.sendall(part)
                assert server.info()["memory"] < before + 5 * ROOM  # the 32 MiB that a body may have, copied
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    answer = client.recv(65536)
                    break
                client.settimeout(60)
        assert answer.startswith(b"HTTP/1.1 413 ")
    assert settled(server) >= 0
    assert server.info()["memory"] < before + ROOM


@pytest.mark.parametrize(
    "head",
    [
        b"GET /info HTTP/1.1\r\nX: " + b"x" * (1 << 20),
        b"GET /" + b"x" * (1 << 20),
        b"GET /info HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
        b"\x00\xff\r\n\r\n",
    ],
    ids=["value", "path", "many", "garbage"],
)
def test_heads_that_are_too_large_or_none(server: Server, head: bytes) -> None:
    before = server.info()["memory"]
    with server.connection() as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(head)
        server.info()
        assert all_of(client)[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.0 400 ", b"")  # or reset before it could be read
    assert server.info()["memory"] < before + ROOM


def test_a_long_statement_fits_into_an_address(server: Server) -> None:
    sql = "SELECT+1,+'" + "x" * 50_000 + "'"
    with server.connection() as client:
        client.sendall(f"GET /subscribe?sql={sql} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_a_frame_that_claims_a_terabyte(server: Server) -> None:
    before = server.info()["memory"]
    with server.connection() as client:
        client.sendall(f"GET /subscribe?sql=SELECT+1 HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 101"
        client.sendall(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4) + b"x" * 1000)
        server.info()
        while client.recv(1 << 20):  # it ends, without the client's doing
            pass
    assert server.info()["memory"] < before + ROOM


# --- too many connections --------------------------------------------------------


def test_who_is_one_too_many_is_told_so() -> None:
    with running(**{"max.connections": 20}) as server, contextlib.ExitStack() as clients:
        opened = [clients.enter_context(server.connection()) for _ in range(19)]  # and the good one
        for client in opened:
            client.sendall(b"GET /info HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(3):
            with server.connection() as late:
                late.sendall(b"POST /sql HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
                answer = all_of(late)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nRetry-After: " in answer
                assert body_of(answer)["code"] == "too_many_connections"
            server.info()
        with server.connection() as late:
            h2 = H2Connection(H2Configuration(client_side=True))
            h2.initiate_connection()
            late.sendall(h2.data_to_send())
            (end,) = [e for e in h2.receive_data(all_of(late)) if isinstance(e, ConnectionTerminated)]
            assert end.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        opened[0].close()
        happens(lambda: answered(server))


def answered(server: Server) -> bool:
    with server.connection() as client:
        client.sendall(b"GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        return all_of(client).startswith(b"HTTP/1.1 200 ")


def happens(condition: Callable[[], bool]) -> None:
    while not condition():
        pass


@pytest.mark.slow
def test_ten_thousand_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = min(10_000, hard - 1000)
    with running(**{"max.connections": most}) as server, contextlib.ExitStack() as clients:
        before = server.info()["memory"]
        opened = []
        for n in range(most - 1):
            client = clients.enter_context(server.connection())
            client.sendall(b"GET /info HTTP/1.1\r\nHost: h\r\n")  # half a head
            opened.append(client)
            if n % 1000 == 0:
                server.info()
        happens(lambda: not answered(server))
        with server.connection() as late:
            late.sendall(b"GET /info HTTP/1.1\r\nHost: h\r\n\r\n")
            assert all_of(late).startswith(b"HTTP/1.1 503 ")
        held = server.info()["memory"] - before
        assert held < most * (32 << 10)
        for client in opened:
            client.sendall(b"\r\n")
        for client in opened:
            assert client.recv(15) == b"HTTP/1.1 200 OK"
    print(f"{most} connections, {held / most / 1024:.1f} KiB each")
