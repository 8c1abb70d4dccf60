from __future__ import annotations

import io
import json
from collections.abc import Sequence
from decimal import Decimal as PyDecimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.errors import FormatError
from ssql.formats.api import BadRow, Decoded, FormatSpec
from ssql.formats.avro import AvroFormat
from ssql.schemas.api import Definition
from ssql.schemas.embedded import EmbeddedRegistry
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

SPEC = FormatSpec("AVRO", subject="t-value")


def binary(*rows: bytes | None) -> pa.BinaryArray:
    return pa.array(list(rows), pa.binary())


def framed(number: int, *payloads: bytes | None) -> pa.BinaryArray:
    head = b"\0" + number.to_bytes(4, "big")
    return binary(*(None if p is None else head + p for p in payloads))


def written(schema: Any, *values: Any) -> list[bytes]:
    """The values as fastavro writes them."""
    parsed = fastavro.parse_schema(schema)
    rows = []
    for value in values:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, value)
        rows.append(out.getvalue())
    return rows


def register(schemas: EmbeddedRegistry, schema: Any) -> int:
    return schemas.register("t-value", Definition("AVRO", json.dumps(schema)))


def decode(
    schemas: EmbeddedRegistry, data: pa.BinaryArray, columns: Sequence[Column], *, spec: FormatSpec = SPEC
) -> Decoded:
    return AvroFormat(schemas).decoder(spec, columns, is_key=False).decode(data)


def read(schemas: EmbeddedRegistry, schema: Any, values: Sequence[Any], t: SqlType) -> list[Any]:
    """One field F of that schema, read as a column of type `t`; reasons in place of bad rows."""
    record = {"type": "record", "name": "R", "fields": [{"name": "F", "type": schema}]}
    number = register(schemas, record)
    found = decode(schemas, framed(number, *written(record, *({"F": v} for v in values))), [Column("F", t)])
    rows = found.batch.column(0).to_pylist()
    for bad in found.bad:
        rows[bad.index] = bad.reason
    return rows


# --- what goes in comes out --------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_rows_come_back_as_they_were(shared: EmbeddedRegistry, data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    batch = data.draw(tables.batches(columns))
    wrap = data.draw(st.sampled_from([None, True, False])) if len(columns) == 1 else None
    spec = FormatSpec("AVRO", {}, wrap, "shared-value")
    form = AvroFormat(shared)
    encoded = form.encoder(spec, columns, is_key=False).encode(batch)
    assert encoded.bad == ()
    decoded = form.decoder(spec, columns, is_key=False).decode(encoded.data)
    assert decoded.bad == ()
    assert decoded.batch.equals(batch)
    if wrap is False:
        assert encoded.data.is_null().equals(batch.column(0).is_null())


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_only_the_needed_columns_are_decoded(shared: EmbeddedRegistry, data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types(), least=2))
    batch = data.draw(tables.batches(columns))
    needed = data.draw(st.sets(st.sampled_from([c.name for c in columns])))
    spec = FormatSpec("AVRO", subject="shared-value")
    form = AvroFormat(shared)
    encoded = form.encoder(spec, columns, is_key=False).encode(batch).data
    decoded = form.decoder(spec, columns, is_key=False, needed=frozenset(needed)).decode(encoded)
    assert decoded.batch.equals(batch.select([c.name for c in columns if c.name in needed]))


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_fastavro_reads_what_is_written(shared: EmbeddedRegistry, data: st.DataObject) -> None:
    columns = data.draw(tables.columns(tables.sql_types()))
    batch = data.draw(tables.batches(columns, least=1))
    spec = FormatSpec("AVRO", subject="shared-value")
    encoded = AvroFormat(shared).encoder(spec, columns, is_key=False).encode(batch).data
    number = int.from_bytes(encoded[0].as_py()[1:5], "big")
    definition = shared.by_id(number)
    assert definition is not None
    schema = fastavro.parse_schema(json.loads(definition.text))
    rows = [fastavro.schemaless_reader(io.BytesIO(row.as_py()[5:]), schema, None) for row in encoded]
    assert [[comparable(row[c.name]) for c in columns] for row in rows] == [
        [comparable(row[c.name], c.type) for c in columns] for row in batch.to_pylist()
    ]


