"""Arrow columns and SQL types: which type holds what a file has, and columns of text as the type asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.json import JsonDecoder
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

_PLAIN: tuple[tuple[Any, SqlType], ...] = (
    (pa.types.is_boolean, BOOLEAN),
    (lambda t: pa.types.is_int8(t) or pa.types.is_int16(t) or pa.types.is_int32(t) or pa.types.is_uint8(t), INTEGER),
    (pa.types.is_uint64, Decimal(20, 0)),
    (pa.types.is_integer, BIGINT),
    (pa.types.is_floating, DOUBLE),
    (pa.types.is_date, DATE),
    (pa.types.is_time, TIME),
    (pa.types.is_timestamp, TIMESTAMP),
    (lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t), BYTES),
)
#: What DuckDB makes of a text of such a type; a number is what the JSON format takes it for.
_READ: dict[SqlType, str] = {
    DATE: "CASE WHEN {n} THEN DATE '1970-01-01' + TRY_CAST(v AS INTEGER) ELSE TRY_CAST(v AS DATE) END",
    TIME: "CASE WHEN {n} THEN TRY(TIME '00:00' + to_milliseconds(v::BIGINT)) ELSE TRY_CAST(v AS TIME) END",
    TIMESTAMP: "CASE WHEN {n} THEN TRY(epoch_ms(v::BIGINT)) ELSE TRY_CAST(v AS TIMESTAMP) END",
    BYTES: "TRY(from_base64(v))",
}
_NUMBER = r"regexp_full_match(v, '-?\d+')"
#: Characters of a value that cannot be read that are told.
_TOLD = 60


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read: `unit` says what `number` counts (line or row); `index`: its place in a `Part`."""

    unit: str
    number: int
    reason: str
    index: int = -1


@dataclass(frozen=True)
class Part:
    """Some rows of a file as columns; the bad ones are among them."""

    arrays: Sequence[pa.Array]
    bad: Sequence[BadRow] = ()


