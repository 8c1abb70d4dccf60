from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import FormatError
from ssql.formats.api import BadRow, Decoded, FormatSpec
from ssql.formats.protobuf import ProtobufFormat, ProtobufNoRegistryFormat
from ssql.formats.registry import format_named
from ssql.schemas.api import Definition, Reference
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.schemas.proto import ProtoSchema
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
)
from tests.formats import tables
from tests.support.schema_registry import registry_server

SPEC = FormatSpec("PROTOBUF", subject="t-value")
TYPES = tables.sql_types(arrays_of_arrays=False)


def binary(*rows: bytes | None) -> pa.BinaryArray:
    return pa.array(list(rows), pa.binary())


def framed(number: int, *payloads: bytes | None, indexes: bytes = b"\0") -> pa.BinaryArray:
    head = b"\0" + number.to_bytes(4, "big") + indexes
    return binary(*(None if p is None else head + p for p in payloads))


def register(schemas: EmbeddedRegistry, text: str, references: tuple[Reference, ...] = ()) -> int:
    return schemas.register("t-value", Definition("PROTOBUF", text, references))


def message(text: str, full_name: str | None = None) -> Any:
    """The class of a message of a schema."""
    return GetMessageClass(ProtoSchema(text).message(full_name))


def decode(
    schemas: EmbeddedRegistry, data: pa.BinaryArray, columns: Sequence[Column], spec: FormatSpec = SPEC
) -> Decoded:
    return ProtobufFormat(schemas).decoder(spec, columns, is_key=False).decode(data)


# --- what goes in comes out --------------------------------------------------


def lossy(value: Any, t: SqlType, *, scalars_kept: bool) -> Any:
    """What a value is once Protobuf has held it: what it cannot say is null is its default."""
    if isinstance(t, Array):
        return [
            default(t.element) if v is None else lossy(v, t.element, scalars_kept=scalars_kept) for v in value or []
        ]
    if isinstance(t, Map):
        return [(k, entry(v, t.value, scalars_kept=scalars_kept)) for k, v in value or []]
    if isinstance(t, Struct):
        return None if value is None else {n: field(value[n], kind, scalars_kept=scalars_kept) for n, kind in t.fields}
    if value is None and not scalars_kept and t in DEFAULTS:
        return DEFAULTS[t]
    return value


def field(value: Any, t: SqlType, *, scalars_kept: bool) -> Any:
    """What a column or a field of a message is: of BYTES null is the default."""
    if t == BYTES and not scalars_kept:
        return value or None
    return lossy(value, t, scalars_kept=scalars_kept)


def entry(value: Any, t: SqlType, *, scalars_kept: bool) -> Any:
    """The value of a map's entry: scalars are never marked as null there."""
    return lossy(value, t, scalars_kept=scalars_kept and t not in DEFAULTS)


DEFAULTS: dict[SqlType, Any] = {BOOLEAN: False, INTEGER: 0, BIGINT: 0, DOUBLE: 0.0, STRING: "", BYTES: b""}


def default(t: SqlType) -> Any:
    """What an element of an array is that was null: an empty message is the nearest that there is."""
    return DEFAULTS.get(t, Ellipsis)