def comparable(value: Any, t: SqlType | None = None) -> Any:
    """A value as fastavro has it: maps as lists of entries, timestamps in UTC."""
    if isinstance(t, Map) and value is not None:
        return [{"key": k, "value": comparable(v, t.value)} for k, v in value]
    if isinstance(t, Array) and value is not None:
        return [comparable(v, t.element) for v in value]
    if isinstance(t, Struct) and value is not None:
        return {n: comparable(value[n], kind) for n, kind in t.fields}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    if isinstance(value, dict):
        return {n: comparable(v) for n, v in value.items()}
    return value.replace(tzinfo=None) if hasattr(value, "astimezone") else value


def test_keys_are_bare_where_there_is_one_and_a_record_where_there_are_several(schemas: EmbeddedRegistry) -> None:
    spec = FormatSpec("AVRO", {"fullSchemaName": "x.y.TKey"}, subject="t-key")
    form = AvroFormat(schemas)
    one = [Column("K", BIGINT, key=True)]
    assert form.definition(spec, one, is_key=True).text == '"long"'
    encoded = form.encoder(spec, one, is_key=True).encode(tables.batch_of(one, [[1], [None]]))
    assert encoded.data.to_pylist() == [b"\0\0\0\0\x01\x02", None]
    two = [*one, Column("L", STRING, key=True)]
    schema = json.loads(form.definition(spec, two, is_key=True).text)
    assert (schema["name"], schema["namespace"]) == ("TKey", "x.y")
    batch = tables.batch_of(two, [[1, "a"]])
    encoded = form.encoder(spec, two, is_key=True).encode(batch)
    assert form.decoder(spec, two, is_key=True).decode(encoded.data).batch.equals(batch)
    nothing = form.encoder(spec, [], is_key=True).encode(tables.batch_of([], []))
    assert len(nothing.data) == 0


# --- independent clients -----------------------------------------------------


def test_confluents_serializers_and_ours_read_each_other(schemas: EmbeddedRegistry) -> None:
    schema = {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
            {"name": "note", "type": ["null", "string"], "default": None},
        ],
    }
    columns = [
        Column("ID", BIGINT),
        Column("PRICE", Decimal(9, 2)),
        Column("TAGS", Array(STRING)),
        Column("NOTE", STRING),
    ]
    row = {"id": 7, "price": PyDecimal("12.50"), "tags": ["a", "b"], "note": None}
    with registry_server(schemas) as server:
        client = SchemaRegistryClient({"url": server.url})
        context = SerializationContext("t", MessageField.VALUE)
        data = AvroSerializer(client, json.dumps(schema))(row, context)
        found = decode(schemas, binary(data), columns)
        assert found.bad == ()
        assert found.batch.to_pylist() == [{"ID": 7, "PRICE": PyDecimal("12.50"), "TAGS": ["a", "b"], "NOTE": None}]
        spec = FormatSpec("AVRO", subject="ours-value")
        ours = AvroFormat(schemas).encoder(spec, columns, is_key=False).encode(found.batch).data[0].as_py()
        back = AvroDeserializer(client)(ours, SerializationContext("ours", MessageField.VALUE))
        assert back == {"ID": 7, "PRICE": PyDecimal("12.50"), "TAGS": ["a", "b"], "NOTE": None}


# --- evolution ---------------------------------------------------------------


def test_each_row_is_read_by_the_schema_it_was_written_with(schemas: EmbeddedRegistry) -> None:
    old = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "gone", "type": "string"}]}
    new = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "b", "type": ["null", "string"], "default": None}, {"name": "a", "type": "long"}],
    }
    first, second = register(schemas, old), register(schemas, new)
    rows = [
        framed(second, *written(new, {"a": 2**40, "b": "x"})),
        framed(first, *written(old, {"a": 1, "gone": "?"}), None),
        framed(second, *written(new, {"a": 3, "b": None})),
    ]
    found = decode(schemas, pa.concat_arrays(rows), [Column("A", BIGINT), Column("B", STRING), Column("C", DOUBLE)])
    assert found.bad == ()
    assert found.batch.to_pydict() == {
        "A": [2**40, 1, None, 3],
        "B": ["x", None, None, None],
        "C": [None, None, None, None],
    }


def test_names_match_exactly_first_and_then_in_any_case(schemas: EmbeddedRegistry) -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": "int"}, {"name": "A", "type": "int"}, {"name": "Bc", "type": "int"}],
    }
    data = framed(register(schemas, schema), *written(schema, {"a": 1, "A": 2, "Bc": 3}))
    columns = [Column("A", INTEGER), Column("a", INTEGER), Column("BC", INTEGER)]
    assert decode(schemas, data, columns).batch.to_pylist() == [{"A": 2, "a": 1, "BC": 3}]


