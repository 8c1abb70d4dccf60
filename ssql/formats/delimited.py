"""DELIMITED: one CSV record a row, without header or line end. Empty fields are null.

Rows without quotes and line ends are split and parsed by Arrow, whole columns at a time; the other rows, and fields
that Arrow does not read, go through the exact readers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.errors import FormatError
from ssql.formats import csv_text, json_text, rules, scalars
from ssql.formats.api import BadRow, Decoded, Decoder, Encoded, Encoder, FormatSpec
from ssql.formats.columns import batch_of, nulled, selected, sorted_bad, utf8
from ssql.formats.losses import Loss
from ssql.formats.none import NoColumns
from ssql.formats.scalars import INT32, INT64, MisfitError
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
    Column,
    Decimal,
    SqlType,
)

_NAMED = {"TAB": "\t", "SPACE": " "}
#: From this many rows on Arrow reads whole columns faster than Python reads rows.
ARROW_ROWS = 200


def delimiter_of(text: str) -> str:
    """The character that a `delimiter` property stands for.

    Raises:
        FormatError: for text that is neither one character nor TAB or SPACE.
    """
    if text.upper() in _NAMED:
        return _NAMED[text.upper()]
    if not text.strip():
        raise FormatError(
            "Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the special "
            "values 'TAB' or 'SPACE'\nExample valid value: ';'"
        )
    if len(text) != 1:
        raise FormatError(
            f"Invalid delimiter value: '{text}'. Delimiter must be a single character or TAB,SPACE\n"
            "Example valid value: ';'"
        )
    return text


class DelimitedFormat:
    """The DELIMITED format, for keys and values of primitive columns. Property: `delimiter` (default `,`)."""

    name = "DELIMITED"
    wraps: tuple[bool, ...] = (False,)

    def check(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> None:
        rules.refuse_properties(spec, ("delimiter",))
        delimiter_of(spec.properties.get("delimiter", ","))
        rules.refuse_map_keys(columns, is_key=is_key)
        rules.check_wrapping(spec, columns, is_key=is_key, supported=self.wraps)
        rules.require_primitives(spec, columns, ("ARRAY", "MAP", "STRUCT"), is_key=is_key)

    def decoder(
        self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool, needed: frozenset[str] | None = None
    ) -> Decoder:
        self.check(spec, columns, is_key=is_key)
        if not columns:
            return NoColumns()
        return DelimitedDecoder(columns, selected(columns, needed), delimiter_of(spec.properties.get("delimiter", ",")))

    def encoder(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Encoder:
        self.check(spec, columns, is_key=is_key)
        if not columns:
            return NoColumns()
        return DelimitedEncoder(columns, delimiter_of(spec.properties.get("delimiter", ",")))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise scalars.misread(f'"{text}"', BOOLEAN)
    return text.lower() == "true"


def _reader(t: SqlType) -> Callable[[str], Any]:
    """What reads one field of the type exactly; it raises `MisfitError`."""
    if isinstance(t, Decimal):
        return lambda text: scalars.decimal(text, t.precision, t.scale, t)
    readers: dict[SqlType, Callable[[str], Any]] = {
        BOOLEAN: _boolean,
        INTEGER: lambda text: scalars.integer(text, INT32, t),
        BIGINT: lambda text: scalars.integer(text, INT64, t),
        DATE: lambda text: scalars.integer(text, INT32, t),
        TIMESTAMP: lambda text: scalars.integer(text, INT64, t),
        TIME: lambda text: scalars.time_of_day(scalars.integer(text, INT64, t), t),
        DOUBLE: lambda text: scalars.double(text, t),
        STRING: str,
        BYTES: lambda text: scalars.base64_bytes(text, t),
    }
    return readers[t]


#: SQL type -> (what Arrow's cast reads exactly as `_reader` does, the type to cast to); the rest is read one by one.
_CASTS: dict[SqlType, tuple[str, pa.DataType]] = {
    BOOLEAN: (r"^(true|false)$", pa.bool_()),
    INTEGER: (r"^-?[0-9]{1,9}$", pa.int32()),
    DATE: (r"^-?[0-9]{1,9}$", pa.int32()),
    BIGINT: (r"^-?[0-9]{1,18}$", pa.int64()),
    TIMESTAMP: (r"^-?[0-9]{1,18}$", pa.int64()),
    DOUBLE: (r"^-?[0-9]{1,300}(\.[0-9]+)?$", pa.float64()),
}


def read_column(fields: pa.StringArray, column: Column) -> tuple[pa.Array, list[BadRow]]:
    """A column of texts (null: no value) as the column's type; the bad ones are null and named."""
    if column.type == STRING:
        return fields, []
    if isinstance(column.type, Decimal):
        return _read_decimals(fields, column, column.type)
    cast = _CASTS.get(column.type)
    if cast is None:
        return _read_each(fields, column)
    plain = pc.match_substring_regex(fields, cast[0])
    if plain.false_count == 0:
        return fields.cast(cast[1]).cast(column.type.arrow), []
    easy = pc.if_else(plain, fields, pa.scalar(None, pa.string())).cast(cast[1]).cast(column.type.arrow)
    hard = np.flatnonzero(pc.invert(plain).fill_null(False).to_numpy(zero_copy_only=False))
    values, bad = _read_each(fields.take(pa.array(hard)), column)
    mask = np.zeros(len(fields), dtype=np.bool_)
    mask[hard] = True
    merged = pc.replace_with_mask(easy, pa.array(mask), values)
    return merged, [BadRow(int(hard[row.index]), row.reason) for row in bad]


