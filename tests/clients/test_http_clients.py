"""/sql and /subscribe through clients of others: curl, httpx, websockets, EventSource of npm and of a browser."""

from __future__ import annotations

import contextlib
import csv
import http.server
import io
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pyarrow as pa
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.breaking import BreakingProxy, breaking
from tests.support.command import server, url_of

from .conftest import Browser
from .test_ksqldb_clients import by_node

HERE = Path(__file__).parent
ROWS = 300

#: After how many bytes connections break, one after the other.
BREAKS = [900, 2500, 4000]

DEFINITIONS = """
CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='json', partitions=2);
CREATE TABLE t AS SELECT id, COUNT(*) AS c, MAX(n) AS m FROM s GROUP BY id;
"""
FROM_THE_START = json.dumps({"auto.offset.reset": "earliest"})
FOLLOW = "/subscribe?" + urlencode({"sql": "SELECT id, n FROM s", "properties": FROM_THE_START})

pytestmark = pytest.mark.slow


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    config = tmp_path / "ssql.properties"
    config.write_text("access.control.allow.origin=http://127.0.0.1:*\n")
    with server(tmp_path / "data", "--config", str(config)) as (_, line):
        found = url_of(line)
        httpx.post(f"{found}/ksql", json={"ksql": DEFINITIONS, "streamsProperties": json.loads(FROM_THE_START)})
        yield found


def insert(url: str, numbers: range) -> None:
    lines = [json.dumps({"target": "s"}), *(json.dumps({"id": f"k{n % 7}", "n": n}) for n in numbers)]
    acks = httpx.post(f"{url}/inserts-stream", content="\n".join(lines), timeout=60).text.splitlines()
    assert [json.loads(ack)["status"] for ack in acks] == ["ok"] * len(numbers)


@pytest.fixture
def fed(url: str) -> Iterator[str]:
    """A server to whose stream rows come, N counting up, a few at a time."""

    def feed() -> None:
        for start in range(0, ROWS, 10):
            insert(url, range(start, start + 10))

    feeding = threading.Thread(target=feed)
    feeding.start()
    yield url
    feeding.join()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def counted(client: httpx.Client) -> dict[str, int]:
    """What the table comes to, once it has counted 70 rows."""
    seen: dict[str, int] = {}
    with client.stream("GET", "/subscribe", params={"sql": "SELECT id, c FROM t"}) as events:
        assert events.headers["content-type"] == "text/event-stream"
        for line in events.iter_lines():
            if line.startswith("data: "):
                seen |= {row["ID"]: row["C"] for row in json.loads(line[6:])["rows"]}
                if sum(seen.values()) == 70:
                    break
    return seen


# --- reads -----------------------------------------------------------------------


def test_curl(url: str) -> None:
    insert(url, range(70))
    with httpx.Client(base_url=url, timeout=60) as client:
        counted(client)
    sql = "SELECT id, c, m FROM t ORDER BY id LIMIT 3"
    expected = [["k0", "10", "63"], ["k1", "10", "64"], ["k2", "10", "65"]]
    for version in ("--http1.1", "--http2-prior-knowledge"):
        command = ["curl", "-sf", version, "-G", f"{url}/sql", "--data-urlencode", f"sql={sql}"]
        text = subprocess.run([*command, "-H", "Accept: text/csv"], check=True, capture_output=True, text=True).stdout
        header, *rows = csv.reader(io.StringIO(text))
        assert (header, rows) == (["ID", "C", "M"], expected)
        body = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert [[str(v) for v in row] for row in body["rows"]] == expected


@pytest.mark.parametrize("version", [1, 2])
def test_httpx(url: str, version: int) -> None:
    insert(url, range(70))
    with httpx.Client(base_url=url, http1=version == 1, http2=version == 2, timeout=60) as client:
        assert counted(client) == {f"k{i}": 10 for i in range(7)}
        sql = {"sql": "SELECT id, c FROM t ORDER BY id"}
        answer = client.post("/sql", json=sql, headers={"Accept": "application/vnd.apache.arrow.stream"})
        assert answer.http_version == f"HTTP/{'1.1' if version == 1 else '2'}"
        assert pa.ipc.open_stream(answer.content).read_all().to_pylist() == [{"ID": f"k{i}", "C": 10} for i in range(7)]


# --- subscriptions over connections that break ----------------------------------------


def through(proxy: BreakingProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}{FOLLOW}"


def check(seen: dict[str, Any], proxy: BreakingProxy) -> None:
    """Each row came once, over all connections."""
    assert sorted(seen["rows"]) == list(range(ROWS))
    assert proxy.cut == len(BREAKS)
    assert seen["opened"] == len(BREAKS) + 1


def test_eventsource_from_npm(node_modules: Path, fed: str) -> None:
    with breaking(port_of(fed), BREAKS) as proxy:
        check(by_node(node_modules, "eventsource.js", through(proxy), str(ROWS)), proxy)


BROWSER_OPTIONS = ("--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage")


def test_eventsource_of_a_browser(chromium: Browser, fed: str, tmp_path: Path) -> None:
    """The page is of another origin: the browser asks whether it may."""
    with breaking(port_of(fed), BREAKS) as proxy, page() as (address, told):
        target = f"{address}/eventsource.html?" + urlencode({"url": through(proxy), "rows": str(ROWS)})
        command = [chromium.program, *BROWSER_OPTIONS, f"--user-data-dir={tmp_path / 'browser'}", target]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, env=chromium.environment, stderr=quiet, stdout=quiet) as browser:
            try:
                check(told.get(timeout=120), proxy)
            finally:
                browser.terminate()


@contextlib.contextmanager
def page() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """A site of its own with the page, and what that tells it."""
    told: queue.Queue[dict[str, Any]] = queue.Queue()

    class Site(http.server.SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(HERE))) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}", told
        site.shutdown()


def test_websockets_from_pypi(fed: str) -> None:
    seen: dict[str, Any] = {"rows": [], "opened": 0}
    token = ""
    with breaking(port_of(fed), BREAKS) as proxy:
        while len(seen["rows"]) < ROWS:
            address = through(proxy).replace("http:", "ws:") + f"&after={quote(token)}"
            with contextlib.suppress(ConnectionClosed), connect(address) as socket:
                seen["opened"] += 1
                while len(seen["rows"]) < ROWS:
                    frame = json.loads(socket.recv(timeout=60))
                    token = frame["token"]
                    seen["rows"] += [row["N"] for row in frame["rows"]]
        check(seen, proxy)


def test_websockets_hears_the_end_of_a_server(url: str) -> None:
    with connect(
        f"ws://127.0.0.1:{port_of(url)}/ws/query?request=" + quote('{"ksql":"SELECT 1 FROM nowhere;"}')
    ) as socket:
        with pytest.raises(ConnectionClosed) as refused:
            socket.recv(timeout=60)
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 1003
    with pytest.raises(InvalidStatus) as other:
        connect(f"ws://127.0.0.1:{port_of(url)}/subscribe?sql=SELECT", origin="https://evil.example.com")  # type: ignore[arg-type]
    assert other.value.response.status_code == 403
