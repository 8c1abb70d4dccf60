"""Clients that cost little, for load: raw sockets and answers read as bytes, in processes of their own.

A benchmark on one machine shares its cores with its clients: what they cost is not the server's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from urllib.parse import quote

import h2.config
import h2.connection
import h2.events
import msgspec

#: A row of the table that is asked: key, how many records it has seen, the newest of them.
ROW = re.compile(rb'\["k(\d+)",(\d+),(\d+)\]')

#: Raised with what was wrong about an answer.
Check = Callable[[int, bytes], None]


def lookup_of(key: int) -> bytes:
    """The body of a request for one key."""
    return msgspec.json.encode({"sql": f"SELECT k, seen, newest FROM totals WHERE k = 'k{key}';"})


class Asking(asyncio.Protocol):
    """A connection that asks for keys in turn until a time, and checks the answers. `delays`: of each (s)."""

    _transport: asyncio.Transport

    def __init__(self, path: str, keys: list[int], check: Check, until: float) -> None:
        self._path, self._keys, self._check, self._until = path, keys, check, until
        self._at = 0
        self.delays: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def _next(self) -> int:
        key = self._keys[self._at % len(self._keys)]
        self._at += 1
        return key

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self._transport.close()


class KeptAlive(Asking):
    """One HTTP/1.1 connection that asks for keys, the next as soon as the last is answered."""

    def __init__(self, path: str, keys: list[int], check: Check, until: float) -> None:
        super().__init__(path, keys, check, until)
        self._head = f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\nContent-Length: "
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._key = self._next()
        body = lookup_of(self._key)
        self._sent = time.perf_counter()
        self._transport.write(f"{self._head}{len(body)}\r\n\r\n".encode() + body)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not _whole(self._data):
            return
        now = time.perf_counter()
        self.delays.append(now - self._sent)
        answer, self._data = self._data, b""
        try:
            self._check(self._key, answer)
        except AssertionError as wrong:
            self._end(wrong)
            return
        if now < self._until:
            self._ask()
        else:
            self._end(None)


def _whole(data: bytes) -> bool:
    """Whether an answer is there to its end."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


class Multiplexed(Asking):
    """One HTTP/2 connection with several requests under way."""

    def __init__(self, path: str, keys: list[int], check: Check, until: float, at_once: int) -> None:
        super().__init__(path, keys, check, until)
        self._at_once = at_once
        self._open: dict[int, tuple[int, float, bytearray]] = {}
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        for _ in range(self._at_once):
            self._ask()
        transport.write(self._h2.data_to_send())

    def _ask(self) -> None:
        key = self._next()
        body, stream = lookup_of(key), self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":path", self._path),
            (":scheme", "http"),
            (":authority", "load"),
            ("content-type", "application/json"),
        ]
        self._h2.send_headers(stream, headers)
        self._h2.send_data(stream, body, end_stream=True)
        self._open[stream] = (key, time.perf_counter(), bytearray())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        try:
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self._open[event.stream_id][2].extend(event.data)
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    key, sent, answer = self._open.pop(event.stream_id)
                    self.delays.append(now - sent)
                    self._check(key, bytes(answer))
                    if now < self._until:
                        self._ask()
        except AssertionError as wrong:
            self._end(wrong)
            return
        self._transport.write(self._h2.data_to_send())
        if not self._open:
            self._end(None)


def checked_lookup(keys: int) -> Check:
    """Answers are those of records whose numbers visit the keys in turn: the newest of a key's follows from how many
    it has seen; and what a key has seen never gets less."""
    seen_before: dict[int, int] = {}

    def check(key: int, answer: bytes) -> None:
        found = ROW.findall(answer)
        assert len(found) == 1, f"{len(found)} rows for key {key}: {answer[:500]!r}"
        of, seen, newest = map(int, found[0])
        assert of == key, f"asked for key {key}, got {of}"
        assert newest == key + (seen - 1) * keys, f"key {key}: {seen} records, and the newest is {newest}"
        assert seen >= seen_before.get(key, 0), f"key {key} went back from {seen_before[key]} to {seen} records"
        seen_before[key] = seen

    return check


#: A change as an event has it.
_CHANGE = re.compile(rb'"_diff":(-?1),"K":"k(\d+)","SEEN":(\d+),"NEWEST":(\d+)')


class Following(asyncio.Protocol):
    """One connection that follows a query, as server-sent events, and notes when it was told of which record.

    Args:
        key: the one key that it follows; None: all of them.
        keys: how many there are.
        told: (number of the newest record, when it was told) of each change after the snapshot.
    """

    #: what an element ends in, and what the first one has
    ends, begins = b"\n\n", b"event: "

    def __init__(self, sql: str, key: int | None, keys: int, told: list[tuple[int, float]]) -> None:
        self._request = self.request(sql)
        self._key, self._keys, self._told = key, keys, told
        self._data = b""
        self.newest: dict[int, int] = {}
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wrong: Exception | None = None

    def request(self, sql: str) -> str:
        return f"GET /subscribe?sql={quote(sql)} HTTP/1.1\r\nHost: load\r\nAccept: text/event-stream\r\n\r\n"

    def changes(self, elements: bytes) -> list[tuple[bytes, ...]]:
        """Key, how many records it has seen, and the newest of them, of each row that is now there."""
        assert b"event: error" not in elements, elements[:1000].decode()
        return [change for sign, *change in _CHANGE.findall(elements) if sign == b"1"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._data += data
        end = self._data.rfind(self.ends)
        if end < 0:
            return
        events, self._data = self._data[:end], self._data[end:]
        try:
            self._take(events, now)
        except AssertionError as wrong:
            self.wrong = wrong

    def _take(self, elements: bytes, now: float) -> None:
        for key, seen, newest in self.changes(elements):
            of, last = int(key), int(newest)
            assert self._key in (None, of), f"followed key {self._key}, and was told of {of}"
            assert last == of + (int(seen) - 1) * self._keys, f"key {of}: {seen!r} records, and the newest is {last}"
            assert last >= self.newest.get(of, 0), f"key {of} went back from {self.newest[of]} to {last}"
            self.newest[of] = last
            if self.begun.done() and last >= self._keys:  # those before were there when this began
                self._told.append((last, now))
        if self.begins in elements and not self.begun.done():
            self.begun.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.wrong = self.wrong or exc or ConnectionError("the server closed the connection")
        if not self.begun.done():
            self.begun.set_exception(self.wrong)


class Pushed(Following):
    """The same of a push query over /query-stream."""

    ends, begins = b"\n", b'"queryId"'

    def request(self, sql: str) -> str:
        body = msgspec.json.encode({"sql": f"{sql} EMIT CHANGES;", "properties": {"auto.offset.reset": "earliest"}})
        head = f"POST /query-stream HTTP/1.1\r\nHost: load\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Content-Type: application/json\r\n\r\n{body.decode()}"

    def changes(self, elements: bytes) -> list[tuple[bytes, ...]]:
        assert b'"error_code"' not in elements, elements[:1000].decode()
        return ROW.findall(elements)