@pytest.mark.parametrize("name", ["PROTOBUF", "PROTOBUF_NOSR"])
@pytest.mark.parametrize("nullable", ["", "OPTIONAL", "wrapper"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_rows_come_back_as_protobuf_holds_them(
    shared: EmbeddedRegistry, name: str, nullable: str, data: st.DataObject
) -> None:
    columns = data.draw(tables.columns(TYPES))
    batch = data.draw(tables.batches(columns))
    properties = {"nullableRepresentation": nullable} if nullable else {}
    spec = FormatSpec(name, properties, None, "shared-value")
    form = format_named(name, shared)
    encoded = form.encoder(spec, columns, is_key=False).encode(batch)
    assert encoded.bad == ()
    decoded = form.decoder(spec, columns, is_key=False).decode(encoded.data)
    for row, (got, sent) in enumerate(zip(decoded.batch.to_pylist(), batch.to_pylist(), strict=True)):
        if any(bad.index == row for bad in decoded.bad):
            continue  # an empty date in an array: no date
        for column in columns:
            want = field(sent[column.name], column.type, scalars_kept=bool(nullable))
            assert same(got[column.name], want), (column, got, want)


def same(got: Any, want: Any) -> bool:
    if want is Ellipsis:
        return True
    if isinstance(want, list | tuple):
        return len(got) == len(want) and all(same(g, w) for g, w in zip(got, want, strict=True))
    if isinstance(want, dict):
        return all(same(got[n], w) for n, w in want.items())
    return bool(got == want)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_without_nulls_nothing_is_lost(shared: EmbeddedRegistry, data: st.DataObject) -> None:
    columns = data.draw(tables.columns(TYPES, least=2))
    batch = data.draw(tables.batches(columns, nulls=False))
    needed = data.draw(st.sets(st.sampled_from([c.name for c in columns])))
    spec = FormatSpec("PROTOBUF", subject="shared-value")
    form = ProtobufFormat(shared)
    encoded = form.encoder(spec, columns, is_key=False).encode(batch).data
    decoded = form.decoder(spec, columns, is_key=False, needed=frozenset(needed)).decode(encoded)
    assert decoded.bad == ()
    wanted = [
        {c.name: field(row[c.name], c.type, scalars_kept=False) for c in columns if c.name in needed}
        for row in batch.to_pylist()
    ]
    assert decoded.batch.to_pylist() == wanted


def test_empty_bytes_are_null_where_nothing_tells_them_apart(schemas: EmbeddedRegistry) -> None:
    inner = Struct((("B", BYTES),))
    columns = [Column("B", BYTES), Column("S", inner), Column("L", Array(BYTES)), Column("M", Map(STRING, BYTES))]
    for nullable, kept in (("", None), ("OPTIONAL", b""), ("WRAPPER", b"")):
        spec = FormatSpec("PROTOBUF", {"nullableRepresentation": nullable}, None, f"{nullable}-value")
        for rows in (1, 40):  # by both readers
            batch = tables.batch_of(columns, [(b"", {"B": b""}, [b"", b"x"], [("k", b"")])] * rows)
            encoded = ProtobufFormat(schemas).encoder(spec, columns, is_key=False).encode(batch).data
            found = decode(schemas, encoded, columns, spec).batch.to_pylist()
            assert found == [{"B": kept, "S": {"B": kept}, "L": [b"", b"x"], "M": [("k", b"")]}] * rows


def test_a_single_column_is_a_message_too(schemas: EmbeddedRegistry) -> None:
    key = [Column("K", INTEGER, key=True)]
    spec = FormatSpec("PROTOBUF", subject="t-key")
    form = ProtobufFormat(schemas)
    encoded = form.encoder(spec, key, is_key=True).encode(tables.batch_of(key, [[5], [None]]))
    assert encoded.data.to_pylist() == [b"\0\0\0\0\x01\0\x08\x05", b"\0\0\0\0\x01\0"]  # a key of a null is one
    assert form.decoder(spec, key, is_key=True).decode(encoded.data).batch.to_pydict() == {"K": [5, 0]}
    assert form.decoder(spec, key, is_key=True).decode(binary(None)).batch.to_pydict() == {"K": [None]}
    with pytest.raises(FormatError, match="Format 'PROTOBUF' does not support 'WRAP_SINGLE_VALUE' set to 'false'"):
        form.check(FormatSpec("PROTOBUF", {}, False), [Column("A", INTEGER)], is_key=False)


def test_without_a_registry_a_struct_may_be_the_message_itself() -> None:
    form = ProtobufNoRegistryFormat()
    columns = [Column("S", Struct((("A", INTEGER), ("B", STRING))))]
    batch = tables.batch_of(columns, [[{"A": 1, "B": "x"}], [None], [{"A": 0, "B": ""}]])
    bare, wrapped = FormatSpec("PROTOBUF_NOSR", {}, False), FormatSpec("PROTOBUF_NOSR", {}, True)
    encoded = form.encoder(bare, columns, is_key=False).encode(batch)
    assert encoded.data.to_pylist() == [b"\x08\x01\x12\x01x", None, b""]
    assert form.decoder(bare, columns, is_key=False).decode(encoded.data).batch.equals(batch)
    encoded = form.encoder(wrapped, columns, is_key=False).encode(batch)
    assert encoded.data.to_pylist() == [b"\x0a\x05\x08\x01\x12\x01x", b"", b"\x0a\x00"]
    assert form.decoder(wrapped, columns, is_key=False).decode(encoded.data).batch.equals(batch)
    bad = form.decoder(bare, columns, is_key=False).decode(binary(b"\xff", b"\x08\x01", None))
    assert bad.bad == (BadRow(0, "not a Protobuf message"),)
    assert bad.batch.to_pydict() == {"S": [None, {"A": 1, "B": ""}, None]}


# --- independent clients -----------------------------------------------------


def test_confluents_serializers_and_ours_read_each_other(schemas: EmbeddedRegistry) -> None:
    text = """
        syntax = "proto3"; package shop;
        message Other { int32 a = 1; }
        message Order { int64 id = 1; repeated string tags = 2; map<string, double> prices = 3; Other other = 4; }
    """
    kind = message(text, "shop.Order")
    columns = [
        Column("ID", BIGINT),
        Column("TAGS", Array(STRING)),
        Column("PRICES", Map(STRING, DOUBLE)),
        Column("OTHER", Struct((("A", INTEGER),))),
    ]
    sent = kind(id=7, tags=["a", "b"], prices={"x": 1.5})
    sent.other.a = 3
    with registry_server(schemas) as server:
        client = SchemaRegistryClient({"url": server.url})
        data = ProtobufSerializer(kind, client, {"use.deprecated.format": False})(
            sent, SerializationContext("t", MessageField.VALUE)
        )
        found = decode(schemas, binary(data), columns)
        assert found.bad == ()
        assert found.batch.to_pylist() == [
            {"ID": 7, "TAGS": ["a", "b"], "PRICES": [("x", 1.5)], "OTHER": {"A": 3}},
        ]
        # Ours, by their schema, in which the message is the second one.
        spec = FormatSpec("PROTOBUF", {"schemaId": "1", "fullSchemaName": "shop.Order"}, None, "t-value")
        ours = ProtobufFormat(schemas).encoder(spec, columns, is_key=False).encode(found.batch).data[0].as_py()
        assert ours[:7] == b"\0\0\0\0\x01\x02\x02"
        back = ProtobufDeserializer(kind, {"use.deprecated.format": False}, client)(
            ours, SerializationContext("t", MessageField.VALUE)
        )
        assert back == sent


# --- schemas of others -------------------------------------------------------


def test_other_kinds_of_fields_are_read(schemas: EmbeddedRegistry) -> None:
    text = """
        syntax = "proto3";
        import "google/protobuf/wrappers.proto";
        import "google/protobuf/timestamp.proto";
        import "google/type/date.proto";
        import "google/type/timeofday.proto";
        import "confluent/type/decimal.proto";
        message M {
            enum Colour { RED = 0; BLUE = 2; }
            uint32 a = 1; fixed64 b = 2; sint32 c = 3; float d = 4; Colour e = 5; optional int32 f = 6;
            google.protobuf.Int64Value g = 7; google.protobuf.Timestamp h = 8; google.type.Date i = 9;
            google.type.TimeOfDay j = 10; confluent.type.Decimal k = 11;
            oneof choice { string l = 12; int32 m = 13; }
        }
    """
    kind = message(text)
    full = kind(a=2**32 - 1, b=5, c=-3, d=0.5, e=2, f=0, m=4)
    full.g.value = 0
    full.h.seconds, full.h.nanos = 1, 5_000_000
    full.i.year, full.i.month, full.i.day = 2020, 2, 29
    full.j.hours, full.j.nanos = 1, 7_999_999
    full.k.value, full.k.scale = b"\xff\x85", 2
    types = [BIGINT, BIGINT, INTEGER, DOUBLE, STRING, INTEGER, BIGINT, TIMESTAMP, DATE, TIME, Decimal(5, 3)]
    columns = [Column(name, t) for name, t in zip("ABCDEFGHIJK", types, strict=True)]
    columns += [Column("CHOICE_0", Struct((("L", STRING), ("M", INTEGER)))), Column("M", INTEGER)]
    data = framed(register(schemas, text), full.SerializeToString(), b"", kind(e=7).SerializeToString())
    found = decode(schemas, data, columns)
    assert found.bad == ()
    plain = found.batch.to_pydict()
    assert plain["E"] == ["BLUE", "RED", "7"]
    assert found.batch["H"].view(pa.int64()).to_pylist() == [1005, None, None]
    assert found.batch["I"].view(pa.int32()).to_pylist() == [18321, None, None]
    assert found.batch["J"].view(pa.int64()).to_pylist() == [3_600_007_000, None, None]
    rest = {name: plain[name][:2] for name in "ABCDFGKM"} | {"CHOICE_0": plain["CHOICE_0"][:2]}
    assert rest == {
        "A": [2**32 - 1, 0],
        "B": [5, 0],
        "C": [-3, 0],
        "D": [0.5, 0.0],
        "F": [0, None],
        "G": [0, None],
        "K": [PyDecimal("-1.230"), None],
        "M": [4, None],
        "CHOICE_0": [{"L": None, "M": 4}, None],
    }


def test_each_row_says_which_message_of_which_schema_it_is(schemas: EmbeddedRegistry) -> None:
    first = 'syntax = "proto3"; message A { int32 x = 1; } message B { message C { string x = 3; } string x = 2; }'
    second = 'syntax = "proto3"; message A { int32 x = 1; int32 y = 2; }'
    one, two = register(schemas, first), register(schemas, second)
    rows = [
        framed(one, message(first, "B")(x="7").SerializeToString(), indexes=b"\x02\x02"),
        framed(two, message(second)(x=1, y=2).SerializeToString()),
        framed(one, message(first)(x=3).SerializeToString(), None),
        framed(one, message(first)(x=4).SerializeToString(), indexes=b"\x02\x00"),
        framed(one, message(first, "B.C")(x="9").SerializeToString(), indexes=b"\x04\x02\x00"),
        framed(one, b"", indexes=b"\x02\x08"),
        framed(one, b"", indexes=b""),
    ]
    found = decode(schemas, pa.concat_arrays(rows), [Column("X", STRING), Column("Y", INTEGER)])
    assert found.batch.to_pydict() == {
        "X": ["7", "1", "3", None, "4", "9", None, None],
        "Y": [None, 2, None, None, None, None, None, None],
    }
    assert found.bad == (
        BadRow(6, "the Protobuf schema has no message [4]"),
        BadRow(7, "does not say which message of the schema it is"),
    )


def test_references_are_followed(schemas: EmbeddedRegistry) -> None:
    schemas.register("base", Definition("PROTOBUF", 'syntax = "proto3"; message Base { int64 at = 1; }'))
    text = 'syntax = "proto3"; import "base.proto"; message Top { Base base = 1; }'
    number = register(schemas, text, (Reference("base.proto", "base", 1),))
    columns = [Column("BASE", Struct((("AT", BIGINT),)))]
    assert decode(schemas, framed(number, b"\x0a\x02\x08\x05"), columns).batch.to_pylist() == [{"BASE": {"AT": 5}}]
    spec = FormatSpec("PROTOBUF", {"schemaId": str(number)})
    encoded = (
        ProtobufFormat(schemas).encoder(spec, columns, is_key=False).encode(tables.batch_of(columns, [[{"AT": 5}]]))
    )
    assert encoded.data.to_pylist() == framed(number, b"\x0a\x02\x08\x05").to_pylist()


def test_what_a_schema_of_others_does_not_take_is_a_bad_row(schemas: EmbeddedRegistry) -> None:
    text = 'syntax = "proto3"; message M { enum E { A = 0; } E e = 1; uint32 n = 2; repeated int32 r = 3; }'
    spec = FormatSpec("PROTOBUF", {"schemaId": str(register(schemas, text))})
    columns = [Column("E", STRING), Column("N", BIGINT), Column("R", Array(BIGINT))]
    rows = [["A", 1, [1]], ["B", 1, None], ["A", -1, None], ["A", 1, [2**40]]]
    encoded = ProtobufFormat(schemas).encoder(spec, columns, is_key=False).encode(tables.batch_of(columns, rows))
    assert encoded.bad == (
        BadRow(1, 'field E: "B" is no value of the enum'),
        BadRow(2, "field N: -1 is out of range"),
        BadRow(3, "field R: an element is out of range"),
    )
    for wrong in ([Column("X", STRING)], [Column("E", INTEGER)], [Column("R", STRING)]):
        with pytest.raises(FormatError, match=f"Schema is not compatible with Protobuf: field {wrong[0].name}: "):
            ProtobufFormat(schemas).encoder(spec, wrong, is_key=False)


# --- bad rows ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"\0\0\0\0\x01", "does not say which message of the schema it is"),
        (b"\0\0\0\0\x01\0\x0a\x05ab", "not a Protobuf message"),
        (b"\0\0\0\0\x01\0\x0a\x02\xff\xfe", "not valid UTF-8"),
        (b"\0\0\0\0\x01\0\x12\x02\x08\x05", "field D: 5-0-0 is no date"),
        (b"\0\0\0\0\x09\0", "schema id 9 is not in the Schema Registry"),
    ],
)
def test_a_bad_row_is_told_and_harms_no_other(schemas: EmbeddedRegistry, row: bytes, reason: str) -> None:
    text = 'syntax = "proto3"; import "google/type/date.proto"; message M { string s = 1; google.type.Date d = 2; }'
    assert register(schemas, text) == 1
    good = b"\0\0\0\0\x01\0\x0a\x01x"
    found = decode(schemas, binary(good, row, None, good), [Column("S", STRING), Column("D", DATE)])
    assert found.bad == (BadRow(1, reason),)
    assert found.batch.to_pydict() == {"S": ["x", None, None, "x"], "D": [None] * 4}


