"""Columns of Arrow in the types of a stream's or table's columns; values that are none of the type are told by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.engine.rows_json import as_number
from ssql.errors import InvalidStatement, SsqlError
from ssql.formats.json import JsonDecoder
from ssql.types import BIGINT, BYTES, DATE, TIME, TIMESTAMP, Array, Column, Map, SqlType, Struct, quote

Errors = dict[int, SsqlError]

#: Characters of a refused value that are told: enough to find it by.
_TOLD = 60


def fitting(array: pa.Array, column: Column, errors: Errors) -> pa.Array:
    """The array in the column's type. Where a value does not fit, it is NULL, and its row has an error.

    Numbers are taken where they are the same in the column's type, times to milliseconds. Texts are read as in JSON:
    numbers, times, BYTES in base64; and what is nested as JSON itself.

    Raises:
        InvalidStatement: the one type has nothing of the other.
    """
    t = column.type
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_timestamp(array.type):
        # What is finer than a millisecond is left away.
        array = array.cast(pa.timestamp("ms", array.type.tz), safe=False)
        if t == BIGINT:
            array = array.cast(pa.int64())
    elif pa.types.is_time(array.type):
        array = array.cast(pa.time64("ns")).cast(pa.time32("ms"), safe=False)
    elif _is_text(array.type):
        array = array.cast(pa.string())
        if t == BYTES or isinstance(t, Array | Map | Struct):
            return _from_json(array, column, errors)
        if t in (DATE, TIME, TIMESTAMP):
            return _from_texts(array, column, errors)
    try:
        return array.cast(t.arrow)
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise InvalidStatement(f"values of column {quote(column.name)} are no {t}: they are {array.type}") from None
    except pa.ArrowInvalid:
        return _one_by_one(array, column, errors)


def _is_text(t: pa.DataType) -> bool:
    return bool(pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t))


def _one_by_one(array: pa.Array, column: Column, errors: Errors) -> pa.Array:
    """Some value does not fit: which one, is known by trying."""
    t = column.type.arrow
    found = []
    for row in range(len(array)):
        one = array.slice(row, 1)
        try:
            found.append(one.cast(t))
        except pa.ArrowInvalid:
            found.append(pa.nulls(1, t))
            errors.setdefault(row, _refusal(one[0].as_py(), column))
    return pa.concat_arrays(found)


def _from_texts(array: pa.Array, column: Column, errors: Errors) -> pa.Array:
    """Dates and times; each text is read once."""
    t = column.type
    encoded = array.dictionary_encode()
    found = [_number_of(text, t) for text in encoded.dictionary.to_pylist()]
    values = pa.array(found, pa.int64() if t == TIMESTAMP else pa.int32()).take(encoded.indices)
    _tell_lost(array, values, column, errors)
    return (values.cast(pa.time32("ms")) if t == TIME else values).cast(t.arrow)


def _from_json(array: pa.Array, column: Column, errors: Errors) -> pa.Array:
    """What is nested, and BYTES, which are a text of JSON."""
    texts = array if column.type != BYTES else pc.binary_join_element_wise('"', array, '"', "")
    decoded = JsonDecoder([column], record=False).decode(texts.cast(pa.binary()))
    for bad in decoded.bad:
        errors.setdefault(bad.index, _refusal(array[bad.index].as_py(), column))
    return decoded.batch.column(0)


def _tell_lost(given: pa.Array, found: pa.Array, column: Column, errors: Errors) -> None:
    lost = pc.and_(given.is_valid(), found.is_null()).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(lost).tolist():
        errors.setdefault(row, _refusal(given[row].as_py(), column))


def _number_of(text: str, t: SqlType) -> Any:
    """The JSON format's number for a date or a time; None where the text is none."""
    try:
        return as_number(text, t)
    except SsqlError:
        return None


def _refusal(value: object, column: Column) -> InvalidStatement:
    text = str(value)
    told = text if len(text) <= _TOLD else text[: _TOLD - 3] + "..."
    return InvalidStatement(f"the value of column {quote(column.name)} is no {column.type}: {told}")
