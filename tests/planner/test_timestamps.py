"""Times written as text."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.planner.timestamps import parse_temporal, partial_timestamp_ms
from ssql.types import DATE, TIME, TIMESTAMP, SqlType

DAY = 86_400_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970", 0),
        ("1970-01", 0),
        ("1970-01-02", DAY),
        ("1970-01-01T01", 3_600_000),
        ("1970-01-01T24", DAY),
        ("1970-01-01T", 0),
        ("1970-01-01T00:01", 60_000),
        ("1970-01-01T00:00:01.5", 1500),
        ("1970-01-01 00:00:01", 1000),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T01:00+0100", 0),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-01T01:00-01", 7_200_000),
        ("1970-01-01T01:00 Europe/Paris", 0),
        ("1969-12-31T23:59:59.999", -1),
        ("soon", None),
        ("1970-13", None),
        ("1970-01-01T25", None),
        ("1970-01-01T01:00 Nowhere/Land", None),
    ],
)
def test_partial_date_times(text: str, ms: int | None) -> None:
    assert partial_timestamp_ms(text) == ms


@given(st.integers(min_value=-(10**12), max_value=4 * 10**12))
def test_a_full_date_time_reads_back(ms: int) -> None:
    seconds, rest = divmod(ms, 1000)
    stamp = date.fromordinal(date(1970, 1, 1).toordinal() + seconds // 86400)
    hour, left = divmod(seconds % 86400, 3600)
    text = f"{stamp.year:04d}-{stamp.month:02d}-{stamp.day:02d}T{hour:02d}:{left // 60:02d}:{left % 60:02d}.{rest:03d}"
    assert partial_timestamp_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("2020-02-03", DATE, date(2020, 2, 3)),
        ("01:02", TIME, time(1, 2)),
        ("01:02:03.004", TIME, time(1, 2, 3, 4000)),
        ("2020-02-03T04", TIMESTAMP, datetime(2020, 2, 3, 4)),
        ("25:00", TIME, None),
        ("2020-02-30", DATE, None),
        ("x", TIME, None),
    ],
)
def test_constants(text: str, kind: SqlType, value: object) -> None:
    assert parse_temporal(text, kind) == value
