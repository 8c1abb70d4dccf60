"""The compiled Avro writer: one kernel for every schema, which it gets as a program.

A program is a tree of nodes, one for each type of the schema (see `avro_writer_fast`, which makes it); a node reads
the buffers of one Arrow array where they are. Nothing here knows Arrow, and importing this module compiles it: only
`ssql.kernels.warm_up` does so. What it writes is, byte for byte, what `avro_writers` writes.

A row's status is 1 where a value has no place in the schema: such rows are left to the exact writer, which says why.
"""

# ruff: noqa: PLR0917 (numba takes no keywords)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from ssql.formats.native import bytes_at, int32s_at, int64s_at

# Kinds of nodes, and how their arrays hold values. BITS: a bitmap; WIDE: 16 bytes; ENTRIES: an array of one node an
# item, MAP: of two; CONSTANT: bytes of the program.
BITS, INT32, INT64, DOUBLE, TEXT, WIDE, RECORD, ENTRIES, MAP, CONSTANT = range(10)

_DEPTH = 48  # nesting that is followed; the planner of programs sees to it that there is no more
MOST_NESTING = _DEPTH - 1
#: Most bytes that a value of a kind takes, its branch of a union included (text has its own bytes besides).
WIDEST = 19

_i8 = types.Array(types.int64, 1, "C")


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _long(out, to, value):  # type: ignore[no-untyped-def]
    rest = np.uint64(value << 1) ^ np.uint64(value >> 63)
    while rest > np.uint64(127):
        out[to] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        rest >>= np.uint64(7)
        to += 1
    out[to] = np.uint8(rest)
    return to + 1


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _is_null(nulls, at):  # type: ignore[no-untyped-def]
    if nulls == 0:
        return False
    bits = bytes_at(nulls)
    return (bits[at >> 3] >> (at & 7)) & 1 == 0


@njit(
    [
        types.int64(
            types.int64,  # rows
            _i8,  # per node: kind
            _i8,  # per node: byte of the union's branch for values, or -1
            _i8,  # per node: byte of the branch for null, or -1: null has no place
            _i8,  # per node: first child; of CONSTANT its bytes
            _i8,  # per node: end of its children
            _i8,  # children: nodes
            _i8,  # per node: what a number is multiplied by
            _i8,  # per node, address: values, or offsets of texts and items
            _i8,  # per node, address: the bytes of texts
            _i8,  # per node: the array's offset
            _i8,  # per node, address: validity, or 0
            types.int64,  # address: bytes of constants
            types.int64,  # node of a row
            types.int64,  # address: the frame
            types.int64,  # its size
            types.int64,  # address, out: the bytes
            types.int64,  # address, out: int32 ends of rows, one more than there are
            types.int64,  # address, out: status of rows (2: the row is null)
        )
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def write_rows(  # type: ignore[no-untyped-def]
    rows,
    kinds,
    branches,
    null_branches,
    first,
    last,
    children,
    scales,
    values,
    texts,
    starts,
    nulls,
    constants_address,
    root,
    head_address,
    head_size,
    out_address,
    ends_address,
    status_address,
):
    constants: Any = bytes_at(constants_address)
    head: Any = bytes_at(head_address)
    out: Any = bytes_at(out_address)
    ends: Any = int32s_at(ends_address)
    status: Any = bytes_at(status_address)
    frame_node = np.zeros(_DEPTH, dtype=np.int64)
    frame_at = np.zeros(_DEPTH, dtype=np.int64)  # records: next child; items: twice the next item, plus 1 after a key
    frame_end = np.zeros(_DEPTH, dtype=np.int64)  # records: the row; items: the end
    to = np.int64(0)
    ends[0] = 0
    for row in range(rows):
        begin = to
        for k in range(head_size):
            out[to] = head[k]
            to += 1
        depth = 0
        node = root
        at = np.int64(row)
        sound = True
        while True:
            # --- one node, at one place of its array
            kind = kinds[node]
            place = starts[node] + at
            if kind != CONSTANT and _is_null(nulls[node], place):
                if null_branches[node] < 0:
                    sound = False
                    status[row] = 2 if depth == 0 else 1
                    break
                out[to] = np.uint8(null_branches[node])
                to += 1
            else:
                if branches[node] >= 0:
                    out[to] = np.uint8(branches[node])
                    to += 1
                if kind == BITS:
                    bits: Any = bytes_at(values[node])
                    out[to] = (bits[place >> 3] >> (place & 7)) & 1
                    to += 1
                elif kind == INT32:
                    narrow: Any = int32s_at(values[node])
                    to = _long(out, to, np.int64(narrow[place]) * scales[node])
                elif kind == INT64:
                    wide: Any = int64s_at(values[node])
                    to = _long(out, to, wide[place] * scales[node])
                elif kind == DOUBLE:
                    content: Any = bytes_at(values[node])
                    for k in range(8):
                        out[to + k] = content[8 * place + k]
                    to += 8
                elif kind == TEXT:
                    offsets: Any = int32s_at(values[node])
                    letters: Any = bytes_at(texts[node])
                    start = np.int64(offsets[place])
                    size = np.int64(offsets[place + 1]) - start
                    to = _long(out, to, size)
                    for k in range(size):
                        out[to + k] = letters[start + k]
                    to += size
                elif kind == WIDE:
                    digits: Any = bytes_at(values[node])
                    base = 16 * place
                    fill = 255 if digits[base + 15] >= 128 else 0
                    size = np.int64(16)
                    # Bytes that only repeat the sign are left out.
                    while (
                        size > 1
                        and digits[base + size - 1] == fill
                        and (digits[base + size - 2] >= 128) == (fill == 255)
                    ):
                        size -= 1
                    to = _long(out, to, np.int64(size))
                    for k in range(size):
                        out[to + k] = digits[base + size - 1 - k]
                    to += size
                elif kind == CONSTANT:
                    for k in range(first[node], last[node]):
                        out[to] = constants[k]
                        to += 1
                elif kind == RECORD:
                    frame_node[depth] = node
                    frame_at[depth] = 0
                    frame_end[depth] = at
                    depth += 1
                else:
                    bounds: Any = int32s_at(values[node])
                    start = np.int64(bounds[place])
                    stop = np.int64(bounds[place + 1])
                    if stop > start:
                        to = _long(out, to, stop - start)
                    frame_node[depth] = node
                    frame_at[depth] = 2 * start
                    frame_end[depth] = stop
                    depth += 1
            # --- what comes next
            node = np.int64(-1)
            while depth > 0 and node < 0:
                frame = depth - 1
                held = frame_node[frame]
                if kinds[held] == RECORD:
                    child = first[held] + frame_at[frame]
                    if child < last[held]:
                        node = children[child]
                        at = frame_end[frame]
                        frame_at[frame] += 1
                    else:
                        depth -= 1
                    continue
                item = frame_at[frame] >> 1
                if item == frame_end[frame]:
                    out[to] = 0
                    to += 1
                    depth -= 1
                    continue
                at = item
                if kinds[held] == MAP and frame_at[frame] & 1 == 0:
                    node = children[first[held]]
                    frame_at[frame] += 1
                else:
                    node = children[last[held] - 1]
                    frame_at[frame] = 2 * (item + 1)
            if node < 0:
                break
        if not sound:
            to = begin
        ends[row + 1] = to
    return to
