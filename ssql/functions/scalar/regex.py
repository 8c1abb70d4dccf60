"""Regular expressions in Java's syntax, run by Python's `re`.

Most of the two syntaxes is the same (possessive quantifiers and atomic groups too); the rest is rewritten.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ssql.functions.registry import scalar
from ssql.functions.text import shortened

_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": "\\x00-\\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1f\\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": "\\s",
    "L": "a-zA-Z\\u00aa-\\uffdc",
    "Lu": "A-Z",
    "Ll": "a-z",
    "N": "0-9",
}
_CLASS = re.compile(r"\\([pP])(?:\{(?:Is|java)?(\w+)\}|(\w))")


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """A Java pattern, compiled; raises ValueError for what is none."""
    out: list[str] = []
    at = 0
    in_class = 0
    while at < len(pattern):
        if pattern.startswith("\\Q", at):
            end = pattern.find("\\E", at)
            end = len(pattern) if end < 0 else end
            out.append(re.escape(pattern[at + 2 : end]))
            at = end + 2
            continue
        named = _CLASS.match(pattern, at)
        if named is not None:
            inside = _POSIX.get(named[2] or named[3])
            if inside is None or (named[1] == "P" and in_class):
                raise ValueError(f"no character class {named[0]}")
            out.append(inside if in_class else f"[{'^' if named[1] == 'P' else ''}{inside}]")
            at = named.end()
            continue
        two = pattern[at : at + 2]
        if two.startswith("\\"):
            out.append(
                {"\\z": r"\Z", "\\Z": r"(?=\n?\Z)", "\\h": r"[ \t\xa0]", "\\R": r"(?:\r\n|[\n\r\x0b\x0c])"}.get(
                    two, two
                )
            )
            at += 2
            continue
        if pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in ("=", "!"):
            out.append("(?P<")
            at += 3
            continue
        in_class += {"[": 1, "]": -1}.get(pattern[at], 0)
        out.append(pattern[at])
        at += 1
    try:
        return re.compile("".join(out))
    except (re.error, OverflowError) as bad:
        raise ValueError(f"the pattern {shortened(pattern)} cannot be read: {bad}") from None


def _extract(pattern: str, text: str, group: int = 0) -> str | None:
    found = compiled(pattern).search(text)
    return None if found is None or group > found.re.groups else found.group(group)


def _extract_all(pattern: str, text: str, group: int = 0) -> list[str | None] | None:
    regex = compiled(pattern)
    return None if group > regex.groups else [m.group(group) for m in regex.finditer(text)]


_REFERENCE = re.compile(r"\\(.)|\$(\d+)|\$\{(\w+)\}|\$")


def _replace(text: str, pattern: str, new: str) -> str:
    regex = compiled(pattern)

    def group(found: re.Match[str], digits: str) -> str:
        # As Java reads "$12": group 12 if there is one, else group 1 and the text "2".
        take = 1
        while take < len(digits) and int(digits[: take + 1]) <= regex.groups:
            take += 1
        return (found.group(int(digits[:take])) or "") + digits[take:]

    def filled(found: re.Match[str]) -> str:
        def reference(m: re.Match[str]) -> str:
            if m[1] is not None:
                return str(m[1])
            if m[2] is not None:
                return group(found, m[2])
            if m[3] is not None:
                return found.group(m[3]) or ""
            raise ValueError("a $ without a group")

        return _REFERENCE.sub(reference, new)

    return regex.sub(filled, text)


def _split(text: str, pattern: str) -> list[str]:
    if not text:
        return [""]
    parts = []
    last = 0
    for found in compiled(pattern).finditer(text):
        if found.start() == found.end() and found.start() in (0, len(text)):
            continue
        parts.append(text[last : found.start()])
        last = found.end()
    return [*parts, text[last:]]


_R = "regexp"
_EXTRACT = (
    "The first part of the text (second argument) that the pattern (first) matches, or one group of it; else NULL."
)
scalar(
    "REGEXP_EXTRACT(STRING, STRING) -> STRING",
    python=_extract,
    category=_R,
    doc=_EXTRACT,
    examples={"REGEXP_EXTRACT('test.', 'some_test_string')": "test_", "REGEXP_EXTRACT('(.*) (.*)', 'a b', 2)": "b"},
)
scalar("REGEXP_EXTRACT(STRING, STRING, INT) -> STRING", python=_extract, category=_R, doc=_EXTRACT)
_ALL = "All parts of the text (second argument) that the pattern (first) matches, or one group of each."
scalar(
    "REGEXP_EXTRACT_ALL(STRING, STRING) -> ARRAY<STRING>",
    python=_extract_all,
    category=_R,
    doc=_ALL,
    examples={
        "REGEXP_EXTRACT_ALL('a.', 'abcac')": "[ab, ac]",
        "REGEXP_EXTRACT_ALL('(\\w)=(\\d)', 'a=1 b=2', 2)": "[1, 2]",
    },
)
scalar("REGEXP_EXTRACT_ALL(STRING, STRING, INT) -> ARRAY<STRING>", python=_extract_all, category=_R, doc=_ALL)
scalar(
    "REGEXP_REPLACE(STRING, STRING, STRING) -> STRING",
    python=_replace,
    category=_R,
    doc="The text with all parts that the pattern matches replaced; $1 stands for the first group.",
    examples={"REGEXP_REPLACE('a1b22', '[0-9]+', '#')": "a#b#", "REGEXP_REPLACE('ab', '(a)(b)', '$2$1')": "ba"},
)
scalar(
    "REGEXP_SPLIT_TO_ARRAY(STRING, STRING) -> ARRAY<STRING>",
    python=_split,
    category=_R,
    doc="The parts of the text between what the pattern matches.",
    examples={"REGEXP_SPLIT_TO_ARRAY('aabcda', '(ab|cd)')": "[a, , a]"},
)
