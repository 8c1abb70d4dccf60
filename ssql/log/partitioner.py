"""Where a record goes: Kafka's murmur2 over a whole batch of keys, and the split of a batch by partition.

`partitions_of` puts a key on the partition that Java producers (and librdkafka's `murmur2_random`) put it on, so
that topics written by others are co-partitioned with ours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
#: Up to this many keys plain Python is faster than some twenty numpy calls (1 to 2 us a key against 40 us in all).
_PLAIN_KEYS = 16


def murmur2(key: bytes) -> int:
    """Kafka's murmur2 of one key, as Java's signed 32-bit integer."""
    length = len(key)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(key[at : at + 4], "little") * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    if whole < length:
        h = ((h ^ int.from_bytes(key[whole:], "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    h ^= h >> 15
    return h - (1 << 32) if h >= 1 << 31 else h


def murmur2_batch(keys: pa.BinaryArray) -> npt.NDArray[np.uint32]:
    """murmur2 of every key (uint32, one a key; that of a null is undefined). About 30 ns a short key."""
    count = len(keys)
    _, offset_buffer, data_buffer = keys.buffers()
    bounds = np.frombuffer(offset_buffer, np.int32, count + 1, keys.offset * 4).astype(np.int64)
    starts, lengths = bounds[:-1], np.diff(bounds)
    m, r24, r13, r15 = np.uint32(_M), np.uint32(24), np.uint32(13), np.uint32(15)
    h = np.uint32(_SEED) ^ lengths.astype(np.uint32)
    # Longest first: the keys that still have a word at some depth are then a prefix.
    words = lengths >> 2
    order = np.argsort(-words, kind="stable") if count and int(words.max()) != int(words.min()) else None
    if order is not None:
        starts, lengths, words, h = starts[order], lengths[order], words[order], h[order]
    size = data_buffer.size if data_buffer is not None else 0
    data = np.frombuffer(data_buffer, np.uint8) if size else np.zeros(0, np.uint8)
    if count and int(words[0]) > 0:
        # A 4-byte word at any byte: an overlapping, unaligned view of the key bytes.
        sliding = np.ndarray((size - 3,), np.dtype("<u4"), data.data, 0, (1,))
        active = np.searchsorted(-words, -np.arange(int(words[0])), side="left")
        for depth, live in enumerate(active):
            k = sliding[starts[:live] + 4 * depth] * m
            k ^= k >> r24
            k *= m
            h[:live] *= m
            h[:live] ^= k
    rest = lengths & 3
    tail_at = starts + (words << 2)
    for byte in (2, 1, 0):
        has = np.flatnonzero(rest > byte)
        if len(has):
            h[has] ^= data[tail_at[has] + byte].astype(np.uint32) << np.uint32(8 * byte)
    some = np.flatnonzero(rest)
    h[some] *= m
    h ^= h >> r13
    h *= m
    h ^= h >> r15
    if order is None:
        return h
    back = np.empty_like(h)
    back[order] = h
    return back


def partitions_of(keys: pa.BinaryArray, partitions: int) -> npt.NDArray[np.int32]:
    """The partition of every key: `(murmur2(key) & 0x7fffffff) % partitions`, and -1 for a null key."""
    count = len(keys)
    if count <= _PLAIN_KEYS:
        plain = (-1 if k is None else (murmur2(k) & 0x7FFFFFFF) % partitions for k in keys.to_pylist())
        return np.fromiter(plain, np.int32, count)
    if partitions == 1:
        found = np.zeros(count, np.int32)
    else:
        found = ((murmur2_batch(keys) & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int32)
    if keys.null_count:
        found[keys.is_null().to_numpy(zero_copy_only=False)] = -1
    return found


class Placement:
    """Splits batches by partition; records without a key go round over the partitions."""

    def __init__(self) -> None:
        self._turn = 0

    def split(
        self, batch: pa.RecordBatch, partitions: int, partition: int | npt.NDArray[np.int32] | None
    ) -> list[tuple[int, pa.RecordBatch]]:
        """(partition, its records in their order) for each partition that gets any; no copy when it is only one."""
        if batch.num_rows == 0:
            return []
        if isinstance(partition, (int, np.integer)):
            return [(int(partition), batch)]
        if partitions == 1:
            return [(0, batch)]
        if partition is None:
            keys = batch.column("key")
            where = partitions_of(keys, partitions)
            if keys.null_count:
                free = np.flatnonzero(where < 0)
                where[free] = (self._turn + np.arange(len(free))) % partitions
                self._turn = (self._turn + len(free)) % partitions
        else:
            where = partition
        first = int(where[0])
        if bool((where == first).all()):
            return [(first, batch)]
        order = np.argsort(where.astype(np.uint16), kind="stable")
        ordered = batch.take(pa.array(order))
        counts = np.bincount(where, minlength=partitions)
        split: list[tuple[int, pa.RecordBatch]] = []
        at = 0
        for index in np.flatnonzero(counts).tolist():
            split.append((index, ordered.slice(at, int(counts[index]))))
            at += int(counts[index])
        return split