def test_what_nobody_wants_is_passed_over(schemas: EmbeddedRegistry) -> None:
    """Recursive types, unions, maps and blocks with sizes: all of them before the one field that is wanted."""
    schema = {
        "type": "record",
        "name": "Node",
        "fields": [
            {"name": "next", "type": ["null", "Node"]},
            {"name": "either", "type": ["string", "int", {"type": "array", "items": "null"}]},
            {"name": "map", "type": {"type": "map", "values": "double"}},
            {"name": "enum", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
            {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 3}},
            {"name": "id", "type": "int"},
        ],
    }
    leaf = {"next": None, "either": [None, None], "map": {"a": 1.0}, "enum": "Y", "fixed": b"abc", "id": 1}
    row = {**leaf, "next": {**leaf, "either": 3}, "either": "x", "id": 2}
    data = framed(register_any(schemas, schema), *written(schema, leaf, row))
    assert decode(schemas, data, [Column("ID", INTEGER)]).batch.to_pydict() == {"ID": [1, 2]}
    bad = decode(schemas, data, [Column("NEXT", STRING)]).bad
    assert bad[0].reason == "field NEXT: cannot read record as STRING"


def register_any(schemas: EmbeddedRegistry, schema: Any) -> int:
    """A schema that could not be a column of ours: as another registry would have taken it."""
    definition = Definition("AVRO", json.dumps(schema))
    number = 900
    state = schemas._state
    state.definitions[number] = definition
    return number


# --- types -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "values", "t", "expected"),
    [
        ("int", [1], STRING, ["1"]),
        ("boolean", [True], STRING, ["true"]),
        ("double", [1e10], STRING, ["1.0E10"]),
        ("long", [2**31, -5], INTEGER, ["field F: 2147483648 is out of range for INTEGER", -5]),
        ("int", [5], DOUBLE, [5.0]),
        ("float", [0.5], DOUBLE, [0.5]),
        ("double", [-1.9, 1e300], INTEGER, [-1, None]),
        ("int", [5], Decimal(4, 2), [PyDecimal("5.00")]),
        ({"type": "enum", "name": "E", "symbols": ["X", "Y"]}, ["Y"], STRING, ["Y"]),
        ({"type": "fixed", "name": "F", "size": 2}, [b"ab"], BYTES, [b"ab"]),
        (["null", "string"], [None, "a"], STRING, [None, "a"]),
        ({"type": "map", "values": "int"}, [{"a": 1}], Map(STRING, BIGINT), [[("a", 1)]]),
        (
            ["null", "int", "string"],
            [None, 3, "x"],
            Struct((("INT", INTEGER), ("STRING", STRING))),
            [None, {"INT": 3, "STRING": None}, {"INT": None, "STRING": "x"}],
        ),
        (["int", "string"], [3, "x"], STRING, ["3", "x"]),
        ("string", ["x"], INTEGER, ["field F: cannot read string as INTEGER"]),
    ],
    ids=str,
)
def test_values_become_what_the_column_is(
    schemas: EmbeddedRegistry, schema: Any, values: list[Any], t: SqlType, expected: list[Any]
) -> None:
    found = read(schemas, schema, values, t)
    if expected == [-1, None]:
        assert found[0] == -1
        assert "is out of range for INTEGER" in found[1]
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("schema", "raw", "t", "expected"),
    [
        ({"type": "int", "logicalType": "date"}, 18000, DATE, 18000),
        ({"type": "int", "logicalType": "time-millis"}, 5, TIME, 5000),
        ({"type": "long", "logicalType": "time-micros"}, 5999, TIME, 5000),
        ({"type": "long", "logicalType": "timestamp-millis"}, -1, TIMESTAMP, -1),
        ({"type": "long", "logicalType": "timestamp-micros"}, -1, TIMESTAMP, -1),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, 7, TIMESTAMP, 7),
        ("long", 7, TIMESTAMP, 7),
        ("int", 7, DATE, 7),
    ],
    ids=str,
)
def test_times_are_read_in_their_units(
    schemas: EmbeddedRegistry, schema: Any, raw: int, t: SqlType, expected: int
) -> None:
    plain = schema["type"] if isinstance(schema, dict) else schema
    record = {"type": "record", "name": "R", "fields": [{"name": "F", "type": schema}]}
    payload = written({**record, "fields": [{"name": "F", "type": plain}]}, {"F": raw})[0]
    found = decode(schemas, framed(register(schemas, record), payload), [Column("F", t)]).batch.column(0)
    assert found.view(pa.int32() if t == DATE else pa.int64()).to_pylist() == [expected]


