"""What the formats of a schema registry share: rows read by the schema each was written with, and written by one.

A record names its schema by id. A reader is opened once for each id that turns up; which schema rows are written with
is settled when the encoder is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats import framing, rules
from ssql.formats.api import BadRow, Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of, nulled, selected, sorted_bad
from ssql.formats.losses import NOTHING, Loss
from ssql.formats.none import NoColumns
from ssql.formats.scalars import MisfitError
from ssql.schemas.api import Definition, SchemaRegistry, SchemaType, referenced
from ssql.types import Column

S = TypeVar("S")

#: Properties of a format, named as ksqlDB names them.
SCHEMA_ID = "schemaId"
FULL_NAME = "fullSchemaName"


class PayloadReader(Protocol):
    def read(self, payload: pa.BinaryArray) -> tuple[list[pa.Array], list[BadRow]]:
        """One array a column for rows without null; bad rows are null in every column."""


class PayloadWriter(Protocol):
    def write(self, batch: pa.RecordBatch) -> tuple[pa.BinaryArray, list[BadRow]]:
        """The bytes of each row, frame included; null for bare values that are null, and for bad rows."""


#: Makes the reader of one schema. Raises `MisfitError` or `SchemaUnreadable` where rows of it cannot be read.
Open = Callable[[Definition], PayloadReader]


def check_properties(spec: FormatSpec) -> None:
    """Raise for values of the registry's properties that mean nothing."""
    if FULL_NAME in spec.properties and not spec.properties[FULL_NAME].strip():
        shown = ", ".join(f"{name}={value.strip()}" for name, value in spec.properties.items())
        raise FormatError(f"fullSchemaName cannot be empty. Format configuration: {{{shown}}}")
    if SCHEMA_ID in spec.properties:
        schema_id(spec)


def schema_id(spec: FormatSpec) -> int | None:
    """The id that the statement asks for."""
    given = spec.properties.get(SCHEMA_ID)
    if given is None:
        return None
    if not given.strip().isdigit() or int(given) < 1:
        raise FormatError(f'a schema id is a whole number from 1 on, not "{given}"')
    return int(given)


def definition_of(schemas: SchemaRegistry, number: int, kind: SchemaType, name: str) -> Definition:
    """The definition of an id.

    Raises:
        SchemaUnreadable: where there is none, or it is of another type than the format reads.
    """
    found = schemas.by_id(number)
    if found is None:
        raise SchemaUnreadable(f"schema id {number} is not in the Schema Registry")
    if found.type != kind:
        raise SchemaUnreadable(f"schema id {number} is of type {found.type}, which the format {name} does not read")
    return found


def to_write_with(
    schemas: SchemaRegistry, spec: FormatSpec, derived: Definition, fits: Callable[[Definition], bool], name: str
) -> tuple[int, Definition]:
    """The schema that rows are written with, and its id.

    It is the one that the statement names by id; else the one derived from the columns, where the subject has it; else
    the subject's latest, where it `fits` the columns (a topic of others); else the derived one, registered now.
    """
    number = schema_id(spec)
    if number is not None:
        return number, definition_of(schemas, number, derived.type, name)
    if not spec.subject:
        raise FormatError(f"{name} needs to know the subject that its schemas are under")
    own = schemas.lookup(spec.subject, derived)
    if own is not None:
        return own.id, derived
    latest = schemas.latest(spec.subject)
    if latest is not None and latest.definition.type == derived.type and fits(latest.definition):
        return latest.id, latest.definition
    return schemas.register(spec.subject, derived), derived


