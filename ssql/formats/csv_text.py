"""One CSV record, exactly: text -> fields and fields -> text, as Apache commons-csv does it by default.

Quote is `"`, doubled inside quotes; blanks are part of a field; empty lines before the record are skipped; what
follows the first record is ignored. Writing quotes what needs it and a little more (see `quoted`).
"""

from __future__ import annotations

from ssql.formats.scalars import MisfitError

_LINE_ENDS = "\r\n"


def fields(text: str, delimiter: str) -> list[str]:
    """The fields of the first record of `text`.

    Raises:
        MisfitError: where there is no record, or quotes do not match.
    """
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


def quoted(value: str, delimiter: str, *, first: bool) -> str:
    """A field as it is written.

    The first field of a record is quoted unless it starts with an ASCII letter or digit (so is an empty text, which
    would look like no record); any field that starts with `#` or less, ends with a blank, or holds the delimiter, a
    quote or a line end is quoted.
    """
    if not value:
        return '""' if first else ""
    start = value[0]
    if first and not (start.isascii() and start.isalnum()):
        needed = True
    else:
        needed = start <= "#" or value[-1] <= " " or delimiter in value or any(c in value for c in '"\r\n')
    return '"' + value.replace('"', '""') + '"' if needed else value
