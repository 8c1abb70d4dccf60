"""Record batches as they are given, kept and read: schema checks, the bytes of a stored batch, the read batch."""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.errors import InternalError
from ssql.log.api import FETCH_SCHEMA, HEADERS, RECORD_SCHEMA

_CORE = pa.schema([RECORD_SCHEMA.field(i) for i in range(3)])
_OFFSET = FETCH_SCHEMA.field("offset")

#: What a stored batch holds beside key, value and timestamp; these numbers are on disk.
WITH_HEADERS: Final = 1
WITH_OFFSETS: Final = 2  # compaction leaves gaps: the offsets are kept, not counted from the first

_SHAPES: Final = tuple(
    pa.schema(list(_CORE) + ([RECORD_SCHEMA.field(3)] if shape & WITH_HEADERS else []) + ([_OFFSET] * (shape >> 1)))
    for shape in range(4)
)

_EMPTY = pa.RecordBatch.from_arrays([pa.array([], f.type) for f in FETCH_SCHEMA], schema=FETCH_SCHEMA)


def empty_fetch() -> pa.RecordBatch:
    """A batch of FETCH_SCHEMA without rows."""
    return _EMPTY


class _Nulls:
    """Null headers of any length, cut from one array that only grows."""

    def __init__(self) -> None:
        self._array = pa.nulls(1024, HEADERS)

    def __call__(self, count: int) -> pa.Array:
        array = self._array
        if count > len(array):
            array = self._array = pa.nulls(1 << (count - 1).bit_length(), HEADERS)
        return array.slice(0, count)


no_headers = _Nulls()


def checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as key, value, timestamp and, only where a record has some, headers.

    Raises:
        InternalError: for columns that are not RECORD_SCHEMA's, or a null timestamp.
    """
    names = batch.schema.names
    wanted = _SHAPES[WITH_HEADERS] if len(names) == 4 else _SHAPES[0]
    if names != wanted.names or [f.type for f in batch.schema] != [f.type for f in wanted]:
        raise InternalError(f"records must have the columns {RECORD_SCHEMA}, not {batch.schema}")
    if batch.column(2).null_count:
        raise InternalError("a record without a timestamp")
    columns = batch.columns
    if len(columns) == 4 and columns[3].null_count == batch.num_rows:
        columns, wanted = columns[:3], _SHAPES[0]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def shape_of(batch: pa.RecordBatch) -> int:
    """The shape number of a batch that `checked` or `unpack` returned."""
    names = batch.schema.names
    return (WITH_HEADERS if "headers" in names else 0) | (WITH_OFFSETS if "offset" in names else 0)


def pack(batch: pa.RecordBatch) -> tuple[int, pa.Buffer]:
    """Shape and bytes (an Arrow IPC record batch message)."""
    return shape_of(batch), batch.serialize()


def crc_of(data: pa.Buffer | bytes | memoryview) -> int:
    return zlib.crc32(data)


def unpack(shape: int, data: pa.Buffer | bytes) -> pa.RecordBatch:
    """The batch of those bytes, without a copy."""
    return pa.ipc.read_record_batch(pa.py_buffer(data), _SHAPES[shape])


def same_shape(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """All with headers if one has headers, so that they can be joined; all must or none may have offsets."""
    if len({shape_of(b) for b in batches}) <= 1:
        return batches
    schema = _SHAPES[shape_of(batches[0]) | WITH_HEADERS]
    return [
        b
        if shape_of(b) & WITH_HEADERS
        else pa.RecordBatch.from_arrays([*b.columns[:3], no_headers(b.num_rows), *b.columns[3:]], schema=schema)
        for b in batches
    ]


def offsets_of(batch: pa.RecordBatch, base: int) -> npt.NDArray[np.int64]:
    """The offset of each record of a stored batch that begins at `base`."""
    if batch.schema.names[-1] == "offset":
        kept: npt.NDArray[np.int64] = batch.column(batch.num_columns - 1).to_numpy()
        return kept
    return np.arange(base, base + batch.num_rows, dtype=np.int64)


def with_offsets(batch: pa.RecordBatch, base: int) -> pa.RecordBatch:
    """A stored batch with its offsets kept in it."""
    shape = shape_of(batch)
    if shape & WITH_OFFSETS:
        return batch
    columns = [*batch.columns, pa.array(offsets_of(batch, base))]
    return pa.RecordBatch.from_arrays(columns, schema=_SHAPES[shape | WITH_OFFSETS])


def without_offsets(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.drop_columns(["offset"]) if shape_of(batch) & WITH_OFFSETS else batch


def to_fetch(batch: pa.RecordBatch, offsets: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """FETCH_SCHEMA from a stored batch and its offsets."""
    headers = batch.column(3) if "headers" in batch.schema.names else no_headers(batch.num_rows)
    columns = [batch.column(0), batch.column(1), batch.column(2), headers, pa.array(offsets)]
    return pa.RecordBatch.from_arrays(columns, schema=FETCH_SCHEMA)
