"""The head of the hierarchy: a message with a code, a hint and a place, rendered as text and as JSON."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets in the text that the user sent."""

    start: int
    end: int

    def shift(self, by: int) -> Span:
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class Position:
    """1-based line and column (in characters), as the user counts them."""

    line: int
    column: int


def position_of(text: str, offset: int) -> Position:
    """The line and column of a character offset in `text`."""
    before = text[: max(0, min(offset, len(text)))]
    line = before.count("\n") + 1
    return Position(line, len(before) - (before.rfind("\n") + 1) + 1)


def _display_width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(ch) in "WF" for ch in text)
    return len(text) + wide


def caret_lines(text: str, span: Span) -> str:
    """The source line of `span` and a line of carets under it; tabs and wide characters keep the carets aligned."""
    at = position_of(text, span.start)
    line = text.split("\n")[at.line - 1].rstrip("\r")
    prefix = f"LINE {at.line}: "
    head = line[: at.column - 1]
    length = max(1, min(span.end, span.start + len(line) - at.column + 1) - span.start)
    marked = line[at.column - 1 : at.column - 1 + length]
    pad = "".join("\t" if ch == "\t" else " " * _display_width(ch) for ch in head)
    return f"{prefix}{line}\n{' ' * len(prefix)}{pad}{'^' * max(1, _display_width(marked))}"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a user most likely meant by `name`, or None."""
    by_lower = {c.lower(): c for c in candidates}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


#: The steps of carrying out a statement that ksqlDB names in an answer: making it from its text, and looking up what
#: it names.
BUILDING = "Failed to prepare statement: "

LOOKING_UP = "Exception while preparing statement: "

#: How ksqlDB writes a place before a message: the parser, and what comes after it.
PARSER_PLACE = "line {line}:{column}: "

NODE_PLACE = "Line: {line}, Col: {column}: "


class SsqlError(Exception):
    """Base of everything ssql raises on purpose.

    `message` is short and in the user's words; `hint` says what to do; `span` is the place in `text`. `step` is what
    ksqlDB puts before the message, where it names the step that failed.
    """

    code: ClassVar[str] = "error"
    #: HTTP status and ksqlDB's error code (status x 100 + detail).
    status: ClassVar[int] = 500
    ksql_code: ClassVar[int] = 50000
    #: How ksqlDB writes the place before this message, "" where it does not.
    ksql_place: ClassVar[str] = ""
    step: str = ""

    def __init__(self, message: str, *, hint: str | None = None, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.span = span
        self.text: str | None = None
        #: The file that `text` is, where it is one.
        self.file: str | None = None
        self.statement: str | None = None
        #: What the statements before this one in the same request answered.
        self.entities: list[dict[str, Any]] = []

    def within(self, text: str, offset: int = 0, statement: str | None = None) -> SsqlError:
        """Attach the text that `span` counts in (once: the innermost caller knows best)."""
        if self.text is None:
            self.text = text
            if self.span is not None and offset:
                self.span = self.span.shift(offset)
        if self.statement is None:
            self.statement = statement
        return self

    @property
    def position(self) -> Position | None:
        if self.text is None or self.span is None:
            return None
        return position_of(self.text, self.span.start)

    @property
    def ksql_message(self) -> str:
        """The message as ksqlDB words it for clients that see no caret: with the step that failed, and the place."""
        at = self.position
        place = "" if at is None else self.ksql_place.format(line=at.line, column=at.column)
        return f"{self.step}{place}{self.message}"

    def render(self) -> str:
        """The error as text: file and line, message and code, the line with a caret, the hint."""
        first, *more = self.message.split("\n")
        at = self.position
        place = "" if self.file is None else f"{self.file}: " if at is None else f"{self.file}:{at.line}: "
        lines = [f"{place}error: {first}  [{self.code}]", *more]
        if self.text is not None and self.span is not None:
            lines.append(caret_lines(self.text, self.span))
        if self.hint:
            lines.append(f"HINT: {self.hint}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The error as ksqlDB's error body, with code, position and hint beside it."""
        at = self.position
        body: dict[str, object] = {
            "@type": "statement_error" if self.statement is not None else "generic_error",
            "error_code": self.ksql_code,
            "message": self.ksql_message,
            "code": self.code,
        }
        if self.message != self.ksql_message:
            body["summary"] = self.message
        if self.statement is not None:
            body["statementText"] = self.statement
            body["entities"] = self.entities
        if at is not None:
            body["position"] = {"line": at.line, "column": at.column}
        if self.hint:
            body["hint"] = self.hint
        return body


@contextmanager
def building() -> Iterator[None]:
    """Within it a statement is made from its text: what fails is told so."""
    try:
        yield
    except SqlError as error:
        error.step = error.step or BUILDING
        raise


class InternalError(SsqlError):
    """A broken invariant of ours: never the user's fault, always worth a report."""

    code = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="This is a bug in ssql. Please report it with the statement that caused it.")


class SqlError(SsqlError):
    """The statement is wrong; the user can mend it."""

    code = "sql_error"
    status = 400
    ksql_code = 40001