class RegisteredFormat(ABC, Generic[S]):
    """A format whose schemas, read as an `S` each, are in the registry; for keys and values."""

    name: str
    wraps: tuple[bool, ...]
    schema_type: SchemaType

    def __init__(self, schemas: SchemaRegistry | None = None) -> None:
        self.schemas = schemas

    @abstractmethod
    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        """See `Format.check`."""

    @abstractmethod
    def definition(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Definition:
        """The schema to register for the columns."""

    @abstractmethod
    def columns(self, spec: FormatSpec, definition: Definition, *, is_key: bool) -> tuple[Column, ...]:
        """The columns that a registered schema says, with the names that it has."""

    @abstractmethod
    def parse(self, text: str, references: Mapping[str, str]) -> S:
        """A schema from its text, and the texts that it refers to. Raises `SchemaUnreadable`."""

    @abstractmethod
    def reader(self, schema: S, columns: Sequence[Column], *, record: bool) -> PayloadReader: ...

    @abstractmethod
    def writer(
        self, number: int, schema: S, spec: FormatSpec, columns: Sequence[Column], *, record: bool
    ) -> PayloadWriter:
        """Raises `FormatError` or `SchemaUnreadable` where the schema has no place for the columns."""

    def losses(self, definition: Definition, derived: Definition) -> frozenset[Loss]:  # noqa: ARG002
        """What does not come back of what is written by `definition`; `derived` is what was made for the columns."""
        return NOTHING

    def parsed(self, definition: Definition) -> S:
        return self.parse(definition.text, self.references(definition))

    def references(self, definition: Definition) -> Mapping[str, str]:
        return referenced(self.schemas, definition) if definition.references and self.schemas is not None else {}

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        wanted = selected(columns, needed)
        record = rules.is_record(spec, columns, is_key=is_key)

        def opener(definition: Definition) -> PayloadReader:
            return self.reader(self.parsed(definition), wanted, record=record)

        return RegisteredDecoder(wanted, self._registry(), self.schema_type, self.name, opener)

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        record = rules.is_record(spec, columns, is_key=is_key)

        def writer(number: int, definition: Definition) -> PayloadWriter:
            return self.writer(number, self.parsed(definition), spec, columns, record=record)

        def fits(definition: Definition) -> bool:
            try:
                writer(0, definition)
            except (FormatError, SchemaUnreadable):
                return False
            return True

        derived = self.definition(spec, columns, is_key=is_key)
        number, definition = to_write_with(self._registry(), spec, derived, fits, self.name)
        return RegisteredEncoder(writer(number, definition), self.losses(definition, derived))

    def _registry(self) -> SchemaRegistry:
        if self.schemas is None:
            raise FormatError(f"{self.name} needs a schema registry, and there is none")
        return self.schemas


class RegisteredDecoder:
    """Reads framed rows, each by the schema that it names."""

    def __init__(
        self, columns: Sequence[Column], schemas: SchemaRegistry, kind: SchemaType, name: str, opener: Open
    ) -> None:
        self.columns = tuple(columns)
        self.schemas = schemas
        self.kind = kind
        self.name = name
        self.opener = opener
        self.readers: dict[int, PayloadReader] = {}

    def decode(self, data: pa.BinaryArray) -> Decoded:
        found, bad = framing.groups(data)
        parts: list[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[pa.Array]]] = []
        for group in found:
            try:
                reader = self._reader(group.id)
            except (MisfitError, SchemaUnreadable) as trouble:
                reason = trouble.reason if isinstance(trouble, MisfitError) else trouble.message
                bad += [BadRow(int(row), reason) for row in group.rows]
                continue
            arrays, misread = reader.read(group.payload)
            bad += [BadRow(int(group.rows[row.index]), row.reason) for row in misread]
            parts.append((group.rows, arrays))
        columns = [
            framing.merged([(rows, arrays[at]) for rows, arrays in parts], len(data), c.type.arrow)
            for at, c in enumerate(self.columns)
        ]
        return Decoded(batch_of(self.columns, columns, len(data)), sorted_bad(bad))

    def _reader(self, number: int) -> PayloadReader:
        if number not in self.readers:
            definition = definition_of(self.schemas, number, self.kind, self.name)
            self.readers[number] = self.opener(definition)
        return self.readers[number]


class RegisteredEncoder:
    """Writes framed rows by one schema."""

    def __init__(self, writer: PayloadWriter, losses: frozenset[Loss]) -> None:
        self.writer = writer
        self.losses = losses

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        data, bad = self.writer.write(batch)
        return Encoded(nulled(data, [row.index for row in bad]), sorted_bad(bad))
