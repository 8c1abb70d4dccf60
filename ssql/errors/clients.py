"""What a program or the command meets on its way to an engine: places, servers, parameters, answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ssql.errors.base import Span, SqlError, SsqlError
from ssql.errors.names import ColumnNotFound, SourceNotFound, TypeNotFound
from ssql.errors.syntax import SyntaxSqlError

#: Classes whose code others have too, which word it for one clause or statement.
_GENERAL: tuple[type[SsqlError], ...] = (ColumnNotFound, SourceNotFound, SyntaxSqlError, TypeNotFound)


class ServerUnavailable(SsqlError):
    """The server does not answer, or what answers is no ssql server."""

    code = "server_unavailable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"could not reach the server at {url}: {reason}",
            hint="Start one with `ssql server`, or leave out --server to work in a directory.",
        )


class DirectoryInUse(SsqlError):
    """Another process works in the directory, and it is no server that could be asked instead."""

    code = "directory_in_use"

    def __init__(self, directory: str, holder: str) -> None:
        super().__init__(
            f'directory "{directory}" is in use by {holder}',
            hint="Stop it, ask it with --server, or give another directory with --data.",
        )


class FileUnreadable(SsqlError):
    """A file that was named cannot be read."""

    code = "file_unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f'could not read "{path}": {reason}')


class BadTarget(SsqlError):
    """What was given to connect to is no place, or its options do not go together."""

    code = "bad_target"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Give a URL (http://host:8088), a directory, or kafka://host:9092.")


class ConnectionClosed(SsqlError):
    """A connection that was closed is used again."""

    code = "connection_closed"

    def __init__(self) -> None:
        super().__init__("the connection is closed")


class BadParameter(SqlError):
    """A parameter of a statement is missing, is one too many, or has no form in SQL."""

    code = "bad_parameter"


class NotOneRow(SsqlError):
    """One row was asked for, and the answer has none or several."""

    code = "not_one_row"

    def __init__(self, rows: int) -> None:
        super().__init__(f"the answer has {rows} rows, not one")


class LibraryMissing(SsqlError):
    """A form was asked for that needs a library that is not installed."""

    code = "library_missing"

    def __init__(self, library: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed", hint=f"pip install {library}")


class RemoteError(SsqlError):
    """An error of a server whose code this version does not know; `remote_code`, position and hint are the server's."""

    code = "remote_error"

    def __init__(self, message: str, code: str, hint: str | None) -> None:
        super().__init__(message, hint=hint)
        self.remote_code = code

    def render(self) -> str:
        """As the server would have printed it."""
        return super().render().replace(f"[{self.code}]", f"[{self.remote_code}]", 1)


def from_json(body: Any, sql: str | None = None) -> SsqlError:
    """The error that a server's error body tells of: of the class that has its code, and with its place in `sql`, the
    text that was sent."""
    if not isinstance(body, Mapping):
        return RemoteError(str(body), RemoteError.code, None)
    message = str(body.get("summary") or body.get("message") or "the server gave no reason")
    error = _of_code(str(body.get("code", body.get("error_code", RemoteError.code))), message, body.get("hint"))
    statement = body.get("statementText")
    error.statement = statement
    error.entities = body.get("entities") or []
    at, text = body.get("position"), sql if sql is not None else statement
    if isinstance(at, Mapping) and text:
        lines = text.split("\n")
        start = sum(len(line) + 1 for line in lines[: at["line"] - 1]) + at["column"] - 1
        word = re.compile(r"\w+|.?", re.DOTALL).match(text, start)
        error.span = Span(start, max(start + 1, word.end() if word else start))
        error.text = text
    return error


def _of_code(code: str, message: str, hint: str | None) -> SsqlError:
    kind = _classes().get(code)
    if kind is None:
        return RemoteError(message, code, hint)
    # The words are there already: what the class would make them of is not.
    error = kind.__new__(kind)
    SsqlError.__init__(error, message, hint=hint)
    return error


@cache
def _classes() -> dict[str, type[SsqlError]]:
    """The classes by code; of several with one code, the one that says the general case."""
    found: dict[str, type[SsqlError]] = {kind.code: kind for kind in _GENERAL}
    for kind in _below(SsqlError):
        found.setdefault(kind.code, kind)
    del found[RemoteError.code]
    return found


def _below(kind: type[SsqlError]) -> Iterator[type[SsqlError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)
