from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssql.functions import java_time as jt
from ssql.functions.text import civil, epoch_day

INSTANT = 1526075913123  # 2018-05-11T21:58:33.123Z, a Friday


@pytest.mark.parametrize(
    ("pattern", "zone", "text"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "UTC", "2018-05-11T21:58:33.123Z"),
        ("yy/M/d h:m a", "UTC", "18/5/11 9:58 PM"),
        ("EEE, dd MMM yyyy", "UTC", "Fri, 11 May 2018"),
        ("EEEE MMMM", "UTC", "Friday May"),
        ("yyyy-MM-dd HH:mm:ss zzz", "America/Los_Angeles", "2018-05-11 14:58:33 PDT"),
        ("HH:mm xxx XX VV", "Asia/Kolkata", "03:28 +05:30 +0530 Asia/Kolkata"),
        ("O OOOO Z ZZZZZ", "+02:00", "GMT+2 GMT+02:00 +0200 +02:00"),
        ("D Q QQQ w e A n", "UTC", "131 2 Q2 19 6 79113123 123000000"),
        ("yyyy''MM 'o''clock' [HH]", "UTC", "2018'05 o'clock 21"),
        ("SSSSSS KK kk G", "UTC", "123000 09 21 AD"),
    ],
)
def test_formatting(pattern: str, zone: str, text: str) -> None:
    assert jt.format_timestamp(INSTANT, pattern, zone) == text


@pytest.mark.parametrize(
    ("text", "pattern", "zone", "millis"),
    [
        ("2018-05-11T21:58:33.123", "yyyy-MM-dd'T'HH:mm:ss.SSS", "UTC", INSTANT),
        ("20180511215833123", "yyyyMMddHHmmssSSS", "UTC", INSTANT),
        ("2018-05-11T21:58:33 PST", "yyyy-MM-dd'T'HH:mm:ss zzz", "UTC", 1526101113000),
        ("2018-05-11 14:58", "yyyy-MM-dd HH:mm", "America/Los_Angeles", 1526075880000),
        ("2018-05-11 23:58 +02:00", "yyyy-MM-dd HH:mm xxx", "Asia/Tokyo", 1526075880000),
        ("2018-05-11", "yyyy-MM-dd[ HH:mm]", "UTC", 1525996800000),
        ("09:58 pm 131 18", "hh:mm a D yy", "UTC", 1526075880000),
        ("2018-04-31", "yyyy-MM-dd", "UTC", 1525046400000),
        ("11 MAY", "dd MMM", "UTC", 11232000000),
    ],
)
def test_parsing(text: str, pattern: str, zone: str, millis: int) -> None:
    assert jt.parse_timestamp(text, pattern, zone) == millis


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2018-5-11", "yyyy-MM-dd"),
        ("12018-05-11", "yyyy-MM-dd"),
        ("2018-05-11 x", "yyyy-MM-dd"),
        ("2018-13-11", "yyyy-MM-dd"),
        ("24:00", "HH:mm"),
        ("Mon 2018-05-11", "EEE yyyy-MM-dd"),
        ("1", "b"),
        ("1", "'open"),
        ("1", "d]"),
        ("Atlantis 1", "VV d"),
    ],
)
def test_what_cannot_be_read(text: str, pattern: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reasons differ
        jt.parse_timestamp(text, pattern)


def test_dates_have_no_time_and_times_no_date() -> None:
    assert jt.format_date(18993, "dd-MMM-yyyy") == "01-Jan-2022"
    assert jt.parse_date("JAN-2022", "MMM-yyyy") == 18993
    assert jt.format_time(3_723_000_000, "HH:mm:ss") == "01:02:03"
    assert jt.parse_time("010203.5", "HHmmss.S") == 3_723_500_000
    for call in (
        lambda: jt.format_date(0, "HH"),
        lambda: jt.parse_date("1", "H"),
        lambda: jt.format_time(0, "yyyy"),
        lambda: jt.parse_time("1", "d"),
    ):
        with pytest.raises(ValueError, match="pattern"):
            call()


def test_zones() -> None:
    assert jt.offset_ms(0, jt.zone("+0530")) == 19_800_000
    assert jt.offset_ms(INSTANT, jt.zone("Europe/Berlin")) == 7_200_000
    for name in ("Nowhere", "+19:00", ""):
        with pytest.raises(ValueError, match="no such time zone"):
            jt.zone(name)


@given(st.integers(-(10**7), 10**7))
def test_civil_dates_turn_back_into_days(days: int) -> None:
    assert epoch_day(*civil(days)) == days


@given(
    st.integers(0, 4 * 10**12),
    st.sampled_from(
        ["yyyy-MM-dd HH:mm:ss.SSS XXX", "EEE MMM dd yyyy hh:mm:ss a SSS VV", "D/yyyy A VV", "yyyyMMddHHmmssSSSX"]
    ),
    st.sampled_from(["UTC", "+05:30", "-08:00"]),
)
def test_what_is_written_is_read_back(millis: int, pattern: str, zone: str) -> None:
    assert jt.parse_timestamp(jt.format_timestamp(millis, pattern, zone), pattern, zone) == millis
