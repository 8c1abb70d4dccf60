"""A 64-bit hash of key columns, whole columns at a time.

Multilinear hashing of bytes (Lemire and Kaser, "Strongly universal string hashing is fast"): the sum over the bytes
of byte x random odd 64-bit constant of its place, mod 2^64, finished by splitmix64's mixer (Steele et al., 2014).
The hash orders arrangements and is stored with them, so it must not change: `VERSION` names it.
Equal keys have equal hashes; different keys may too, and whoever looks up by hash compares the keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from operator import mul

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssql.kernels import kernel

Hashes = npt.NDArray[np.uint64]

VERSION = 1
_NULL = np.uint64(0x9E3779B97F4A7C15)
_PLACES = np.random.Generator(np.random.PCG64(0x55C1)).integers(0, 1 << 63, 4096, dtype=np.uint64) * np.uint64(
    2
) + np.uint64(1)


def _mix(x: Hashes) -> Hashes:
    """splitmix64's finaliser: every input bit moves about half of the output bits."""
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash_bytes(array: pa.Array) -> Hashes:
    """Strings or binaries (32-bit offsets)."""
    n = len(array)
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[array.offset : array.offset + n + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.zeros(0, dtype=np.uint8)
    compiled = kernel("ssql.runtime.group_kernel")
    if compiled is not None:
        return _mix(compiled.byte_sums(offsets, data, _PLACES))
    lengths = np.diff(offsets).astype(np.int64)
    sums = np.zeros(n, dtype=np.uint64)
    total = int(offsets[-1]) - int(offsets[0])
    if total:
        starts = offsets[:-1].astype(np.int64) - int(offsets[0])
        place = np.arange(total, dtype=np.int64) - np.repeat(starts, lengths)
        # Beyond the table places repeat: such keys hash worse, never wrongly.
        terms = (data[offsets[0] : offsets[-1]].astype(np.uint64) + np.uint64(1)) * _PLACES[place & 4095]
        some = lengths > 0
        sums[some] = np.add.reduceat(terms, starts[some])
    return _mix(sums + lengths.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93))


def _hash_slowly(array: pa.Array) -> Hashes:
    """Lists and maps: by the text of each value. Correct and slow; keys of such types are rare."""
    digests = [hashlib.blake2b(repr(v).encode(), digest_size=8).digest() for v in array.to_pylist()]
    return np.frombuffer(b"".join(digests), dtype=np.uint64).copy()


def _hash_one(array: pa.Array) -> Hashes:
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        hashes = _hash_bytes(array)
    elif pa.types.is_boolean(kind):
        hashes = _mix(array.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint64) + np.uint64(1))
    elif pa.types.is_float64(kind):
        values = array.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0  # -0.0 and 0.0 are one key
        hashes = _mix(values.view(np.uint64))
    elif pa.types.is_decimal(kind):
        words = np.frombuffer(array.buffers()[1], dtype=np.uint64)[2 * array.offset : 2 * (array.offset + len(array))]
        hashes = _mix(_mix(words[0::2]) + words[1::2])
    elif pa.types.is_struct(kind):
        hashes = hash_columns(array.flatten())
    elif pa.types.is_nested(kind):
        hashes = _hash_slowly(array)
    elif pa.types.is_null(kind):
        return np.full(len(array), _NULL, dtype=np.uint64)
    else:
        width = kind.bit_width
        raw = np.frombuffer(array.buffers()[1], dtype={8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}[width])
        hashes = _mix(raw[array.offset : array.offset + len(array)].astype(np.int64).view(np.uint64))
    if array.null_count:
        hashes = np.where(array.is_null().to_numpy(zero_copy_only=False), _NULL, hashes)
    return hashes


def hash_columns(columns: Sequence[pa.Array]) -> Hashes:
    """One hash a row over all columns; NULL is a value like any other. No column: 0 for a single global key."""
    if not columns:
        return np.zeros(0, dtype=np.uint64)
    with np.errstate(over="ignore"):
        hashes = _hash_one(columns[0])
        for column in columns[1:]:
            hashes = _mix(hashes * np.uint64(0x9DDFEA08EB382D69) + _hash_one(column))
    return hashes


_MASK = (1 << 64) - 1
_EACH_PLACE: list[int] = _PLACES.tolist()
_ALL_BEFORE = [0, *accumulate(_EACH_PLACE)]


def hash_values(values: Sequence[str | int]) -> int:
    """The hash that `hash_columns` gives a row of these strings and integers, by plain numbers: for one row that is
    many times faster."""
    hashed = _hash_value(values[0])
    for value in values[1:]:
        hashed = _mix_one((hashed * 0x9DDFEA08EB382D69 + _hash_value(value)) & _MASK)
    return hashed


def _hash_value(value: str | int) -> int:
    if isinstance(value, int):
        return _mix_one(value & _MASK)
    data = value.encode()
    n = len(data)
    if n > len(_EACH_PLACE):
        with np.errstate(over="ignore"):
            return int(_hash_bytes(pa.array([value], pa.string()))[0])
    total = sum(map(mul, data, _EACH_PLACE)) + _ALL_BEFORE[n] + n * 0xD6E8FEB86659FD93
    return _mix_one(total & _MASK)


def _mix_one(x: int) -> int:
    """As `_mix`."""
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & _MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def equal_rows(left: Sequence[pa.Array], right: Sequence[pa.Array]) -> npt.NDArray[np.bool_]:
    """For each row whether the columns are equal on both sides; NULL equals NULL, NaN equals NaN."""
    n = len(left[0]) if left else 0
    equal = np.ones(n, dtype=np.bool_)
    for a, b in zip(left, right, strict=True):
        equal &= _equal_column(a, b)
    return equal


def _equal_column(a: pa.Array, b: pa.Array) -> npt.NDArray[np.bool_]:
    if pa.types.is_struct(a.type):
        same = equal_rows(a.flatten(), b.flatten())
    elif pa.types.is_nested(a.type):
        return np.array([x == y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)], dtype=np.bool_)
    else:
        same = pc.equal(a, b).fill_null(False).to_numpy(zero_copy_only=False)
        if pa.types.is_floating(a.type):
            nan_a, nan_b = (pc.is_nan(c).fill_null(False).to_numpy(zero_copy_only=False) for c in (a, b))
            same = same | (nan_a & nan_b)
    if a.null_count or b.null_count:
        null_a = a.is_null().to_numpy(zero_copy_only=False)
        null_b = b.is_null().to_numpy(zero_copy_only=False)
        same = np.where(null_a | null_b, null_a & null_b, same)
    return np.asarray(same, dtype=np.bool_)
