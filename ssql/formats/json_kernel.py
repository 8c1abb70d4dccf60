"""The compiled JSON reader: one kernel for every flat schema.

`parse_rows` walks the bytes of all rows once and fills column buffers; `gather` copies texts out of the rows and
resolves their escapes. Nothing here knows Arrow, and importing this module compiles it (seconds, or 0.1 s from
numba's cache): only `ssql.kernels.warm_up` does so.

A row's status is 0 where it is one valid JSON text whose needed members all fit their columns as they are; it is 1
wherever there is any doubt (malformed, coercions, deep nesting, names only equal in an exotic case...), and the row is
then read by the exact reader. The bytes must be valid UTF-8.
"""

# ruff: noqa: PLR0917 (numba takes no keywords)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from ssql.formats.native import bytes_at, doubles_at, int32s_at, int64s_at

# What a column takes. WHOLE has bounds; CELL is anything else, kept as the place of its JSON text.
BOOLEAN, WHOLE, DOUBLE, STRING, CELL = range(5)

_LITERAL_NULL = np.frombuffer(b"null", dtype=np.uint8)
_LITERAL_TRUE = np.frombuffer(b"true", dtype=np.uint8)
_LITERAL_FALSE = np.frombuffer(b"false", dtype=np.uint8)
_POWERS = np.array([float(f"1e{i}") for i in range(23)])  # those that a double holds exactly
_GUESSES = 64  # members of an object whose column is guessed from the row before
_DEPTH = 64  # nesting that is followed; deeper rows are doubtful

