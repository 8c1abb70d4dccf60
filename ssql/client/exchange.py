"""What is sent to a server, and what its answers mean. Bytes only: `http` carries them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import pyarrow as pa

from ssql.client.backends import Entity, Start, Statement, Values
from ssql.client.results import Ack
from ssql.client.rows import BATCH_ROWS, Rows, as_batches, as_objects
from ssql.errors import ServerUnavailable, SsqlError, from_json

T = TypeVar("T")

ARROW_TYPE = "application/vnd.apache.arrow.stream"
KSQL_TYPE = "application/vnd.ksql.v1+json"
LINES_TYPE = "application/vnd.ksqlapi.delimited.v1"

#: Rows sent at a time: large enough to be cheap, small enough for one transaction.
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read. `sql` is the text that an error's place counts in."""

    path: str
    body: bytes
    accept: str
    content_type: str
    read: Callable[[bytes], T]
    sql: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": self.accept, "Content-Type": self.content_type}

    def answer(self, url: str, status: int, content: bytes) -> T:
        """What the answer says. Raises the error that it tells of, and `ServerUnavailable` where it is no answer."""
        if status != HTTPStatus.OK:
            raise refusal(url, status, content, self.sql)
        try:
            return self.read(content)
        except (msgspec.DecodeError, pa.ArrowInvalid):
            raise ServerUnavailable(url, "what answers there is no ssql server, or the answer was cut off") from None


def refusal(url: str, status: int, content: bytes, sql: str | None) -> SsqlError:
    """The error that an answer tells of."""
    try:
        return from_json(msgspec.json.decode(content), sql)
    except msgspec.DecodeError:
        return ServerUnavailable(url, f"it answered {status}")


def execute(statement: Statement) -> Call[list[Entity]]:
    body = {
        "ksql": statement.sql,
        "streamsProperties": statement.properties,
        "sessionVariables": statement.variables,
    }
    read = msgspec.json.Decoder(list[Entity]).decode
    return Call("/ksql", msgspec.json.encode(body), KSQL_TYPE, KSQL_TYPE, read, statement.sql)


def query(statement: Statement) -> Call[pa.Table]:
    return Call("/sql", _body(statement), ARROW_TYPE, "application/json", _table, statement.sql)


def call(endpoint: str, values: Values) -> Call[pa.Table]:
    body = msgspec.json.encode({name: msgspec.Raw(text.encode()) for name, text in values.items()})
    return Call(f"/endpoints/{quote(endpoint, safe='')}", body, ARROW_TYPE, "application/json", _table)


def goes_on(headers: Mapping[str, str]) -> bool:
    """Whether an answer has no end: nothing that stands between may hold it back."""
    return "x-accel-buffering" in headers


def subscribe(start: Start) -> Call[None]:
    body = _body(
        start.statement,
        after=start.after,
        snapshot=start.snapshot,
        changes="every" if start.every_change else "net",
    )
    return Call("/subscribe", body, ARROW_TYPE, "application/json", lambda _: None, start.statement.sql)


def _body(statement: Statement, **more: object) -> bytes:
    return msgspec.json.encode(
        {"sql": statement.sql, "properties": statement.properties, "variables": statement.variables, **more}
    )


def _table(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        return reader.read_all()


def insert(
    target: str, rows: Rows, properties: Mapping[str, object]
) -> Generator[Call[list[dict[str, Any]]], list[dict[str, Any]], list[Ack]]:
    """The calls that append rows: yields each, is sent its answer, returns the outcomes by row."""
    batches = as_batches(rows)
    if batches is None:
        return (yield from _insert_objects(target, as_objects(rows), properties))
    asked = {"into": target, "properties": msgspec.json.encode(properties).decode(), "errors": BATCH_ROWS}
    path = f"/insert?{urlencode(asked)}"
    acks: list[Ack] = []
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        said = yield Call(path, sink.getvalue().to_pybytes(), "application/json", ARROW_TYPE, _refused)
        refused = {int(error["row"]) - 1: from_json(error) for error in said}
        acks += [Ack(len(acks) + row, refused.get(row)) for row in range(batch.num_rows)]
    return acks


def _refused(content: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(content, type=dict[str, Any]).get("errors", [])
    return found


def _insert_objects(
    target: str, rows: Sequence[Mapping[str, Any]], properties: Mapping[str, object]
) -> Generator[Call[list[dict[str, Any]]], list[dict[str, Any]], list[Ack]]:
    """As `insert`, of rows that are JSON objects.

    A server stops at the first row that it refuses, having carried out what was before it; what it said nothing of it
    did not append, and is sent again.
    """
    acks: dict[int, Ack] = {}
    waiting = list(range(len(rows)))
    head = msgspec.json.encode({"target": target, "properties": properties})
    while True:
        sent = waiting[:ROWS_AT_ONCE]
        lines = b"\n".join((head, *(msgspec.json.encode(rows[n]) for n in sent), b""))
        for said in (
            yield Call("/inserts-stream", lines, LINES_TYPE, "application/json", partial(_acknowledged, len(sent)))
        ):
            seq = sent[said["seq"]]
            acks[seq] = Ack(seq, None if said["status"] == "ok" else from_json(said))
        waiting = [n for n in waiting if n not in acks]
        if not waiting:
            return [acks[n] for n in range(len(rows))]


def _acknowledged(rows: int, content: bytes) -> list[dict[str, Any]]:
    found = msgspec.json.Decoder(dict[str, Any]).decode_lines(content)
    if rows and not found:
        raise msgspec.DecodeError("the answer says nothing of the rows")
    return found
