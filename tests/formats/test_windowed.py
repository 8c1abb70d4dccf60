from __future__ import annotations

import struct

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ssql.formats.windowed import unwrap_keys, wrap_keys

times = st.integers(-(2**62), 2**62)
rows = st.lists(st.tuples(st.none() | st.binary(max_size=9), times, times), max_size=8)
LARGEST = 2**63 - 1


@given(rows, st.integers(0, 3), st.integers(1, 10**9))
def test_time_windows_append_the_start(windows: list[tuple[bytes | None, int, int]], skip: int, size: int) -> None:
    keys = pa.array([k for k, _, _ in windows], pa.binary()).slice(skip)
    starts = pa.array([s for _, s, _ in windows], pa.int64()).slice(skip)
    wrapped = wrap_keys(keys, starts, None)
    wrapped.validate(full=True)
    assert wrapped.to_pylist() == [None if k is None else k + struct.pack(">q", s) for k, s, _ in windows[skip:]]
    found = unwrap_keys(wrapped, session=False, size_ms=size)
    assert found.bad == ()
    assert found.keys.to_pylist() == keys.to_pylist()
    assert found.start.to_pylist() == [None if k is None else s for k, s, _ in windows[skip:]]
    assert found.end.to_pylist() == [None if k is None else s + size for k, s, _ in windows[skip:]]


@given(rows, st.integers(0, 3))
def test_session_windows_append_end_and_start(windows: list[tuple[bytes | None, int, int]], skip: int) -> None:
    keys = pa.array([k for k, _, _ in windows], pa.binary())
    starts = pa.array([s for _, s, _ in windows], pa.int64())
    ends = pa.array([e for _, _, e in windows], pa.int64())
    wrapped = wrap_keys(keys, starts, ends)
    assert wrapped.to_pylist() == [None if k is None else k + struct.pack(">qq", e, s) for k, s, e in windows]
    found = unwrap_keys(wrapped.slice(skip), session=True, size_ms=None)
    assert list(zip(*(a.to_pylist() for a in found[:3]), strict=True)) == [
        (None, None, None) if k is None else (k, s, e) for k, s, e in windows[skip:]
    ]


def test_keys_too_short_for_their_window_are_bad() -> None:
    found = unwrap_keys(pa.array([b"1234567", None, b"12345678"], pa.binary()), session=False, size_ms=1)
    assert [(row.index, row.reason) for row in found.bad] == [
        (0, "windowed key is too short: 7 bytes, the window alone takes 8")
    ]
    assert found.keys.to_pylist() == [None, None, b""]
    assert [row.index for row in unwrap_keys(found.keys, session=True, size_ms=None).bad] == [2]


def test_an_end_never_overflows() -> None:
    wrapped = wrap_keys(pa.array([b"a", b"b"], pa.binary()), pa.array([LARGEST - 5, 0]), None)
    assert unwrap_keys(wrapped, session=False, size_ms=10).end.to_pylist() == [LARGEST, 10]
    assert unwrap_keys(wrapped, session=False, size_ms=None).end.to_pylist() == [LARGEST, LARGEST]