def _read_decimals(fields: pa.StringArray, column: Column, t: Decimal) -> tuple[pa.Array, list[BadRow]]:
    plain = f"^[+-]?{scalars.plain_decimal(t.precision, t.scale)}$"
    if pc.match_substring_regex(fields, plain).false_count == 0:
        try:
            return fields.cast(t.arrow), []
        except pa.ArrowInvalid:
            pass  # at least one does not fit: find out which
    return _read_each(fields, column)


def _read_each(fields: pa.StringArray, column: Column) -> tuple[pa.Array, list[BadRow]]:
    read = _reader(column.type)
    values: list[Any] = []
    bad: list[BadRow] = []
    for index, text in enumerate(fields.to_pylist()):
        try:
            values.append(None if text is None else read(text))
        except MisfitError as misfit:
            values.append(None)
            bad.append(BadRow(index, f"field {column.name}: {misfit.reason}"))
    return pa.array(values, type=column.type.arrow), bad


class DelimitedDecoder:
    """Reads rows of CSV into columns. Every row must have as many fields as there are declared columns."""

    def __init__(self, columns: Sequence[Column], wanted: Sequence[Column], delimiter: str) -> None:
        self.columns = tuple(columns)
        self.wanted = tuple(wanted)
        self.delimiter = delimiter
        self.places = [at for at, column in enumerate(columns) if column in wanted]
        self.readers = [_reader(column.type) for column in wanted]

    def decode(self, data: pa.BinaryArray) -> Decoded:
        text, bad = utf8(data)
        arrays, more = self._by_row(text) if len(text) < ARROW_ROWS else self._by_column(text)
        return Decoded(batch_of(self.wanted, arrays, len(data)), sorted_bad([*bad, *more]))

    def _by_row(self, text: pa.StringArray) -> tuple[list[pa.Array], list[BadRow]]:
        """Row by row, exactly: what `_by_column` is held to."""
        rows: list[Sequence[Any]] = []
        bad: list[BadRow] = []
        nothing = [None] * len(self.wanted)
        for index, value in enumerate(text.to_pylist()):
            row: Sequence[Any] = nothing
            if value is not None:
                try:
                    row = self._read(self._fields(value))
                except MisfitError as misfit:
                    bad.append(BadRow(index, misfit.reason))
            rows.append(row)
        return [pa.array([row[at] for row in rows], c.type.arrow) for at, c in enumerate(self.wanted)], bad

    def _fields(self, text: str) -> list[str]:
        parts = csv_text.fields(text, self.delimiter)
        width = len(self.columns)
        if len(parts) != width:
            raise MisfitError(f"expected {width} field{'s' if width > 1 else ''}, got {len(parts)}")
        return parts

    def _read(self, parts: list[str]) -> list[Any]:
        row: list[Any] = []
        for place, read in zip(self.places, self.readers, strict=True):
            try:
                row.append(read(parts[place]) if parts[place] else None)
            except MisfitError as misfit:
                raise MisfitError(f"field {self.columns[place].name}: {misfit.reason}") from None
        return row

    def _by_column(self, text: pa.StringArray) -> tuple[list[pa.Array], list[BadRow]]:
        fields, bad = self._split(text)
        arrays: list[pa.Array] = []
        for place in self.places:
            array, misfits = read_column(fields[place], self.columns[place])
            arrays.append(array)
            bad += misfits
        first: dict[int, BadRow] = {}
        for row in bad:  # the leftmost reason of a row is the one to tell
            first.setdefault(row.index, row)
        return [nulled(array, list(first)) for array in arrays], list(first.values())

    def _split(self, text: pa.StringArray) -> tuple[list[pa.StringArray], list[BadRow]]:
        """The fields of all rows, a column each; null where a field is empty or the row is null or bad."""
        width = len(self.columns)
        lists = pc.split_pattern(text, self.delimiter)
        plain = pc.and_(
            pc.equal(pc.list_value_length(lists), width),
            pc.invert(pc.match_substring_regex(text, '["\r\n]')),
        )
        if width == 1:  # an empty text is no record rather than one empty field
            plain = pc.and_(plain, pc.not_equal(pc.binary_length(text), 0))
        easy = plain.fill_null(False).to_numpy(zero_copy_only=False)
        flat = pc.list_flatten(pc.filter(lists, pa.array(easy)))
        at = np.cumsum(easy) - 1
        bad: list[BadRow] = []
        hard: list[list[str | None]] = []
        hard_rows = np.flatnonzero(pc.and_(pc.is_valid(text), pa.array(~easy)).to_numpy(zero_copy_only=False))
        for row, value in zip(hard_rows, text.take(pa.array(hard_rows)).to_pylist(), strict=True):
            found: list[str | None] = [None] * width
            try:
                found = list(self._fields(value))
            except MisfitError as misfit:
                bad.append(BadRow(int(row), misfit.reason))
            hard.append(found)
        # Rows are put together by one take: easy rows point into `flat`, hard ones behind it, the others nowhere.
        places = np.where(easy, at * width, 0)
        places[hard_rows] = len(flat) + np.arange(len(hard_rows)) * width
        nowhere = ~easy
        nowhere[hard_rows] = False
        pool = pa.concat_arrays([flat, pa.array([f for row in hard for f in row], type=pa.string())])
        empty = pa.scalar(None, pa.string())
        result = []
        for column in range(width):
            values = pool.take(pa.array(places + column, mask=nowhere))
            result.append(pc.if_else(pc.equal(pc.binary_length(values), 0), empty, values))
        return result, bad


