"""Cells of JSON text -> one Arrow column: for the types that the fast readers do not read in place.

A cell is the JSON text of one value. DECIMAL is read by Arrow where all cells are plain; the other types are read one
by one. What does not fit is reported as doubtful, never raised: the exact reader says why.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.json_values import converter, parse
from ssql.formats.scalars import MisfitError, plain_decimal
from ssql.types import Column, Decimal


def read_cells(cells: pa.StringArray, column: Column) -> tuple[pa.Array, list[int]]:
    """The column of `cells` (null: no value), and the rows whose cell does not fit."""
    if isinstance(column.type, Decimal):
        digits = plain_decimal(column.type.precision, column.type.scale)
        if pc.match_substring_regex(cells, f'^(-?{digits}|"[+-]?{digits}")$').false_count == 0:
            try:
                return pc.utf8_trim(cells, '"').cast(column.type.arrow), []
            except pa.ArrowInvalid:
                pass  # at least one does not fit: find out which
    convert = converter(column.type)
    values: list[Any] = []
    doubtful: list[int] = []
    for row, cell in enumerate(cells.to_pylist()):
        value = None
        if cell is not None:
            try:
                parsed = parse(cell)
                value = None if parsed is None else convert(parsed)
            except MisfitError:
                doubtful.append(row)
        values.append(value)
    return pa.array(values, type=column.type.arrow), doubtful
