"""One CSV record, exactly: text -> fields and fields -> text, as Apache commons-csv does it by default.

Quote is `"`, doubled inside quotes; blanks are part of a field; empty lines before the record are skipped; what
follows the first record is ignored. Writing quotes what needs it and a little more (see `quoter`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ssql.formats.scalars import MisfitError

_LINE_ENDS = "\r\n"


def fields(text: str, delimiter: str) -> list[str]:
    """The fields of the first record of `text`.

    Raises:
        MisfitError: where there is no record, or quotes do not match.
    """
    if text and not any(c in text for c in '"\r\n'):
        return text.split(delimiter)
    at = len(text) - len(text.lstrip(_LINE_ENDS))
    if at == len(text):
        raise MisfitError("no fields in the record")
    result: list[str] = []
    while True:
        value, at, ended = (
            _quoted_field(text, at, delimiter) if text[at : at + 1] == '"' else _field(text, at, delimiter)
        )
        result.append(value)
        if ended:
            return result


def _field(text: str, at: int, delimiter: str) -> tuple[str, int, bool]:
    end = at
    while end < len(text) and text[end] != delimiter and text[end] not in _LINE_ENDS:
        end += 1
    return text[at:end], end + 1, end == len(text) or text[end] != delimiter


def _quoted_field(text: str, at: int, delimiter: str) -> tuple[str, int, bool]:
    parts: list[str] = []
    start = at + 1
    while True:
        close = text.find('"', start)
        if close < 0:
            raise MisfitError("a quoted field does not end")
        parts.append(text[start:close])
        if text[close + 1 : close + 2] != '"':
            break
        parts.append('"')
        start = close + 2
    end = close + 1
    while end < len(text) and text[end] != delimiter and text[end] not in _LINE_ENDS:
        if not text[end].isspace():
            raise MisfitError(f'unexpected "{text[end]}" after a quoted field')
        end += 1
    return "".join(parts), end + 1, end == len(text) or text[end] != delimiter


def quoter(delimiter: str, *, first: bool) -> Callable[[str], str]:
    """What writes the fields of one column: each quoted where it must be.

    The first field of a record is quoted unless it starts with an ASCII letter or digit (so is an empty text, which
    would look like no record); any field that starts with `#` or less, ends with a blank, or holds the delimiter, a
    quote or a line end is quoted.
    """
    inside = rf'[\x00-#]|.*(?:[{re.escape(delimiter)}"\r\n]|[\x00-\x20]\Z)'
    needed = re.compile(rf"(?![0-9A-Za-z])|{inside}" if first else inside, re.DOTALL)

    def write(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if needed.match(value) else value

    return write