class DelimitedEncoder:
    """Writes a CSV record a row; null where a single column is null. An empty field reads as null."""

    losses = frozenset({Loss.EMPTY})

    def __init__(self, columns: Sequence[Column], delimiter: str) -> None:
        self.columns = tuple(columns)
        self.delimiter = delimiter

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        texts = [
            self._texts(array, column.type, first=at == 0)
            for at, (array, column) in enumerate(zip(batch.columns, self.columns, strict=True))
        ]
        if len(texts) == 1:
            rows = texts[0]
        else:
            rows = [self.delimiter.join(t or "" for t in row) for row in zip(*texts, strict=True)]
        return Encoded(pa.array(rows, type=pa.string()).cast(pa.binary()))

    def _texts(self, array: pa.Array, t: SqlType, *, first: bool) -> list[str | None]:
        """The fields of a column as they are written, None for null."""
        if t == DOUBLE:
            plain = [None if v is None else scalars.double_text(v) for v in array.to_pylist()]
        elif t == BYTES:
            plain = [None if v is None else base64.b64encode(v).decode() for v in array.to_pylist()]
        elif t == BOOLEAN:
            plain = [None if v is None else "true" if v else "false" for v in array.to_pylist()]
        elif t == STRING:
            plain = array.to_pylist()
        else:
            plain = json_text.number_texts(array, t)
        if t != STRING and not first and self.delimiter in "|;\t ,":
            return plain  # such texts hold nothing that is quoted
        write = csv_text.quoter(self.delimiter, first=first)
        return [None if v is None else write(v) for v in plain]
