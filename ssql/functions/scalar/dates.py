"""Dates and times. Patterns are those of Java's DateTimeFormatter; units are MILLISECONDS to DAYS."""

from __future__ import annotations

from collections.abc import Callable

from ssql.functions import java_time
from ssql.functions.literals import quoted, text_literal
from ssql.functions.registry import Args, scalar
from ssql.functions.udf import by_row
from ssql.types import STRING

_D = "datetime"
_UNITS_MS = {"MILLISECONDS": 1, "SECONDS": 1000, "MINUTES": 60_000, "HOURS": 3_600_000, "DAYS": 86_400_000}
_NOW = "epoch_ms(now())"


def _unit_ms(sql: str) -> str:
    """The length of a unit in ms; singular names are units too."""
    given = text_literal(sql)
    if given is not None:
        word = given.upper().rstrip("S") + "S"
        return str(_UNITS_MS[word]) if word in _UNITS_MS else "CAST(NULL AS BIGINT)"
    cases = " ".join(f"WHEN '{u}' THEN {ms}" for u, ms in _UNITS_MS.items())
    return f"CASE rtrim(upper({sql}), 'S') || 'S' {cases} END"


def _span(a: Args, sign: str) -> str:
    return f"({sign}CAST({a[1]} AS BIGINT) * {_unit_ms(a[0])})"


def _shift_timestamp(sign: str) -> Callable[[Args], str]:
    return lambda a: f"CAST(make_timestamp_ms(epoch_ms({a[2]}) + {_span(a, sign)}) AS TIMESTAMP_MS)"


def _shift_date(sign: str) -> Callable[[Args], str]:
    # Only whole days count: a date and 30 hours is the next day.
    return lambda a: f"({a[2]} + CAST({_span(a, sign)} // 86400000 AS INTEGER))"


def _shift_time(sign: str) -> Callable[[Args], str]:
    return lambda a: f"({a[2]} + to_milliseconds({_span(a, sign)} % 86400000))"


for _type, _shift, _sample, _after, _before in (
    ("DATE", _shift_date, "DAYS, 2, CAST('2020-02-28' AS DATE)", "2020-03-01", "2020-02-26"),
    ("TIME", _shift_time, "HOURS, 2, CAST('23:30' AS TIME)", "01:30", "21:30"),
    (
        "TIMESTAMP",
        _shift_timestamp,
        "MINUTES, 1, CAST('2020-01-01' AS TIMESTAMP)",
        "2020-01-01T00:01:00.000",
        "2019-12-31T23:59:00.000",
    ),
):
    for _name, _sign, _word, _expected in (
        (f"{_type}ADD", "", "later", _after),
        (f"{_type}SUB", "-", "earlier", _before),
    ):
        scalar(
            f"{_name}(UNIT, INT, {_type}) -> {_type}",
            duckdb=_shift(_sign),
            category=_D,
            doc=f"A {_type} so many units {_word}; units are MILLISECONDS, SECONDS, MINUTES, HOURS and DAYS.",
            examples={f"{_name}({_sample})": _expected},
        )

scalar(
    "UNIX_TIMESTAMP() -> BIGINT",
    duckdb=_NOW,
    category=_D,
    doc="The milliseconds from the start of 1970 (UTC) to a timestamp, or to now.",
    examples={
        "UNIX_TIMESTAMP() > 1500000000000": "true",
        "UNIX_TIMESTAMP(CAST('1970-01-02' AS TIMESTAMP))": "86400000",
    },
)
scalar("UNIX_TIMESTAMP(TIMESTAMP) -> BIGINT", duckdb="epoch_ms({0})", category=_D, doc="The milliseconds since 1970.")
scalar(
    "UNIX_DATE() -> INT",
    duckdb=f"CAST({_NOW} // 86400000 AS INTEGER)",
    category=_D,
    doc="The days from the start of 1970 to a date, or to today (UTC).",
    examples={"UNIX_DATE(CAST('1970-01-11' AS DATE))": "10"},
)
scalar(
    "UNIX_DATE(DATE) -> INT", duckdb="CAST({0} - DATE '1970-01-01' AS INTEGER)", category=_D, doc="The days since 1970."
)
scalar(
    "FROM_DAYS(INT) -> DATE",
    duckdb="(DATE '1970-01-01' + {0})",
    category=_D,
    doc="The date so many days after the start of 1970.",
    examples={"FROM_DAYS(10)": "1970-01-11"},
)
scalar(
    "FROM_UNIXTIME(BIGINT) -> TIMESTAMP",
    duckdb="CAST(make_timestamp_ms({0}) AS TIMESTAMP_MS)",
    category=_D,
    doc="The timestamp so many milliseconds after the start of 1970 (UTC).",
    examples={"FROM_UNIXTIME(1)": "1970-01-01T00:00:00.001"},
)


_ZONED = " in a time zone (UTC if none is given)"
_FORMAT = "A {} as text, by a pattern{}."
_PARSE = "The {} that a text is, by a pattern{}."


