"""PROTOBUF and PROTOBUF_NOSR: a message a row.

PROTOBUF has its schemas in the registry: behind the frame stands which of the schema's messages it is.
PROTOBUF_NOSR is the message alone, laid out as the columns are declared: the first is field 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats import framing, registered, rules
from ssql.formats.api import BadRow, Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.avro_writers import varint
from ssql.formats.columns import batch_of, nulled, read_rows, selected, sorted_bad, valid_mask, written_rows
from ssql.formats.losses import Loss
from ssql.formats.none import NoColumns
from ssql.formats.protobuf_fast import FastReader, FastWriter, NotFastError
from ssql.formats.protobuf_values import ExactReader, ExactWriter
from ssql.formats.scalars import MisfitError
from ssql.schemas import proto
from ssql.schemas.api import Definition, SchemaType
from ssql.types import STRING, Array, Column, Map, Struct

NULLABLE = "nullableRepresentation"
UNWRAP = "unwrapPrimitives"
_REPRESENTATIONS = ("optional", "wrapper")
#: From this many rows on whole batches are faster (see benchmarks/bench_formats.py).
FAST_ROWS = 16
#: Most fields are never null, and empty BYTES may be.
LOSSES = frozenset({Loss.NULL, Loss.EMPTY})


def _check(name: str, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
    rules.refuse_map_keys(columns, is_key=is_key)
    nullable(spec)
    for column in columns:
        for t in rules.inner_types(column.type):
            if isinstance(t, Map) and t.key != STRING:
                raise FormatError("PROTOBUF format only supports MAP types with STRING keys")
            held = t.element if isinstance(t, Array) else t.value if isinstance(t, Map) else None
            if isinstance(held, Array | Map) and isinstance(t, Array):
                raise FormatError(f"{name} has no place for {t}: an array holds no arrays or maps there")


def nullable(spec: FormatSpec) -> proto.Nullable:
    """How null scalars are kept: not at all, or as the statement asks for it."""
    given = spec.properties.get(NULLABLE, "").lower()
    if given not in ("", *_REPRESENTATIONS):
        raise FormatError(
            f"PROTOBUF_NULLABLE_REPRESENTATION cannot be {given.upper()}", hint="Use OPTIONAL or WRAPPER."
        )
    return cast("proto.Nullable", given)


class ProtobufFormat(registered.RegisteredFormat[proto.ProtoSchema]):
    """The PROTOBUF format: always messages, for a single column too."""

    name = "PROTOBUF"
    wraps: tuple[bool, ...] = (True,)
    schema_type: SchemaType = "PROTOBUF"

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, (registered.FULL_NAME, registered.SCHEMA_ID, NULLABLE, UNWRAP))
        registered.check_properties(spec)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        _check(self.name, spec, columns, is_key=is_key)

    def definition(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Definition:  # noqa: ARG002
        name = spec.properties.get(registered.FULL_NAME, proto.MESSAGE)
        return Definition("PROTOBUF", proto.text(columns, full_name=name, nullable=nullable(spec)))

    def columns(self, spec: FormatSpec, definition: Definition, *, is_key: bool) -> tuple[Column, ...]:
        schema = self.parsed(definition)
        found = proto.sql_type(schema, schema.message(spec.properties.get(registered.FULL_NAME)))
        return rules.inferred(found, is_key=is_key, bare=False)

    def parse(self, text: str, references: Mapping[str, str]) -> proto.ProtoSchema:
        return proto.ProtoSchema(text, references)

    def reader(self, schema: proto.ProtoSchema, columns: Sequence[Column], *, record: bool) -> IndexedReader:  # noqa: ARG002
        return IndexedReader(schema, columns)

    def writer(
        self,
        number: int,
        schema: proto.ProtoSchema,
        spec: FormatSpec,
        columns: Sequence[Column],
        *,
        record: bool,  # noqa: ARG002
    ) -> MessageWriter:
        message = schema.message(spec.properties.get(registered.FULL_NAME))
        return MessageWriter(framing.frame(number) + indexes(schema.path(message)), message, columns)

    def losses(self, definition: Definition, derived: Definition) -> frozenset[Loss]:  # noqa: ARG002
        return LOSSES


class ProtobufNoRegistryFormat:
    """The PROTOBUF_NOSR format, for keys and values. A single STRUCT may be the message itself."""

    name = "PROTOBUF_NOSR"
    wraps: tuple[bool, ...] = (True, False)

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, (NULLABLE, UNWRAP))
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        _check(self.name, spec, columns, is_key=is_key)

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        message, bare = self._message(spec, columns, is_key=is_key)
        return PlainDecoder(selected(columns, needed), message, bare=bare)

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        message, bare = self._message(spec, columns, is_key=is_key)
        return PlainEncoder(columns, message, bare=bare)

    @staticmethod
    def _message(spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> tuple[Descriptor, bool]:
        """The message of the columns, and whether its fields are those of the one STRUCT column."""
        bare = not rules.is_record(spec, columns, is_key=is_key) and isinstance(columns[0].type, Struct)
        fields = _fields(columns[0]) if bare else columns
        return proto.ProtoSchema(proto.text(fields, nullable=nullable(spec))).message(), bare


def _fields(column: Column) -> list[Column]:
    assert isinstance(column.type, Struct)
    return [Column(name, t) for name, t in column.type.fields]


def indexes(path: Sequence[int]) -> bytes:
    """Which message of a schema: how many places, and the places; the first message is a single 0."""
    return b"\x00" if list(path) == [0] else b"".join(varint(n) for n in (len(path), *path))


def message_path(data: bytes) -> tuple[list[int], int]:
    """The places that bytes begin with, and how many bytes they take.

    Raises:
        MisfitError: where they do not.
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data) or shift > 28:  # a place is a small number
                raise MisfitError("does not say which message of the schema it is")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    count = number()
    if count == 0:
        return [0], at
    if not 0 < count <= len(data):
        raise MisfitError("does not say which message of the schema it is")
    return [number() for _ in range(count)], at


