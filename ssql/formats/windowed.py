"""Keys of windowed results: the serialized key followed by the window, as Kafka Streams writes it.

Time windows append the start (8 bytes, big endian, ms); session windows the end and then the start. All of it works on
Arrow buffers; no row is touched by Python unless it is bad.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.formats.api import BadRow
from ssql.formats.columns import binary_parts, sorted_bad, valid_mask

_BOUND = 8  # bytes of one window bound


class Unwrapped(NamedTuple):
    """Key bytes, window start and end (ms, int64), all null where the key is null or bad."""

    keys: pa.BinaryArray
    start: pa.Int64Array
    end: pa.Int64Array
    bad: tuple[BadRow, ...]


def _nulls(valid: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _runs(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The indices starts[0], starts[0] + 1, ... of all the runs, one after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    result: npt.NDArray[np.int64] = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return result


def wrap_keys(keys: pa.BinaryArray, start: pa.Int64Array, end: pa.Int64Array | None) -> pa.BinaryArray:
    """Key bytes + start, or, where `end` is given (session windows), + end + start. A null key stays null."""
    offsets, content = binary_parts(keys)
    valid = valid_mask(keys)
    lengths = np.where(valid, np.diff(offsets), 0).astype(np.int64)
    bounds = [start] if end is None else [end, start]
    suffix = np.empty((len(keys), len(bounds)), dtype=">i8")
    for at, bound in enumerate(bounds):
        suffix[:, at] = bound.fill_null(0).to_numpy(zero_copy_only=False)
    width = _BOUND * len(bounds)
    sizes = np.where(valid, lengths + width, 0)
    ends = np.cumsum(sizes)
    begins = ends - sizes
    result = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    result[_runs(begins, lengths)] = content[_runs(offsets[:-1].astype(np.int64), lengths)]
    tail = np.where(valid, width, 0).astype(np.int64)
    result[_runs(begins + lengths, tail)] = suffix[valid].view(np.uint8).reshape(-1)
    new_offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(keys), [_nulls(valid), pa.py_buffer(new_offsets), pa.py_buffer(result)]
    )


def unwrap_keys(data: pa.BinaryArray, session: bool, size_ms: int | None) -> Unwrapped:
    """The inverse of `wrap_keys`.

    `size_ms` gives the end of time windows (start + size; at most the largest int64). None where it is not known:
    then the end is the largest int64. Session windows carry their own end.
    """
    offsets, content = binary_parts(data)
    valid = valid_mask(data)
    lengths = np.where(valid, np.diff(offsets), 0).astype(np.int64)
    width = _BOUND * (2 if session else 1)
    fits = valid & (lengths >= width)
    key_ends = offsets[:-1].astype(np.int64) + np.where(fits, lengths - width, 0)
    bounds = np.zeros((len(data), width // _BOUND), dtype=np.int64)
    bounds[fits] = content[key_ends[fits][:, None] + np.arange(width)].view(">i8")
    starts = bounds[:, -1]
    largest = np.iinfo(np.int64).max
    if session:
        ends = bounds[:, 0]
    elif size_ms is None:
        ends = np.full(len(data), largest)
    else:
        ends = np.where(
            starts > largest - size_ms, largest, starts + np.minimum(size_ms, largest - np.maximum(starts, 0))
        )
    key_lengths = np.where(fits, lengths - width, 0)
    keys = content[_runs(offsets[:-1].astype(np.int64), key_lengths)]
    new_offsets = np.concatenate([[0], np.cumsum(key_lengths)]).astype(np.int32)
    nulls = _nulls(fits)
    bad = [
        BadRow(int(row), f"windowed key is too short: {lengths[row]} bytes, the window alone takes {width}")
        for row in np.flatnonzero(valid & ~fits)
    ]
    return Unwrapped(
        pa.BinaryArray.from_buffers(pa.binary(), len(data), [nulls, pa.py_buffer(new_offsets), pa.py_buffer(keys)]),
        pa.Int64Array.from_buffers(pa.int64(), len(data), [nulls, pa.py_buffer(np.ascontiguousarray(starts))]),
        pa.Int64Array.from_buffers(pa.int64(), len(data), [nulls, pa.py_buffer(np.ascontiguousarray(ends))]),
        sorted_bad(bad),
    )