def _formatted(a: Args) -> str:
    """DuckDB's strftime where it can say the pattern, else the Python formatter."""
    pattern = text_literal(a[1])
    native = java_time.to_strftime(pattern) if pattern is not None and len(a) == 2 else None
    if native is not None:
        return f"strftime({a[0]}, {quoted(native)})"
    return a.call("format_timestamp", by_row(java_time.format_timestamp, STRING, name="FORMAT_TIMESTAMP"))


for _zone in ("", ", STRING"):
    scalar(
        f"FORMAT_TIMESTAMP(TIMESTAMP, STRING{_zone}) -> STRING",
        duckdb=_formatted,
        category=_D,
        doc=_FORMAT.format("TIMESTAMP", _ZONED),
        examples={
            "FORMAT_TIMESTAMP(FROM_UNIXTIME(1526075913000), 'yyyy-MM-dd HH:mm:ss')": "2018-05-11 21:58:33",
            "FORMAT_TIMESTAMP(FROM_UNIXTIME(1526075913000), 'HH:mm zzz', 'America/Los_Angeles')": "14:58 PDT",
        }
        if not _zone
        else {},
    )
    scalar(
        f"TIMESTAMPTOSTRING(BIGINT, STRING{_zone}) -> STRING",
        python=java_time.format_timestamp,
        category=_D,
        deprecated=True,
        doc=_FORMAT.format("BIGINT (epoch milliseconds)", _ZONED) + " FORMAT_TIMESTAMP does so for a TIMESTAMP.",
        examples={"TIMESTAMPTOSTRING(0, 'yyyy-MM-dd')": "1970-01-01"} if not _zone else {},
    )
    scalar(
        f"PARSE_TIMESTAMP(STRING, STRING{_zone}) -> TIMESTAMP",
        python=java_time.parse_timestamp,
        category=_D,
        doc=_PARSE.format("TIMESTAMP", _ZONED),
        examples={"PARSE_TIMESTAMP('11/05/2018 21:58', 'dd/MM/yyyy HH:mm')": "2018-05-11T21:58:00.000"}
        if not _zone
        else {},
    )
    scalar(
        f"STRINGTOTIMESTAMP(STRING, STRING{_zone}) -> BIGINT",
        python=java_time.parse_timestamp,
        category=_D,
        deprecated=True,
        doc=_PARSE.format("epoch millisecond", _ZONED) + " PARSE_TIMESTAMP gives a TIMESTAMP.",
        examples={"STRINGTOTIMESTAMP('1970-01-01', 'yyyy-MM-dd')": "0"} if not _zone else {},
    )

scalar(
    "FORMAT_DATE(DATE, STRING) -> STRING",
    python=java_time.format_date,
    category=_D,
    doc=_FORMAT.format("DATE", ""),
    examples={"FORMAT_DATE(FROM_DAYS(18993), 'dd-MMM-yyyy')": "01-Jan-2022"},
)
scalar(
    "DATETOSTRING(INT, STRING) -> STRING",
    python=java_time.format_date,
    category=_D,
    deprecated=True,
    doc=_FORMAT.format("INT (days since 1970)", "") + " FORMAT_DATE does so for a DATE.",
    examples={"DATETOSTRING(18993, 'yyyy-MM-dd')": "2022-01-01"},
)
scalar(
    "PARSE_DATE(STRING, STRING) -> DATE",
    python=java_time.parse_date,
    category=_D,
    doc=_PARSE.format("DATE", ""),
    examples={"PARSE_DATE('01-JAN-2022', 'dd-MMM-yyyy')": "2022-01-01"},
)
scalar(
    "STRINGTODATE(STRING, STRING) -> INT",
    python=java_time.parse_date,
    category=_D,
    deprecated=True,
    doc=_PARSE.format("number of days since 1970", "") + " PARSE_DATE gives a DATE.",
    examples={"STRINGTODATE('1970-01-11', 'yyyy-MM-dd')": "10"},
)
scalar(
    "FORMAT_TIME(TIME, STRING) -> STRING",
    python=java_time.format_time,
    category=_D,
    doc=_FORMAT.format("TIME", ""),
    examples={"FORMAT_TIME(CAST('21:05' AS TIME), 'hh:mm a')": "09:05 PM"},
)
scalar(
    "PARSE_TIME(STRING, STRING) -> TIME",
    python=java_time.parse_time,
    category=_D,
    doc=_PARSE.format("TIME", ""),
    examples={"PARSE_TIME('0930', 'HHmm')": "09:30"},
)


def _convert(millis: int, source: str, target: str) -> int:
    at = java_time.local_to_epoch(millis, java_time.zone(source))
    return at + java_time.offset_ms(at, java_time.zone(target))


scalar(
    "CONVERT_TZ(TIMESTAMP, STRING, STRING) -> TIMESTAMP",
    python=_convert,
    category=_D,
    doc="A timestamp that shows the time in one zone, so that it shows the time in another.",
    examples={"CONVERT_TZ(FROM_UNIXTIME(0), '+0200', '+0500')": "1970-01-01T03:00:00.000"},
)
