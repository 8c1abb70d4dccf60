from __future__ import annotations

import base64

import pytest
from google.protobuf import timestamp_pb2
from hypothesis import given, settings

from ssql.errors import SchemaUnreadable
from ssql.schemas import proto, proto_text
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
    Struct,
)
from tests.formats import tables

# Blank lines are indented there as the lines around them are.
WRITTEN = """\
syntax = "proto3";
package shop;

import "confluent/type/decimal.proto";
import "google/type/date.proto";

message Order {
  int64 ID = 1;
  repeated google.type.Date DAYS = 2;
  confluent.type.Decimal PRICE = 3 [(confluent.field_meta) = {
    params: [
      {
        value: "9",
        key: "precision"
      },
      {
        value: "2",
        key: "scale"
      }
    ]
  }];
  ConnectDefault1 A = 4;
  repeated ConnectDefault3Entry M = 5;

  message ConnectDefault1 {
    ConnectDefault2 B = 1;
{blank}
    message ConnectDefault2 {
      string C = 1;
    }
  }
  message ConnectDefault3Entry {
    string key = 1;
    int32 value = 2;
  }
}
""".replace("{blank}", "  ")
COLUMNS = [
    Column("ID", BIGINT),
    Column("DAYS", Array(DATE)),
    Column("PRICE", Decimal(9, 2)),
    Column("A", Struct((("B", Struct((("C", STRING),))),))),
    Column("M", Map(STRING, INTEGER)),
]


def struct(columns: list[Column]) -> Struct:
    return Struct(tuple((c.name, c.type) for c in columns))


def read(text: str, name: str | None = None, references: dict[str, str] | None = None) -> object:
    schema = proto.ProtoSchema(text, references)
    return proto.sql_type(schema, schema.message(name))


def test_the_schema_of_columns_is_the_one_that_ksqldb_writes() -> None:
    assert proto.text(COLUMNS, full_name="shop.Order") == WRITTEN
    assert read(WRITTEN) == struct(COLUMNS)


@pytest.mark.parametrize(
    ("nullable", "lines"),
    [
        ("", ["int32 A = 1;", "repeated string B = 2;"]),
        ("optional", ["optional int32 A = 1;", "repeated string B = 2;"]),
        ("wrapper", ["google.protobuf.Int32Value A = 1;", "repeated string B = 2;"]),
    ],
)
def test_null_scalars_are_kept_as_asked_for(nullable: proto.Nullable, lines: list[str]) -> None:
    text = proto.text([Column("A", INTEGER), Column("B", Array(STRING))], nullable=nullable)
    assert [line.strip() for line in text.splitlines() if "= " in line and "syntax" not in line] == lines


@settings(deadline=None)
@given(tables.columns(tables.sql_types(arrays_of_arrays=False)))
def test_columns_come_back(columns: list[Column]) -> None:
    representations: tuple[proto.Nullable, ...] = ("", "optional", "wrapper")
    for nullable in representations:
        assert read(proto.text(columns, nullable=nullable)) == struct(columns)


def test_the_language_is_read() -> None:
    text = """
        // a comment
        syntax = 'proto3';
        package a.b;
        import public "google/protobuf/timestamp.proto"; import "not/there.proto";
        option java_package = "x";
        /* another; message Not {} */
        message First {
            option (my.option).deep = { a: 1, b: [1, 2], c { d: "}" } };
            reserved 2, 15, 9 to 11; reserved "foo";
            message Inner { optional bytes raw = 1 [deprecated = true]; }
            enum Kind { option allow_alias = true; NONE = 0; ALSO = 0; MANY = -0x1 [(x) = "y"]; }
            Inner inner = 0x1; Kind kind = 3; map<string, .a.b.First.Inner> by_name = 4;
            google.protobuf.Timestamp at = 5; oneof pick { string s = 6; sfixed32 n = 7; }
            repeated int32 option = 8 [packed = false];
            optional double message = 12;
        }
        service S { rpc Do (First) returns (stream First) { option (google.api.http) = { get: "/v1" }; } }
        message Second { First first = 1; }
        extend Second { string more = 100; }
    """
    first = Struct(
        (
            ("pick_0", Struct((("s", STRING), ("n", INTEGER)))),
            ("inner", Struct((("raw", BYTES),))),
            ("kind", STRING),
            ("by_name", Map(STRING, Struct((("raw", BYTES),)))),
            ("at", TIMESTAMP),
            ("option", Array(INTEGER)),
            ("message", DOUBLE),
        )
    )
    assert read(text) == first
    assert read(text, "a.b.Second") == Struct((("first", first),))
    schema = proto.ProtoSchema(text)
    inner = schema.message("a.b.First.Inner")
    assert schema.path(inner) == [0, 0]
    assert schema.at([0, 0]) is inner
    assert schema.path(schema.message("a.b.Second")) == [1]


