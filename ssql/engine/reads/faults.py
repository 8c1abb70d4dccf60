"""DuckDB's errors in the words of this project: the kind, the place in what the user wrote, the nearest name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from ssql.engine.reads.database import Failed
from ssql.engine.reads.files import prefix_of, root_of
from ssql.engine.reads.text import Text
from ssql.errors import (
    ColumnNotFound,
    EvaluationFailed,
    FileRefused,
    FunctionNotFound,
    InvalidStatement,
    ReadTimedOut,
    ReadTooLarge,
    Span,
    SqlError,
    SyntaxSqlError,
)
from ssql.functions import names
from ssql.functions.macros import written

#: What DuckDB raises for values, rather than for a statement that is wrong.
_OF_THE_VALUES = (duckdb.DataError, duckdb.InvalidInputException)


def syntax_error(found: Mapping[str, Any], text: Text) -> SqlError:
    """What is wrong with a text that DuckDB could not parse."""
    if found.get("error_type") == "not implemented":
        return SyntaxSqlError("expected a SELECT", span=Span(0, len(text.script)))
    span = _place(found, text)
    near = re.search(r'at or near "(.*)"', found["error_message"], re.DOTALL)
    if near is None:
        return SyntaxSqlError(_first_line(found["error_message"]), span=span)
    written = near[1] if span is None else text.script[span.start : span.end]
    return SyntaxSqlError(f'"{written}" does not fit here', span=span, found=written)


def translated(failed: Failed, text: Text, columns: Iterable[str], directory: str) -> SqlError:
    """The error of a query that DuckDB could not bind or run. `columns`: the names it could have meant; `directory`:
    where its files are, which is nobody's business."""
    error = failed.error
    said = _said(error)
    root = root_of(directory)
    message = said["exception_message"]
    if root is not None and len(root.parts) > 1:
        message = message.replace(prefix_of(root), "")
    span = _place(said, text) if failed.placed else None
    kind = said.get("error_subtype")
    if isinstance(error, duckdb.InterruptException):
        return ReadTimedOut()
    if isinstance(error, duckdb.OutOfMemoryException):
        return ReadTooLarge()
    if isinstance(error, duckdb.PermissionException):
        return FileRefused(_quoted(message), some=bool(directory), span=span)
    absent = re.search(r'does not have a column named "(.*)"', message)
    if kind == "COLUMN_NOT_FOUND" or absent is not None:
        name = said.get("name") or (absent[1] if absent else "")
        return ColumnNotFound(name, span=span, candidates=[*columns, *said.get("candidates", "").split(",")])
    if kind == "MISSING_ENTRY" and "Function" in said.get("type", ""):
        candidates = [*names(), *said.get("candidates", "").upper().split(",")]
        return FunctionNotFound(said["name"], span=span, candidates=candidates)
    if isinstance(error, _OF_THE_VALUES):
        found = EvaluationFailed(span=span)
        found.hint = _first_line(message)
        return found
    return InvalidStatement(_first_line(message), span=span)


def _said(error: duckdb.Error) -> dict[str, Any]:
    """What DuckDB says, taken apart; it writes JSON behind the kind of the error."""
    text = str(error)
    start = text.find("{")
    if start >= 0:
        try:
            found: dict[str, Any] = json.loads(text[start:])
            if "exception_message" in found:
                return found
        except ValueError:
            pass
    return {"exception_message": text.partition(": ")[2] or text}


def _place(said: Mapping[str, Any], text: Text) -> Span | None:
    position = said.get("position")
    if position is None:
        return None
    at = int(position)
    location = re.fullmatch(r"\[(\d+),(\d+)\]", said.get("location") or "")
    length = int(location[2]) if location else 1
    return text.written(text.span(at, max(1, length)))


def _first_line(message: str) -> str:
    """DuckDB's first line in the shape of our messages."""
    line = written(message.strip()).split("\n")[0].rpartition("ValueError: ")[2].rstrip(".!")
    return line[:1].lower() + line[1:]


def _quoted(message: str) -> str:
    found = re.search(r'"(.*?)"', message)
    return found[1] if found else ""
