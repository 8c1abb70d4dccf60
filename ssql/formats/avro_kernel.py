"""The compiled Avro reader: one kernel for every schema, which it gets as a program.

A program is a tree of nodes, one for each type of the writer's schema (see `avro_fast`, which makes it). A node may
have a target, where its values go, one entry a value. `read_rows` walks all rows: once to find out which are well
formed and how many entries each target gets, once more to write them. Nothing here knows Arrow, and importing this
module compiles it: only `ssql.kernels.warm_up` does so.

A row's status is 1 wherever there is any doubt (it ends too early, a number is too large, nesting is deep, ...), and
the row is then read by the exact reader. Text is not checked to be UTF-8.
"""

# ruff: noqa: PLR0917 (numba takes no keywords)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from ssql.formats.native import bytes_at, doubles_at, int32s_at, int64s_at

# Kinds of nodes. ENTRIES: an array of items that are each a node; MAP: each a text and a node.
NULL, BOOLEAN, INT, LONG, FLOAT, DOUBLE, BYTES, FIXED, ENUM, RECORD, ENTRIES, MAP, UNION, WIDE_BYTES, WIDE_FIXED = (
    range(15)
)

_DEPTH = 48  # nesting that is followed; deeper rows are doubtful
_VARINT_BITS = 63
_WIDEST = 16  # bytes of the widest decimal that is read here

_i8 = types.Array(types.int64, 1, "C")


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _long(data, at, end):  # type: ignore[no-untyped-def]
    """(value, position after it or -1)."""
    value = np.uint64(0)
    shift = 0
    while True:
        if at >= end or shift > _VARINT_BITS:
            return np.int64(0), np.int64(-1)
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        if byte < 128:
            break
        shift += 7
    return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), np.int64(at)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _nulls(target, null_at, null_targets, base, used, items, ends, ints, valid, write):  # type: ignore[no-untyped-def]
    """One entry that is null for the target, and for those inside it that have as many entries."""
    for k in range(null_at[target], null_at[target + 1]):
        t = null_targets[k]
        if write:
            ints[base[t] + used[t]] = items[t] if ends[t] else 0
            valid[base[t] + used[t]] = 0
        used[t] += 1


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _wide(data, at, size):  # type: ignore[no-untyped-def]
    """(low, high) 64 bits of a big-endian number of up to 16 bytes."""
    fill = np.uint64(0xFFFFFFFFFFFFFFFF) if size > 0 and data[at] >= 128 else np.uint64(0)
    low, high = fill, fill
    for k in range(size):
        high = (high << np.uint64(8)) | (low >> np.uint64(56))
        low = (low << np.uint64(8)) | np.uint64(data[at + k])
    return low, high


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _fits(low, high, limit_low, limit_high):  # type: ignore[no-untyped-def]
    """True where the number's size is below the limit (both of 128 bits)."""
    if high >> np.uint64(63):
        low, high = ~low + np.uint64(1), ~high
        if low == 0:
            high += np.uint64(1)
    return high < limit_high or (high == limit_high and low < limit_low)


