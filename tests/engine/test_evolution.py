"""What the formats of a registry can do, through SQL, on the registry in the log.

what                              AVRO  PROTOBUF  JSON_SR   where
wire format, both ways              x       x        x      tests/formats/test_{avro,protobuf,json_sr}.py
columns from the subject's latest   x       x        x      test_schemas.py; here: nested, of another type
columns from an id                  x       x        x      here, and test_schemas.py
keys: bare, or of several columns   x   (message)    x      test_schemas.py, test_keys.py
full name of the record, message    x       x        -      test_schemas.py; here: of several messages
references to other schemas         x       x        x      here
single values, bare                 x       -        x      here
a newer or older writer:
  added fields (null, default)      x       x        x      here
  removed fields                    x       x        x      here
  promoted types, and back          x       x        x      here
  renamed fields                    x       x        x      here
a schema that does not follow on    x       x        x      here
the topic of others is written
  with their schema                 x       x        x      here
null and default                    x       x        x      test_read_back.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from ssql.errors import SchemaRefused, SchemaUnreadable
from ssql.formats.api import FormatSpec
from ssql.formats.inference import RegistryFormat
from ssql.formats.registry import format_named
from ssql.log.api import RECORD_SCHEMA
from ssql.schemas.api import Definition, Reference, SchemaRegistry
from tests.engine.conftest import Bench

REGISTERED = ("AVRO", "PROTOBUF", "JSON_SR")
Row = dict[str, Any]


def avro(*fields: tuple[str, Any] | tuple[str, Any, Any], name: str = "R") -> Definition:
    """A record; a third item of a field is its default."""
    keys = ("name", "type", "default")
    text = {"type": "record", "name": name, "fields": [dict(zip(keys, f, strict=False)) for f in fields]}
    return Definition("AVRO", json.dumps(text))


def proto(*messages: str) -> Definition:
    return Definition("PROTOBUF", 'syntax = "proto3"; ' + " ".join(messages))


def json_schema(**properties: str) -> Definition:
    """An object; its properties by the names that Connect has for their types."""
    kinds = {"string": "string", "float64": "number"}
    held = {n: {"type": kinds.get(t, "integer"), "connect.type": t, "connect.index": i}
            for i, (n, t) in enumerate(properties.items())}  # fmt: skip
    return Definition("JSON", json.dumps({"type": "object", "properties": held}))


def schemas(bench: Bench) -> SchemaRegistry:
    return bench.engine._core.schemas


def written(
    bench: Bench,
    format_: str,
    subject: str,
    definition: Definition,
    rows: Sequence[Row],
    *,
    full_name: str = "",
    bare: bool = False,
) -> list[bytes]:
    """The records that somebody writes who registers that schema."""
    number = schemas(bench).register(subject, definition)
    properties = {"schemaId": str(number)} | ({"fullSchemaName": full_name} if full_name else {})
    spec = FormatSpec(format_, properties, False if bare else None, subject)
    form, is_key = format_named(format_, schemas(bench)), subject.endswith("-key")
    assert isinstance(form, RegistryFormat)
    columns = form.columns(spec, definition, is_key=is_key)
    arrays = [pa.array([row.get(c.name) for row in rows], c.type.arrow) for c in columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns])
    encoded = form.encoder(spec, columns, is_key=is_key).encode(batch)
    assert encoded.bad == ()
    return list(encoded.data.to_pylist())


def put(bench: Bench, values: Sequence[bytes], keys: Sequence[bytes] | None = None) -> None:
    """Append records to topic s, which is made where it is not there."""
    log = bench.engine._log
    if log.topic("s") is None:
        log.create_topic("s", 1)
    rows = [
        {"key": keys[i] if keys else None, "value": v, "timestamp": 0, "headers": None} for i, v in enumerate(values)
    ]
    log.append("s", pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA), 0)


def shown(bench: Bench, name: str) -> list[str]:
    relation = bench.engine._core.catalog.relation(name)
    assert relation is not None
    return [str(c) for c in relation.schema.columns]


# --- writers of another age --------------------------------------------------

#: A schema and its successor: `n` is promoted, `gone` removed, `fresh` and `maybe` added, `was` renamed.
SUCCESSIONS = {
    "AVRO": (
        avro(("n", "int"), ("gone", ["null", "long"], None), ("was", "string")),
        avro(("n", "long"), ("fresh", "string", "x"), ("maybe", ["null", "int"], None), ("now", "string", "")),
    ),
    "PROTOBUF": (
        proto("message R {int32 n = 1; int64 gone = 2; string was = 3;}"),
        proto("message R {int64 n = 1; string fresh = 4; optional int32 maybe = 5; string now = 3;}"),
    ),
    "JSON_SR": (
        json_schema(n="int32", gone="int64", was="string"),
        json_schema(n="int64", fresh="string", maybe="int32", now="string"),
    ),
}
OLD_ROWS: list[Row] = [{"n": 1, "gone": 2, "was": "a"}]
NEW_ROWS: list[Row] = [
    {"n": 3, "fresh": "f", "maybe": 4, "now": "b"},
    {"n": 5, "fresh": "g", "maybe": None, "now": "c"},
]


@pytest.mark.parametrize("format_", REGISTERED)
def test_columns_of_the_older_schema_read_what_newer_writers_write(bench: Bench, format_: str) -> None:
    """What the schema of a record has not is null, what is new is not seen, and BIGINT fits into INT or is told."""
    old, new = SUCCESSIONS[format_]
    put(bench, written(bench, format_, "s-value", old, OLD_ROWS))
    bench.run(f"CREATE STREAM s WITH (kafka_topic='s', value_format='{format_}');")
    bench.run("CREATE STREAM o WITH (value_format='JSON') AS SELECT n, gone, was FROM s;")
    put(bench, written(bench, format_, "s-value", new, [*NEW_ROWS, {"n": 1 << 40, "fresh": "", "now": ""}]))
    assert bench.rows("SELECT * FROM o;") == [(1, 2, "a"), (3, None, None), (5, None, None)]
    ((reason,),) = bench.rows("SELECT reason FROM ssql_errors;")
    assert "1099511627776 is out of range for INTEGER" in reason


@pytest.mark.parametrize("format_", REGISTERED)
def test_columns_of_the_newer_schema_read_what_older_writers_wrote(bench: Bench, format_: str) -> None:
    old, new = SUCCESSIONS[format_]
    records = written(bench, format_, "s-value", old, OLD_ROWS) + written(bench, format_, "s-value", new, NEW_ROWS)
    put(bench, records)
    bench.run(f"CREATE STREAM s WITH (kafka_topic='s', value_format='{format_}');")
    bench.run("CREATE STREAM o WITH (value_format='JSON') AS SELECT n, fresh, maybe, now FROM s;")
    assert bench.rows("SELECT * FROM o;") == [(1, None, None, None), (3, "f", 4, "b"), (5, "g", None, "c")]


@pytest.mark.parametrize("format_", REGISTERED)
def test_a_query_goes_on_when_writers_change(bench: Bench, format_: str) -> None:
    old, new = SUCCESSIONS[format_]
    put(bench, written(bench, format_, "s-value", old, OLD_ROWS))
    bench.run(f"CREATE STREAM s WITH (kafka_topic='s', value_format='{format_}');")
    bench.run(
        "CREATE TABLE t WITH (key_format='JSON', value_format='JSON') AS SELECT n, COUNT(*) AS c FROM s GROUP BY n;"
    )
    assert bench.rows("SELECT * FROM t;") == [(1, 1)]
    put(bench, written(bench, format_, "s-value", new, NEW_ROWS))
    assert bench.rows("SELECT * FROM t;") == [(1, 1), (3, 1), (5, 1)]
    bench.reopen()
    put(bench, written(bench, format_, "s-value", old, OLD_ROWS))
    assert bench.rows("SELECT * FROM t;") == [(1, 2), (3, 1), (5, 1)]


# --- registering -------------------------------------------------------------

SOURCE = "CREATE STREAM s (a INT, b STRING, c BIGINT) WITH (kafka_topic='s', partitions=1, value_format='{}');"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("a, b, c, 5 AS d", None),
        ("b, a", None),
        ("CAST(a AS BIGINT) AS a, b, CAST(c AS DOUBLE) AS c", None),
        ("CAST(a AS STRING) AS a", None),
        ("a AS c, b", "C was BIGINT and would be INTEGER"),
        ("ARRAY[a] AS a", "A was INTEGER and would be ARRAY<INTEGER>"),
        ("STRUCT(x := a) AS b", "B was STRING and would be STRUCT<`X` INTEGER>"),
    ],
)
@pytest.mark.parametrize("format_", REGISTERED)
def test_a_schema_must_read_what_the_one_before_it_wrote(
    bench: Bench, format_: str, columns: str, reason: str | None
) -> None:
    bench.run(SOURCE.format(format_) + "CREATE STREAM o AS SELECT a, b, c FROM s;DROP STREAM o;")
    again = f"CREATE STREAM o AS SELECT {columns} FROM s;"
    if reason is None:
        bench.run(again)
        latest = schemas(bench).latest("O-value")
        assert latest is not None
        assert latest.version == 2
        return
    error = bench.fails(again)
    assert isinstance(error, SchemaRefused)
    assert str(error) == f'the schema does not follow the latest of subject "O-value": {reason}'
    assert bench.marked(error) == "o"
    assert "O" not in bench.engine._core.catalog.sources
    bench.run("CREATE STREAM x (v INT) WITH (kafka_topic='O', value_format='KAFKA');DROP STREAM x DELETE TOPIC;")
    assert "O-value" in schemas(bench).subjects()


def test_a_subject_changes_its_type_only_where_nothing_is_checked(bench: Bench, make: Any) -> None:
    script = SOURCE.format("AVRO") + "CREATE STREAM o AS SELECT a FROM s;DROP STREAM o;"
    change = "CREATE STREAM o WITH (value_format='PROTOBUF') AS SELECT a FROM s;"
    bench.run(script)
    assert "was of type AVRO and would be of type PROTOBUF" in str(bench.fails(change))
    free = make(**{"schema.registry.compatibility": "none"})
    free.run(script + change)


def test_a_refused_schema_leaves_no_topic(bench: Bench) -> None:
    schemas(bench).register("o-value", avro(("A", "string")))
    bench.run(SOURCE.format("AVRO"))
    bench.fails("CREATE STREAM o WITH (kafka_topic='o') AS SELECT a FROM s;")
    assert bench.engine._log.topic("o") is None


@pytest.mark.parametrize("format_", REGISTERED)
def test_the_topic_of_others_is_written_with_their_schema(bench: Bench, format_: str) -> None:
    """Where it has places for all columns; what it has beside them is its default."""
    _, new = SUCCESSIONS[format_]
    number = schemas(bench).register("s-value", new)
    bench.run(
        f"CREATE STREAM some (n BIGINT, now STRING) WITH (kafka_topic='s', partitions=1, value_format='{format_}');"
        f"CREATE STREAM every WITH (kafka_topic='s', value_format='{format_}');"
        "INSERT INTO some VALUES (1, 'a');"
    )
    assert bench.topic("s")[0][1][1:5] == number.to_bytes(4, "big")  # type: ignore[index]
    fresh = {"AVRO": "x", "PROTOBUF": "", "JSON_SR": None}[format_]
    assert bench.rows("SELECT n, fresh, maybe, now FROM every;") == [(1, fresh, None, "a")]
    latest = schemas(bench).latest("s-value")
    assert latest is not None
    assert latest.version == 1


@pytest.mark.parametrize("format_", REGISTERED)
def test_an_added_column_is_a_new_version(bench: Bench, format_: str) -> None:
    bench.run(SOURCE.format(format_) + "INSERT INTO s (a) VALUES (1);ALTER STREAM s ADD COLUMN d INT;")
    bench.run("INSERT INTO s (a, d) VALUES (2, 3);")
    assert bench.rows("SELECT a, d FROM s;") == [(1, None), (2, 3)]
    latest = schemas(bench).latest("s-value")
    assert latest is not None
    assert latest.version == 2


@pytest.mark.parametrize("format_", REGISTERED)
def test_a_schema_of_another_type_is_told(bench: Bench, format_: str) -> None:
    other = REGISTERED[REGISTERED.index(format_) - 1]
    schemas(bench).register("s-value", SUCCESSIONS[other][0])
    error = bench.fails(f"CREATE STREAM s WITH (kafka_topic='s', partitions=1, value_format='{format_}');")
    assert isinstance(error, SchemaUnreadable)
    kind = SUCCESSIONS[other][0].type
    assert error.hint == f"Subject: s-value. Its latest schema is of type {kind}, which {format_} does not read."


# --- references, several messages, bare values -------------------------------


def test_references_of_avro(bench: Bench) -> None:
    schemas(bench).register("inner", Definition("AVRO", avro(("x", "int"), name="n.Inner").text))
    outer = avro(("i", "n.Inner"), ("j", ["null", "n.Inner"], None))
    outer = Definition("AVRO", outer.text, (Reference("n.Inner", "inner", 1),))
    put(bench, written(bench, "AVRO", "s-value", outer, [{"i": {"x": 1}, "j": {"x": 2}}, {"i": {"x": 3}}]))
    bench.run(
        "CREATE STREAM s WITH (kafka_topic='s', value_format='AVRO');CREATE STREAM o AS SELECT i->x, j->x FROM s;"
    )
    assert bench.rows("SELECT * FROM o;") == [(1, 2), (3, None)]


def test_references_of_protobuf(bench: Bench) -> None:
    schemas(bench).register("deep", proto("package d; message Deep {int64 y = 1;}"))
    inner = Definition(
        "PROTOBUF",
        'syntax = "proto3"; package n; import "deep.proto"; message Inner {int32 x = 1; d.Deep deep = 2;}',
        (Reference("deep.proto", "deep", 1),),
    )
    schemas(bench).register("inner", inner)
    outer = Definition(
        "PROTOBUF",
        'syntax = "proto3"; import "inner.proto"; message Outer {n.Inner i = 1; repeated n.Inner l = 2;}',
        (Reference("inner.proto", "inner", 1),),
    )
    rows: list[Row] = [{"i": {"x": 1, "deep": {"y": 5}}, "l": [{"x": 2, "deep": None}]}, {"i": None, "l": []}]
    put(bench, written(bench, "PROTOBUF", "s-value", outer, rows))
    bench.run("CREATE STREAM s WITH (kafka_topic='s', value_format='PROTOBUF');")
    bench.run("CREATE STREAM o WITH (value_format='JSON') AS SELECT i->x, i->deep->y, l[1]->x AS e FROM s;")
    assert bench.rows("SELECT * FROM o;") == [(1, 5, 2), (None, None, None)]


def test_references_of_json(bench: Bench) -> None:
    schemas(bench).register("inner", json_schema(x="int64"))
    text = {"type": "object", "properties": {"i": {"$ref": "inner.json"}, "k": {"$ref": "#/definitions/k"}},
            "definitions": {"k": {"type": "string"}}}  # fmt: skip
    outer = Definition("JSON", json.dumps(text), (Reference("inner.json", "inner", 1),))
    put(bench, written(bench, "JSON_SR", "s-value", outer, [{"i": {"x": 1}, "k": "a"}, {"i": None, "k": None}]))
    bench.run(
        "CREATE STREAM s WITH (kafka_topic='s', value_format='JSON_SR');CREATE STREAM o AS SELECT i->x, k FROM s;"
    )
    assert bench.rows("SELECT * FROM o;") == [(1, "a"), (None, None)]


def test_a_schema_of_several_messages(bench: Bench) -> None:
    several = proto(
        "message First {int32 f = 1;}",
        "message Second {string s = 1; message Inner {int64 z = 1;} Inner part = 2;}",
    )
    names = "key_schema_full_name='Second.Inner', value_schema_full_name='Second'"
    values = written(bench, "PROTOBUF", "s-value", several, [{"s": "x", "part": {"z": 5}}], full_name="Second")
    keys = written(bench, "PROTOBUF", "s-key", several, [{"z": 7}], full_name="Second.Inner")
    put(bench, values, keys)
    bench.run(
        f"CREATE STREAM s WITH (kafka_topic='s', format='PROTOBUF', {names});"
        f"CREATE STREAM by_id WITH (kafka_topic='s', format='PROTOBUF', key_schema_id=1, value_schema_id=1, {names});"
        f"CREATE STREAM o WITH (key_schema_id=1, value_schema_id=1, {names}) AS SELECT * FROM by_id;"
    )
    assert shown(bench, "S") == ["`Z` BIGINT KEY", "`S` STRING", "`PART` STRUCT<`Z` BIGINT>"]
    assert shown(bench, "BY_ID") == ["`z` BIGINT KEY", "`s` STRING", "`part` STRUCT<`z` BIGINT>"]
    assert bench.rows("SELECT z, s, part->z FROM s;") == [(7, "x", 5)]
    bench.settle()
    assert bench.topic("O") == [(keys[0], values[0])]
    # Without a name it is the first one; a name that is none is told.
    bench.run("CREATE STREAM first WITH (kafka_topic='s', key_format='NONE', value_format='PROTOBUF');")
    assert shown(bench, "FIRST") == ["`F` INTEGER"]
    error = bench.fails(
        "CREATE STREAM third WITH (kafka_topic='s', value_format='PROTOBUF', value_schema_full_name='Third');"
    )
    assert 'the Protobuf schema has no message "Third"' in str(error.hint)


BARE = {
    "AVRO": Definition("AVRO", '"int"'),
    "JSON_SR": Definition("JSON", '{"type": "integer", "connect.type": "int32"}'),
}


@pytest.mark.parametrize("format_", list(BARE))
def test_single_values_are_bare_where_the_statement_says_so(bench: Bench, format_: str) -> None:
    values = written(bench, format_, "s-value", BARE[format_], [{"ROWVAL": 5}, {"ROWVAL": 6}], bare=True)
    keys = written(bench, format_, "s-key", BARE[format_], [{"ROWKEY": 7}, {"ROWKEY": 8}])
    put(bench, values, keys)
    refused = bench.fails(f"CREATE STREAM s WITH (kafka_topic='s', format='{format_}');")
    assert "the schema is INTEGER, which holds no columns" in str(refused.hint)
    bench.run(
        f"CREATE STREAM s WITH (kafka_topic='s', format='{format_}', wrap_single_value=false);"
        "CREATE STREAM wrapped AS SELECT * FROM s;"
        "CREATE STREAM bare WITH (wrap_single_value=false) AS SELECT * FROM s;"
        f"CREATE STREAM again WITH (kafka_topic='BARE', format='{format_}', wrap_single_value=false);"
    )
    assert shown(bench, "S") == ["`ROWKEY` INTEGER KEY", "`ROWVAL` INTEGER"]
    assert bench.rows("SELECT * FROM wrapped;") == bench.rows("SELECT * FROM again;") == [(7, 5), (8, 6)]
    payloads = [(k[5:], v[5:]) for k, v in bench.topic("BARE") if k is not None and v is not None]
    assert (
        payloads == {"AVRO": [(b"\x0e", b"\x0a"), (b"\x10", b"\x0c")], "JSON_SR": [(b"7", b"5"), (b"8", b"6")]}[format_]
    )
