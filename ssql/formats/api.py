"""The interface of formats: bytes of keys and values <-> Arrow columns, whole batches at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from ssql.formats.losses import Loss
from ssql.types import Column


@dataclass(frozen=True)
class FormatSpec:
    """A format as a statement asks for it: name, its properties (`delimiter`, ...), and how single columns are held.

    `wrap`: a single value column inside a record (True), bare (False), or as the format does by default (None).
    Key columns: one is always bare, several are always a record (Protobuf has records only). `subject`: where the
    schema registry holds their schemas (`ssql.schemas.api.subject_of`); needed by formats that write with schemas.
    """

    name: str
    properties: Mapping[str, str] = field(default_factory=dict)
    wrap: bool | None = None
    subject: str = ""


@dataclass(frozen=True)
class BadRow:
    """A row that could not be decoded or encoded: its index in the batch and why, in the user's words."""

    index: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """Columns as asked for, one row per input row; rows that are null (or bad) are null in every column."""

    batch: pa.RecordBatch
    bad: tuple[BadRow, ...] = ()


@dataclass(frozen=True)
class Encoded:
    """One value per row; null where the row is bad."""

    data: pa.BinaryArray
    bad: tuple[BadRow, ...] = ()


class Decoder(Protocol):
    def decode(self, data: pa.BinaryArray) -> Decoded:
        """Decode all rows; a bad row never harms another. Null input is a null row, not a bad one."""


class Encoder(Protocol):
    """`losses`: of what is written, what does not come back as it was."""

    losses: frozenset[Loss]

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        """Encode the rows of `batch` (the columns the encoder was made for, by position)."""


class Format(Protocol):
    """One format. `decoder` gets all columns that are declared, and the names of those that are needed.

    `wraps`: how it can hold a single value column: inside a record (True), bare (False).
    """

    name: str
    wraps: tuple[bool, ...]

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        """Raise `FormatError` where the format cannot hold these columns (types, nesting, number of columns)."""

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        """`needed`: names to decode (None: all); the decoded batch holds just these, in declared order."""

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder: ...
