"""Compiled kernels of keyed state: hashing of texts, and grouping of rows by hash. Importing this compiles them.

Both compute just what their numpy twins in `hashing` and `changes` compute, several times faster.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

_u1 = types.Array(types.uint8, 1, "C", readonly=True)
_i4 = types.Array(types.int32, 1, "C", readonly=True)
_u8 = types.Array(types.uint64, 1, "C", readonly=True)


@njit(types.uint64[::1](_i4, _u1, _u8), cache=True, nogil=True)
def byte_sums(offsets, data, places):  # type: ignore[no-untyped-def]
    """The multilinear sum of each text, and its length times a constant; see `hashing`."""
    n = len(offsets) - 1
    out = np.empty(n, dtype=np.uint64)
    mask = len(places) - 1
    for row in range(n):
        start, end = offsets[row], offsets[row + 1]
        total = np.uint64(end - start) * np.uint64(0xD6E8FEB86659FD93)
        for i in range(start, end):
            total += (np.uint64(data[i]) + np.uint64(1)) * places[(i - start) & mask]
        out[row] = total
    return out


_groups = types.UniTuple(types.int64[::1], 4)  # type: ignore[no-untyped-call]


@njit(_groups(_u8), cache=True, nogil=True)
def group(hashes):  # type: ignore[no-untyped-def]
    """Group rows by hash: the group of each row, the row before it in its group (-1), and each group's ends."""
    n = len(hashes)
    size = 16
    while size < 2 * n:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.full(size, -1, dtype=np.int64)
    ids = np.empty(n, dtype=np.int64)
    previous = np.empty(n, dtype=np.int64)
    first = np.empty(n, dtype=np.int64)
    last = np.empty(n, dtype=np.int64)
    groups = 0
    for row in range(n):
        at = hashes[row] & mask
        while slots[at] >= 0 and hashes[first[slots[at]]] != hashes[row]:
            at = (at + np.uint64(1)) & mask
        known = slots[at]
        if known < 0:
            slots[at] = groups
            ids[row] = groups
            previous[row] = -1
            first[groups] = row
            last[groups] = row
            groups += 1
        else:
            ids[row] = known
            previous[row] = last[known]
            last[known] = row
    return ids, previous, first[:groups].copy(), last[:groups].copy()