@pytest.mark.parametrize("kind", ["bytes", "fixed"])
def test_decimals_are_rescaled_and_must_fit(schemas: EmbeddedRegistry, kind: str) -> None:
    schema = {"type": kind, "logicalType": "decimal", "precision": 6, "scale": 3}
    if kind == "fixed":
        schema |= {"name": "D", "size": 4}
    values = [PyDecimal("1.230"), PyDecimal("-0.125"), PyDecimal("100.000")]
    assert read(schemas, schema, values, Decimal(6, 3)) == values
    assert read(schemas, schema, values, Decimal(4, 2)) == [
        PyDecimal("1.23"),
        "field F: -0.125 does not fit DECIMAL(4, 2) without rounding",
        "field F: 100.000 is out of range for DECIMAL(4, 2)",
    ]
    assert read(schemas, schema, values[:1], Decimal(8, 4)) == [PyDecimal("1.2300")]


# --- bad rows ----------------------------------------------------------------

LIST = {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "string"}}]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"\0\0\0", "not in the Schema Registry's wire format: expected a byte 0 and a schema id first"),
        (b"", "not in the Schema Registry's wire format: expected a byte 0 and a schema id first"),
        (b"\x01\0\0\0\x01\0", "not in the Schema Registry's wire format: expected a byte 0 and a schema id first"),
        (b"\0\0\0\0\x63\0", "schema id 99 is not in the Schema Registry"),
        (b"\0\0\0\0\x02\0", "schema id 2 is of type JSON, which the format AVRO does not read"),
        (b"\0\0\0\0\x01", "field a: ends too early"),
        (b"\0\0\0\0\x01\x02\x0aab", "field a: ends too early"),
        (b"\0\0\0\0\x01\x02\x01ab", "field a: holds a length of -1"),
        (b"\0\0\0\0\x01\x02\x04\xff\xfe\0", "field a: not valid UTF-8"),
        (b"\0\0\0\0\x01" + b"\xff" * 11, "field a: holds a number of more than 64 bits"),
        (b"\0\0\0\0\x01\xfe\xff\xff\xff\x0f", "field a: ends too early"),
    ],
)
def test_a_bad_row_is_told_and_harms_no_other(schemas: EmbeddedRegistry, row: bytes, reason: str) -> None:
    assert register(schemas, LIST) == 1
    assert schemas.register("j", Definition("JSON", '{"type": "string"}')) == 2
    good = framed(1, *written(LIST, {"a": ["x"]}))[0].as_py()
    found = decode(schemas, binary(good, row, None, good), [Column("A", Array(STRING))])
    assert found.bad == (BadRow(1, reason),)
    assert found.batch.to_pydict() == {"A": [["x"], None, None, ["x"]]}


@given(st.binary(max_size=30))
def test_no_bytes_do_more_than_be_bad(shared: EmbeddedRegistry, content: bytes) -> None:
    columns = [Column("A", Array(Map(STRING, DATE))), Column("B", Decimal(9, 2)), Column("C", TIMESTAMP)]
    spec = FormatSpec("AVRO", subject="any-value")
    form = AvroFormat(shared)
    head = form.encoder(spec, columns, is_key=False).encode(tables.batch_of(columns, [[None] * 3])).data[0].as_py()[:5]
    found = form.decoder(spec, columns, is_key=False).decode(binary(head + content))
    assert len(found.bad) <= 1


# --- writing by schemas of others --------------------------------------------

THEIRS = {
    "type": "record",
    "name": "Theirs",
    "fields": [
        {"name": "extra", "type": "string", "default": "none"},
        {"name": "id", "type": "long"},
        {"name": "kind", "type": ["null", {"type": "enum", "name": "K", "symbols": ["A", "B"]}], "default": None},
        {"name": "opt", "type": ["null", "int"]},
        {"name": "raw", "type": "bytes", "default": "ÿ"},
    ],
}


