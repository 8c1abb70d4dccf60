"""Records go where Java producers put them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from confluent_kafka import murmur2 as librdkafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from ssql.log.partitioner import Placement, murmur2, murmur2_batch, partitions_of
from tests.log.support import records

#: From Kafka's own tests (org.apache.kafka.common.utils.Utils).
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
KEYS = st.lists(st.binary(max_size=40), max_size=60)


@pytest.mark.parametrize(("key", "value"), KNOWN.items())
def test_murmur2_is_kafkas(key: bytes, value: int) -> None:
    assert murmur2(key) == value
    assert murmur2_batch(pa.array([key])).astype(np.int32).tolist() == [value]


@given(KEYS, st.integers(0, 5))
def test_the_batch_agrees_with_the_single_key(keys: list[bytes], cut: int) -> None:
    array = pa.array(keys, pa.binary()).slice(cut)
    assert murmur2_batch(array).astype(np.int32).tolist() == [murmur2(k) for k in keys[cut:]]


@given(KEYS.filter(bool), st.integers(1, 300))
def test_partitions_are_librdkafkas(keys: list[bytes], partitions: int) -> None:
    expected = [librdkafka_murmur2(k, partitions) for k in keys]
    assert partitions_of(pa.array(keys, pa.binary()), partitions).tolist() == expected
    assert partitions_of(pa.array(keys * 20, pa.binary()), partitions).tolist() == expected * 20


@pytest.mark.parametrize("count", [3, 100])
def test_null_keys_have_no_partition(count: int) -> None:
    keys = pa.array([None, b"", b"k"] * count, pa.binary())
    for partitions in (1, 7):
        expected = [-1, murmur2(b"") % (1 << 31) % partitions, murmur2(b"k") % (1 << 31) % partitions]
        assert partitions_of(keys, partitions).tolist() == expected * count


@given(st.lists(st.none() | st.binary(max_size=3), max_size=50), st.integers(1, 5))
def test_a_split_keeps_every_record_once_and_in_order(keys: list[bytes | None], partitions: int) -> None:
    batch = records(*[(k, b"%d" % n) for n, k in enumerate(keys)])
    split = Placement().split(batch, partitions, None)
    seen = [int(v) for _, part in split for v in part.column("value").to_pylist()]
    assert sorted(seen) == list(range(len(keys)))
    assert len({p for p, _ in split}) == len(split)
    for partition, part in split:
        at = [int(v) for v in part.column("value").to_pylist()]
        assert at == sorted(at)
        assert all(librdkafka_murmur2(keys[n], partitions) == partition for n in at if keys[n])


def test_records_without_a_key_are_spread_evenly_also_one_by_one() -> None:
    placement = Placement()
    counts = [0, 0, 0]
    for size in (1, 1, 1, 30, 6):
        for partition, part in placement.split(records(*[(None, b"")] * size), 3, None):
            counts[partition] += part.num_rows
    assert counts == [13, 13, 13]


def test_given_partitions_are_kept() -> None:
    batch = records(*[(b"k", b"%d" % n) for n in range(5)])
    assert [(p, b.num_rows) for p, b in Placement().split(batch, 3, 2)] == [(2, 5)]
    split = Placement().split(batch, 3, np.array([2, 0, 2, 0, 2], np.int32))
    assert [(p, b.column("value").to_pylist()) for p, b in split] == [(0, [b"1", b"3"]), (2, [b"0", b"2", b"4"])]