@given(st.binary(max_size=30))
def test_no_bytes_do_more_than_be_bad(content: bytes) -> None:
    columns = [Column("A", Array(DATE)), Column("B", Map(STRING, TIMESTAMP)), Column("C", Decimal(9, 2))]
    form = ProtobufNoRegistryFormat()
    found = form.decoder(FormatSpec("PROTOBUF_NOSR"), columns, is_key=False).decode(binary(content))
    assert len(found.bad) <= 1


# --- what the format holds ---------------------------------------------------


@pytest.mark.parametrize(
    ("t", "properties", "message"),
    [
        (Map(INTEGER, DOUBLE), {}, "PROTOBUF format only supports MAP types with STRING keys"),
        (
            Array(Array(INTEGER)),
            {},
            "PROTOBUF has no place for ARRAY<ARRAY<INTEGER>>: an array holds no arrays or maps there",
        ),
        (INTEGER, {"nullableRepresentation": "maybe"}, "PROTOBUF_NULLABLE_REPRESENTATION cannot be MAYBE"),
        (INTEGER, {"delimiter": ","}, "PROTOBUF does not support the following configs: [delimiter]"),
    ],
)
def test_what_protobuf_cannot_hold_is_refused(t: SqlType, properties: dict[str, str], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        ProtobufFormat().check(FormatSpec("PROTOBUF", properties), [Column("A", t)], is_key=False)
    assert caught.value.message == message