class IndexedReader:
    """Reads rows of one schema, whichever of its messages each is."""

    def __init__(self, schema: proto.ProtoSchema, columns: Sequence[Column]) -> None:
        self.schema = schema
        self.columns = tuple(columns)
        self.readers: dict[tuple[int, ...], MessageReader] = {}

    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[BadRow]]:
        bad: list[BadRow] = []
        parts: list[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[pa.Array]]] = []
        rest = np.arange(len(payload))
        while len(rest):  # one turn a message, and one a row that says none
            held = payload if len(rest) == len(payload) else payload.take(pa.array(rest))
            first = held[0].as_py()
            try:
                path, size = message_path(first)
                found, messages = framing.by_prefix(held, first[:size])
                reader = self._reader(path)
                arrays, misread = reader.read(messages)
            except (MisfitError, SchemaUnreadable) as trouble:
                reason = trouble.reason if isinstance(trouble, MisfitError) else trouble.message
                bad.append(BadRow(int(rest[0]), reason))
                rest = rest[1:]
                continue
            rows = rest[found]
            parts.append((rows, arrays))
            bad += [BadRow(int(rows[row.index]), row.reason) for row in misread]
            rest = rest[~found]
        return [
            framing.merged([(rows, arrays[at]) for rows, arrays in parts], len(payload), c.type.arrow)
            for at, c in enumerate(self.columns)
        ], bad

    def _reader(self, path: Sequence[int]) -> MessageReader:
        key = tuple(path)
        if key not in self.readers:
            self.readers[key] = MessageReader(self.schema.at(path), self.columns)
        return self.readers[key]


class MessageReader:
    """Reads rows of one message: large batches at once, where nothing in them is out of the way."""

    def __init__(self, message: Descriptor, columns: Sequence[Column]) -> None:
        self.message = message
        self.columns = tuple(columns)
        self.exact = ExactReader(message, columns)
        self.fast: FastReader | None = None
        self.slow = False  # the message or the columns are for the exact reader

    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[BadRow]]:
        if len(payload) < FAST_ROWS or self.slow:
            return read_rows(payload, self.columns, self.exact.read)
        if self.fast is None:
            try:
                self.fast = FastReader(self.message, self.columns)
            except NotFastError:
                self.slow = True
                return self.read(payload)
        try:
            return self.fast.read(payload), []
        except NotFastError:  # a bad row, or one that only the exact reader can judge: it is in one of the halves
            half = len(payload) // 2
            (left, bad), (right, rest) = self.read(payload.slice(0, half)), self.read(payload.slice(half))
            arrays = [pa.concat_arrays([a, b]) for a, b in zip(left, right, strict=True)]
            return arrays, [*bad, *(BadRow(row.index + half, row.reason) for row in rest)]


class MessageWriter:
    """Writes rows as messages behind a head: large batches at once, where all values fit."""

    def __init__(self, head: bytes, message: Descriptor, columns: Sequence[Column]) -> None:
        self.head = head
        self.columns = tuple(columns)
        self.exact = ExactWriter(message, columns)
        try:
            self.fast: FastWriter | None = FastWriter(message, columns)
        except NotFastError:
            self.fast = None

    def write(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[BadRow]]:
        if self.fast is not None and batch.num_rows >= FAST_ROWS:
            try:
                data = self.fast.write(batch)
                return pc.binary_join_element_wise(self.head, data, b"") if self.head else data, []
            except NotFastError:
                pass
        return written_rows(batch, self.columns, self.exact.write, self.head)


class PlainDecoder:
    """Reads rows that are messages and nothing else."""

    def __init__(self, columns: Sequence[Column], message: Descriptor, *, bare: bool) -> None:
        self.columns = tuple(columns)
        self.bare = bare
        held = _fields(columns[0]) if bare and columns else columns
        self.reader = MessageReader(message, held)

    def decode(self, data: pa.BinaryArray) -> Decoded:
        valid = np.flatnonzero(valid_mask(data))
        arrays, bad = self.reader.read(data if len(valid) == len(data) else data.take(pa.array(valid)))
        if self.bare and self.columns:
            kind = self.columns[0].type.arrow
            arrays = [pa.StructArray.from_arrays(arrays, fields=list(kind))]
            arrays = [nulled(arrays[0], [row.index for row in bad])]
        arrays = [framing.merged([(valid, a)], len(data), a.type) for a in arrays]
        misread = [BadRow(int(valid[row.index]), row.reason) for row in bad]
        return Decoded(batch_of(self.columns, arrays, len(data)), sorted_bad(misread))


class PlainEncoder:
    """Writes rows as messages and nothing else; null where a bare STRUCT is null."""

    losses = LOSSES

    def __init__(self, columns: Sequence[Column], message: Descriptor, *, bare: bool) -> None:
        self.bare = bare
        held = _fields(columns[0]) if bare else columns
        self.writer = MessageWriter(b"", message, held)

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        if not self.bare:
            data, bad = self.writer.write(batch)
            return Encoded(data, sorted_bad(bad))
        whole = batch.column(0)
        data, bad = self.writer.write(pa.RecordBatch.from_struct_array(whole))
        missing = np.flatnonzero(~valid_mask(whole)).tolist()
        return Encoded(nulled(data, missing), sorted_bad(row for row in bad if row.index not in set(missing)))
