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
        answer = await client.post("/sql", json=SELECT, headers={"Origin": PAGE})
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
            assert answer.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in answer.headers
        other = await client.get("/info", headers={"Origin": "https://evil.example.com"})
        assert (other.status, other.headers["Vary"]) == (200, "Origin")
        assert "Access-Control-Allow-Origin" not in other.headers


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
