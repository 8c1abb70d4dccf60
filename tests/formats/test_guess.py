"""What formats bytes could be in, and how they are shown."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql.formats.api import FormatSpec
from ssql.formats.guess import NO_DATA, NO_MATCH, NULL, Guess
from ssql.formats.registry import format_named
from ssql.schemas.api import Definition
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.types import BIGINT, INTEGER, STRING, Array, Column, Struct

INT = struct.pack(">i", 7)
WINDOW = struct.pack(">q", 1_600_000_000_000)
COLUMNS = (
    Column("A", BIGINT),
    Column("B", STRING),
    Column("C", Array(INTEGER)),
    Column("D", Struct((("X", INTEGER),))),
)
ROW = {"A": 1, "B": "ä", "C": [1, 2], "D": {"X": 5}}


def written(schemas: EmbeddedRegistry, name: str) -> bytes:
    """One row, as the format writes it under the registry's schema of its columns."""
    spec = FormatSpec(name, subject="t-value")
    batch = pa.RecordBatch.from_pylist([ROW], schema=pa.schema([(c.name, c.type.arrow) for c in COLUMNS]))
    data: bytes = format_named(name, schemas).encoder(spec, COLUMNS, is_key=False).encode(batch).data[0].as_py()
    return data


@pytest.mark.parametrize(
    ("data", "formats", "text"),
    [
        (b'{"ab": 1}', "JSON or KAFKA_STRING", '{"ab": 1}'),
        (b"tea", "KAFKA_STRING", "tea"),
        (b"12", "JSON or KAFKA_STRING", "12"),
        (INT, "KAFKA_INT or KAFKA_STRING", "7"),
        (struct.pack(">i", -1), "KAFKA_INT", "-1"),
        (struct.pack(">q", 7), "KAFKA_BIGINT or KAFKA_DOUBLE or KAFKA_STRING", "7"),
        (
            struct.pack(">d", -1e10),
            "KAFKA_BIGINT or KAFKA_DOUBLE",
            str(struct.unpack(">q", struct.pack(">d", -1e10))[0]),
        ),
        (b"", NO_MATCH, ""),
        (b"ab\\\xff\n", NO_MATCH, r"ab\x5C\xFF\x0A"),
    ],
)
def test_plain_values(schemas: EmbeddedRegistry, data: bytes, formats: str, text: str) -> None:
    guess = Guess(schemas, keys=False)
    assert guess.text(data) == text
    assert guess.formats == formats


def test_what_one_value_does_not_fit_is_ruled_out_for_the_next(schemas: EmbeddedRegistry) -> None:
    guess = Guess(schemas, keys=False)
    assert guess.formats == NO_DATA
    assert guess.text(None) == NULL
    assert guess.formats == NO_DATA
    assert [guess.text(INT), guess.text(b"true"), guess.text(b"word")] == ["7", "1953658213", "2003792484"]
    assert guess.formats == "KAFKA_INT or KAFKA_STRING"
    assert guess.text(b"a word") == "a word"
    assert guess.text(INT) == "\0\0\0\x07"
    assert guess.formats == "KAFKA_STRING"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AVRO", '{"A": 1, "B": "ä", "C": [1, 2], "D": {"X": 5}}'),
        ("PROTOBUF", 'A: 1 B: "ä" C: 1 C: 2 D { X: 5 }'),
        ("JSON_SR", '{"A":1,"B":"ä","C":[1,2],"D":{"X":5}}'),
    ],
)
def test_records_of_a_registry(schemas: EmbeddedRegistry, name: str, text: str) -> None:
    guess = Guess(schemas, keys=False)
    assert guess.text(written(schemas, name)) == text
    assert guess.formats.split(" or ")[0] == name


def test_a_record_whose_schema_is_gone_is_shown_by_its_bytes(schemas: EmbeddedRegistry) -> None:
    guess = Guess(schemas, keys=False)
    assert guess.text(b"\x00\x00\x00\x00\x63\xfe") == r"\x00\x00\x00\x00c\xFE"
    assert guess.formats == NO_MATCH


def test_any_avro_schema_can_be_shown(schemas: EmbeddedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """{"type": "record", "name": "Tree", "fields": [
        {"name": "value", "type": ["null", "long", {"type": "map", "values": "bytes"}]},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["LEAF", "NODE"]}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "children", "type": {"type": "array", "items": "Tree"}}]}"""
    leaf = b"\x04\x02\x02k\x02\x01\x00" + b"\x00" + b"\x02\x96" + b"\x00"
    root = b"\x02\x0e" + b"\x02" + b"\x02\x05" + b"\x02" + leaf + b"\x00"
    monkeypatch.setattr(schemas, "by_id", {9: Definition("AVRO", text)}.get)  # no column could hold this one
    guess = Guess(schemas, keys=False)
    assert guess.text(b"\x00\x00\x00\x00\x09" + root) == (
        '{"value": 7, "kind": "NODE", "price": 0.05, "children": '
        '[{"value": {"k": "AQ=="}, "kind": "LEAF", "price": -1.06, "children": []}]}'
    )


@pytest.mark.parametrize(
    ("data", "formats", "text"),
    [
        (
            INT + WINDOW,
            "HOPPING(KAFKA_INT) or TUMBLING(KAFKA_INT) or HOPPING(KAFKA_STRING) or TUMBLING(KAFKA_STRING)",
            "[7@1600000000000/-]",
        ),
        (
            b"tea" + WINDOW + WINDOW,
            "SESSION(KAFKA_STRING)",
            "[tea@1600000000000/1600000000000]",
        ),
        (b"customer-001", "KAFKA_STRING", "customer-001"),
    ],
)
def test_windowed_keys(schemas: EmbeddedRegistry, data: bytes, formats: str, text: str) -> None:
    guess = Guess(schemas, keys=True)
    assert guess.text(data) == text
    assert guess.formats == formats
    values = Guess(schemas, keys=False)
    values.text(data)
    assert "(" not in values.formats


@given(data=st.binary(max_size=40), after=st.sampled_from(["AVRO", "PROTOBUF", "JSON_SR"]), cut=st.integers(0, 30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_are_without_a_text(schemas: EmbeddedRegistry, data: bytes, after: str, cut: int) -> None:
    record: Any = written(schemas, after)
    guess = Guess(schemas, keys=True)
    for value in (data, record[:cut] + data, record[:5] + data):
        assert isinstance(guess.text(value), str)