def quoted(text: str) -> str:
    """A text as DuckDB's SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def name_of(written: str) -> str:
    """The name of a column for one of a file: upper case unless it needs back quotes."""
    return written.upper() if written.isidentifier() else written


def sql_type(t: pa.DataType) -> SqlType:
    """The SQL type that holds a type of Arrow; STRING for what nothing else does."""
    plain: SqlType | None = next((kind for holds, kind in _PLAIN if holds(t)), None)
    if plain is not None:
        return plain
    if pa.types.is_decimal(t):
        return Decimal(t.precision, t.scale)
    if pa.types.is_map(t):
        return Map(STRING, sql_type(t.item_type))
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return Array(sql_type(t.value_type))
    if pa.types.is_struct(t):
        return Struct(tuple((name_of(field.name), sql_type(field.type)) for field in t))
    return STRING


def cast(array: pa.Array, t: pa.DataType) -> pa.Array:
    """An array in another type; fields of structs are told by their place, as their names may change."""
    if pa.types.is_struct(array.type):
        fields = [cast(child, field.type) for child, field in zip(array.flatten(), t, strict=True)]
        return pa.StructArray.from_arrays(fields, fields=list(t), mask=array.is_null())
    if pa.types.is_map(array.type):
        entries = cast(_entries(array), pa.list_(pa.struct([t.key_field, t.item_field])))
        keys, items = entries.values.flatten()
        return pa.MapArray.from_arrays(entries.offsets, keys, items, type=t, mask=array.is_null())
    if pa.types.is_list(array.type):
        return _list(array, cast(array.flatten(), t.value_type), t)
    return array.cast(t, safe=False)


def _entries(array: pa.Array) -> pa.Array:
    """A map as a list of its keys and values."""
    return array.cast(pa.list_(pa.struct([array.type.key_field, array.type.item_field])))


def _list(array: pa.Array, values: pa.Array, t: pa.DataType) -> pa.Array:
    """A list array with other values in the places of its own."""
    ends = pc.cumulative_sum(pc.list_value_length(array).fill_null(0).cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, values, type=t, mask=array.is_null())


@dataclass
class TextReader:
    """Reads texts as values of SQL types: JSON as the JSON format does, dates and times as people write them too.

    What cannot be read is told by row: the first reason counts.
    """

    connection: duckdb.DuckDBPyConnection
    _decoders: dict[tuple[Column, ...], JsonDecoder] = field(default_factory=dict)

    def rows(self, texts: pa.Array, columns: Sequence[Column]) -> tuple[list[pa.Array], dict[int, str]]:
        """JSON objects as columns, and why rows cannot be read."""
        return self._decoded(texts, tuple(columns), record=True)

    def column(self, texts: pa.Array, column: Column) -> tuple[pa.Array, dict[int, str]]:
        """Texts as values of one column: JSON for what is nested."""
        if isinstance(column.type, Array | Map | Struct):
            [array], bad = self._decoded(texts, (column,), record=False)
            return array, bad
        array, misread = self._timed(texts, column.type)
        return array, {row: f"field {column.name}: {why}" for row, why in misread.items()}

    def _decoded(
        self, texts: pa.Array, columns: tuple[Column, ...], *, record: bool
    ) -> tuple[list[pa.Array], dict[int, str]]:
        decoder = self._decoders.get(columns)
        if decoder is None:
            untimed = [Column(c.name, _untimed(c.type)) for c in columns]
            decoder = self._decoders[columns] = JsonDecoder(untimed, record=record)
        decoded = decoder.decode(texts.cast(pa.binary()))
        bad = {row.index: row.reason for row in decoded.bad}
        arrays = []
        for array, c in zip(decoded.batch.columns, columns, strict=True):
            timed, misread = self._timed(array, c.type)
            arrays.append(timed)
            bad = {**{row: f"field {c.name}: {why}" for row, why in misread.items()}, **bad}
        return arrays, bad

    def _timed(self, array: pa.Array, t: SqlType) -> tuple[pa.Array, dict[int, str]]:
        """What was read without dates and times as what it is to be, and why places cannot be read."""
        match t:
            case Struct(fields):
                arrays, bad = [], dict[int, str]()
                for child, (_, kind) in zip(array.flatten(), fields, strict=True):
                    read, misread = self._timed(child, kind)
                    arrays.append(read)
                    bad = {**misread, **bad}
                return pa.StructArray.from_arrays(arrays, fields=list(t.arrow), mask=array.is_null()), bad
            case Array(element):
                values, misread = self._timed(array.flatten(), element)
                found = _list(array, values, t.arrow)
                return found, _by_row(found, misread)
            case Map(key, value):
                entries = _entries(array)
                pairs = Array(Struct((("key", key), ("value", value))))
                found, bad = self._timed(entries, pairs)
                keys, items = found.values.flatten()
                return pa.MapArray.from_arrays(found.offsets, keys, items, type=t.arrow, mask=array.is_null()), bad
        return self._leaf(array, t) if t in _READ and pa.types.is_string(array.type) else (array, {})

    def _leaf(self, array: pa.Array, t: SqlType) -> tuple[pa.Array, dict[int, str]]:
        self.connection.register("given", pa.table({"v": array}))
        sql = f"SELECT {_READ[t].format(n=_NUMBER)} FROM given"
        found = self.connection.sql(sql).to_arrow_table().column(0).combine_chunks().cast(t.arrow, safe=False)
        lost = np.flatnonzero(pc.and_(array.is_valid(), found.is_null()).to_numpy(zero_copy_only=False))
        return found, {int(at): f'cannot read "{_short(array[int(at)].as_py())}" as {t}' for at in lost}


def _untimed(t: SqlType) -> SqlType:
    """The type with text in the place of dates and times: the JSON format knows them as numbers only."""
    match t:
        case Array(element):
            return Array(_untimed(element))
        case Map(key, value):
            return Map(key, _untimed(value))
        case Struct(fields):
            return Struct(tuple((name, _untimed(kind)) for name, kind in fields))
    return STRING if t in (DATE, TIME, TIMESTAMP) else t


def _by_row(lists: pa.Array, misread: dict[int, str]) -> dict[int, str]:
    """The rows of places in the values of a list."""
    places = np.array(sorted(misread), np.int64)
    rows = np.searchsorted(lists.offsets.to_numpy(), places, side="right") - 1
    return {int(row): misread[int(at)] for row, at in zip(rows[::-1], places[::-1], strict=True)}


def _short(text: str) -> str:
    return text if len(text) <= _TOLD else text[: _TOLD - 3] + "..."


def reason(bad: Exception) -> str:
    """What DuckDB complains of, in one line: without the kind of error, and with the line of the file."""
    lines = [line.strip() for line in str(bad).splitlines() if line.strip() and not line.startswith("Original Line")]
    first = re.sub(r"^(?:[A-Z][\w-]* )+Error: ", "", lines[0])
    place = re.fullmatch(r"CSV Error on Line: (\d+)", first)
    if place and len(lines) > 1:
        first = f"line {place[1]}: {lines[1]}"
    return first[:1].lower() + first[1:].rstrip(".")