@njit(
    [
        types.int64(
            types.int64,  # rows
            types.int64,  # address: the bytes of all rows
            types.int64,  # address: int32 offsets of rows, one more than there are
            _i8,  # per node: kind
            _i8,  # per node: target, or -1
            _i8,  # per node: first child; for ENUM symbols, for FIXED bytes
            _i8,  # per node: end of its children
            _i8,  # children: nodes
            types.int64,  # node of a row
            _i8,  # targets of the columns
            _i8,  # per target: first of those that are null with it (one more than there are)
            _i8,  # those
            _i8,  # per target: 1 where entries are ends (of texts, of items)
            _i8,  # per target: limits of decimals, low and high
            _i8,  # per target: where its entries begin
            _i8,  # per target: where its text begins
            _i8,  # per target, out: entries
            _i8,  # per target, out: bytes of text, or items
            types.int64,  # address: entries
            types.int64,  # address: high halves of entries
            types.int64,  # address: flags of entries
            types.int64,  # address: text
            types.int64,  # address: status of rows
            types.boolean,  # write: the second walk
        )
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def read_rows(  # type: ignore[no-untyped-def]
    rows,
    data_address,
    offsets_address,
    kinds,
    targets,
    first,
    last,
    children,
    root,
    columns,
    null_at,
    null_targets,
    ends,
    limits,
    base,
    text_base,
    used,
    items,
    ints_address,
    highs_address,
    valid_address,
    text_address,
    status_address,
    write,
):
    data: Any = bytes_at(data_address)
    offsets: Any = int32s_at(offsets_address)
    ints: Any = int64s_at(ints_address)
    doubles: Any = doubles_at(ints_address)
    highs: Any = int64s_at(highs_address)
    valid: Any = bytes_at(valid_address)
    text: Any = bytes_at(text_address)
    status: Any = bytes_at(status_address)
    width = len(used)
    used_before = np.zeros(width, dtype=np.int64)
    items_before = np.zeros(width, dtype=np.int64)
    frame_node = np.zeros(_DEPTH, dtype=np.int64)
    frame_left = np.zeros(_DEPTH, dtype=np.int64)  # records: next child; items: left in the block, -1: no block yet
    four = np.zeros(1, dtype=np.uint32)
    eight = np.zeros(1, dtype=np.uint64)
    used[:] = 0
    items[:] = 0
    doubtful = 0
    for row in range(rows):
        if status[row] == 0:
            for t in range(width):
                used_before[t] = used[t]
                items_before[t] = items[t]
            at = np.int64(offsets[row])
            end = np.int64(offsets[row + 1])
            depth = 0
            node = root
            while True:
                # --- one node, from where the bytes are
                kind = kinds[node]
                while kind == UNION:
                    branch, at = _long(data, at, end)
                    if at < 0 or branch < 0 or branch >= last[node] - first[node]:
                        at = np.int64(-1)
                        break
                    node = children[first[node] + branch]
                    kind = kinds[node]
                if at < 0:
                    break
                t = targets[node]
                if kind == RECORD:
                    if depth == _DEPTH:
                        at = np.int64(-1)
                        break
                    if t >= 0:
                        if write:
                            ints[base[t] + used[t]] = 0
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    frame_node[depth] = node
                    frame_left[depth] = 0
                    depth += 1
                elif kind in (ENTRIES, MAP):
                    if depth == _DEPTH:
                        at = np.int64(-1)
                        break
                    if t >= 0:
                        if write:
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    frame_node[depth] = node
                    frame_left[depth] = -1
                    depth += 1
                elif kind == NULL:
                    if t >= 0:
                        _nulls(t, null_at, null_targets, base, used, items, ends, ints, valid, write)
                elif kind in (BYTES, WIDE_BYTES):
                    size, at = _long(data, at, end)
                    if at < 0 or size < 0 or size > end - at:
                        at = np.int64(-1)
                        break
                    if t >= 0 and kind == BYTES:
                        if write:
                            to = text_base[t] + items[t]
                            for k in range(size):
                                text[to + k] = data[at + k]
                            ints[base[t] + used[t]] = items[t] + size
                            valid[base[t] + used[t]] = 1
                        items[t] += size
                        used[t] += 1
                    elif t >= 0:
                        if size > _WIDEST:
                            at = np.int64(-1)
                            break
                        low, high = _wide(data, at, size)
                        if not _fits(low, high, np.uint64(limits[2 * t]), np.uint64(limits[2 * t + 1])):
                            at = np.int64(-1)
                            break
                        if write:
                            ints[base[t] + used[t]] = np.int64(low)
                            highs[base[t] + used[t]] = np.int64(high)
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    at += size
                elif kind in (FIXED, WIDE_FIXED):
                    size = first[node]
                    if size > end - at:
                        at = np.int64(-1)
                        break
                    if t >= 0 and kind == FIXED:
                        if write:
                            to = text_base[t] + items[t]
                            for k in range(size):
                                text[to + k] = data[at + k]
                            ints[base[t] + used[t]] = items[t] + size
                            valid[base[t] + used[t]] = 1
                        items[t] += size
                        used[t] += 1
                    elif t >= 0:
                        low, high = _wide(data, at, size)
                        if not _fits(low, high, np.uint64(limits[2 * t]), np.uint64(limits[2 * t + 1])):
                            at = np.int64(-1)
                            break
                        if write:
                            ints[base[t] + used[t]] = np.int64(low)
                            highs[base[t] + used[t]] = np.int64(high)
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    at += size
                elif kind == DOUBLE:
                    if end - at < 8:
                        at = np.int64(-1)
                        break
                    if t >= 0:
                        if write:
                            bits = np.uint64(0)
                            for k in range(8):
                                bits |= np.uint64(data[at + k]) << np.uint64(8 * k)
                            eight[0] = bits
                            doubles[base[t] + used[t]] = eight.view(np.float64)[0]
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    at += 8
                elif kind == FLOAT:
                    if end - at < 4:
                        at = np.int64(-1)
                        break
                    if t >= 0:
                        if write:
                            bits = np.uint64(0)
                            for k in range(4):
                                bits |= np.uint64(data[at + k]) << np.uint64(8 * k)
                            four[0] = np.uint32(bits)
                            doubles[base[t] + used[t]] = np.float64(four.view(np.float32)[0])
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                    at += 4
                else:  # BOOLEAN, INT, LONG, ENUM
                    if kind == BOOLEAN:
                        if at >= end or data[at] > 1:
                            at = np.int64(-1)
                            break
                        value = np.int64(data[at])
                        at += 1
                    else:
                        value, at = _long(data, at, end)
                        if at < 0:
                            break
                        if (kind == INT and (value < -2147483648 or value > 2147483647)) or (
                            kind == ENUM and (value < 0 or value >= first[node])
                        ):
                            at = np.int64(-1)
                            break
                    if t >= 0:
                        if write:
                            ints[base[t] + used[t]] = value
                            valid[base[t] + used[t]] = 1
                        used[t] += 1
                # --- what comes next
                node = np.int64(-1)
                while depth > 0 and node < 0:
                    frame = depth - 1
                    held = frame_node[frame]
                    if kinds[held] == RECORD:
                        child = first[held] + frame_left[frame]
                        if child < last[held]:
                            node = children[child]
                            frame_left[frame] += 1
                        else:
                            depth -= 1
                        continue
                    if frame_left[frame] <= 0:
                        count, at = _long(data, at, end)
                        if at >= 0 and count < 0:
                            count = -count
                            _, at = _long(data, at, end)
                        if at < 0 or count < 0 or count > end - at:  # items of no bytes are doubtful as well
                            at = np.int64(-1)
                            break
                        if count == 0:
                            t = targets[held]
                            if t >= 0 and write:
                                ints[base[t] + used[t] - 1] = items[t]
                            depth -= 1
                            continue
                        frame_left[frame] = count
                    frame_left[frame] -= 1
                    t = targets[held]
                    if t >= 0:
                        items[t] += 1
                    node = children[first[held]]
                    if kinds[held] == MAP:
                        size, at = _long(data, at, end)
                        if at < 0 or size < 0 or size > end - at:
                            at = np.int64(-1)
                            break
                        key = targets[node]
                        if key >= 0:
                            if write:
                                to = text_base[key] + items[key]
                                for k in range(size):
                                    text[to + k] = data[at + k]
                                ints[base[key] + used[key]] = items[key] + size
                                valid[base[key] + used[key]] = 1
                            items[key] += size
                            used[key] += 1
                        at += size
                        node = children[first[held] + 1]
                if at < 0 or node < 0:
                    break
            if at < 0:
                status[row] = 1
                for t in range(width):
                    used[t] = used_before[t]
                    items[t] = items_before[t]
        if status[row] != 0:
            doubtful += 1
            for k in range(len(columns)):
                _nulls(columns[k], null_at, null_targets, base, used, items, ends, ints, valid, write)
    return doubtful
