"""The compiled JSON writer: Arrow buffers of a batch -> one JSON text a row, in one pass.

Reads the buffers where they are. Nothing here knows Arrow, and importing this module compiles it: only
`ssql.kernels.warm_up` does so. What it writes is, byte for byte, what `json_text` writes.
"""

# ruff: noqa: PLR0917 (numba takes no keywords)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from ssql.formats.native import bytes_at, doubles_at, int32s_at, int64s_at

# How a column is held. BITS: a bitmap; TIME: microseconds, written as milliseconds; TEXT: to be quoted;
# JSON: texts that are JSON already.
BITS, INT32, INT64, TIME, DOUBLE, TEXT, JSON = range(7)

#: Most bytes that a value of a fixed-width column takes: the longest is -1.2345678901234567E-300.
WIDEST = 26

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_NULL = np.frombuffer(b"null", dtype=np.uint8)
_TRUE = np.frombuffer(b"true", dtype=np.uint8)
_FALSE = np.frombuffer(b"false", dtype=np.uint8)
_NAN = np.frombuffer(b'"NaN"', dtype=np.uint8)
_INFINITY = np.frombuffer(b'"Infinity"', dtype=np.uint8)
_MINUS_INFINITY = np.frombuffer(b'"-Infinity"', dtype=np.uint8)
_LARGEST_WHOLE = 9007199254740992.0  # 2 ** 53: all whole doubles below it are exact, one apart
_DECIMALS = 6  # digits after the point that are tried before a double is sent to Arrow's printer

