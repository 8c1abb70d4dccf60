"""The text of a COPY. It is the command's own statement: its files are on this side, not the server's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ssql.errors import Span, SyntaxSqlError
from ssql_cli.transfer.load import LoadOptions

_COPY = re.compile(
    r"""
    COPY \s+ (?: \( (?P<query>SELECT\b.*) \) | (?P<quoted>`(?:[^`]|``)+`) | (?P<name>\w+) )
    \s+ (?P<way>FROM|TO) \s+ '(?P<file>(?:[^']|'')+)'
    (?: \s+ WITH \s* \( (?P<options>[^()]*) \) )? \s* ;? \s*
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(r"\s*(\w+)\s*(?:=|\s)\s*'?([^',]*)'?\s*")
_OPTIONS = ("format", "header", "type", "key", "timestamp")


@dataclass(frozen=True)
class Copy:
    """`source`: the name of a stream or table, or None for `query`. `into`: rows come out of the file."""

    name: str | None
    query: str | None
    path: Path
    into: bool
    options: LoadOptions


def parse_copy(text: str) -> Copy:
    """A COPY. Raises `SyntaxSqlError` where it is none."""
    found = _COPY.fullmatch(text)
    if found is None or (found["query"] and found["way"].upper() == "FROM"):
        expected = "COPY name FROM 'file' [WITH (...)], or COPY name | (SELECT ...) TO 'file' [WITH (...)]"
        raise SyntaxSqlError(f"expected {expected}", span=Span(0, len(text))).within(text)
    name = found["quoted"][1:-1].replace("``", "`") if found["quoted"] else found["name"] and found["name"].upper()
    options = _options(found["options"] or "", text)
    return Copy(
        name,
        found["query"],
        Path(found["file"].replace("''", "'")).expanduser(),
        found["way"].upper() == "FROM",
        LoadOptions(
            format=options.get("format", "").lower() or None,
            header=None if "header" not in options else options["header"].lower() in ("", "true", "on", "1"),
            type=options.get("type", "stream").lower(),
            key=options.get("key"),
            timestamp=options.get("timestamp"),
        ),
    )


def _options(text: str, whole: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(str.strip, text.split(",")):
        option = _OPTION.fullmatch(part + " ")
        name = option[1].lower() if option else part.strip()
        value = option[2].strip() if option else ""
        if option is None or name not in _OPTIONS or (name == "type" and value.lower() not in ("stream", "table")):
            at = whole.find(part.strip())
            message = f"an option of COPY is one of {', '.join(_OPTIONS)} (type: stream or table)"
            raise SyntaxSqlError(message, span=Span(at, at + len(part.strip()))).within(whole)
        found[name] = value.strip("`")
    return found