def test_a_schema_named_by_id_is_written_with_its_names_and_defaults(schemas: EmbeddedRegistry) -> None:
    number = register(schemas, THEIRS)
    columns = [Column("ID", INTEGER), Column("KIND", STRING)]
    spec = FormatSpec("AVRO", {"schemaId": str(number)}, subject="t-value")
    encoded = (
        AvroFormat(schemas)
        .encoder(spec, columns, is_key=False)
        .encode(tables.batch_of(columns, [[1, "B"], [2, None], [None, "A"], [3, "C"]]))
    )
    assert encoded.bad == (
        BadRow(2, "field id: null, where the schema asks for a value"),
        BadRow(3, 'field kind: "C" is no symbol of the enum'),
    )
    schema = fastavro.parse_schema(THEIRS)
    rows = [fastavro.schemaless_reader(io.BytesIO(r.as_py()[5:]), schema, None) for r in encoded.data if r.is_valid]
    assert rows == [
        {"extra": "none", "id": 1, "kind": "B", "opt": None, "raw": b"\xff"},
        {"extra": "none", "id": 2, "kind": None, "opt": None, "raw": b"\xff"},
    ]
    assert encoded.data[0].as_py()[:5] == b"\0" + number.to_bytes(4, "big")


def test_a_topic_of_others_is_written_with_their_schema_where_it_fits(schemas: EmbeddedRegistry) -> None:
    number = register(schemas, THEIRS)
    columns = [Column("ID", BIGINT)]
    encoded = AvroFormat(schemas).encoder(SPEC, columns, is_key=False).encode(tables.batch_of(columns, [[1]]))
    assert int.from_bytes(encoded.data[0].as_py()[1:5], "big") == number
    assert len(schemas.subjects()) == 1
    other = [Column("ID", BIGINT), Column("NEW", STRING)]
    encoded = AvroFormat(schemas).encoder(SPEC, other, is_key=False).encode(tables.batch_of(other, [[1, "x"]]))
    latest = schemas.latest("t-value")
    assert latest is not None
    assert int.from_bytes(encoded.data[0].as_py()[1:5], "big") == latest.id == number + 1


def test_null_is_the_default_where_the_schema_has_no_place_for_it(schemas: EmbeddedRegistry) -> None:
    spec = FormatSpec("AVRO", {"schemaId": str(register(schemas, THEIRS))})
    columns = [Column("ID", BIGINT), Column("EXTRA", STRING)]
    for rows in (1, 40):  # by both writers
        batch = tables.batch_of(columns, [[1, None], [2, "x"]] * rows)
        encoded = AvroFormat(schemas).encoder(spec, columns, is_key=False).encode(batch)
        found = decode(schemas, encoded.data, columns).batch.column(1)
        assert found.to_pylist() == ["none", "x"] * rows


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ([Column("NONE", INTEGER)], "Schema is not compatible with Avro: the schema has no field NONE"),
        ([Column("ID", STRING)], "Schema is not compatible with Avro: field id: cannot write STRING as long"),
        (
            [Column("EXTRA", STRING)],
            "Schema is not compatible with Avro: field id: the schema asks for a value, and no column has it",
        ),
    ],
)
def test_a_schema_that_has_no_place_for_the_columns_is_told(
    schemas: EmbeddedRegistry, columns: list[Column], reason: str
) -> None:
    number = register(schemas, THEIRS)
    spec = FormatSpec("AVRO", {"schemaId": str(number)})
    with pytest.raises(FormatError) as caught:
        AvroFormat(schemas).encoder(spec, columns, is_key=False)
    assert caught.value.message == reason


# --- what the format holds ---------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "spec", "message"),
    [
        ([Column("A", Map(INTEGER, DOUBLE))], SPEC, "Avro only supports MAPs with STRING keys"),
        (
            [Column("1A", BOOLEAN)],
            SPEC,
            "Schema is not compatible with Avro: Illegal initial character: 1A",
        ),
        (
            [Column("A", Struct((("a-b", BOOLEAN),)))],
            SPEC,
            "Schema is not compatible with Avro: Illegal character in: a-b",
        ),
        (
            [Column("A", BOOLEAN)],
            FormatSpec("AVRO", {"fullSchemaName": " "}),
            "fullSchemaName cannot be empty. Format configuration: {fullSchemaName=}",
        ),
        (
            [Column("A", BOOLEAN)],
            FormatSpec("AVRO", {"schemaId": "x"}),
            'a schema id is a whole number from 1 on, not "x"',
        ),
    ],
)
def test_what_avro_cannot_hold_is_refused(columns: list[Column], spec: FormatSpec, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        AvroFormat().check(spec, columns, is_key=False)
    assert caught.value.message == message
