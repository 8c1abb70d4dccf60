"""Rows as Protobuf messages."""

from __future__ import annotations

import base64
import json
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import MessageToString

from ssql.engine.api import PullResult
from ssql.schemas.proto import ProtoSchema
from ssql.types import BIGINT, BYTES, INTEGER, STRING, TIMESTAMP, Array, Column, Decimal, Map, Schema, SqlType, Struct

from .fake import COLUMNS, FakeEngine, FakePush, in_loop, serving

PROTOBUF = {"Accept": "application/vnd.ksql.v1+protobuf"}


def messages(answer: list[dict[str, Any]]) -> list[str]:
    """The rows as texts, read by the schema that the header has."""
    message = GetMessageClass(ProtoSchema(answer[0]["header"]["protoSchema"]).message())
    rows = [e["row"] for e in answer if "row" in e]
    return [MessageToString(message.FromString(base64.b64decode(row["protobufBytes"]))) for row in rows]


@in_loop
async def test_a_pull_answer() -> None:
    columns = (
        Column("ID", STRING, key=True),
        Column("N", BIGINT),
        Column("H", Array(Struct((("KEY", STRING), ("VALUE", BYTES))))),
    )
    rows = [{"ID": "a", "N": 1, "H": [{"KEY": "k", "VALUE": b"!"}]}, {"ID": "b", "N": None, "H": []}]
    engine = FakeEngine()
    engine.answer = PullResult("query_1", columns, pa.Table.from_pylist(rows, schema=Schema(columns).arrow))
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers=PROTOBUF)
        assert (answer.status, answer.content_type) == (200, "application/vnd.ksql.v1+protobuf")
        elements = json.loads(await answer.text())
    assert elements[0] == {
        "header": {
            "queryId": "query_1",
            "schema": "`ID` STRING KEY, `N` BIGINT, `H` ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>",
            "protoSchema": 'syntax = "proto3";\n\nmessage ConnectDefault1 {\n  string ID = 1;\n  int64 N = 2;\n'
            "  repeated ConnectDefault2 H = 3;\n\n  message ConnectDefault2 {\n    string KEY = 1;\n"
            "    bytes VALUE = 2;\n  }\n}\n",
        }
    }
    assert messages(elements) == ['ID: "a"\nN: 1\nH {\n  KEY: "k"\n  VALUE: "!"\n}\n', 'ID: "b"\n']
    assert len(elements) == 3


@in_loop
async def test_every_type_has_a_place() -> None:
    values: list[tuple[SqlType, Any]] = [
        (INTEGER, 7),
        (Decimal(4, 2), PyDecimal("1.50")),
        (TIMESTAMP, 1_500),
        (Map(STRING, INTEGER), [("k", 1)]),
        (Struct((("X", Array(INTEGER)),)), {"X": [1, 2]}),
    ]
    columns = tuple(Column(f"C{n}", t) for n, (t, _) in enumerate(values))
    arrays = [pa.array([v], pa.int64()).cast(t.arrow) if t == TIMESTAMP else pa.array([v], t.arrow) for t, v in values]
    engine = FakeEngine()
    engine.answer = PullResult("query_1", columns, pa.table(arrays, names=[c.name for c in columns]))
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers=PROTOBUF)
        (text,) = messages(json.loads(await answer.text()))
    assert text == (
        'C0: 7\nC1 {\n  value: "\\000\\226"\n  precision: 3\n  scale: 2\n}\n'
        'C2 {\n  seconds: 1\n  nanos: 500000000\n}\nC3 {\n  key: "k"\n  value: 1\n}\nC4 {\n  X: 1\n  X: 2\n}\n'
    )


@in_loop
async def test_columns_that_no_message_has_are_refused_before_the_answer_begins() -> None:
    columns = (Column("M", Map(INTEGER, STRING)),)
    engine = FakeEngine()
    engine.answer = PullResult("query_1", columns, Schema(columns).arrow.empty_table())
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT * FROM T;"}, headers=PROTOBUF)
        assert answer.status == 400
        assert "MAP types with STRING keys" in (await answer.json())["message"]


@in_loop
async def test_a_push_query_and_its_deletions() -> None:
    engine, query = FakeEngine(), FakePush(columns=COLUMNS)
    engine.answer = query
    async with serving(engine) as client:
        answer = await client.post("/query-stream", json={"sql": "SELECT 1;"}, headers=PROTOBUF)
        query.feed(("a", 1, 1), ("a", 1, -1))
        query.end("Limit Reached")
        elements = json.loads(await answer.text())
    assert messages(elements) == ['ID: "a"\nN: 1\n', 'ID: "a"\n']
    assert ["tombstone" in e["row"] for e in elements[1:3]] == [False, True]
    assert elements[3] == {"finalMessage": "Limit Reached"}
