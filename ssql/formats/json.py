"""JSON: an object a row, or a bare JSON value for a single column.

Reads leniently and exactly (`json_values` has the rules) and writes every column, nulls included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ssql.formats import json_text, rules
from ssql.formats.api import BadRow, Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of, selected, sorted_bad, utf8
from ssql.formats.json_values import ExactReader
from ssql.formats.none import NoColumns
from ssql.formats.scalars import MisfitError
from ssql.types import Column


class JsonFormat:
    """The JSON format, for keys and values."""

    name = "JSON"

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, ())
        rules.check_wrapping(spec, columns, is_key=is_key, supported=(True, False))
        rules.refuse_map_keys(columns, is_key=is_key)
        rules.require_string_map_keys(self.name, columns)

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        return JsonDecoder(selected(columns, needed), record=rules.is_record(spec, columns, is_key=is_key))

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        if is_key and not columns:
            return NoColumns()
        return JsonEncoder(columns, record=rules.is_record(spec, columns, is_key=is_key))


class JsonDecoder:
    """Reads rows of JSON into columns; rows that are not JSON, or do not fit, are bad."""

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.exact = ExactReader(columns, record=record)

    def decode(self, data: pa.BinaryArray) -> Decoded:
        text, bad = utf8(data)
        rows: list[list[Any] | None] = []
        for index, value in enumerate(text.to_pylist()):
            row: list[Any] | None = None
            try:
                row = None if value is None else self.exact.read(value)
            except MisfitError as misfit:
                bad.append(BadRow(index, misfit.reason))
            rows.append(row)
        arrays = [
            pa.array([None if row is None else row[i] for row in rows], type=column.type.arrow)
            for i, column in enumerate(self.columns)
        ]
        return Decoded(batch_of(self.columns, arrays, len(data)), sorted_bad(bad))


class JsonEncoder:
    """Writes a JSON text a row; null where a bare column is null."""

    def __init__(self, columns: Sequence[Column], *, record: bool) -> None:
        self.columns = tuple(columns)
        self.record = record

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        columns = [json_text.texts(a, c.type) for a, c in zip(batch.columns, self.columns, strict=True)]
        if self.record:
            rows: list[str | None] = list(json_text.objects([c.name for c in self.columns], columns, batch.num_rows))
        else:
            rows = [None if text == "null" else text for text in columns[0]]
        return Encoded(pa.array(rows, type=pa.string()).cast(pa.binary()))