def test_proto2_and_the_descriptor_itself_are_read() -> None:
    text = 'syntax = "proto2"; message M { required int32 a = 1; optional bool b = 2 [default = true]; }'
    assert read(text) == Struct((("a", INTEGER), ("b", BOOLEAN)))
    encoded = base64.b64encode(timestamp_pb2.DESCRIPTOR.serialized_pb).decode()
    assert proto.ProtoSchema(encoded).message().full_name == "google.protobuf.Timestamp"


def test_types_of_google_confluent_and_references_are_known() -> None:
    text = """
        syntax = "proto3"; import "mine.proto"; import "google/type/timeofday.proto";
        import "google/protobuf/wrappers.proto"; import "confluent/type/decimal.proto"; import "confluent/meta.proto";
        message M { google.type.TimeOfDay a = 1; google.protobuf.BytesValue b = 2; mine.Own c = 3;
            confluent.type.Decimal d = 4 [(confluent.field_meta).params = {key: "scale", value: "2"}]; }
    """
    mine = 'syntax = "proto3"; package mine; message Own { float x = 1; }'
    assert read(text, references={"mine.proto": mine}) == Struct(
        (("a", TIME), ("b", BYTES), ("c", Struct((("x", DOUBLE),))), ("d", Decimal(64, 2)))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("message", "the Protobuf schema is not readable: line 1: it ends too early"),
        (
            'syntax = "proto3";\nmesage M {}',
            'the Protobuf schema is not readable: line 2: "mesage" is not expected here',
        ),
        (
            "message M {\n int32 a 1;\n}",
            'the Protobuf schema is not readable: line 2: expected "=", got "1"',
        ),
        ("message M { ? }", 'the Protobuf schema is not readable: line 1: "?" is not expected'),
        ('syntax = "proto4";', 'the Protobuf schema is not readable: line 1: syntax "proto4" is not known'),
        ("message M { map<double, int32> a = 1; }", '"double" cannot be the key of a map'),
        ("message M { int32 a = 0; }", "0 cannot be the number of a field"),
        ("message M { optional group G = 1 { } }", "groups are not supported"),
        ('syntax = "proto3"; message M { Gone g = 1; }', "Gone"),
        ('syntax = "proto3"; import "gone.proto"; message M { gone.T g = 1; }', "gone.T"),
        ('syntax = "proto3"; enum E { A = 0; }', "the Protobuf schema has no message"),
        (
            'syntax = "proto3"; message M { repeated M kids = 1; }',
            'the Protobuf message "M" is recursive, which a column cannot be',
        ),
    ],
)
def test_what_is_no_schema_or_no_column_is_told(text: str, message: str) -> None:
    with pytest.raises(SchemaUnreadable) as caught:
        read(text)
    assert message in caught.value.message


def test_messages_that_are_not_there_are_told() -> None:
    schema = proto.ProtoSchema(
        'syntax = "proto3"; import "google/protobuf/timestamp.proto"; message M { int32 a = 1; }'
    )
    for name in ("N", "google.protobuf.Timestamp"):
        with pytest.raises(SchemaUnreadable, match=f'the Protobuf schema has no message "{name}"'):
            schema.message(name)
    for path in ([1], [0, 0]):
        with pytest.raises(SchemaUnreadable, match="the Protobuf schema has no message"):
            schema.at(path)


def test_nesting_has_a_bound() -> None:
    with pytest.raises(SchemaUnreadable, match="nested too deeply"):
        proto_text.parse("message M { " * 100)
