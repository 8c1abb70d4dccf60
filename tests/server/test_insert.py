"""POST /insert: rows as Arrow and NDJSON, batch by batch, over a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiohttp.test_utils import TestClient

from ssql.config import Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine
from ssql.log.embedded import EmbeddedLog
from ssql.rights import Right
from ssql.server import inserting

from .fake import in_loop, serving

ARROW = "application/vnd.apache.arrow.stream"
LINES = "application/x-ndjson"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(Config(), EmbeddedLog(tmp_path))
    engine.execute(
        "CREATE STREAM s (id STRING KEY, n INT, at TIMESTAMP, `low` DOUBLE, tags ARRAY<STRING>)"
        " WITH (kafka_topic='s', value_format='JSON', partitions=1);"
        "CREATE TABLE t (id STRING PRIMARY KEY, n BIGINT) WITH (kafka_topic='t', value_format='JSON', partitions=1);"
    )
    yield engine
    engine.close()


def stream_of(*batches: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as stream:
        for batch in batches:
            stream.write_batch(batch)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def rows_of(engine: LocalEngine, sql: str) -> list[tuple[Any, ...]]:
    answer = engine.query(sql, Session(full_sql=True))
    assert isinstance(answer, PullResult)
    return [tuple(row.values()) for row in answer.rows.to_pylist()]


async def sent(client: TestClient[Any, Any], into: str, body: Any, form: str = ARROW, **asked: Any) -> tuple[int, Any]:
    answer = await client.post("/insert", params={"into": into, **asked}, data=body, headers={"Content-Type": form})
    return answer.status, await answer.json()


@in_loop
async def test_batches_of_arrow_go_in_by_the_names_of_their_columns(engine: LocalEngine) -> None:
    first = pa.record_batch(
        {
            "n": pa.array([1, None], pa.int64()),
            "ID": pa.array(["a", "b"]).dictionary_encode(),
            "at": pa.array([datetime(2024, 1, 31, 1, 2, 3, 456789)] * 2, pa.timestamp("ns")),
            "low": pa.array([0.5, None], pa.float32()),
            "tags": pa.array([["x", None], None]),
            "rowtime": pa.array([1000, 2000]),
        }
    )
    async with serving(engine) as client:
        assert await sent(client, "s", stream_of(first, first.slice(1))) == (
            200,
            {"rows": 3, "refused": 0, "errors": []},
        )
    found = rows_of(engine, "SELECT id, n, at, `low`, tags, rowtime FROM s ORDER BY rowtime;")
    at = datetime(2024, 1, 31, 1, 2, 3, 456000)
    assert found == [("a", 1, at, 0.5, ["x", None], 1000), *[("b", None, at, None, None, 2000)] * 2]


@in_loop
async def test_rows_that_do_not_fit_are_told_by_their_number_and_the_others_are_in(engine: LocalEngine) -> None:
    batch = pa.record_batch({"id": ["a", "b", None], "n": ["1", "many", "3"]})
    good = pa.record_batch({"id": ["c", "d"], "n": ["4", "x" * 100]})
    async with serving(engine) as client:
        status, said = await sent(client, "`T`", stream_of(batch, good))
        assert (status, said["rows"], said["refused"]) == (200, 2, 3)
        assert [(e["row"], e["code"]) for e in said["errors"]] == [
            (2, "invalid_statement"),
            (3, "insert_failed"),
            (5, "invalid_statement"),
        ]
        assert said["errors"][0]["message"] == "the value of column `N` is no BIGINT: many"
        assert len(said["errors"][2]["message"]) < 110
        _, said = await sent(client, "t", stream_of(batch), errors="1")
        assert (said["refused"], [e["row"] for e in said["errors"]]) == (2, [2])
    assert rows_of(engine, "SELECT id, n FROM t ORDER BY id;") == [("a", 1), ("c", 4)]


@in_loop
async def test_lines_go_in_and_a_bad_one_holds_up_no_other(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inserting, "ROWS_AT_ONCE", 2)
    lines = ['{"id":"a","n":1}', "nonsense", "", '{"id":"b","N":"x"}', '{"id":"c","`low`":2,"at":"2024-01-31"}', "[1]"]
    async with serving(engine) as client:
        status, said = await sent(client, "s", "\n".join(lines), LINES)
    assert (status, said["rows"], said["refused"]) == (200, 2, 3)
    assert [(e["row"], e["code"]) for e in said["errors"]] == [
        (2, "bad_request"),
        (3, "invalid_statement"),
        (5, "bad_request"),
    ]
    assert rows_of(engine, "SELECT id, n, `low` FROM s ORDER BY id;") == [("a", 1, None), ("c", None, 2.0)]


@in_loop
async def test_csv_has_the_names_of_columns_in_its_first_line(engine: LocalEngine) -> None:
    text = (
        '\ufeffid,AT,n,low,tags\r\na,2024-01-31T01:02:03Z,1,0.5,"[""x"",null]"\r\n"",,,,\n"b\n,",2024-02-01,,1e3,[]\n'
        "c,soon,2,,\nd,,3\ne,,many,,\nf,,,,nonsense\ng,,9,,"
    ).encode()

    async def pieces() -> Any:
        for at in range(0, len(text), 5):
            yield text[at : at + 5]

    async with serving(engine) as client:
        for body in (text, pieces()):
            status, said = await sent(client, "s", body, "text/csv")
            assert (status, said["rows"], said["refused"]) == (200, 4, 4), said
            assert [(e["row"], e["message"]) for e in said["errors"]] == [
                (4, "the value of column `AT` is no TIMESTAMP: soon"),
                (5, "the row has 3 fields, the first line 5"),
                (6, "the value of column `N` is no INTEGER: many"),
                (7, "the value of column `TAGS` is no ARRAY<STRING>: nonsense"),
            ]
    found = rows_of(engine, "SELECT id, n, at, tags FROM s ORDER BY id;")
    assert found[::2] == [
        ("", None, None, None),
        ("a", 1, datetime(2024, 1, 31, 1, 2, 3), ["x", None]),
        ("b\n,", None, datetime(2024, 2, 1), []),
        ("g", 9, None, None),
    ]


@in_loop
async def test_texts_are_read_as_the_types_of_columns(engine: LocalEngine) -> None:
    engine.execute(
        "CREATE STREAM typed (b BYTES, d DATE, t TIME, ts TIMESTAMP, x DECIMAL(6, 2), y BOOLEAN, z BIGINT,"
        " m MAP<STRING, INT>, st STRUCT<a INT>) WITH (kafka_topic='typed', value_format='JSON', partitions=1);"
    )
    sql = "SELECT b, d, t, ts, x, y, z, m, st FROM typed;"
    row = "aGk=,2024-02-29,23:59:58.123,2020-01-31T23:59:58.123,-1.50,true,-9007199254740993"
    text = "b,d,t,ts,x,y,z,m,st\n" + row + ',"{""k"": 1}","{""a"": 2}"\n'
    async with serving(engine) as client:
        assert (await sent(client, "typed", text, "text/csv"))[1] == {"rows": 1, "refused": 0, "errors": []}
        # What is asked for as CSV goes in as CSV.
        answer = await client.get("/sql", params={"sql": sql}, headers={"Accept": "text/csv"})
        assert (await sent(client, "typed", await answer.read(), "text/csv"))[1]["rows"] == 1
    first, second = rows_of(engine, sql)
    assert first == second
    assert first[0] == b"hi"
    assert first[6:] == (-9007199254740993, [("k", 1)], {"A": 2})


@pytest.mark.parametrize(
    ("into", "body", "form", "expected"),
    [
        ("nowhere", b"", ARROW, (400, "source_not_found")),
        ("", b"", ARROW, (400, "bad_request")),
        ("s", b"", "text/html", (415, "body_type_refused")),
        ("s", b"", ARROW, (400, "bad_request")),
        ("s", b"nonsense", ARROW, (400, "bad_request")),
        ("s", b"\xff\xff\xff\xff\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ARROW, (400, "bad_request")),
        ("s", b"\xff\xff\xff\xff\xff\xff\xff\x7f", ARROW, (413, "body_too_large")),
        ("s", b"id,,n\na,b,1\n", "text/csv", (400, "bad_request")),
        ("s", b"id\n\xff\n", "text/csv", (400, "bad_request")),
        ("s", b"id,nn\na,b\n", "text/csv", (400, "column_not_found")),
        ("s", stream_of(pa.record_batch({"nn": [1]})), ARROW, (400, "column_not_found")),
        ("s", stream_of(pa.record_batch({"n": [[1]]})), ARROW, (400, "invalid_statement")),
        ("s", stream_of(pa.record_batch({"n": [1], "N": [1]})), ARROW, (400, "invalid_statement")),
        ("s", stream_of(pa.record_batch({"n": [1]}))[:-60], ARROW, (400, "bad_request")),
    ],
)
@in_loop
async def test_a_wrong_request_is_told(
    engine: LocalEngine, into: str, body: bytes, form: str, expected: tuple[int, str]
) -> None:
    async with serving(engine) as client:
        found, said = await sent(client, into, body, form)
    assert (found, said["code"]) == expected
    assert rows_of(engine, "SELECT id FROM s;") == []


@in_loop
async def test_what_came_before_a_break_is_in_and_told(engine: LocalEngine) -> None:
    whole = stream_of(pa.record_batch({"id": ["a", "b"]}), pa.record_batch({"id": ["c"]}))
    async with serving(engine) as client:
        status, said = await sent(client, "s", whole[:-40])
    assert (status, said["code"], said["rows"], said["refused"]) == (400, "bad_request", 2, 0)
    assert rows_of(engine, "SELECT id FROM s ORDER BY id;") == [("a",), ("b",)]


@in_loop
async def test_a_body_may_come_in_any_pieces(engine: LocalEngine) -> None:
    whole = stream_of(pa.record_batch({"id": ["a", "b"]}), pa.record_batch({"id": ["c"]}))

    async def pieces() -> Any:
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]

    async with serving(engine) as client:
        assert (await sent(client, "s", pieces()))[1]["rows"] == 3


@in_loop
async def test_who_may_only_read_may_not_insert(engine: LocalEngine) -> None:
    async with serving(engine, most=Right.READ) as client:
        status, said = await sent(client, "s", json.dumps({"id": "a"}), LINES)
    assert (status, said["code"]) == (403, "forbidden")
