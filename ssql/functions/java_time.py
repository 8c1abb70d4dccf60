"""Date and time text by Java's DateTimeFormatter patterns, and by ISO 8601 with parts left out.

Comes in: a pattern such as "yyyy-MM-dd'T'HH:mm:ss.SSSX". Goes out: a `Pattern` that formats epoch milliseconds and
parses text, in English, ignoring case when it parses. Patterns are compiled once and kept. Raises ValueError for
patterns and text that it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from ssql.functions.text import civil, epoch_day, year_text

DAY_MS = 86_400_000
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

#: Short names that Java reads and writes for zones; the other way round only where a zone says so itself.
_SHORT_ZONES = {
    "Z": "UTC", "UTC": "UTC", "GMT": "UTC", "UT": "UTC",
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles",
    "MST": "America/Denver", "MDT": "America/Denver", "CST": "America/Chicago", "CDT": "America/Chicago",
    "EST": "America/New_York", "EDT": "America/New_York", "AKST": "America/Anchorage", "HST": "Pacific/Honolulu",
    "CET": "Europe/Paris", "CEST": "Europe/Paris", "EET": "Europe/Helsinki", "EEST": "Europe/Helsinki",
    "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon", "BST": "Europe/London", "MSK": "Europe/Moscow",
    "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland",
}  # fmt: skip
_OFFSET = re.compile(r"^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$")


@lru_cache(maxsize=512)
def zone(name: str) -> tzinfo:
    """The time zone that Java's ZoneId.of knows by `name`: a region, an offset, or one of the short names.

    Raises ValueError for a name that it does not know.
    """
    offset = _OFFSET.match(name)
    if offset:
        sign, hours, minutes, seconds = offset.groups()
        total = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
        if total > 18 * 3600:
            raise ValueError(f"no such time zone: {name}")
        return timezone(timedelta(seconds=total if sign == "+" else -total))
    if name in ("Z", "UTC", "GMT", "UT"):
        return UTC
    try:
        return ZoneInfo(_SHORT_ZONES.get(name, name))
    except (KeyError, OSError, ValueError) as missing:
        raise ValueError(f"no such time zone: {name}") from missing


def offset_ms(millis: int, at: tzinfo) -> int:
    """The zone's offset from UTC at an instant, ms."""
    if at is UTC:
        return 0
    return _delta_ms(datetime.fromtimestamp(millis // 1000, at).utcoffset())


def local_to_epoch(local_ms: int, at: tzinfo) -> int:
    """Epoch ms of a local date-time (ms as if in UTC); in a gap the clock moves on, in an overlap the first counts."""
    if at is UTC:
        return local_ms
    naive = datetime(1970, 1, 1) + timedelta(milliseconds=local_ms)
    return local_ms - _delta_ms(naive.replace(tzinfo=at).utcoffset())


def _delta_ms(delta: timedelta | None) -> int:
    return 0 if delta is None else round(delta.total_seconds() * 1000)


@dataclass(frozen=True)
class Moment:
    """What a formatter writes: local fields of one instant."""

    days: int
    nanos: int
    zone: tzinfo | None
    millis: int
    zone_name: str

    @property
    def civil(self) -> tuple[int, int, int]:
        return civil(self.days)

    @property
    def weekday(self) -> int:
        """1 Monday .. 7 Sunday."""
        return (self.days + 3) % 7 + 1

    @property
    def day_of_year(self) -> int:
        return self.days - epoch_day(self.civil[0], 1, 1) + 1

    @property
    def hour(self) -> int:
        return self.nanos // 3_600_000_000_000

    @property
    def offset(self) -> int:
        """Seconds east of UTC."""
        if self.zone is None:
            raise ValueError("a time zone is needed")
        return offset_ms(self.millis, self.zone) // 1000


@dataclass
class Fields:
    """What a parser has read so far."""

    values: dict[str, int] = field(default_factory=dict)
    zone: tzinfo | None = None


Writer = Callable[[Moment], str]
#: A regular expression with one group, and what to do with the group's text (None: nothing, as for literals).
Reader = tuple[str, Callable[[str, Fields], None] | None]


@dataclass(frozen=True)
class Part:
    """One element of a pattern: how it is written, and how it is read."""

    write: Writer
    read: tuple[Reader, ...]


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern."""

    text: str
    parts: tuple[Part, ...]
    regex: re.Pattern[str]
    readers: tuple[Callable[[str, Fields], None], ...]
    groups: frozenset[str]

    def format(self, days: int, nanos: int, at: tzinfo | None, millis: int, zone_name: str = "UTC") -> str:
        moment = Moment(days, nanos, at, millis, zone_name)
        return "".join(p.write(moment) for p in self.parts)

    def parse(self, text: str) -> Fields:
        found = self.regex.fullmatch(text)
        if found is None:
            raise ValueError(f"text {text!r} does not match the pattern {self.text!r}")
        fields = Fields()
        for value, read in zip(found.groups(), self.readers, strict=True):
            if value is not None:
                read(value, fields)
        return fields


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern; raises ValueError where Java would refuse it."""
    parts: list[Part] = []
    expression: list[str] = []
    readers: list[Callable[[str, Fields], None]] = []
    at = 0
    depth = 0

    def add(part: Part) -> None:
        parts.append(part)
        for regex, action in part.read:
            expression.append(regex)
            if action is not None:
                readers.append(action)

    while at < len(text):
        letter = text[at]
        if letter == "'":
            literal, at = _quoted(text, at)
            add(_literal(literal))
        elif letter == "[":
            expression.append("(?:")
            depth += 1
            at += 1
        elif letter == "]":
            if depth == 0:
                raise ValueError(f"unbalanced ] in the pattern {text!r}")
            expression.append(")?")
            depth -= 1
            at += 1
        elif letter.isascii() and letter.isalpha():
            end = at
            while end < len(text) and text[end] == letter:
                end += 1
            add(_letters(letter, end - at, text))
            at = end
        elif letter in "{}#":
            raise ValueError(f"reserved character {letter} in the pattern {text!r}")
        else:
            add(_literal(letter))
            at += 1
    expression.append(")?" * depth)
    regex = re.compile("".join(expression), re.IGNORECASE)
    letters = frozenset(re.sub(r"'[^']*'", "", text))
    return Pattern(text, tuple(parts), regex, tuple(readers), letters)


def _quoted(text: str, start: int) -> tuple[str, int]:
    if text[start : start + 2] == "''":
        return "'", start + 2
    out: list[str] = []
    at = start + 1
    while True:
        if at >= len(text):
            raise ValueError(f"the pattern {text!r} ends within a quoted text")
        if text[at] == "'":
            if text[at : at + 2] != "''":
                return "".join(out), at + 1
            at += 1
        out.append(text[at])
        at += 1


def _literal(text: str) -> Part:
    return Part(lambda _: text, ((re.escape(text), None),))


def _store(name: str) -> Callable[[str, Fields], None]:
    def store(text: str, fields: Fields) -> None:
        fields.values[name] = int(text)

    return store


def _number(name: str, width: int, get: Callable[[Moment], int], *, fixed: bool | None = None) -> Part:
    """A number: as short as it is with one letter, else padded to (and read in) exactly that many digits."""
    digits = rf"(\d{{{width}}})" if (width > 1 if fixed is None else fixed) else r"(-?\d{1,19})"
    return Part(lambda m: f"{get(m):0{width}d}", ((digits, _store(name)),))


def _names(names: tuple[str, ...], name: str, get: Callable[[Moment], int], shown: int | None) -> Part:
    """Text for numbers from 1; `shown` letters of it (None: all)."""
    words = [n[:shown] for n in names]
    numbers = {w.lower(): i + 1 for i, w in reversed(list(enumerate(words)))}

    def read(text: str, fields: Fields) -> None:
        fields.values[name] = numbers[text.lower()]

    choices = "|".join(sorted({re.escape(w) for w in words}, key=len, reverse=True))
    return Part(lambda m: words[get(m) - 1], ((f"({choices})", read),))


def _year(letter: str, count: int) -> Part:
    name = "week_year" if letter == "Y" else "year"

    def year(m: Moment) -> int:
        if letter == "Y":
            return _week(m)[0]
        found = m.civil[0]
        return 1 - found if letter == "y" and found <= 0 else found

    if count == 2:

        def read(text: str, fields: Fields) -> None:
            fields.values[name] = 2000 + int(text)

        return Part(lambda m: f"{year(m) % 100:02}", ((r"(\d{2})", read),))
    digits = r"([+-]?\d{1,19})" if count < 4 else rf"(\d{{{count}}}|[+-]\d{{{count},19}})"
    if count < 4:
        return Part(lambda m: f"{year(m):0{count}d}", ((digits, _store(name)),))
    return Part(
        lambda m: year_text(year(m)) if count == 4 else f"{year(m):0{count}d}",
        ((digits, _store(name)),),
    )


def _week(m: Moment) -> tuple[int, int]:
    """Week-based year and week as in the US: weeks start on Sunday, the first holds 1 January."""
    year = m.civil[0]
    for candidate in (year + 1, year, year - 1):
        first = epoch_day(candidate, 1, 1)
        start = first - (first + 4) % 7
        if m.days >= start:
            return candidate, (m.days - start) // 7 + 1
    raise ValueError("no week")


def _fraction(count: int) -> Part:
    def read(text: str, fields: Fields) -> None:
        fields.values["nano"] = int(text.ljust(9, "0")[:9])

    return Part(lambda m: f"{m.nanos % 1_000_000_000:09d}"[:count].ljust(count, "0"), ((rf"(\d{{{count}}})", read),))


def offset_text(seconds: int, *, minutes: str, zero: str | None) -> str:
    """An offset as text; `minutes` is "no" (+08, minutes only where there are some), "plain" (+0800), "colon"."""
    if seconds == 0 and zero is not None:
        return zero
    sign, size = ("+" if seconds >= 0 else "-"), abs(seconds)
    hours, rest = size // 3600, size // 60 % 60
    if minutes == "no":
        return f"{sign}{hours:02}" + (f"{rest:02}" if rest else "")
    return f"{sign}{hours:02}{':' if minutes == 'colon' else ''}{rest:02}"


def _read_zone(text: str, fields: Fields) -> None:
    fields.zone = zone(text if "/" in text else text.upper())


def _localized_offset(seconds: int, *, full: bool) -> str:
    if seconds == 0:
        return "GMT"
    if full:
        return "GMT" + offset_text(seconds, minutes="colon", zero=None)
    sign, size = ("+" if seconds >= 0 else "-"), abs(seconds)
    return f"GMT{sign}{size // 3600}" + (f":{size // 60 % 60:02}" if size % 3600 else "")


def _zone_part(letter: str, count: int, pattern: str) -> Part:
    region = r"([A-Za-z][A-Za-z0-9~/._+-]*|[+-]\d{1,2}(?::?\d{2})?)"
    if letter == "V":
        if count != 2:
            raise ValueError(f"the letter V comes in twos, in the pattern {pattern!r}")
        return Part(lambda m: m.zone_name, ((region, _read_zone),))
    if letter == "z":

        def name(m: Moment) -> str:
            if m.zone is None:
                raise ValueError("a time zone is needed")
            return datetime.fromtimestamp(m.millis // 1000, m.zone).tzname() or m.zone_name

        return Part(name, ((region, _read_zone),))
    if letter == "O" or (letter == "Z" and count == 4):
        full = count == 4
        return Part(
            lambda m: _localized_offset(m.offset, full=full), ((r"(GMT(?:[+-]\d{1,2}(?::?\d{2})?)?)", _read_zone),)
        )
    if letter == "Z" and count == 5:
        letter, count = "X", 3
    if letter == "Z":
        letter, count = "x", 2
    zero = "Z" if letter == "X" else None
    minutes = {1: "no", 2: "plain", 3: "colon", 4: "plain", 5: "colon"}.get(count)
    if minutes is None:
        raise ValueError(f"too many letters {letter} in the pattern {pattern!r}")
    digits = {"no": r"[+-]\d{2}(?:\d{2})?", "plain": r"[+-]\d{4}", "colon": r"[+-]\d{2}:\d{2}"}[minutes]
    regex = f"({digits}|Z)" if zero else f"({digits})"
    return Part(lambda m: offset_text(m.offset, minutes=minutes, zero=zero), ((regex, _read_zone),))


_NUMBERS: dict[str, tuple[str, Callable[[Moment], int]]] = {
    "d": ("day", lambda m: m.civil[2]),
    "H": ("hour", lambda m: m.hour),
    "k": ("clock_hour", lambda m: m.hour or 24),
    "K": ("half_hour", lambda m: m.hour % 12),
    "h": ("clock_half_hour", lambda m: m.hour % 12 or 12),
    "m": ("minute", lambda m: m.nanos // 60_000_000_000 % 60),
    "s": ("second", lambda m: m.nanos // 1_000_000_000 % 60),
}


def _letters(letter: str, count: int, pattern: str) -> Part:
    if letter in _NUMBERS and count <= 2:
        name, get = _NUMBERS[letter]
        return _number(name, count, get)
    if letter in "yuY":
        return _year(letter, count)
    if letter in "ML" and count <= 5:
        if count <= 2:
            return _number("month", count, lambda m: m.civil[1])
        return _names(MONTHS, "month", lambda m: m.civil[1], {3: 3, 4: None, 5: 1}[count])
    if letter in "Eec" and count <= 5:
        if letter in "ec" and count <= 2:
            return _number("us_weekday", count, lambda m: m.weekday % 7 + 1)
        return _names(DAYS, "weekday", lambda m: m.weekday, {1: 3, 2: 3, 3: 3, 4: None, 5: 1}[count])
    if letter == "D" and count <= 3:
        return _number("day_of_year", count, lambda m: m.day_of_year, fixed=count == 3)
    if letter in "Qq" and count <= 5:

        def quarter(m: Moment) -> int:
            return (m.civil[1] + 2) // 3

        if count <= 2:
            return _number("quarter", count, quarter)
        if count == 4:
            return _names(tuple(f"{n} quarter" for n in ("1st", "2nd", "3rd", "4th")), "quarter", quarter, None)
        return _names(("Q1", "Q2", "Q3", "Q4") if count == 3 else ("1", "2", "3", "4"), "quarter", quarter, None)
    if letter == "w" and count <= 2:
        return _number("week", count, lambda m: _week(m)[1])
    if letter == "S" and count <= 9:
        return _fraction(count)
    if letter == "A":
        return _number("milli_of_day", count, lambda m: m.nanos // 1_000_000)
    if letter == "n":
        return _number("nano", count, lambda m: m.nanos % 1_000_000_000)
    if letter == "N":
        return _number("nano_of_day", count, lambda m: m.nanos)
    if letter == "a" and count == 1:
        return _names(("AM", "PM"), "half", lambda m: 1 if m.hour < 12 else 2, None)
    if letter == "G" and count <= 5:
        eras = ("Before Christ", "Anno Domini") if count == 4 else ("B", "A") if count == 5 else ("BC", "AD")
        return _names(eras, "era", lambda m: 2 if m.civil[0] > 0 else 1, None)
    if letter in "VzOXxZ":
        return _zone_part(letter, count, pattern)
    raise ValueError(f"unknown letter {letter * count} in the pattern {pattern!r}")


def _in_range(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is not within {low}..{high}")
    return value


def resolve_date(fields: Fields) -> int:
    """Epoch days of what was read; parts that were not are of 1970-01-01. Raises ValueError."""
    values = fields.values
    year = values.get("year", values.get("week_year", 1970))
    if values.get("era") == 1:
        year = 1 - year
    if "day_of_year" in values:
        days = epoch_day(year, 1, 1) + _in_range("day of year", values["day_of_year"], 1, 366) - 1
    else:
        month = values.get("month", (values.get("quarter", 1) - 1) * 3 + 1)
        day = _in_range("day", values.get("day", 1), 1, 31)
        month = _in_range("month", month, 1, 12)
        # As Java resolves it by default: 31 April is 30 April.
        longest = 31 if month in (1, 3, 5, 7, 8, 10, 12) else 30
        if month == 2:
            longest = epoch_day(year, 3, 1) - epoch_day(year, 2, 1)
        days = epoch_day(year, month, min(day, longest))
    if "weekday" in values and "day" in values and (days + 3) % 7 + 1 != values["weekday"]:
        raise ValueError("the day of the week is another one")
    return days


def resolve_time(fields: Fields) -> int:
    """ns of day of what was read; parts that were not are zero. Raises ValueError."""
    values = fields.values
    if "nano_of_day" in values:
        return _in_range("nanosecond of day", values["nano_of_day"], 0, DAY_MS * 1_000_000 - 1)
    if "milli_of_day" in values:
        return _in_range("millisecond of day", values["milli_of_day"], 0, DAY_MS - 1) * 1_000_000
    if "hour" in values:
        hour = _in_range("hour", values["hour"], 0, 23)
    elif "clock_hour" in values:
        hour = _in_range("hour", values["clock_hour"], 1, 24) % 24
    elif "half_hour" in values or "clock_half_hour" in values:
        half = values.get("half_hour", -1)
        if half < 0:
            half = _in_range("hour", values["clock_half_hour"], 1, 12) % 12
        hour = _in_range("hour", half, 0, 11) + (12 if values.get("half") == 2 else 0)
    else:
        hour = 12 if values.get("half") == 2 else 0
    minute = _in_range("minute", values.get("minute", 0), 0, 59)
    second = _in_range("second", values.get("second", 0), 0, 59)
    return ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + values.get("nano", 0)


def format_timestamp(millis: int, pattern: str, zone_name: str = "UTC") -> str:
    """An instant (epoch ms) by a pattern, in a time zone."""
    at = zone(zone_name)
    local = millis + offset_ms(millis, at)
    days, ms = divmod(local, DAY_MS)
    return compile_pattern(pattern).format(days, ms * 1_000_000, at, millis, zone_name)


def format_date(days: int, pattern: str) -> str:
    """Epoch days by a pattern; raises ValueError if it has a letter of the time of day."""
    if compile_pattern(pattern).groups & set("HkKhmsSAnNaVzOXxZ"):
        raise ValueError(f"the pattern {pattern!r} needs a time")
    return compile_pattern(pattern).format(days, 0, None, 0)


def format_time(micros: int, pattern: str) -> str:
    """µs of day by a pattern; raises ValueError if it has a letter of the date."""
    if compile_pattern(pattern).groups & set("GuyDMLdQqYwWEecFVzOXxZ"):
        raise ValueError(f"the pattern {pattern!r} needs a date")
    return compile_pattern(pattern).format(0, micros * 1000, None, 0)


def parse_timestamp(text: str, pattern: str, zone_name: str = "UTC") -> int:
    """Epoch ms of text by a pattern; a zone in the text wins over `zone_name`."""
    fields = compile_pattern(pattern).parse(text)
    local = resolve_date(fields) * DAY_MS + resolve_time(fields) // 1_000_000
    return local_to_epoch(local, fields.zone or zone(zone_name))


def parse_date(text: str, pattern: str) -> int:
    """Epoch days of text by a pattern, which must not have letters of the time of day."""
    if compile_pattern(pattern).groups & set("HkKhmsSAnNa"):
        raise ValueError(f"the pattern {pattern!r} has a time in it")
    return resolve_date(compile_pattern(pattern).parse(text))


def parse_time(text: str, pattern: str) -> int:
    """µs of day of text by a pattern, which must not have letters of the date; to the millisecond."""
    if compile_pattern(pattern).groups & set("GuyDMLdQqYwWEecF"):
        raise ValueError(f"the pattern {pattern!r} has a date in it")
    return resolve_time(compile_pattern(pattern).parse(text)) // 1_000_000 * 1000


_ISO = re.compile(
    r"(?P<year>[+-]?\d{4,9})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T ](?P<time>[0-9:.]*))?(?P<zone>Z|[+-]\d{1,2}(?::?\d{2})?)?",
    re.IGNORECASE,
)
_ISO_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<nano>\d{1,9}))?)?)?")


def parse_iso_timestamp(text: str) -> int:
    """Epoch ms of an ISO 8601 date-time from which parts may be left out at the end: 2020, 2020-02-24T24, ..+01:00."""
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a timestamp: {text!r}")
    days = epoch_day(
        int(found["year"]),
        _in_range("month", int(found["month"] or 1), 1, 12),
        _in_range("day", int(found["day"] or 1), 1, 31),
    )
    if civil(days)[1] != int(found["month"] or 1):
        raise ValueError(f"no such day: {text!r}")
    local = days * DAY_MS + (_iso_time(found["time"]) // 1_000_000 if found["time"] else 0)
    return local_to_epoch(local, zone(found["zone"].upper()) if found["zone"] else UTC)


def parse_iso_date(text: str) -> int:
    """Epoch days of yyyy[-MM[-dd]]."""
    millis = parse_iso_timestamp(text)
    if "T" in text.upper() or " " in text.strip():
        raise ValueError(f"not a date: {text!r}")
    return millis // DAY_MS


def parse_iso_time(text: str) -> int:
    """µs of day of HH[:mm[:ss[.fraction]]], to the millisecond."""
    nanos = _iso_time(text.strip())
    if nanos >= DAY_MS * 1_000_000:
        raise ValueError(f"not a time: {text!r}")
    return nanos // 1_000_000 * 1000


def _iso_time(text: str) -> int:
    """ns of day; 24:00 is the end of it."""
    found = _ISO_TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time: {text!r}")
    hour = _in_range("hour", int(found["hour"]), 0, 24)
    minute = _in_range("minute", int(found["minute"] or 0), 0, 59)
    second = _in_range("second", int(found["second"] or 0), 0, 59)
    nanos = ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + int((found["nano"] or "0").ljust(9, "0"))
    if nanos > DAY_MS * 1_000_000:
        raise ValueError(f"not a time: {text!r}")
    return nanos


_STRFTIME = {
    "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%g",
    "MMM": "%b", "MMMM": "%B", "EEE": "%a", "EEEE": "%A", "a": "%p", "hh": "%I",
}  # fmt: skip


def to_strftime(pattern: str) -> str | None:
    """The same pattern for DuckDB's strftime (UTC), or None where it cannot say it."""
    out = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "'":
            try:
                literal, at = _quoted(pattern, at)
            except ValueError:
                return None
            out.append(literal.replace("%", "%%"))
        elif letter.isalpha():
            end = at
            while end < len(pattern) and pattern[end] == letter:
                end += 1
            word = _STRFTIME.get(pattern[at:end])
            if word is None:
                return None
            out.append(word)
            at = end
        elif letter in "[]{}#":
            return None
        else:
            out.append(letter.replace("%", "%%"))
            at += 1
    return "".join(out)
