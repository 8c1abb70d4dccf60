"""Pages of other sites: what browsers are told of them, and WebSockets that they open."""

from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from ssql.config import ALLOW_HEADERS, ALLOW_METHODS, ALLOW_ORIGIN
from ssql.server.auth import Credentials

from .fake import FakeEngine, FakeSubscription, frame, in_loop, serving
from .test_query import pull

PAGE = "https://app.example.com"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
SELECT = {"sql": "SELECT 1"}


@in_loop
async def test_without_a_setting_no_page_is_told_anything() -> None:
    async with serving(pull(("a", 1))) as client:
        answer = await client.get("/sql", params=SELECT, headers={"Origin": PAGE})
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("Access-Control") or name == "Vary"]
        assert (await client.options("/sql", headers=ASKS)).status == 405


@in_loop
async def test_a_page_that_may_is_told_so_in_every_answer() -> None:
    engine = pull(("a", 1))
    subscription = FakeSubscription()
    subscription.feed(frame(("a", 1, 1), token="t1"))
    subscription.end()
    engine.follow = lambda after: subscription
    async with serving(engine, config={ALLOW_ORIGIN.key: PAGE}) as client:
        for answer in (
            await client.get("/info", headers={"Origin": PAGE}),
            await client.post("/sql", json=SELECT, headers={"Origin": PAGE}),
            await client.get("/subscribe", params=SELECT, headers={"Origin": PAGE}),
            await client.get("/nowhere", headers={"Origin": PAGE}),
            await client.post("/sql", data=b"{", headers={"Origin": PAGE}),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
            assert "X-Request-Id" in answer.headers
            assert answer.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in answer.headers
        other = await client.get("/info", headers={"Origin": "https://evil.example.com"})
        assert (other.status, other.headers["Vary"]) == (200, "Origin")
        assert "Access-Control-Allow-Origin" not in other.headers
        assert "Access-Control-Expose-Headers" not in other.headers


@in_loop
async def test_a_preflight_needs_no_credentials(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("auth") / "auth.toml"
    file.write_text("")
    options = {ALLOW_ORIGIN.key: PAGE, ALLOW_METHODS.key: "GET,POST", ALLOW_HEADERS.key: "X-A, Content-Type"}
    async with serving(FakeEngine(), credentials=Credentials(file), config=options) as client:
        answer = await client.options("/sql", headers=ASKS)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "X-A, Content-Type"
        assert await answer.read() == b""
        refused = await client.post("/sql", json=SELECT, headers={"Origin": PAGE})
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
        other = await client.options("/sql", headers={**ASKS, "Origin": "https://evil.example.com"})
        assert other.status == 401
        assert "Access-Control-Allow-Methods" not in other.headers


@pytest.mark.parametrize(
    ("setting", "origin", "allowed"),
    [
        ("*", "http://any.where:1", True),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://a.example.com.evil.org", False),
        ("https://a.example.com", "https://aXexample.com", False),
        ("http://a, http://b:8080", "http://B:8080", True),
        ("http://a, http://b:8080", "http://b", False),
        ("http://a", "null", False),
        ("", "", False),
    ],
)
@in_loop
async def test_origins_are_named_with_stars(setting: str, origin: str, allowed: bool) -> None:
    async with serving(FakeEngine(), config={ALLOW_ORIGIN.key: setting}) as client:
        answer = await client.get("/info", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in answer.headers) is allowed


@pytest.mark.parametrize("path", ["/subscribe?sql=SELECT+1", "/ws/query"])
@in_loop
async def test_a_websocket_of_another_page_is_refused(path: str) -> None:
    engine = FakeEngine()
    async with serving(engine, config={ALLOW_ORIGIN.key: PAGE}) as client:
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect(path, origin="https://evil.example.com")
        assert refused.value.status == 403
        assert engine.subscriptions == []
        for origin in (PAGE, f"http://{client.host}:{client.port}", None):
            async with client.ws_connect(path, origin=origin):
                pass


EVIL = "https://evil.example.com"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": EVIL}, False),
        ({"Origin": "null"}, False),
        ({"Origin": PAGE}, True),
        ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, True),
        # What stands before the server may call it by another name.
        ({"Origin": EVIL, "Sec-Fetch-Site": "same-origin"}, True),
        ({"User-Agent": "Mozilla/5.0"}, True),
    ],
)
@in_loop
async def test_pages_of_other_sites_send_nothing(headers: dict[str, str], allowed: bool) -> None:
    async with serving(FakeEngine(), config={ALLOW_ORIGIN.key: PAGE}) as client:
        for path in ("/ksql", "/sql", "/inserts-stream", "/close-query", "/nowhere", "/ksql/terminate"):
            answer = await client.post(path, data="{}", headers={"Content-Type": "text/plain", **headers})
            assert ("origin_refused" in await answer.text()) is not allowed
            assert (answer.status == 403) is not allowed


@in_loop
async def test_a_page_of_the_server_itself_sends() -> None:
    async with serving(pull(("a", 1))) as client:
        own = f"http://{client.host}:{client.port}"
        answer = await client.post("/sql", json=SELECT, headers={"Origin": own, "User-Agent": "Mozilla/5.0"})
        assert answer.status == 200
        other = await client.post("/sql", json=SELECT, headers={"Origin": f"http://{client.host}:1"})
        assert (other.status, (await other.json())["code"]) == (403, "origin_refused")


@pytest.mark.parametrize(
    ("host", "headers", "allowed"),
    [
        ("evil.example.com:8088", {"Origin": "http://evil.example.com:8088"}, False),
        ("evil.example.com:8088", {"User-Agent": "Mozilla/5.0"}, False),
        ("evil.example.com:8088", {"Sec-Fetch-Site": "same-origin"}, False),
        ("evil.example.com:8088", {}, True),
        ("localhost:8088", {"User-Agent": "Mozilla/5.0"}, True),
        ("db.localhost", {"User-Agent": "Mozilla/5.0"}, True),
        ("[::1]:8088", {"User-Agent": "Mozilla/5.0"}, True),
        ("192.168.0.7:8088", {"User-Agent": "Mozilla/5.0"}, True),
        ("app.example.com", {"User-Agent": "Mozilla/5.0"}, True),
        ("a:b:c", {"User-Agent": "Mozilla/5.0"}, False),
    ],
)
@in_loop
async def test_a_name_that_was_made_to_lead_here_is_refused(host: str, headers: dict[str, str], allowed: bool) -> None:
    """DNS rebinding: to the browser the page and the server are of one origin."""
    async with serving(pull(("a", 1)), config={ALLOW_ORIGIN.key: PAGE}) as client:
        for method in ("GET", "POST"):
            body = {"params": SELECT} if method == "GET" else {"json": SELECT}
            answer = await client.request(method, "/sql", headers={"Host": host, **headers}, **body)
            assert (answer.status == 403) is not allowed
            assert allowed or (await answer.json())["code"] == "host_refused"


@in_loop
async def test_who_asks_for_credentials_may_have_any_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("auth") / "auth.toml"
    file.write_text("")
    async with serving(FakeEngine(), credentials=Credentials(file)) as client:
        answer = await client.get("/sql", params=SELECT, headers={"Host": "db.example", "User-Agent": "Mozilla/5.0"})
        assert answer.status == 401
