"""JSON_SR: JSON behind the registry's frame, with a schema that says what is in it.

Rows are read as leniently as JSON is: of the schema only the way in which it holds maps matters. Connect, and so
ksqlDB, writes them as arrays of {key, value}; schemas of others may have objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats import framing, registered, rules
from ssql.formats.api import BadRow, FormatSpec
from ssql.formats.json import JsonDecoder, JsonEncoder, JsonFormat
from ssql.formats.json_values import members
from ssql.schemas import json_schema
from ssql.schemas.api import Definition, SchemaType
from ssql.schemas.json_schema import JsonSchema
from ssql.types import STRING, Array, Column, Map, SqlType, Struct


class JsonSchemaFormat(registered.RegisteredFormat[JsonSchema]):
    """The JSON_SR format."""

    name = "JSON_SR"
    wraps: tuple[bool, ...] = (True, False)
    schema_type: SchemaType = "JSON"

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, (registered.FULL_NAME, registered.SCHEMA_ID))
        registered.check_properties(spec)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        rules.refuse_map_keys(columns, is_key=is_key)
        rules.require_string_map_keys(JsonFormat.name, columns)

    def definition(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Definition:
        return Definition("JSON", json_schema.text(columns, record=rules.is_record(spec, columns, is_key=is_key)))

    def columns(self, spec: FormatSpec, definition: Definition, *, is_key: bool) -> tuple[Column, ...]:
        found = json_schema.sql_type(definition.text, self.references(definition))
        return rules.inferred(found, is_key=is_key, bare=is_key or spec.wrap is False)

    def parse(self, text: str, references: Mapping[str, str]) -> JsonSchema:
        return JsonSchema(text, references)

    def reader(self, schema: JsonSchema, columns: Sequence[Column], *, record: bool) -> JsonSchemaReader:
        return JsonSchemaReader(schema, columns, record=record)

    def writer(
        self,
        number: int,
        schema: JsonSchema,
        spec: FormatSpec,  # noqa: ARG002
        columns: Sequence[Column],
        *,
        record: bool,
    ) -> JsonSchemaWriter:
        return JsonSchemaWriter(number, schema, columns, record=record)


def form(schema: JsonSchema, node: Any, t: SqlType) -> SqlType:
    """The type as the JSON of a schema holds it: an ARRAY<STRUCT<key, value>> for each MAP that is an array there."""
    try:
        found = schema.resolved(node)
    except SchemaUnreadable:
        return t  # what the schema leaves open is read as it comes
    if isinstance(t, Map):
        if json_schema.kind_of(found) != "array":
            return Map(t.key, form(schema, found.get("additionalProperties"), t.value))
        entry = _members(schema, found.get("items"))
        value = form(schema, entry.get("value"), t.value)
        return Array(Struct((("key", t.key), ("value", value))))
    if isinstance(t, Array):
        return Array(form(schema, found.get("items"), t.element))
    if isinstance(t, Struct):
        held = members(_members(schema, node), [name for name, _ in t.fields])
        return Struct(tuple((n, form(schema, inner, kind)) for (n, kind), inner in zip(t.fields, held, strict=True)))
    return t


def _members(schema: JsonSchema, node: Any) -> dict[str, Any]:
    try:
        return dict(json_schema.properties(schema.resolved(node)))
    except SchemaUnreadable:
        return {}


def _forms(schema: JsonSchema, columns: Sequence[Column], *, record: bool) -> list[Column]:
    if not record:
        return [Column(c.name, form(schema, schema.root, c.type)) for c in columns]
    held = members(_members(schema, schema.root), [c.name for c in columns])
    return [Column(c.name, form(schema, inner, c.type)) for c, inner in zip(columns, held, strict=True)]


def to_maps(array: pa.Array, held: SqlType, t: SqlType) -> pa.Array:
    """An array of the type `held` (a `form` of `t`) as one of type `t`: entries become maps, null keys "null"."""
    if held == t:
        return array
    if array.offset:  # children are to line up with the buffers
        array = pa.concat_arrays([array, array.slice(0, 0)])
    nulls = array.buffers()[0]
    if isinstance(t, Map) and isinstance(held, Array) and isinstance(held.element, Struct):
        keys, values = array.values.field(0), to_maps(array.values.field(1), held.element.fields[1][1], t.value)
        return _map(array, nulls, pc.fill_null(keys, "null") if t.key == STRING else keys, values, t)
    if isinstance(t, Map) and isinstance(held, Map):
        return _map(array, nulls, array.keys, to_maps(array.items, held.value, t.value), t)
    if isinstance(t, Array) and isinstance(held, Array):
        values = to_maps(array.values, held.element, t.element)
        return pa.Array.from_buffers(t.arrow, len(array), [nulls, array.buffers()[1]], children=[values])
    assert isinstance(t, Struct)
    assert isinstance(held, Struct)
    fields = [
        to_maps(array.field(i), inner, kind)
        for i, ((_, kind), (_, inner)) in enumerate(zip(t.fields, held.fields, strict=True))
    ]
    return pa.Array.from_buffers(t.arrow, len(array), [nulls], children=fields)


def _map(array: pa.Array, nulls: pa.Buffer | None, keys: pa.Array, values: pa.Array, t: Map) -> pa.Array:
    entries = pa.StructArray.from_arrays(
        [keys, values],
        fields=[pa.field("key", t.key.arrow, nullable=False), pa.field("value", t.value.arrow)],
    )
    return pa.Array.from_buffers(t.arrow, len(array), [nulls, array.buffers()[1]], children=[entries])


def to_entries(array: pa.Array, t: SqlType, held: SqlType) -> pa.Array:
    """The inverse of `to_maps`."""
    if held == t:
        return array
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])
    nulls = array.buffers()[0]
    if isinstance(t, Map):
        inner = held.element.fields[1][1] if isinstance(held, Array) and isinstance(held.element, Struct) else None
        if inner is None:
            assert isinstance(held, Map)
            return _map(array, nulls, array.keys, to_entries(array.items, t.value, held.value), held)
        values = to_entries(array.items, t.value, inner)
        entries = pa.StructArray.from_arrays([array.keys, values], names=["key", "value"])
        return pa.Array.from_buffers(held.arrow, len(array), [nulls, array.buffers()[1]], children=[entries])
    if isinstance(t, Array) and isinstance(held, Array):
        values = to_entries(array.values, t.element, held.element)
        return pa.Array.from_buffers(held.arrow, len(array), [nulls, array.buffers()[1]], children=[values])
    assert isinstance(t, Struct)
    assert isinstance(held, Struct)
    fields = [
        to_entries(array.field(i), kind, inner)
        for i, ((_, kind), (_, inner)) in enumerate(zip(t.fields, held.fields, strict=True))
    ]
    return pa.Array.from_buffers(held.arrow, len(array), [nulls], children=fields)


class JsonSchemaReader:
    """Reads rows of one schema."""

    def __init__(self, schema: JsonSchema, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.forms = _forms(schema, columns, record=record)
        self.decoder = JsonDecoder(self.forms, record=record)

    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[BadRow]]:
        decoded = self.decoder.decode(payload)
        arrays = [
            to_maps(array, held.type, column.type)
            for array, held, column in zip(decoded.batch.columns, self.forms, self.columns, strict=True)
        ]
        return arrays, list(decoded.bad)


class JsonSchemaWriter:
    """Writes rows by one schema, under the names that it has; properties without a column are null.

    Raises (when made):
        FormatError: where the schema has no place for a column.
    """

    def __init__(self, number: int, schema: JsonSchema, columns: Sequence[Column], *, record: bool) -> None:
        self.frame = framing.frame(number)
        self.columns = tuple(columns)
        self.forms = _forms(schema, columns, record=record)
        self.record = record
        written, self.missing = list(self.forms), 0
        if record:
            held = json_schema.properties(schema.resolved(schema.root))
            names = {name.upper(): name for name, _ in reversed(held)}
            own = {name for name, _ in held}
            targets = [c.name if c.name in own else names.get(c.name.upper()) for c in columns]
            for column, target in zip(columns, targets, strict=True):
                if target is None:
                    raise FormatError(f"Schema is not compatible with JSON: the schema has no field {column.name}")
            written = [Column(str(name), c.type) for name, c in zip(targets, self.forms, strict=True)]
            rest = [name for name, _ in held if name not in targets]
            written += [Column(name, STRING) for name in rest]
            self.missing = len(rest)
        self.encoder = JsonEncoder(written, record=record)

    def write(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[BadRow]]:
        arrays = [
            to_entries(array, column.type, held.type)
            for array, held, column in zip(batch.columns, self.forms, self.columns, strict=True)
        ]
        arrays += [pa.nulls(batch.num_rows, pa.string())] * self.missing
        whole = pa.RecordBatch.from_arrays(arrays, names=[str(at) for at in range(len(arrays))])
        encoded = self.encoder.encode(whole)
        return pc.binary_join_element_wise(self.frame, encoded.data, b""), list(encoded.bad)
