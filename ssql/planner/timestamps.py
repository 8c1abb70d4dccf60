"""Times written as text in SQL: constants for DATE, TIME and TIMESTAMP, and what is compared with ROWTIME."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ssql.types import DATE, TIME, TIMESTAMP, SqlType

_PARTIAL = re.compile(
    r"""\s*(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?
    (?:[Tt ](?:(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?)?)?
    \s*(?P<zone>Z|z|[+-]\d{2}(?::?\d{2})?|[A-Za-z_]+(?:/[A-Za-z_+\-0-9]+)*)?\s*""",
    re.VERBOSE,
)
_TIME = re.compile(r"\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?\s*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _zone(text: str | None) -> timezone | ZoneInfo | None:
    if text is None or text in "Zz":
        return UTC
    if text[0] in "+-":
        digits = text[1:].replace(":", "").ljust(4, "0")
        length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(length if text[0] == "+" else -length)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def partial_timestamp_ms(text: str) -> int | None:
    """The ms since the epoch of a partial ISO date-time: missing parts are the least, the zone is UTC.

    Hour 24 is the start of the next day. None where the text is no date-time.
    """
    found = _PARTIAL.fullmatch(text)
    if found is None:
        return None
    zone = _zone(found["zone"])
    if zone is None:
        return None
    hour = int(found["hour"] or 0)
    try:
        day = datetime(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1), tzinfo=zone)
        if hour > 24:
            return None
        at = day.replace(hour=hour % 24, minute=int(found["minute"] or 0), second=int(found["second"] or 0))
    except ValueError:
        return None
    at += timedelta(days=hour // 24, microseconds=int((found["fraction"] or "").ljust(6, "0")[:6]))
    return (at.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def parse_temporal(text: str, target: SqlType) -> date | time | datetime | None:
    """Text as a constant of DATE, TIME or TIMESTAMP (without a zone, UTC), or None."""
    if target == TIME:
        found = _TIME.fullmatch(text)
        if found is None:
            return None
        hour, minute, second, fraction = found.groups()
        try:
            return time(int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0")[:6]))
        except ValueError:
            return None
    ms = partial_timestamp_ms(text)
    if ms is None:
        return None
    at = (_EPOCH + timedelta(milliseconds=ms)).replace(tzinfo=None)
    if target == DATE:
        return at.date()
    return at if target == TIMESTAMP else None
