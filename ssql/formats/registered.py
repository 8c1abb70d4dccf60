"""What the formats of a schema registry share: rows read by the schema each was written with, and written by one.

A record names its schema by id. A reader is opened once for each id that turns up; which schema rows are written with
is settled when the encoder is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats import framing
from ssql.formats.api import BadRow, Decoded, Encoded, FormatSpec
from ssql.formats.columns import batch_of, nulled, sorted_bad
from ssql.formats.losses import NOTHING, Loss
from ssql.formats.scalars import MisfitError
from ssql.schemas.api import Definition, SchemaRegistry, SchemaType
from ssql.types import Column

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


def needed(schemas: SchemaRegistry | None, name: str) -> SchemaRegistry:
    if schemas is None:
        raise FormatError(f"{name} needs a schema registry, and there is none")
    return schemas


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


def losses(definition: Definition, derived: Definition) -> frozenset[Loss]:
    """What is lost where a schema that is not the one made for the columns may have a default in the place of null."""
    return NOTHING if definition == derived else frozenset({Loss.NULL})


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
