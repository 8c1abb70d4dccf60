"""The loops of `kafka_kernel` in Python, for as long as those are not compiled: the same arguments and results."""

# ruff: noqa: PLR0917 (the arguments of the compiled twins)

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, c_char, c_int32, c_int64, c_uint8

from ssql.log.librdkafka import Message

_CALL_1 = CFUNCTYPE(c_int64, c_int64)
_CALL_2 = CFUNCTYPE(c_int64, c_int64, c_int64)
_CALL_3 = CFUNCTYPE(c_int64, c_int64, c_int64, c_int64)
_CALL_5 = CFUNCTYPE(c_int64, c_int64, c_int64, c_int64, c_int64, c_int64)


def _words(address: int, count: int) -> ctypes.Array[c_int64]:
    return (c_int64 * count).from_address(address)


def scan(messages: int, count: int, out: int, timestamp: int, headers: int, scratch: int) -> None:
    time_of, headers_of = _CALL_2(timestamp), _CALL_2(headers)
    found = c_int64.from_address(scratch)
    fields = _words(out, 10 * count)
    for i, handle in enumerate(_words(messages, count)):
        message = Message.from_address(handle)
        fields[i] = message.err
        fields[count + i] = message.topic or 0
        fields[2 * count + i] = message.partition
        fields[3 * count + i] = message.offset
        if message.err:
            continue
        fields[4 * count + i] = time_of(handle, scratch)
        fields[5 * count + i] = message.key or 0
        fields[6 * count + i] = -1 if message.key is None else message.key_length
        fields[7 * count + i] = message.payload or 0
        fields[8 * count + i] = -1 if message.payload is None else message.length
        found.value = 0
        headers_of(handle, scratch)
        fields[9 * count + i] = found.value


def gather(count: int, pointers: int, offsets: int, data: int) -> None:
    places = (c_int32 * (count + 1)).from_address(offsets)
    for i, source in enumerate(_words(pointers, count)):
        length = places[i + 1] - places[i]
        if length > 0:
            ctypes.memmove(data + places[i], source, length)


def destroy(messages: int, count: int, function: int) -> None:
    free = _CALL_1(function)
    for handle in _words(messages, count):
        free(handle)


def marks(
    lists: int,
    count: int,
    counter: int,
    getter: int,
    name: int,
    writer: int,
    length: int,
    out: int,
    scratch: int,
) -> int:
    count_of, get = _CALL_1(counter), _CALL_5(getter)
    found = _words(scratch, 3)
    marked = (c_uint8 * count).from_address(out)
    wanted = ctypes.string_at(name)
    text = ctypes.string_at(writer, length) if length >= 0 else None
    others = 0
    for i, headers in enumerate(_words(lists, count)):
        marked[i] = 0
        other = 0
        for n in range(count_of(headers) if headers else 0):
            get(headers, n, scratch, scratch + 8, scratch + 16)
            if ctypes.string_at(found[0]) != wanted:
                other = 1
            elif text is not None and ctypes.string_at(found[1], found[2]) == text:
                marked[i] = 1
        others += other
    return others


def produce(
    client: int,
    function: int,
    arguments: int,
    size: int,
    begin: int,
    end: int,
    keys: int,
    key_nulls: int,
    values: int,
    value_nulls: int,
    times: int,
) -> tuple[int, int]:
    put = _CALL_3(function)
    slots = _words(arguments, 9 * size)
    stamps = _words(times, end)
    columns = []
    for slot, column, nulls in ((4, keys, key_nulls), (5, values, value_nulls)):
        at, data = _words(column, 2)
        places = (c_int32 * (end + 1)).from_address(at)
        columns.append((9 * slot + 1, places, data, (c_char * end).from_address(nulls) if nulls else None))
    for i in range(begin, end):
        slots[3 * 9 + 1] = stamps[i]
        for slot, places, data, nulls_ in columns:
            null = nulls_ is not None and nulls_[i] == b"\x01"
            slots[slot] = 0 if null else data + places[i]
            slots[slot + 1] = 0 if null else places[i + 1] - places[i]
        error = put(client, arguments, size)
        if error:
            return i, error
    return end, 0
