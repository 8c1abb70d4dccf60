"""Compiled loops over librdkafka's messages. Importing this compiles them (or loads them from numba's cache).

All arguments are addresses and counts (int64): of arrays that the caller keeps alive, of messages, of C functions.
Nothing is checked. The plain twins of these loops are in `kafka_native`.
"""

# ruff: noqa: PLR0917 (numba takes no keywords)
# mypy: disable-error-code="no-untyped-call, no-untyped-def, call-arg, var-annotated, attr-defined"

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_pointer: Any = types.CPointer(types.int64)
_bytes: Any = types.CPointer(types.uint8)
_ints: Any = types.CPointer(types.int32)
_i8 = types.int64


def _cast(pointer: Any) -> Any:
    @intrinsic
    def cast(_typing: Any, _address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    return cast


words_at = _cast(_pointer)
bytes_at = _cast(_bytes)
ints_at = _cast(_ints)


@intrinsic
def call(_typing: Any, _function: Any, arguments: Any) -> Any:
    """Call the C function at an address with a tuple of words (integers or pointers); the word it returns."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = context.get_value_type(types.int64)
        unpacked = cgutils.unpack_tuple(builder, args[1])
        kind = cgutils.ir.FunctionType(word, [word] * len(unpacked))
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), unpacked)

    return types.int64(types.int64, arguments), generate


@intrinsic
def copy(_typing: Any, _to: Any, _from: Any, _length: Any) -> Any:
    """Copy bytes between two addresses."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        pointer = context.get_value_type(_bytes)
        cgutils.raw_memcpy(
            builder, builder.inttoptr(args[0], pointer), builder.inttoptr(args[1], pointer), args[2], itemsize=1
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@njit([types.void(_i8, _i8, _i8, _i8, _i8, _i8)], cache=True, nogil=True)
def scan(messages, count, out, timestamp, headers, scratch):
    """The fields of each message, as `out[field][message]` (see `kafka_native`); a length of -1 is a null.

    `timestamp`, `headers`: rd_kafka_message_timestamp and rd_kafka_message_headers; `scratch`: room for a word.
    """
    handles = words_at(messages)
    fields = words_at(out)
    found = words_at(scratch)
    for i in range(count):
        message = handles[i]
        words = words_at(message)
        halves = ints_at(message)
        fields[i] = halves[0]
        fields[count + i] = words[1]
        fields[2 * count + i] = halves[4]
        fields[3 * count + i] = words[7]
        if halves[0] != 0:
            continue
        fields[4 * count + i] = call(timestamp, (message, scratch))
        fields[5 * count + i] = words[5]
        fields[6 * count + i] = words[6] if words[5] != 0 else -1
        fields[7 * count + i] = words[3]
        fields[8 * count + i] = words[4] if words[3] != 0 else -1
        found[0] = 0
        call(headers, (message, scratch))
        fields[9 * count + i] = found[0]


@njit([types.void(_i8, _i8, _i8, _i8)], cache=True, nogil=True)
def gather(count, pointers, offsets, data):
    """Copy `count` byte strings to `data`, each to its place in `offsets` (int32, one more than there are strings)."""
    sources = words_at(pointers)
    places = ints_at(offsets)
    for i in range(count):
        length = places[i + 1] - places[i]
        if length > 0:
            copy(data + places[i], sources[i], length)


@njit([types.void(_i8, _i8, _i8)], cache=True, nogil=True)
def destroy(messages, count, function):
    """Free messages by rd_kafka_message_destroy."""
    handles = words_at(messages)
    for i in range(count):
        call(function, (handles[i],))


@njit(_i8(_i8, _i8, _i8), cache=True, nogil=True)
def _equal(left, right, length):
    a = bytes_at(left)
    b = bytes_at(right)
    for i in range(length):
        if a[i] != b[i]:
            return 0
    return 1


@njit([_i8(_i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8)], cache=True, nogil=True)
def marks(lists, count, counter, getter, name, writer, length, out, scratch):
    """Which messages carry the mark of one writer (`out`, bytes); how many messages have headers beside marks.

    `counter`, `getter`: rd_kafka_header_cnt and rd_kafka_header_get_all; `name`: the mark's header, with its final
    zero; `writer`, `length`: whose mark (a length of -1: nobody's); `scratch`: room for three words.
    """
    headers = words_at(lists)
    found = words_at(scratch)
    marked = bytes_at(out)
    others = 0
    size = 0
    letters = bytes_at(name)
    while letters[size] != 0:
        size += 1
    size += 1
    for i in range(count):
        marked[i] = 0
        if headers[i] == 0:
            continue
        total = call(counter, (headers[i],))
        other = 0
        for n in range(total):
            call(getter, (headers[i], n, scratch, scratch + 8, scratch + 16))
            # Byte by byte up to a difference: it stays within the shorter of the two texts.
            if _equal(found[0], name, size) == 0:
                other = 1
            elif found[2] == length and _equal(found[1], writer, length) == 1:
                marked[i] = 1
        others += other
    return others


@njit([types.UniTuple(_i8, 2)(_i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8, _i8)], cache=True, nogil=True)
def produce(client, function, arguments, size, begin, end, keys, key_nulls, values, value_nulls, times):
    """Hand records to rd_kafka_produceva: how many were taken, and the error (an address) that stopped it, or 0.

    `arguments`: `size` rd_kafka_vu_t, of which 3, 4 and 5 (timestamp, key, value) are filled in for each record;
    `keys`, `values`: two words each, the addresses of offsets (int32) and data; `..._nulls`: a byte a record, 1 for a
    null, or 0 where there are none; `times`: int64 each.
    """
    key_offsets = ints_at(words_at(keys)[0])
    key_data = words_at(keys)[1]
    value_offsets = ints_at(words_at(values)[0])
    value_data = words_at(values)[1]
    no_key = bytes_at(key_nulls)
    no_value = bytes_at(value_nulls)
    stamps = words_at(times)
    slots = words_at(arguments)
    for i in range(begin, end):
        # An rd_kafka_vu_t is nine words: its kind, and then its value.
        slots[3 * 9 + 1] = stamps[i]
        if key_nulls != 0 and no_key[i] == 1:
            slots[4 * 9 + 1] = 0
            slots[4 * 9 + 2] = 0
        else:
            slots[4 * 9 + 1] = key_data + key_offsets[i]
            slots[4 * 9 + 2] = key_offsets[i + 1] - key_offsets[i]
        if value_nulls != 0 and no_value[i] == 1:
            slots[5 * 9 + 1] = 0
            slots[5 * 9 + 2] = 0
        else:
            slots[5 * 9 + 1] = value_data + value_offsets[i]
            slots[5 * 9 + 2] = value_offsets[i + 1] - value_offsets[i]
        error = call(function, (client, arguments, size))
        if error != 0:
            return i, error
    return end, 0
