"""What SQL has and ksqlDB has not, under the names that most databases give it."""

from __future__ import annotations

from ssql.functions.registry import scalar

_S, _D = "string", "datetime"

for _name, _duckdb, _doc, _examples in (
    ("UPPER", "upper({0})", "The text in upper case, as UCASE.", {"UPPER('abc')": "ABC"}),
    ("LOWER", "lower({0})", "The text in lower case, as LCASE.", {"LOWER('AbC')": "abc"}),
    ("LTRIM", "ltrim({0})", "The text without the spaces at its start.", {"LTRIM('  a ')": "a "}),
    ("RTRIM", "rtrim({0})", "The text without the spaces at its end.", {"RTRIM(' a  ')": " a"}),
    ("REVERSE", "reverse({0})", "The text from its end to its start.", {"REVERSE('abc')": "cba"}),
    (
        "SHA256",
        "sha256({0})",
        "The SHA-256 hash of the text's UTF-8 bytes, in hex.",
        {"SUBSTRING(SHA256('abc'), 1, 8)": "ba7816bf"},
    ),
):
    scalar(f"{_name}(STRING) -> STRING", duckdb=_duckdb, category=_S, doc=_doc, examples=_examples)

for _name in ("LENGTH", "CHAR_LENGTH"):
    scalar(
        f"{_name}(STRING) -> INT",
        duckdb="CAST(length({0}) AS INTEGER)",
        category=_S,
        doc="How many characters a text has, as LEN.",
        examples={f"{_name}('né')": "2"},
    )
for _name, _which in (("LEFT", "first"), ("RIGHT", "last")):
    scalar(
        f"{_name}(STRING, INT) -> STRING",
        duckdb=_name.lower() + "({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)",
        category=_S,
        doc=f"The {_which} n characters of a text.",
        examples={f"{_name}('stream', 2)": "st" if _name == "LEFT" else "am"},
    )
scalar(
    "REPEAT(STRING, INT) -> STRING",
    duckdb="repeat({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)",
    category=_S,
    doc="A text so many times over.",
    examples={"REPEAT('ab', 3)": "ababab"},
)
for _name, _duckdb, _doc in (
    ("STARTS_WITH", "starts_with({args})", "Whether a text begins with another."),
    ("ENDS_WITH", "ends_with({args})", "Whether a text ends with another."),
    ("CONTAINS", "contains({args})", "Whether a text has another within it."),
):
    _other = "str" if _name == "STARTS_WITH" else "eam"
    scalar(
        f"{_name}(STRING, STRING) -> BOOLEAN",
        duckdb=_duckdb,
        category=_S,
        doc=_doc,
        examples={f"{_name}('stream', '{_other}')": "true"},
    )

for _name, _base in (("LOG10", "10"), ("LOG2", "2")):
    scalar(
        f"{_name}(DOUBLE) -> DOUBLE",
        duckdb=_name.lower() + "({0})",
        category="math",
        doc=f"The logarithm to base {_base}.",
        examples={f"{_name}({int(_base) ** 3})": "3.0"},
    )

for _type, _sample in (
    ("TIMESTAMP", "CAST('2022-04-28T21:44:47' AS TIMESTAMP)"),
    ("DATE", "CAST('2022-04-28' AS DATE)"),
):
    scalar(
        f"DATE_TRUNC(STRING, {_type}) -> {_type}",
        duckdb="CAST(date_trunc({0}, {1}) AS {result})",
        category=_D,
        doc="The start of the 'year', 'quarter', 'month', 'week', 'day', 'hour' and so on that a point in time is in.",
        examples={f"DATE_TRUNC('month', {_sample})": "2022-04-01" + ("T00:00:00.000" if _type == "TIMESTAMP" else "")},
    )
    scalar(
        f"DATE_PART(STRING, {_type}) -> BIGINT",
        duckdb="CAST(date_part({0}, {1}) AS BIGINT)",
        category=_D,
        doc="One field of a point in time: 'year', 'quarter', 'week', 'day', 'dow' (0 is Sunday), 'hour' and so on.",
        examples={f"DATE_PART('week', {_sample})": "17"},
    )
    scalar(
        f"DATE_DIFF(STRING, {_type}, {_type}) -> BIGINT",
        duckdb="date_diff({args})",
        category=_D,
        doc="How many borders of a unit ('day', 'hour' and so on) lie between two points in time.",
        examples={f"DATE_DIFF('day', CAST('2022-04-01' AS {_type}), {_sample})": "27"},
    )
    for _part in ("YEAR", "MONTH", "DAY"):
        scalar(
            f"{_part}({_type}) -> INT",
            duckdb=f"CAST({_part.lower()}({{0}}) AS INTEGER)",
            category=_D,
            doc=f"The {_part.lower()} of a point in time.",
            examples={f"{_part}({_sample})": {"YEAR": "2022", "MONTH": "4", "DAY": "28"}[_part]},
        )
for _part, _shown in (("HOUR", "21"), ("MINUTE", "44"), ("SECOND", "47")):
    for _type, _sample in (("TIMESTAMP", "'2022-04-28T21:44:47'"), ("TIME", "'21:44:47'")):
        scalar(
            f"{_part}({_type}) -> INT",
            duckdb=f"CAST({_part.lower()}({{0}}) AS INTEGER)",
            category=_D,
            doc=f"The {_part.lower()} of a point in time.",
            examples={f"{_part}(CAST({_sample} AS {_type}))": _shown},
        )
