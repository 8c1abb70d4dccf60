"""Columns of Arrow in the types of a stream's or table's columns; values that are none of the type are told by row."""

from __future__ import annotations

import pyarrow as pa

from ssql.errors import InvalidStatement, SsqlError
from ssql.types import BIGINT, Column, quote


def fitting(array: pa.Array, column: Column, errors: dict[int, SsqlError]) -> pa.Array:
    """The array in the column's type. Where a value does not fit, it is NULL, and its row has an error.

    Numbers and texts are taken where they are the same in the column's type, times to milliseconds.

    Raises:
        InvalidStatement: the one type has nothing of the other.
    """
    t = column.type.arrow
    if pa.types.is_timestamp(array.type):
        # What is finer than a millisecond is left away.
        array = array.cast(pa.timestamp("ms", array.type.tz), safe=False)
        if column.type == BIGINT:
            array = array.cast(pa.int64())
    elif pa.types.is_time(array.type):
        array = array.cast(pa.time64("ns")).cast(pa.time32("ms"), safe=False)
    try:
        return array.cast(t)
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise InvalidStatement(
            f"values of column {quote(column.name)} are no {column.type}: they are {array.type}"
        ) from None
    except pa.ArrowInvalid:
        return _one_by_one(array, column, errors)


def _one_by_one(array: pa.Array, column: Column, errors: dict[int, SsqlError]) -> pa.Array:
    """Some value does not fit: which one, is known by trying."""
    t = column.type.arrow
    found = []
    for row in range(len(array)):
        one = array.slice(row, 1)
        try:
            found.append(one.cast(t))
        except pa.ArrowInvalid:
            found.append(pa.nulls(1, t))
            errors.setdefault(
                row, InvalidStatement(f"the value of column {quote(column.name)} is no {column.type}: {_told(one[0])}")
            )
    return pa.concat_arrays(found)


def _told(value: pa.Scalar) -> str:
    text = str(value.as_py())
    return text if len(text) <= 60 else text[:57] + "..."  # enough to find it by
