"""The registry's wire format: byte 0, the schema's id (4 bytes, big endian), what the schema describes.

Rows are told apart by id, whole batches at a time; readers of a schema get what comes after the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssql.formats.api import BadRow
from ssql.formats.columns import binary_parts, valid_mask

FRAME = 5  # bytes
_ALL = 1 << 30  # more bytes than a value has: "up to the end"


class Group(NamedTuple):
    """Rows of one schema: its id, their places in the batch, and their bytes after the frame (null rows too)."""

    id: int
    rows: npt.NDArray[np.int64]
    payload: pa.BinaryArray


def frame(schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big")


def groups(data: pa.BinaryArray) -> tuple[list[Group], list[BadRow]]:
    """The rows that are not null, by schema; rows that are not framed are bad."""
    offsets, content = binary_parts(data)
    starts = offsets[:-1].astype(np.int64)
    valid = valid_mask(data)
    framed = valid & (np.diff(offsets) >= FRAME)
    if len(content):
        framed &= content[np.minimum(starts, len(content) - 1)] == 0
    bad = [
        BadRow(int(row), "not in the Schema Registry's wire format: expected a byte 0 and a schema id first")
        for row in np.flatnonzero(valid & ~framed)
    ]
    rows = np.flatnonzero(framed)
    if not len(rows):
        return [], bad
    heads = content[starts[rows][:, None] + np.arange(1, FRAME)]
    ids = np.ascontiguousarray(heads).view(">u4").reshape(-1)
    return [Group(int(found), places, _after(data, places, FRAME)) for found, places in _split(ids, rows)], bad


def by_prefix(payload: pa.BinaryArray, prefix: bytes) -> tuple[npt.NDArray[np.bool_], pa.BinaryArray]:
    """Which rows begin with `prefix`, and what comes after it in those."""
    found = pc.starts_with(payload, pattern=prefix).fill_null(False).to_numpy(zero_copy_only=False)
    return found, _after(payload, np.flatnonzero(found), len(prefix))


def _split(ids: npt.NDArray[np.uint32], rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    if (ids == ids[0]).all():
        yield int(ids[0]), rows
        return
    for found in np.unique(ids):
        yield int(found), rows[ids == found]


def _after(data: pa.BinaryArray, rows: npt.NDArray[np.int64], skip: int) -> pa.BinaryArray:
    held = data if len(rows) == len(data) else data.take(pa.array(rows))
    return pc.binary_slice(held, skip, _ALL) if skip else held


def merged(parts: Sequence[tuple[npt.NDArray[np.int64], pa.Array]], size: int, kind: pa.DataType) -> pa.Array:
    """One array of `size` rows from parts with the places of their rows; rows in no part are null."""
    if len(parts) == 1 and len(parts[0][0]) == size:
        return parts[0][1]
    places = np.full(size, -1, dtype=np.int64)
    first = 0
    for rows, array in parts:
        places[rows] = first + np.arange(len(rows))
        first += len(array)
    whole = pa.concat_arrays([*(array for _, array in parts), pa.nulls(1, kind)])
    places[places < 0] = first
    return whole.take(pa.array(places))
