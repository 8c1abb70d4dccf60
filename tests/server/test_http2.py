"""HTTP/2: by prior knowledge and by ALPN, on the port of HTTP/1.1, with clients that keep its rules and with others."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, WindowUpdated

from ssql import connect_async
from ssql.config import LISTEN, TLS_CERTIFICATE, Config
from ssql.errors import ConfigError, ServerUnavailable
from ssql.server.app import make_app
from ssql.server.http2.choose import Site
from ssql.server.http2.connection import MAX_RESETS
from ssql.server.serve import _tls, serve

from .fake import FakeEngine, FakePush, FakeSubscription, changes, frame, happens, in_loop
from .test_query import pull, push

DELIMITED = "application/vnd.ksqlapi.delimited.v1"


class Server:
    """A running server over an engine."""

    def __init__(self, site: Site, host: str) -> None:
        self.site = site
        self.host = host
        self.port = int(host.rsplit(":", 1)[1])


@contextlib.asynccontextmanager
async def serving(engine: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    runner = web.AppRunner(make_app(engine), handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    site = Site(runner, listener, tls=tls, backlog=16)
    await site.start()
    try:
        yield Server(site, f"127.0.0.1:{listener.getsockname()[1]}")
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def by_http2(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(http1=False, http2=True, base_url=f"http://{server.host}", timeout=15) as client:
        yield client


# --- independent clients ----------------------------------------------------------------------------------------


@in_loop
async def test_both_versions_answer_on_one_port() -> None:
    async with serving(pull(("a", 1))) as server, by_http2(server) as client, httpx.AsyncClient() as old:
        second = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers={"Accept": DELIMITED})
        first = await old.post(
            f"http://{server.host}/query-stream", json={"sql": "SELECT * FROM T;"}, headers={"Accept": DELIMITED}
        )
        assert (first.http_version, second.http_version) == ("HTTP/1.1", "HTTP/2")
        assert second.status_code == 200
        assert second.text == first.text != ""
        assert second.headers["content-type"] == first.headers["content-type"]
        assert "transfer-encoding" not in second.headers


@in_loop
async def test_errors_and_empty_answers_are_the_same() -> None:
    async with serving(FakeEngine()) as server, by_http2(server) as client:
        assert (await client.get("/nowhere")).json()["error_code"] == 40400
        assert (await client.post("/ksql", content=b"{")).status_code == 400
        head = await client.head("/info")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/info?x=%20%0d%0a")).status_code == 200


@in_loop
async def test_many_streams_share_a_connection() -> None:
    async with serving(pull(*((str(i), i) for i in range(5000)))) as server, by_http2(server) as client:
        request = {"sql": "SELECT * FROM T;"}
        answers = await asyncio.gather(*(client.post("/query-stream", json=request) for _ in range(50)))
        assert len({a.text for a in answers}) == 1
        assert len(answers[0].text) > 5000
        assert len(server.site.open.http2) == 1


@in_loop
async def test_rows_come_as_they_are_made() -> None:
    engine, query = push()
    async with serving(engine) as server, by_http2(server) as client:
        options: Any = {"json": {"sql": "SELECT * FROM S EMIT CHANGES;"}, "headers": {"Accept": DELIMITED}}
        async with client.stream("POST", "/query-stream", **options) as answer:
            lines = answer.aiter_lines()
            assert json.loads(await anext(lines))["queryId"] == query.query_id
            for n in range(3):
                query.feed((f"k{n}", n, 1))
                assert json.loads(await anext(lines)) == [f"k{n}", n]
            assert not query.closed.is_set()
            query.end("Limit Reached")
            assert [line async for line in lines] == []


@in_loop
async def test_a_stream_that_is_given_up_ends_its_query_and_no_more() -> None:
    engine, query = push()
    async with serving(engine) as server, raw(server) as client:
        stream = client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
        await client.hear(DataReceived, stream)
        client.h2.reset_stream(stream)
        client.flush()
        await happens(query.closed.is_set)
        after = client.request("/info", method="GET")
        assert dict((await client.hear(ResponseReceived, after)).headers)[":status"] == "200"


@in_loop
async def test_a_large_body_is_taken_whole() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, by_http2(server) as client:
        text = "-- " + "x" * 3_000_000
        assert (await client.post("/ksql", json={"ksql": text})).status_code == 200
        assert engine.scripts[0][0] == text


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@in_loop
async def test_curl() -> None:
    async with serving(pull(("a", 1))) as server:
        arguments = ["-sS", "--http2-prior-knowledge", "-w", "%{http_version}", "-d", '{"ksql":"SELECT * FROM T;"}']
        child = await asyncio.create_subprocess_exec(
            "curl", *arguments, f"http://{server.host}/query", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await child.communicate()
        assert child.returncode == 0
        assert out.endswith(b"]2")
        assert json.loads(out[:-1])[1] == {"row": {"columns": ["a", 1]}}


# --- TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@in_loop
async def test_with_tls_the_client_chooses(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate))
    async with serving(pull(("a", 1)), tls=_tls(str(certificate), "")) as server:
        versions = []
        for http2 in (True, False):
            async with httpx.AsyncClient(http2=http2, verify=trust) as client:
                answer = await client.post(f"https://localhost:{server.port}/query", json={"ksql": "SELECT 1;"})
                assert answer.status_code == 200
                versions.append(answer.http_version)
        assert versions == ["HTTP/2", "HTTP/1.1"]


@pytest.mark.parametrize(
    "settings", [{"tls.certificate": "nowhere.pem"}, {"tls.key": "key.pem"}, {"tls.certificate": __file__}]
)
def test_a_certificate_that_cannot_be_used_is_refused(settings: dict[str, str]) -> None:
    config = Config().with_values({LISTEN.key: "127.0.0.1:0", **settings})
    with pytest.raises(ConfigError, match="certificate"):
        serve(config, open_engine=lambda: pytest.fail("must not open"))


def test_an_address_must_be_of_the_version_spoken(certificate: Path) -> None:
    config = Config().with_values({LISTEN.key: "http://127.0.0.1:0", TLS_CERTIFICATE.key: str(certificate)})
    with pytest.raises(ConfigError, match="listen"):
        serve(config, open_engine=lambda: pytest.fail("must not open"))


# --- the protocol, frame by frame -------------------------------------------------------------------------------


class Raw:
    """A client that does just what a test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: list[Any] = []
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def request(self, path: str, body: bytes | None = b"", *, end: bool = True, method: str = "POST") -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        self.h2.send_headers(stream, head, end_stream=end and not body)
        if body:
            self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    async def hear(
        self, kind: type[Any] | tuple[type[Any], ...], stream: int | None = None, *, acknowledge: bool = True
    ) -> Any:
        """The next event of a kind (of one stream)."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and (stream is None or event.stream_id == stream):
                    self.events.remove(event)
                    return event
            data = await self.reader.read(65536)
            assert data, f"the connection ended before {kind}"
            for event in self.h2.receive_data(data):
                self.events.append(event)
                if acknowledge and isinstance(event, DataReceived) and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.flush()


@contextlib.asynccontextmanager
async def raw(server: Server) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@in_loop
async def test_an_answer_is_sent_at_once_and_in_one_write() -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        await client.hear(StreamEnded, client.request("/info", method="GET"))
        (connection,) = server.site.open.http2
        assert connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with mock.patch.object(connection.transport, "write", wraps=connection.transport.write) as write:
            await client.hear(StreamEnded, client.request("/info", method="GET"))
        assert write.call_count == 1


@in_loop
async def test_inserts_are_acknowledged_while_the_request_goes_on() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, raw(server) as client:
        stream = client.request("/inserts-stream", b'{"target":"S"}\n', end=False)
        assert dict((await client.hear(ResponseReceived, stream)).headers)[":status"] == "200"
        for n in range(3):
            client.h2.send_data(stream, b'{"ID":"a"}\n')
            client.flush()
            assert json.loads((await client.hear(DataReceived, stream)).data) == {"status": "ok", "seq": n}
        client.h2.end_stream(stream)
        client.flush()
        await client.hear(StreamEnded, stream)
        assert sum(len(rows) for _, rows, _ in engine.inserts) == 3


@in_loop
async def test_each_line_of_a_stream_is_a_frame() -> None:
    engine, query = push()
    async with serving(engine) as server, raw(server) as client:
        query.feed(*((f"k{n}", n, 1) for n in range(10)))
        stream = client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
        frames = [json.loads((await client.hear(DataReceived, stream)).data) for _ in range(11)]
        assert frames[1:] == [[f"k{n}", n] for n in range(10)]

        stream = client.request("/inserts-stream", b'{"target":"S"}\n{"ID":"a"}\n{"ID":"b"}\n{"ID":"c"}')
        frames = [json.loads((await client.hear(DataReceived, stream)).data) for _ in range(3)]
        assert frames == [{"status": "ok", "seq": n} for n in range(3)]


@in_loop
async def test_a_client_that_does_not_read_holds_up_only_itself() -> None:
    engine, query = push()
    made = itertools.count()
    query.source = (changes(*((f"k{next(made)}", 1, 1) for _ in range(1000))) for _ in itertools.count())
    async with serving(engine) as server, raw(server) as client:
        client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
        await client.hear(DataReceived, acknowledge=False)
        before = -1
        while query.taken != before:  # until the server stops
            before = query.taken
            for _ in range(5):
                assert (await asyncio.to_thread(httpx.get, f"http://{server.host}/info")).status_code == 200
        assert before < 100_000


@in_loop
async def test_a_client_that_reads_on_gets_the_rest() -> None:
    rows = [(f"k{n}", n) for n in range(60_000)]  # many times what may be under way
    async with serving(pull(*rows)) as server, raw(server) as client:
        stream = client.request("/query-stream", b'{"sql":"SELECT * FROM T;"}')
        body = b""
        while isinstance(event := await client.hear((DataReceived, StreamEnded), stream), DataReceived):
            body += event.data
        found = [json.loads(line) for line in body.splitlines()]
        assert found[1:] == [list(row) for row in rows]


@in_loop
async def test_a_body_too_large_is_refused_before_its_end() -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        stream = client.request("/ksql", b"x", end=False)
        refused = False
        while not refused:
            while client.h2.local_flow_control_window(stream) >= 16384:
                client.h2.send_data(stream, b"x" * 16384)
                client.flush()
            heard = await client.hear((WindowUpdated, StreamReset))  # more of them may have come at once
            refused = any(isinstance(event, StreamReset) for event in (heard, *client.events))
        assert dict((await client.hear(ResponseReceived, stream)).headers)[":status"] == "413"


@in_loop
async def test_an_answer_before_the_end_of_the_request_stops_it() -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        stream = client.request("/inserts-stream", b'{"target":"NOWHERE"}\n', end=False)
        assert dict((await client.hear(ResponseReceived, stream)).headers)[":status"] == "400"
        assert (await client.hear(StreamReset, stream)).error_code == ErrorCodes.NO_ERROR
        after = client.request("/info", method="GET")
        assert dict((await client.hear(ResponseReceived, after)).headers)[":status"] == "200"


@pytest.mark.parametrize("path", ["/a b", "/\x7f"])
@in_loop
async def test_what_no_request_line_can_hold_is_refused(path: str) -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        client.h2.config.validate_outbound_headers = False
        stream = client.request(path, method="GET")
        assert (await client.hear(StreamReset, stream)).error_code == ErrorCodes.PROTOCOL_ERROR
        after = client.request("/info", method="GET")
        assert dict((await client.hear(ResponseReceived, after)).headers)[":status"] == "200"


@in_loop
async def test_a_client_that_only_gives_up_requests_is_sent_away() -> None:
    engine, _ = push()
    async with serving(engine) as server, raw(server) as client:
        for _ in range(MAX_RESETS + 1):
            stream = client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
            client.h2.reset_stream(stream)
            client.flush()
        assert (await client.hear(ConnectionTerminated)).error_code == ErrorCodes.ENHANCE_YOUR_CALM
        assert (await asyncio.to_thread(httpx.get, f"http://{server.host}/info")).status_code == 200


@in_loop
async def test_who_breaks_the_rules_is_told_and_nobody_else_suffers() -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        client.writer.write(b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x")  # DATA on stream 0
        assert (await client.hear(ConnectionTerminated)).error_code == ErrorCodes.PROTOCOL_ERROR
        assert (await asyncio.to_thread(httpx.get, f"http://{server.host}/info")).status_code == 200


@in_loop
async def test_the_end_of_a_connection_ends_its_queries() -> None:
    queries = [FakePush(f"transient_{n}") for n in range(3)]
    waiting = iter(queries)
    engine = FakeEngine()
    engine.answer = lambda: next(waiting)
    async with serving(engine) as server:
        async with raw(server) as client:
            for _ in queries:
                stream = client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
                await client.hear(DataReceived, stream)
        for query in queries:
            await happens(query.closed.is_set)
            assert query.closings == 1


@in_loop
async def test_a_server_that_ends_says_so_and_ends_its_streams() -> None:
    engine, query = push()
    async with serving(engine) as server, raw(server) as client:
        stream = client.request("/query-stream", b'{"sql":"SELECT * FROM S EMIT CHANGES;"}')
        await client.hear(DataReceived, stream)
        await server.site.stop()
        assert (await client.hear(ConnectionTerminated)).last_stream_id == stream
        query.feed(("a", 1, 1))
        query.end("Limit Reached")
        read = b""
        while part := await client.reader.read(65536):  # h2 hears no frames after GOAWAY
            read += part
        assert b'["a",1]\n' in read


@pytest.mark.parametrize("http2", [False, True])
@in_loop
async def test_our_client_speaks_what_it_is_told_and_checks_the_certificate(certificate: Path, http2: bool) -> None:
    async with serving(pull(("a", 1))) as server, connect_async(f"http://{server.host}", http2=http2) as db:
        assert (await db.query("SELECT 1;")).rows() == [("a", 1)]
    async with serving(pull(("a", 1)), tls=_tls(str(certificate), "")) as server:
        url = f"https://localhost:{server.port}"
        for verify in (certificate, False):
            async with connect_async(url, http2=http2, verify=verify) as db:
                assert (await db.query("SELECT 1;")).rows() == [("a", 1)]
        async with connect_async(url, http2=http2) as db:
            with pytest.raises(ServerUnavailable, match="certificate"):
                await db.query("SELECT 1;")


# --- WebSockets (RFC 8441) --------------------------------------------------------------------------------------


def connect_to(client: Raw, path: str, **more: str) -> int:
    """Ask for a WebSocket."""
    stream: int = client.h2.get_next_available_stream_id()
    head = [
        (":method", "CONNECT"),
        (":protocol", more.pop("protocol", "websocket")),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("sec-websocket-version", "13"),
        *more.items(),
    ]
    client.h2.send_headers(stream, head)
    client.flush()
    return stream


async def message(client: Raw, stream: int) -> tuple[int, bytes]:
    """The next message: its opcode and what it says. (They are short here, and come frame by frame.)"""
    data: bytes = (await client.hear(DataReceived, stream)).data
    length, at = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4]), 4)
    assert len(data) == at + length
    return data[0] & 0x0F, data[at:]


def say(client: Raw, stream: int, opcode: int, text: bytes, *, end: bool = False) -> None:
    client.h2.send_data(stream, bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text, end_stream=end)
    client.flush()


@in_loop
async def test_a_websocket_is_a_stream_beside_others() -> None:
    engine, subscription = FakeEngine(), FakeSubscription()
    engine.follow = lambda after: subscription
    subscription.feed(frame(("a", 1, 1), snapshot=True, token="t1"))
    async with serving(engine) as server, raw(server) as client:
        stream = connect_to(client, "/subscribe?sql=SELECT+1")
        answer = dict((await client.hear(ResponseReceived, stream)).headers)
        assert answer[":status"] == "200"
        assert client.h2.remote_settings.enable_connect_protocol == 1
        assert not {"upgrade", "connection", "sec-websocket-accept"} & answer.keys()
        opcode, text = await message(client, stream)
        assert (opcode, json.loads(text)["token"]) == (1, "t1")
        other = client.request("/info", None, method="GET")
        assert dict((await client.hear(ResponseReceived, other)).headers)[":status"] == "200"
        say(client, stream, 9, b"there?")
        assert await message(client, stream) == (10, b"there?")
        subscription.feed(frame(("b", 2, 1), token="t2"))
        assert json.loads((await message(client, stream))[1])["token"] == "t2"
        say(client, stream, 8, (1000).to_bytes(2), end=True)
        assert (await message(client, stream))[0] == 8
        await client.hear(StreamEnded, stream)
        await happens(subscription.closed.is_set)


@in_loop
async def test_a_websocket_that_the_client_gives_up_is_closed() -> None:
    engine, subscription = FakeEngine(), FakeSubscription()
    engine.follow = lambda after: subscription
    async with serving(engine) as server, raw(server) as client:
        stream = connect_to(client, "/subscribe?sql=SELECT+1")
        await client.hear(ResponseReceived, stream)
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        await happens(subscription.closed.is_set)


@in_loop
async def test_a_websocket_that_is_not_taken_is_answered_as_a_request() -> None:
    async with serving(FakeEngine()) as server, raw(server) as client:
        page = connect_to(client, "/ws/query", origin="https://evil.example.com")
        assert dict((await client.hear(ResponseReceived, page)).headers)[":status"] == "403"
        nowhere = connect_to(client, "/nowhere")
        assert dict((await client.hear(ResponseReceived, nowhere)).headers)[":status"] == "404"
        other = connect_to(client, "/ws/query", protocol="connect-udp")
        assert (await client.hear(StreamReset, other)).error_code is ErrorCodes.PROTOCOL_ERROR


@in_loop
async def test_a_server_that_stops_ends_its_websockets() -> None:
    engine, subscription = FakeEngine(), FakeSubscription()
    engine.follow = lambda after: subscription
    async with serving(engine) as server, raw(server) as client:
        stream = connect_to(client, "/subscribe?sql=SELECT+1")
        await client.hear(ResponseReceived, stream)
        subscription.end()
        assert json.loads((await message(client, stream))[1])["type"] == "end"
        opcode, code = await message(client, stream)
        assert (opcode, int.from_bytes(code[:2])) == (8, 1000)
        say(client, stream, 8, code[:2])
        await client.hear(StreamEnded, stream)