_u1 = types.Array(types.uint8, 1, "C", readonly=True)
_i8 = types.Array(types.int64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _copy(out, to, word):  # type: ignore[no-untyped-def]
    for k in range(len(word)):
        out[to + k] = word[k]
    return to + len(word)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _digits(out, to, number):  # type: ignore[no-untyped-def]
    """Write an unsigned number in decimal."""
    count = 1
    rest = number // np.uint64(10)
    while rest > 0:
        count += 1
        rest //= np.uint64(10)
    rest = number
    for k in range(to + count - 1, to - 1, -1):
        out[k] = np.uint8(48) + np.uint8(rest % np.uint64(10))
        rest //= np.uint64(10)
    return to + count


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _whole(out, to, number):  # type: ignore[no-untyped-def]
    if number < 0:
        out[to] = 45
        return _digits(out, to + 1, np.uint64(0) - np.uint64(number))
    return _digits(out, to, np.uint64(number))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _decimals(size):  # type: ignore[no-untyped-def]
    """(digits after the point, all digits as a number) of a positive double that has few; (-1, 0) for the others.

    Below ten million the number is exact in a double and unique for its count of digits, so that the first count
    that gives the double back gives the shortest text.
    """
    if size < 1e-3 or size >= 1e7:
        return -1, np.uint64(0)
    power = 1.0
    for count in range(_DECIMALS + 1):
        scaled = np.rint(size * power)
        if scaled / power == size:
            return count, np.uint64(scaled)
        power *= 10.0
    return -1, np.uint64(0)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _is_hard(value):  # type: ignore[no-untyped-def]
    """True for doubles whose digits only Arrow's printer finds."""
    size = np.abs(value)
    if not size < np.inf or size == 0 or (size < _LARGEST_WHOLE and size == np.rint(size)):
        return False
    count, _ = _decimals(size)
    return count < 0


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _scientific(out, to, digits_at, count, power):  # type: ignore[no-untyped-def]
    """Write d.dddEn from digits that stand in `out` behind the place where they go."""
    while count > 1 and out[digits_at + count - 1] == 48:
        count -= 1
    out[to] = out[digits_at]
    out[to + 1] = 46
    to += 2
    if count == 1:
        out[to] = 48
        to += 1
    for k in range(1, count):
        out[to] = out[digits_at + k]
        to += 1
    out[to] = 69
    return _whole(out, to + 1, np.int64(power))


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _double(out, to, value, text, start, end):  # type: ignore[no-untyped-def]
    """Write a double as Java prints it. `text[start:end]`: Arrow's text of it, where it is hard."""
    if np.isnan(value):
        return _copy(out, to, _NAN)
    if np.isinf(value):
        return _copy(out, to, _INFINITY if value > 0 else _MINUS_INFINITY)
    size = np.abs(value)
    if value < 0 or (value == 0 and 1.0 / value < 0):
        out[to] = 45
        to += 1
    if size == 0 or (size < 1e7 and size == np.rint(size)):
        to = _digits(out, to, np.uint64(size))
        out[to] = 46
        out[to + 1] = 48
        return to + 2
    if size < _LARGEST_WHOLE and size == np.rint(size):
        # The digits are put two places further right than they go: the point is to come between them.
        count = _digits(out, to + 2, np.uint64(size)) - to - 2
        return _scientific(out, to, to + 2, count, count - 1)
    places, number = _decimals(size)
    if places >= 0:
        scale = np.uint64(1)
        for _ in range(places):
            scale *= np.uint64(10)
        to = _digits(out, to, number // scale)
        out[to] = 46
        rest = number % scale
        for k in range(to + places, to, -1):
            out[k] = np.uint8(48) + np.uint8(rest % np.uint64(10))
            rest //= np.uint64(10)
        return to + 1 + places
    if text[start] == 45:
        start += 1
    if 1e-3 <= size < 1e7:
        for k in range(start, end):
            out[to] = text[k]
            to += 1
        return to
    count = 0
    power: Any = 0  # of ten, of the first digit
    point = False
    k = start
    while k < end and text[k] != 101:
        if text[k] == 46:
            point = True
        elif count > 0 or text[k] != 48:
            out[to + 2 + count] = text[k]
            count += 1
            if not point:
                power += 1
        elif point:
            power -= 1
        k += 1
    power -= 1
    if k < end:
        k += 1
        below = text[k] == 45
        if text[k] in (43, 45):
            k += 1
        exponent: Any = 0
        while k < end:
            exponent = exponent * 10 + np.int64(text[k] - 48)
            k += 1
        power += -exponent if below else exponent
    return _scientific(out, to, to + 2, count, power)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _text(out, to, data, start, end):  # type: ignore[no-untyped-def]
    """Write a text in quotes, escaped where it must be."""
    out[to] = 34
    to += 1
    for i in range(start, end):
        c = data[i]
        if c >= 32 and c not in (34, 92):
            out[to] = c
            to += 1
            continue
        out[to] = 92
        short = c
        if c == 8:
            short = np.uint8(98)
        elif c == 9:
            short = np.uint8(116)
        elif c == 10:
            short = np.uint8(110)
        elif c == 12:
            short = np.uint8(102)
        elif c == 13:
            short = np.uint8(114)
        if short >= 32:
            out[to + 1] = short
            to += 2
        else:
            out[to + 1] = 117
            out[to + 2] = 48
            out[to + 3] = 48
            out[to + 4] = _HEX[c >> 4]
            out[to + 5] = _HEX[c & 15]
            to += 6
    out[to] = 34
    return to + 1


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True, error_model="numpy")
def escaping(data_at, size):  # type: ignore[no-untyped-def]
    """The bytes by which escaping lengthens a text, at most."""
    data = bytes_at(data_at)
    more = 0
    for i in range(size):
        c = data[i]
        if c < 32:
            more += 5
        elif c in (34, 92):
            more += 1
    return more


@njit(types.boolean(types.int64, types.int64), cache=True, nogil=True, error_model="numpy")
def any_hard(values_at, rows):  # type: ignore[no-untyped-def]
    """True where a double needs Arrow's text to be written."""
    values = doubles_at(values_at)
    for row in range(rows):  # noqa: SIM110 (numba has no generators here)
        if _is_hard(values[row]):
            return True
    return False


@njit(
    types.int64(
        types.int64, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _u1, _i8,
        types.boolean, types.int64, types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def write_rows(  # type: ignore[no-untyped-def]
    rows,
    kinds,
    values_at,
    first,
    nulls_at,
    first_null,
    offsets_at,
    texts_at,
    names,
    name_at,
    record,
    out_at,
    ends_at,
    missing_at,
):
    """Write all rows, one after another; gives the bytes written.

    Args:
        rows: how many there are. What follows as `..._at` are addresses, an entry a column.
        kinds: how each column is held.
        values_at, first: values of fixed width, and the index of the first row's (of its bit, for BITS).
        nulls_at, first_null: validity bitmap (0: no nulls), and the index of the first row's bit.
        offsets_at, texts_at: int32 offsets of the first row's text, and the bytes. For DOUBLE: Arrow's texts (0: none
            is needed).
        names, name_at: what is written before each column's value, braces and commas included, and where each begins.
        record: write objects; otherwise the bare values of column 0.
        out_at, ends_at: the bytes, and int32 offsets (rows + 1).
        missing_at: uint8 a row, zeroed: 1 for bare values that are null, which have no bytes.
    """
    out = bytes_at(out_at)
    ends = int32s_at(ends_at)
    missing = bytes_at(missing_at)
    columns = len(kinds)
    to = 0
    ends[0] = 0
    for row in range(rows):
        for column in range(columns):
            for k in range(name_at[column], name_at[column + 1]):
                out[to] = names[k]
                to += 1
            if nulls_at[column] != 0:
                bit = first_null[column] + row
                if (bytes_at(nulls_at[column])[bit >> 3] >> np.uint8(bit & 7)) & np.uint8(1) == 0:
                    if record:
                        to = _copy(out, to, _NULL)
                    else:
                        missing[row] = 1
                    continue
            kind = kinds[column]
            at = first[column] + row
            if kind == INT64:
                to = _whole(out, to, int64s_at(values_at[column])[at])
            elif kind == INT32:
                to = _whole(out, to, np.int64(int32s_at(values_at[column])[at]))
            elif kind == TEXT:
                offsets = int32s_at(offsets_at[column])
                to = _text(out, to, bytes_at(texts_at[column]), np.int64(offsets[row]), np.int64(offsets[row + 1]))
            elif kind == DOUBLE:
                start = np.int64(0)
                end = np.int64(0)
                if offsets_at[column] != 0:
                    offsets = int32s_at(offsets_at[column])
                    start = np.int64(offsets[row])
                    end = np.int64(offsets[row + 1])
                to = _double(out, to, doubles_at(values_at[column])[at], bytes_at(texts_at[column]), start, end)
            elif kind == BITS:
                set_bit = (bytes_at(values_at[column])[at >> 3] >> np.uint8(at & 7)) & np.uint8(1)
                to = _copy(out, to, _TRUE) if set_bit == 1 else _copy(out, to, _FALSE)
            elif kind == TIME:
                to = _whole(out, to, int64s_at(values_at[column])[at] // 1000)
            else:
                offsets = int32s_at(offsets_at[column])
                texts = bytes_at(texts_at[column])
                for k in range(offsets[row], offsets[row + 1]):
                    out[to] = texts[k]
                    to += 1
        if record:
            out[to] = 125
            to += 1
        ends[row + 1] = to
    return to