_u1 = types.Array(types.uint8, 1, "C", readonly=True)
_i8 = types.Array(types.int64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _blank(data, i, end):  # type: ignore[no-untyped-def]
    while i < end and (data[i] == 32 or data[i] == 10 or data[i] == 13 or data[i] == 9):
        i += 1
    return i


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _literal(data, i, end, word):  # type: ignore[no-untyped-def]
    if end - i < len(word):
        return -1
    for k in range(len(word)):
        if data[i + k] != word[k]:
            return -1
    return i + len(word)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _hex(c):  # type: ignore[no-untyped-def]
    if 48 <= c <= 57:
        return np.int64(c) - 48
    if 97 <= c <= 102:
        return np.int64(c) - 87
    if 65 <= c <= 70:
        return np.int64(c) - 55
    return np.int64(-1)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _string(data, i, end):  # type: ignore[no-untyped-def]
    """From after the opening quote: where the closing quote is (-1: malformed), and whether there are escapes."""
    escaped = False
    while i < end:
        c = data[i]
        if c == 34:
            return i, escaped
        if c < 32:
            return -1, escaped
        if c == 92:
            escaped = True
            i += 1
            if i >= end:
                return -1, escaped
            e = data[i]
            if e == 117:
                if i + 4 >= end:
                    return -1, escaped
                for k in range(1, 5):
                    if _hex(data[i + k]) < 0:
                        return -1, escaped
                i += 4
            elif e not in (34, 92, 47, 98, 102, 110, 114, 116):
                return -1, escaped
        i += 1
    return -1, escaped


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _number(data, i, end):  # type: ignore[no-untyped-def]
    """(end or -1, negative, whole, significant digits, mantissa of up to 19 digits, power of ten)."""
    negative = False
    if i < end and data[i] == 45:
        negative = True
        i += 1
    mantissa = np.uint64(0)
    digits = 0
    power = 0
    if i >= end or data[i] < 48 or data[i] > 57:
        return -1, negative, True, 0, mantissa, 0
    if data[i] == 48:
        i += 1
    else:
        while i < end and 48 <= data[i] <= 57:
            if digits < 19:
                mantissa = mantissa * np.uint64(10) + np.uint64(data[i] - 48)
            digits += 1
            i += 1
    whole = True
    if i < end and data[i] == 46:
        whole = False
        i += 1
        if i >= end or data[i] < 48 or data[i] > 57:
            return -1, negative, whole, 0, mantissa, 0
        while i < end and 48 <= data[i] <= 57:
            if digits > 0 or data[i] != 48:
                if digits < 19:
                    mantissa = mantissa * np.uint64(10) + np.uint64(data[i] - 48)
                digits += 1
            power -= 1
            i += 1
    if i < end and (data[i] == 101 or data[i] == 69):
        whole = False
        i += 1
        below = False
        if i < end and (data[i] == 43 or data[i] == 45):
            below = data[i] == 45
            i += 1
        if i >= end or data[i] < 48 or data[i] > 57:
            return -1, negative, whole, 0, mantissa, 0
        exponent: Any = 0
        while i < end and 48 <= data[i] <= 57:
            if exponent < 100000:
                exponent = exponent * 10 + np.int64(data[i] - 48)
            i += 1
        power += -exponent if below else exponent
    return i, negative, whole, digits, mantissa, power


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _name(data, i, end):  # type: ignore[no-untyped-def]
    """Past a member's name and colon to its value, or -1."""
    if i >= end or data[i] != 34:
        return -1
    i, _ = _string(data, i + 1, end)
    if i < 0:
        return -1
    i = _blank(data, i + 1, end)
    if i >= end or data[i] != 58:
        return -1
    return _blank(data, i + 1, end)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _skip(data, i, end):  # type: ignore[no-untyped-def]
    """Past one value of any kind, checked on the way; -1 where it is malformed or nested too deeply."""
    depth = 0
    objects = np.uint64(0)  # a bit a level, innermost lowest: 1 for an object, 0 for an array
    while True:
        if i >= end:
            return -1
        c = data[i]
        if c == 34:
            i, _ = _string(data, i + 1, end)
            if i < 0:
                return -1
            i += 1
        elif c in (123, 91):
            i = _blank(data, i + 1, end)
            if i >= end:
                return -1
            if data[i] == c + 2:  # } and ] are two above { and [
                i += 1
            else:
                if depth == _DEPTH:
                    return -1
                depth += 1
                objects = (objects << np.uint64(1)) | np.uint64(1 if c == 123 else 0)
                if c == 123:
                    i = _name(data, i, end)
                    if i < 0:
                        return -1
                continue
        elif c == 116:
            i = _literal(data, i, end, _LITERAL_TRUE)
        elif c == 102:
            i = _literal(data, i, end, _LITERAL_FALSE)
        elif c == 110:
            i = _literal(data, i, end, _LITERAL_NULL)
        else:
            i, _, _, _, _, _ = _number(data, i, end)
        if i < 0:
            return -1
        while True:
            if depth == 0:
                return i
            i = _blank(data, i, end)
            if i >= end:
                return -1
            c = data[i]
            inside = objects & np.uint64(1)
            if c == 44:
                i = _blank(data, i + 1, end)
                if inside == 1:
                    i = _name(data, i, end)
                    if i < 0:
                        return -1
                break
            if c != (125 if inside == 1 else 93):
                return -1
            depth -= 1
            objects >>= np.uint64(1)
            i += 1


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _value(data, i, end, kind, low, high, at, ints, floats, valid, lengths):  # type: ignore[no-untyped-def]
    """Read one value into its column: where it ends, or -1 where it does not fit as it is."""
    if i >= end:
        return -1
    c = data[i]
    if c == 110:
        valid[at] = 0
        return _literal(data, i, end, _LITERAL_NULL)
    valid[at] = 1
    start = i
    if kind == WHOLE:
        i, negative, whole, digits, mantissa, _ = _number(data, i, end)
        if i < 0 or not whole or digits > 19:
            return -1
        if mantissa > np.uint64(9223372036854775807):
            return -1
        number = -np.int64(mantissa) if negative else np.int64(mantissa)
        if number < low or number > high:
            return -1
        ints[at] = number
        return i
    if kind == DOUBLE:
        i, negative, whole, digits, mantissa, power = _number(data, i, end)
        if i < 0:
            return -1
        if digits <= 19 and mantissa <= np.uint64(9007199254740992) and -22 <= power <= 22:
            # Mantissa and power of ten are exact, so one operation rounds correctly.
            real = np.float64(mantissa)
            real = real / _POWERS[-power] if power < 0 else real * _POWERS[power]
            if negative and not (whole and mantissa == 0):
                real = -real
            floats[at] = real
            lengths[at] = 0
        else:
            ints[at] = start
            lengths[at] = i - start
        return i
    if kind == STRING:
        if c == 34:
            close, escaped = _string(data, i + 1, end)
            if close < 0:
                return -1
            ints[at] = i + 1
            lengths[at] = -(close - i) if escaped else close - i - 1
            return close + 1
        if c in (123, 91):
            return -1
        i = _skip(data, i, end)  # numbers and booleans are their own text
        ints[at] = start
        lengths[at] = i - start
        return i
    if kind == BOOLEAN:
        if c == 116:
            ints[at] = 1
            return _literal(data, i, end, _LITERAL_TRUE)
        ints[at] = 0
        return _literal(data, i, end, _LITERAL_FALSE)
    i = _skip(data, i, end)
    ints[at] = start
    lengths[at] = i - start
    return i


@njit(cache=True, nogil=True, error_model="numpy")
def _is_exotic(data, start, length, names):  # type: ignore[no-untyped-def]
    """True where the upper case of a member's name may be a column's name other than letter by ASCII letter.

    That takes a column name that is not ASCII, or one of the few characters whose upper case is: sharp s, dotless i,
    long s and the Latin ligatures.
    """
    plain = True
    for k in range(length):
        if data[start + k] >= 128:
            plain = False
    if plain:
        return False
    for k in range(len(names)):
        if names[k] >= 128:
            return True
    for k in range(start, start + length - 1):
        c = data[k]
        d = data[k + 1]
        if (c == 0xC3 and d == 0x9F) or (c == 0xC4 and d == 0xB1) or (c == 0xC5 and d == 0xBF):
            return True
        if c == 0xEF and d == 0xAC:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _find(data, start, length, names, name_at):  # type: ignore[no-untyped-def]
    """(column or -1, exact): the column that a member's name means; -2 where only the exact reader can tell."""
    columns = len(name_at) - 1
    for column in range(columns):
        at = name_at[column]
        if name_at[column + 1] - at == length:
            same = True
            for k in range(length):
                if data[start + k] != names[at + k]:
                    same = False
                    break
            if same:
                return column, True
    if _is_exotic(data, start, length, names):
        return -2, False
    for column in range(columns):
        at = name_at[column]
        if name_at[column + 1] - at == length:
            same = True
            for k in range(length):
                c = data[start + k]
                if 97 <= c <= 122:
                    c -= 32
                if c != names[at + k]:
                    same = False
                    break
            if same:
                return column, False
    return -1, False


@njit(
    types.void(
        types.int64, types.int64, types.int64, types.int64, types.boolean, _u1, _i8, _i8, _i8, _i8,
        types.int64, types.int64, types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def parse_rows(  # type: ignore[no-untyped-def]
    rows,
    data_at,
    offsets_at,
    present_at,
    record,
    names,
    name_at,
    kinds,
    lows,
    highs,
    values_at,
    valid_at,
    lengths_at,
    status_at,
):
    """Read all rows into columns.

    Args:
        rows: how many there are. What follows as `..._at` are addresses.
        data_at, offsets_at: the bytes of all rows (uint8), and where each begins (int32, rows + 1).
        present_at: 1 for rows that are not null (uint8).
        record: rows are objects; otherwise each is one bare value, of column 0 where there is one.
        names, name_at: the columns' names as bytes, and where each begins (columns + 1).
        kinds, lows, highs: what each column takes, and its bounds where it is WHOLE.
        values_at: [column, row], int64 or float64, zeroed: values, 1 and 0, or where a text begins.
        valid_at: [column, row], uint8, zeroed: 1 where there is a value.
        lengths_at: [column, row], int64, zeroed. STRING and CELL: bytes of the text, or -(bytes + 1) where it has
            escapes. DOUBLE: 0, or the bytes of a number that must be read from its text.
        status_at: [row], uint8, zeroed: 1 where the row must be read exactly (its other outputs mean nothing then).
    """
    columns = len(kinds)
    data = bytes_at(data_at)
    offsets = int32s_at(offsets_at)
    present = bytes_at(present_at)
    ints = int64s_at(values_at)
    floats = doubles_at(values_at)
    valid = bytes_at(valid_at)
    lengths = int64s_at(lengths_at)
    status = bytes_at(status_at)
    seen = np.zeros(columns, dtype=np.int8)  # 1: by its upper case, 2: by its exact name
    guess_at = np.zeros(_GUESSES, dtype=np.int64)
    guess_length = np.full(_GUESSES, -1, dtype=np.int64)
    guess_column = np.zeros(_GUESSES, dtype=np.int64)
    guess_exact = np.zeros(_GUESSES, dtype=np.bool_)
    for row in range(rows):
        if present[row] == 0:
            continue
        end = np.int64(offsets[row + 1])
        i = _blank(data, np.int64(offsets[row]), end)
        status[row] = 1
        if not record:
            if columns > 0:
                i = _value(data, i, end, kinds[0], lows[0], highs[0], row, ints, floats, valid, lengths)
            else:
                i = _skip(data, i, end)
            if i >= 0 and _blank(data, i, end) == end:
                status[row] = 0
            continue
        if i < end and data[i] == 110:
            i = _literal(data, i, end, _LITERAL_NULL)
            if i >= 0 and _blank(data, i, end) == end:
                status[row] = 0
            continue
        if i >= end or data[i] != 123:
            continue
        i = _blank(data, i + 1, end)
        if i < end and data[i] == 125:
            if _blank(data, i + 1, end) == end:
                status[row] = 0
            continue
        seen[:] = 0
        member = 0
        while True:
            if i >= end or data[i] != 34:
                break
            start = i + 1
            i, escaped = _string(data, start, end)
            if i < 0 or escaped:
                break
            length = i - start
            i = _blank(data, i + 1, end)
            if i >= end or data[i] != 58:
                break
            i = _blank(data, i + 1, end)
            known = False
            column = np.int64(-1)
            exact = False
            if member < _GUESSES and guess_length[member] == length:
                known = True
                at = guess_at[member]
                for k in range(length):
                    if data[start + k] != data[at + k]:
                        known = False
                        break
            if known:
                column = guess_column[member]
                exact = guess_exact[member]
            else:
                column, exact = _find(data, start, length, names, name_at)
                if member < _GUESSES:
                    guess_at[member] = start
                    guess_length[member] = length
                    guess_column[member] = column
                    guess_exact[member] = exact
            member += 1
            if column == -2:
                break
            if column >= 0 and (exact or seen[column] < 2):
                seen[column] = 2 if exact else 1
                i = _value(
                    data,
                    i,
                    end,
                    kinds[column],
                    lows[column],
                    highs[column],
                    column * rows + row,
                    ints,
                    floats,
                    valid,
                    lengths,
                )
            else:
                i = _skip(data, i, end)
            if i < 0:
                break
            i = _blank(data, i, end)
            if i >= end:
                break
            if data[i] == 125:
                if _blank(data, i + 1, end) == end:
                    status[row] = 0
                break
            if data[i] != 44:
                break
            i = _blank(data, i + 1, end)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _unit(data, i):  # type: ignore[no-untyped-def]
    """The four hex digits at `i`."""
    return (_hex(data[i]) << 12) | (_hex(data[i + 1]) << 8) | (_hex(data[i + 2]) << 4) | _hex(data[i + 3])


@njit(
    types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def gather(rows, data_at, starts_at, lengths_at, status_at, offsets_at, out_at):  # type: ignore[no-untyped-def]
    """Copy texts one after another, escapes resolved; fills the offsets (rows + 1) and gives the bytes written.

    All arguments but `rows` are addresses; starts and lengths (int64) are as `parse_rows` leaves them. Rows whose
    status is not 0 have no text. Sets the status of rows whose text holds half of a surrogate pair.
    """
    data = bytes_at(data_at)
    starts = int64s_at(starts_at)
    lengths = int64s_at(lengths_at)
    status = bytes_at(status_at)
    offsets = int32s_at(offsets_at)
    out = bytes_at(out_at)
    to = 0
    offsets[0] = 0
    for row in range(rows):
        if status[row] == 0:
            length = lengths[row]
            i = starts[row]
            if length >= 0:
                for k in range(length):
                    out[to + k] = data[i + k]
                to += length
            else:
                end = i - length - 1
                begin = to
                while i < end:
                    c = data[i]
                    i += 1
                    if c != 92:
                        out[to] = c
                        to += 1
                        continue
                    c = data[i]
                    i += 1
                    if c == 117:
                        unit = _unit(data, i)
                        i += 4
                        if 0xD800 <= unit < 0xE000:
                            paired = unit < 0xDC00 and i + 6 <= end and data[i] == 92 and data[i + 1] == 117
                            second = _unit(data, i + 2) if paired else 0
                            if not 0xDC00 <= second < 0xE000:
                                status[row] = 1
                                to = begin
                                break
                            i += 6
                            unit = 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00)
                        if unit < 0x80:
                            out[to] = unit
                            to += 1
                        elif unit < 0x800:
                            out[to] = 0xC0 | (unit >> 6)
                            out[to + 1] = 0x80 | (unit & 63)
                            to += 2
                        elif unit < 0x10000:
                            out[to] = 0xE0 | (unit >> 12)
                            out[to + 1] = 0x80 | ((unit >> 6) & 63)
                            out[to + 2] = 0x80 | (unit & 63)
                            to += 3
                        else:
                            out[to] = 0xF0 | (unit >> 18)
                            out[to + 1] = 0x80 | ((unit >> 12) & 63)
                            out[to + 2] = 0x80 | ((unit >> 6) & 63)
                            out[to + 3] = 0x80 | (unit & 63)
                            to += 4
                        continue
                    if c == 98:
                        c = 8
                    elif c == 102:
                        c = 12
                    elif c == 110:
                        c = 10
                    elif c == 114:
                        c = 13
                    elif c == 116:
                        c = 9
                    out[to] = c
                    to += 1
        offsets[row + 1] = to
    return to
