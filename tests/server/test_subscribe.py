"""/subscribe: the forms of frames, what is asked for, and connections for as long as both sides want them."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from typing import Any

import httpx
import pyarrow as pa
import pytest
from aiohttp import ClientPayloadError, WSMsgType

from ssql.config import HEARTBEAT_S
from ssql.engine.api import Session
from ssql.errors import QueryFailed, TokenExpired
from ssql.server.frames import FORMS, Events, frontier_json
from ssql.server.rendered import INLINE_ROWS
from ssql.server.state import STATE
from ssql.server.websocket import MAX_MESSAGE_BYTES

from .fake import FakeEngine, FakeSubscription, frame, happens, in_loop, serving

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"

SELECT = {"sql": "SELECT * FROM T"}


def followed() -> tuple[FakeEngine, FakeSubscription]:
    engine, subscription = FakeEngine(), FakeSubscription()
    engine.follow = lambda after: subscription
    return engine, subscription


def told(subscription: FakeSubscription) -> None:
    """A snapshot in two frames, and a change."""
    subscription.feed(
        frame(("a", 1, 1), snapshot=True, offset=3),
        frame(("b", 2, 1), token="t1", offset=3),
        frame(("a", 1, -1), ("a", 5, 1), token="t2", offset=4),
    )


async def event(answer: Any) -> dict[str, str]:
    """The next event, or comment, as its fields."""
    fields: dict[str, str] = {}
    while (line := (await answer.content.readline()).decode()) not in ("\n", ""):
        name, _, value = line.rstrip("\n").partition(":")
        fields[name] = value.removeprefix(" ")
    return fields


# --- forms -------------------------------------------------------------------


@in_loop
async def test_events_have_the_token_as_their_id() -> None:
    engine, subscription = followed()
    told(subscription)
    async with serving(engine) as client, client.get("/subscribe", params=SELECT) as answer:
        assert (answer.status, answer.content_type) == (200, EVENTS)
        assert answer.headers["Cache-Control"] == "no-cache"
        assert await event(answer) == {"retry": "1000"}
        first, second, third = [await event(answer) for _ in range(3)]
    assert (first["id"], first["event"]) == ("", "snapshot"), "what was told before it is no place to go on from"
    assert json.loads(first["data"]) == {
        "type": "snapshot",
        "keys": ["ID"],
        "frontier": {"t": [3]},
        "rows": [{"_diff": 1, "ID": "a", "N": 1}],
    }
    assert (second["id"], second["event"]) == ("t1", "changes")
    assert json.loads(second["data"])["rows"] == [{"_diff": 1, "ID": "b", "N": 2}]
    assert (third["id"], third["event"]) == ("t2", "changes")
    assert json.loads(third["data"]) == {
        "type": "changes",
        "frontier": {"t": [4]},
        "rows": [{"_diff": -1, "ID": "a", "N": 1}, {"_diff": 1, "ID": "a", "N": 5}],
    }


@in_loop
async def test_a_websocket_has_a_message_a_frame() -> None:
    engine, subscription = followed()
    told(subscription)
    async with serving(engine) as client, client.ws_connect("/subscribe?sql=SELECT+1") as socket:
        found = [await socket.receive_json() for _ in range(3)]
    assert [(m["type"], m["token"], m["frontier"]) for m in found] == [
        ("snapshot", None, {"t": [3]}),
        ("changes", "t1", {"t": [3]}),
        ("changes", "t2", {"t": [4]}),
    ]
    assert found[2]["rows"] == [{"_diff": -1, "ID": "a", "N": 1}, {"_diff": 1, "ID": "a", "N": 5}]
    assert [m.get("keys") for m in found] == [["ID"], None, None]


@in_loop
async def test_lines_tell_tokens_to_who_asks_for_them() -> None:
    engine, subscription = followed()
    told(subscription)
    subscription.feed(frame(("z", 9, 1), snapshot=True, token="t3", offset=9))  # it starts over
    subscription.end()
    async with serving(engine) as client:
        asked = {**SELECT, "tokens": "true", "after": "t0"}
        answer = await client.get("/subscribe", params=asked, headers={"Accept": LINES})
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
        refused = await client.post("/subscribe", json={**SELECT, "tokens": True}, headers={"Accept": CSV})
        assert (refused.status, (await refused.json())["message"]) == (400, "CSV has no place for tokens")
    assert engine.subscriptions[0][2]["after"] == "t0"
    assert lines == [
        {"_snapshot": True, "_keys": ["ID"]},
        {"_diff": 1, "ID": "a", "N": 1},
        {"_token": None, "_frontier": {"t": [3]}},
        {"_diff": 1, "ID": "b", "N": 2},
        {"_token": "t1", "_frontier": {"t": [3]}},
        {"_diff": -1, "ID": "a", "N": 1},
        {"_diff": 1, "ID": "a", "N": 5},
        {"_token": "t2", "_frontier": {"t": [4]}},
        {"_snapshot": True, "_keys": ["ID"]},
        {"_diff": 1, "ID": "z", "N": 9},
        {"_token": "t3", "_frontier": {"t": [9]}},
    ]


@in_loop
async def test_tables_have_the_sign_of_each_row_before_it() -> None:
    async def content(accept: str) -> bytes:
        engine, subscription = followed()
        told(subscription)
        subscription.feed(frame(token="t3"))  # no rows: a place alone
        subscription.end()
        async with serving(engine) as client:
            answer = await client.post("/subscribe", json=SELECT, headers={"Accept": accept})
            assert (answer.status, answer.content_type) == (200, accept)
            body: bytes = await answer.read()
            return body

    assert (await content(CSV)).decode() == '"_diff","ID","N"\n1,"a",1\n1,"b",2\n-1,"a",1\n1,"a",5\n'
    rows = [
        {"_diff": 1, "ID": "a", "N": 1},
        {"_diff": 1, "ID": "b", "N": 2},
        {"_diff": -1, "ID": "a", "N": 1},
        {"_diff": 1, "ID": "a", "N": 5},
    ]
    assert [json.loads(line) for line in (await content(LINES)).splitlines()] == rows

    with pa.ipc.open_stream(await content(ARROW)) as reader:
        assert json.loads(reader.schema.metadata[b"keys"]) == ["ID"]
        assert [b"sql.key" in (field.metadata or {}) for field in reader.schema] == [False, True, False]
        found = list(reader.iter_batches_with_custom_metadata())
    assert [row for f in found for row in f.batch.to_pylist()] == rows
    assert found[0].batch.schema.field("_diff").type == pa.int8()
    assert [(f.custom_metadata.get("type"), f.custom_metadata.get("token")) for f in found] == [
        (b"snapshot", None),
        (b"changes", b"t1"),
        (b"changes", b"t2"),
        (b"changes", b"t3"),
    ]
    assert json.loads(found[2].custom_metadata["frontier"]) == {"t": [4]}


@in_loop
async def test_the_end_and_an_error_are_said() -> None:
    for error in (None, QueryFailed("transient_9", "the source was dropped")):
        engine, subscription = followed()
        subscription.feed(frame(("a", 1, 1), token="t1"))
        subscription.end(error)
        async with serving(engine) as client:
            answer = await client.get("/subscribe", params=SELECT)
            last = (await answer.text()).split("\n\n")[-2].split("\n")
            data = json.loads(last[1].removeprefix("data: "))
            if error is None:
                assert (last[0], data) == ("event: end", {"type": "end", "message": "the query has ended"})
            else:
                assert (last[0], data["type"], data["code"]) == ("event: error", "error", "query_failed")
                assert "the source was dropped" in data["message"]
        await happens(subscription.closed.is_set)


@in_loop
async def test_the_end_and_an_error_are_said_by_websocket() -> None:
    for error, code in ((None, 1000), (QueryFailed("transient_9", "the source was dropped"), 1011)):
        engine, subscription = followed()
        subscription.end(error)
        async with serving(engine) as client, client.ws_connect("/subscribe?sql=SELECT+1") as socket:
            said = await socket.receive_json()
            assert said["type"] == ("end" if error is None else "error")
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == code
        await happens(subscription.closed.is_set)


@in_loop
async def test_a_table_form_cannot_say_that_rows_are_void() -> None:
    def start_over() -> FakeEngine:
        engine, subscription = followed()
        subscription.feed(frame(("a", 1, 1), snapshot=True, token="t1"), frame(("b", 1, 1), snapshot=True, token="t2"))
        subscription.end()
        return engine

    async with serving(start_over()) as client:
        answer = await client.post("/subscribe", json=SELECT, headers={"Accept": LINES})
        first, last = [json.loads(line) for line in (await answer.text()).splitlines()]
        assert first["ID"] == "a"
        assert last["_error"]["code"] == "subscription_starts_over"
    async with serving(start_over()) as client:
        with pytest.raises(ClientPayloadError):
            await (await client.post("/subscribe", json=SELECT, headers={"Accept": CSV})).read()
    async with serving(start_over()) as client:
        answer = await client.post("/subscribe", json=SELECT, headers={"Accept": EVENTS})
        assert (await answer.text()).count("event: snapshot") == 2


def test_a_frontier_has_a_place_for_each_partition() -> None:
    assert frontier_json({("b", 0): 1, ("a", 2): 7, ("a", 0): 5}) == {"a": [5, None, 7], "b": [1]}


# --- what is asked -----------------------------------------------------------


@in_loop
async def test_what_is_asked_reaches_the_engine() -> None:
    engine = FakeEngine()
    engine.follow = lambda after: ended()
    body = {**SELECT, "after": "t1", "snapshot": False, "changes": "every"}
    session = {"properties": {"a": 1}, "variables": {"v": "w"}}
    query = {**body, "snapshot": "false", **{name: json.dumps(value) for name, value in session.items()}}
    async with serving(engine) as client:
        await (await client.post("/subscribe", json={**body, **session})).read()
        await (await client.get("/subscribe", params=query)).read()
        await (await client.get("/subscribe", params={**SELECT, "after": ""})).read()
        await (await client.get("/subscribe", params=query, headers={"Last-Event-ID": "t7"})).read()
    asked = {"after": "t1", "snapshot": False, "every_change": True}
    full = Session({"a": 1}, {"v": "w"})
    assert engine.subscriptions == [
        (SELECT["sql"], full, asked),
        (SELECT["sql"], full, asked),
        (SELECT["sql"], Session(), {"after": None, "snapshot": True, "every_change": False}),
        (SELECT["sql"], full, {**asked, "after": "t7"}),
    ]


def ended() -> FakeSubscription:
    subscription = FakeSubscription()
    subscription.end()
    return subscription


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/subscribe", "sql"),
        ("/subscribe?sql=SELECT+1&changes=some", "changes"),
        ("/subscribe?sql=SELECT+1&snapshot=maybe", "snapshot"),
        ("/subscribe?sql=SELECT+1&properties=3", "properties"),
        ("/subscribe?sql=DROP+STREAM+S", "DROP"),
        ("/subscribe?sql=PRINT+t", "PRINT"),
    ],
)
@in_loop
async def test_bad_requests_say_what_is_wrong(path: str, word: str) -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        answer = await client.get(path)
        assert answer.status == 400
        assert word in (await answer.json())["message"]
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        refused = await client.get(path, headers={**upgrade, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        assert refused.status == 400
    assert engine.subscriptions == []


@in_loop
async def test_a_token_that_is_too_old_is_gone() -> None:
    engine = FakeEngine()
    engine.raises = TokenExpired("t")
    async with serving(engine) as client:
        answer = await client.get("/subscribe", params=SELECT, headers={"Last-Event-ID": "t1"})
        assert (answer.status, (await answer.json())["code"]) == (410, "token_expired")


@in_loop
async def test_while_the_server_starts_a_browser_is_told_to_come_again() -> None:
    def never() -> Any:
        raise QueryFailed("q", "the engine is not to be opened here")

    async with serving(never) as client:
        answer = await client.get("/subscribe", params=SELECT, headers={"Accept": EVENTS})
        assert (answer.status, answer.content_type) == (200, EVENTS)
        text = await answer.text()
        assert "retry: 1000" in text
        assert "server_starting" in text
        assert (await client.get("/subscribe", params=SELECT, headers={"Accept": LINES})).status == 503


# --- connections ---------------------------------------------------------------


@in_loop
async def test_a_quiet_connection_is_kept() -> None:
    engine = FakeEngine()
    async with serving(engine, config={HEARTBEAT_S.key: 0.01}) as client:
        async with client.get("/subscribe", params=SELECT) as answer:
            assert await event(answer) == {"retry": "1000"}
            assert await event(answer) == {"": ""}
            assert await event(answer) == {"": ""}
        async with client.ws_connect("/subscribe?sql=SELECT+1", autoping=False) as socket:
            assert (await socket.receive()).type is WSMsgType.PING


@in_loop
async def test_whoever_goes_away_is_followed_no_more() -> None:
    engine, subscription = followed()
    subscription.feed(frame(("a", 1, 1)))
    async with serving(engine) as client:
        async with client.get("/subscribe", params=SELECT) as answer:
            await event(answer)
        await happens(subscription.closed.is_set)

        engine.follow = lambda after: other
        other = FakeSubscription()
        async with client.ws_connect("/subscribe?sql=SELECT+1"):
            assert not other.closed.is_set()
        await happens(other.closed.is_set)


@in_loop
async def test_a_server_that_stops_says_so() -> None:
    engine = FakeEngine()
    async with serving(engine) as client:
        answer = await client.get("/subscribe", params=SELECT)
        socket = await client.ws_connect("/subscribe?sql=SELECT+1")
        await event(answer)
        await happens(lambda: len(client.server.app[STATE].pumps) == 2)
        stopping = asyncio.ensure_future(client.server.app.shutdown())
        assert (await event(answer))["event"] == "end"
        assert await socket.receive_json() == {"type": "end", "message": "the server is shutting down"}
        await socket.receive()
        assert socket.close_code == 1001
        await stopping


@in_loop
async def test_a_frame_is_rendered_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings: list[Any] = []
    render = Events.frame

    def counted(self: Events, *args: Any) -> bytes:
        renderings.append(args[0])
        return render(self, *args)

    monkeypatch.setattr(Events, "frame", counted)
    small = frame(("a", 1, 1), token="small")
    large = frame(*((f"k{i}", i, 1) for i in range(INLINE_ROWS + 1)), token="large")
    engine = FakeEngine()
    subscriptions: list[FakeSubscription] = []

    def follow(after: str | None) -> FakeSubscription:
        subscriptions.append(FakeSubscription())
        return subscriptions[-1]

    engine.follow = follow
    async with serving(engine) as client:
        answers = await asyncio.gather(*(client.get("/subscribe", params=SELECT) for _ in range(50)))
        await happens(lambda: len(client.server.app[STATE].pumps) == 50)
        for subscription in subscriptions:
            subscription.feed(small, large)
            subscription.end()
        texts = [await answer.text() for answer in answers]
        assert not client.server.app[STATE].rendering
    assert len(set(texts)) == 1
    assert '"k512"' in texts[0]
    assert renderings == [small, large]


@in_loop
async def test_one_slow_client_holds_up_nobody() -> None:
    engine, quick = followed()
    slow = FakeSubscription()
    slow.source = (frame(*((f"k{i}", i, 1) for i in range(4000)), token="t") for _ in itertools.count())
    waiting = iter((slow, quick))
    engine.follow = lambda after: next(waiting)
    async with serving(engine) as client:
        stuck = await client.ws_connect("/subscribe?sql=SELECT+1", max_msg_size=0)
        assert stuck._conn is not None
        stuck._conn.protocol.pause_reading()
        before = -1
        while slow.taken != before:  # until the server stops
            before = slow.taken
            async with client.get("/info") as answer:
                assert answer.status == 200
        answer = await client.get("/subscribe", params=SELECT)
        await event(answer)
        for n in range(100):
            quick.feed(frame(("a", n, 1), token=f"t{n}"))
            assert (await event(answer))["id"] == f"t{n}"
        assert slow.taken < 100
        stuck._conn.protocol.resume_reading()
        await stuck.close()
        quick.end()
        await answer.read()


@in_loop
async def test_who_takes_nothing_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    engine, subscription = followed()
    subscription.source = (frame(*((f"k{i}", i, 1) for i in range(4000)), token="t") for _ in itertools.count())
    async with serving(engine, idle_timeout_s=0.05) as client:
        answer = await client.get("/subscribe", params=SELECT)
        assert answer.status == 200
        await happens(subscription.closed.is_set)
    assert "reader_idle" in caplog.text


@in_loop
async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    engine, subscription = followed()
    async with serving(engine) as client, client.ws_connect("/subscribe?sql=SELECT+1") as socket:
        await socket.send_str("what a client says is passed over")
        subscription.feed(frame(("a", 1, 1), token="t1"))
        assert (await socket.receive_json())["token"] == "t1"
        await socket.send_bytes(b"x" * (MAX_MESSAGE_BYTES + 1))
        assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        assert socket.close_code == 1009
        await happens(subscription.closed.is_set)


# --- HTTP/2 ----------------------------------------------------------------------


@pytest.mark.parametrize("accept", sorted(FORMS))
@in_loop
async def test_http2_gives_the_same(accept: str) -> None:
    from .test_http2 import by_http2
    from .test_http2 import serving as serving_both

    def engine() -> FakeEngine:
        found, subscription = followed()
        told(subscription)
        subscription.end()
        return found

    async with serving_both(engine()) as server, by_http2(server) as client:
        second = await client.post("/subscribe", json=SELECT, headers={"Accept": accept})
    async with serving_both(engine()) as server, httpx.AsyncClient() as old:
        first = await old.post(f"http://{server.host}/subscribe", json=SELECT, headers={"Accept": accept})
    assert (first.http_version, second.http_version) == ("HTTP/1.1", "HTTP/2")
    assert second.content == first.content != b""
    assert second.headers["content-type"] == accept
