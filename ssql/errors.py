"""One hierarchy of errors.

Comes in: what went wrong, in the user's words, and where. Goes out: a code, a message, a position with a caret and
a hint, rendered as text (prompt, log) or as JSON (HTTP). Knows nothing of any other package.

The class owns code, wording and hint, so that no two call sites word the same thing twice. Wrong SQL is a
`SqlError`; a broken invariant of ours is an `InternalError`; the two never mix.

What is wrong with a statement is worded as ksqlDB words it, since people's tools and tests look for that. ksqlDB's
clients see no caret: their `ksql_message` has the place, and the step that failed, before the words. A prompt shows
`message`, the line with a caret, and the hint.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
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


_SEE_QUERIES = "See https://cnfl.io/queries for more info."


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
        """The error as text: message and code, the line with a caret, the hint."""
        first, *more = self.message.split("\n")
        lines = [f"error: {first}  [{self.code}]", *more]
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


class SyntaxSqlError(SqlError):
    """The text is no SQL. `message` says what was expected, in the words of a prompt; ksqlDB's clients get its words.

    `found`: the token that does not fit, as written. `expected`: the few tokens that could stand there, as ksqlDB
    writes them; `missing`: the one that must. `reserved`: `found` is a reserved word where a name was expected.
    `statements`: the words that statements begin with, where one of these was expected.
    """

    code = "syntax_error"
    ksql_place = PARSER_PLACE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        span: Span | None = None,
        found: str | None = None,
        expected: Iterable[str] = (),
        missing: str | None = None,
        reserved: bool = False,
        statements: Iterable[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, span=span)
        self.found = found
        self.expected = tuple(expected)
        self.missing = missing
        self.reserved = reserved
        self.statements = tuple(statements)

    @property
    def ksql_message(self) -> str:
        at = self.position
        place = "" if at is None else self.ksql_place.format(line=at.line, column=at.column)
        return f"{self.step}{place}Syntax Error\n{self._detail(at)}"

    def _detail(self, at: Position | None) -> str:
        if self.found is None:
            return self.message
        if self.reserved:
            return (
                f'"{self.found}" is a reserved keyword and it can\'t be used as an identifier. '
                f"You can use it as an identifier by escaping it as '{self.found}' "
            )
        if self.statements:
            close = nearest(self.found, self.statements)
            return f"Unknown statement '{self.found}'" + (f"\nDid you mean '{close}'?" if close else "")
        if self.missing is not None:
            return f"missing {self.missing} at '{self.found}'"
        if self.expected:
            listed = ", ".join(self.expected)
            return f"Expecting {listed if len(self.expected) == 1 else '{' + listed + '}'}"
        where = "" if at is None else f" at line {at.line}:{at.column}"
        return f"Syntax error at or near '{self.found}'{where}\n{self.message}"


class WrongKeyRole(SqlError):
    """A stream's column is declared PRIMARY KEY, or a table's KEY."""

    code = "wrong_key_role"
    ksql_place = NODE_PLACE
    step = BUILDING

    def __init__(self, name: str, kind: str, *, span: Span | None = None) -> None:
        written, right = ("PRIMARY KEY", "KEY") if kind == "STREAM" else ("KEY", "PRIMARY KEY")
        super().__init__(
            f"Column `{name}` is a '{written}' column: please use '{right}' for {kind.lower()}s.", span=span
        )


class WholeNumberNeeded(SqlError):
    """`command` (LIMIT, INTERVAL, OFFSET) is followed by a number with a fraction."""

    code = "syntax_error"
    step = BUILDING

    def __init__(self, command: str, *, span: Span | None = None) -> None:
        super().__init__(f"Value must be integer for command: {command}", span=span)


class InvalidLiteral(SqlError):
    """A number that no type holds."""

    code = "syntax_error"
    step = BUILDING

    def __init__(self, message: str, *, hint: str | None = None, span: Span | None = None) -> None:
        super().__init__(message, hint=hint, span=span)

    @property
    def ksql_message(self) -> str:
        # ksqlDB counts the columns of literals from 2.
        at = self.position
        place = "" if at is None else PARSER_PLACE.format(line=at.line, column=at.column + 1)
        return f"{self.step}{place}{self.message}"


class NotSupportedYet(SqlError):
    """The statement is understood, and not carried out yet."""

    code = "not_supported_yet"

    def __init__(self, what: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(f"{what} is not supported yet", span=span, hint=hint)


class InvalidStatement(SqlError):
    """The statement parses, and its parts do not go together."""

    code = "invalid_statement"


class NegativeLimit(SqlError):
    """LIMIT with a number below 0; `kind` is the kind of query that has it."""

    code = "negative_limit"

    def __init__(self, kind: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"{kind} queries don't support negative integers in the LIMIT clause. {_SEE_QUERIES}", span=span
        )


class PullQueryRefused(SqlError):
    """A pull query asks for what such queries do not give; `why` is a sentence."""

    code = "pull_query_refused"

    def __init__(self, why: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(
            f"{why} {_SEE_QUERIES}\nAdd EMIT CHANGES if you intended to issue a push query.", span=span, hint=hint
        )


class TableScanNeeded(PullQueryRefused):
    """A pull query that only reading the whole table can answer, where that is switched off."""

    code = "table_scan_needed"

    def __init__(self, why: str, *, span: Span | None = None) -> None:
        super().__init__(
            why, span=span, hint="Give every key column a value, or set query.pull.table.scan.enabled to true."
        )


class KeyTypeMismatch(SqlError):
    """A value that a key is compared with cannot be a key; `column` is the key column as it is declared."""

    code = "key_type_mismatch"

    def __init__(self, value: str, column: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"'{value}' can not be converted to the type of the key column: {column}",
            span=span,
            hint="Write the value in the column's own type.",
        )


class RefusedAsInKsqldb(SqlError):
    """The statement has a clear meaning, and ksqlDB refuses it."""

    code = "refused_as_in_ksqldb"

    def __init__(self, message: str, *, span: Span | None = None) -> None:
        super().__init__(
            message, span=span, hint="SET 'sql.extensions' = 'true' to have it all the same: ksqlDB would refuse it."
        )


class ColumnNotFound(SqlError):
    """`clause` names the clause that the column stands in: SELECT, WHERE, JOIN ON, ...; "" for none."""

    code = "column_not_found"
    ksql_place = NODE_PLACE

    def __init__(
        self, name: str, *, clause: str = "", span: Span | None = None, candidates: Iterable[str] = ()
    ) -> None:
        close = nearest(name.rpartition(".")[2], candidates)
        why = "cannot be resolved."
        if clause == "PARTITION BY":
            why += f" '{name}' must be a column in the source schema since PARTITION BY is applied on the input."
        super().__init__(
            f"{clause + ' column' if clause else 'Column'} '{name}' {why}",
            span=span,
            hint=f'Did you mean "{close}"?' if close else None,
        )


class UnknownInExpression(SqlError):
    """A column that is not there yet where the clause takes effect."""

    code = "column_not_found"

    def __init__(self, clause: str, name: str, *, span: Span | None = None) -> None:
        super().__init__(f"Error in {clause} expression: Unknown column {name}.", span=span)


class AmbiguousColumn(SqlError):
    code = "ambiguous_column"
    ksql_place = NODE_PLACE
    step = LOOKING_UP

    def __init__(self, name: str, sources: Iterable[str], *, span: Span | None = None) -> None:
        *others, last = sorted(f"{s}.{name}" for s in sources)
        options = f"{', '.join(others)} or {last}" if others else last
        super().__init__(f"Column '{name}' is ambiguous. Could be {options}.", span=span)


class UnknownAlias(SqlError):
    """A qualifier that is no source of the query."""

    code = "source_not_found"
    step = BUILDING

    def __init__(self, name: str, known: Iterable[str], *, span: Span | None = None) -> None:
        sources = ", ".join(known)
        super().__init__(
            f"'{name}' is not a valid stream/table name or alias.",
            span=span,
            hint=f"The sources here are: {sources}." if sources else None,
        )


class SourceNotFound(SqlError):
    """`kind`: STREAM or TABLE where a statement names the kind. `step`: a query looks its sources up as it is made."""

    code = "source_not_found"

    def __init__(
        self,
        name: str,
        *,
        span: Span | None = None,
        candidates: Iterable[str] = (),
        kind: str | None = None,
        step: str = "",
    ) -> None:
        close = nearest(name, candidates)
        what = f"{kind.capitalize()} {name}" if kind else name
        super().__init__(f"{what} does not exist.", span=span, hint=f'Did you mean "{close}"?' if close else None)
        self.step = step


class InsertTargetNotFound(SourceNotFound):
    """INSERT VALUES names a stream or table that is not there; one that differs in case is told."""

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        known = list(candidates)
        super().__init__(name, span=span, candidates=known)
        self.message = f"Cannot insert values into an unknown stream/table: `{name}`"
        other = next((c for c in known if c.upper() == name.upper()), None)
        if other is not None:
            self.message += (
                f'\nDid you mean "{other}"? Hint: wrap the source name in double quotes to make it case-sensitive.'
            )
            self.hint = None
        self.args = (self.message,)


class InsertFailed(SqlError):
    """The values of an INSERT VALUES do not fit what they are for; `why` is a sentence."""

    code = "insert_failed"

    def __init__(self, target: str, why: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(f"Failed to insert values into '{target}'. {why}", span=span, hint=hint)


class SourceExists(SqlError):
    code = "source_exists"

    def __init__(self, kind: str, name: str, *, there: str, span: Span | None = None) -> None:
        """`kind`: what was to be made; `there`: what has the name."""
        super().__init__(
            f"Cannot add {kind.lower()} '{name}': A {there.lower()} with the same name already exists",
            span=span,
            hint="Use CREATE OR REPLACE to change it, or IF NOT EXISTS to keep it.",
        )


class UpgradeRefused(SqlError):
    """CREATE OR REPLACE or ALTER asks for what a running query, its state or its topic does not allow.

    The texts are ksqlDB's, whose clients match them.
    """

    code = "upgrade_refused"

    def __init__(self, why: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(why, span=span, hint=hint or "Drop it and create it anew, or create another one beside it.")


class FunctionNotFound(SqlError):
    code = "function_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Can't find any functions with the name '{name}'",
            span=span,
            hint=f"Did you mean {close}?" if close else None,
        )


class NoSuchSignature(SqlError):
    """No signature of a function takes these arguments."""

    code = "no_such_signature"

    def __init__(self, name: str, given: Iterable[str], accepted: Iterable[str], *, span: Span | None = None) -> None:
        super().__init__(
            f"Function '{name}' does not accept parameters ({', '.join(given)}).\n"
            f"Valid alternatives are:\n{_signatures(name, accepted)}",
            span=span,
        )


class AmbiguousCall(SqlError):
    """Several signatures of a function take these arguments, none of them better than the others."""

    code = "ambiguous_call"

    def __init__(self, name: str, given: Iterable[str], accepted: Iterable[str], *, span: Span | None = None) -> None:
        super().__init__(
            f"Function '{name}' cannot be resolved due to ambiguous method parameters ({', '.join(given)}).\n"
            "Use CAST() to explicitly cast your parameters to one of the supported function calls.\n"
            f"Valid function calls are:\n{_signatures(name, accepted)}",
            span=span,
        )


def _signatures(name: str, accepted: Iterable[str]) -> str:
    listed = "\n".join(accepted)
    return f"{listed}\nFor detailed information on a function run: DESCRIBE FUNCTION {name.upper()};"


class TypeNotFound(SqlError):
    """A statement uses a type that is neither SQL's nor a custom one."""

    code = "type_not_found"
    step = BUILDING

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Cannot resolve unknown type: {name}", span=span, hint=f"Did you mean {close}?" if close else None
        )


class CustomTypeNotFound(SqlError):
    """DROP TYPE names a custom type that is not there."""

    code = "type_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(f"Type {name} does not exist.", span=span, hint=f"Did you mean {close}?" if close else None)


class VariableNotFound(SqlError):
    code = "variable_not_found"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f'variable "{name}" is not defined',
            span=span,
            hint=f'Did you mean "{close}"?' if close else f"Define it first: DEFINE {name} = 'value';",
        )


class LiteralRequired(SqlError):
    """`given`: the argument as written."""

    code = "literal_required"

    def __init__(self, function: str, position: int, given: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"Parameter {position} passed to function {function} must be a literal constant, "
            f"but was expression: '{given}'",
            span=span,
        )


class TypeMismatch(SqlError):
    code = "type_mismatch"


class UnknownProperty(SqlError):
    """A property of WITH that the statement does not take."""

    code = "unknown_property"

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f"Invalid config variable(s) in the WITH clause: {name}",
            span=span,
            hint=f"Did you mean {close}?" if close else None,
        )


class InvalidProperty(SqlError):
    """A property of WITH whose value cannot be used."""

    code = "invalid_property"


class QueryNotFound(SqlError):
    code = "query_not_found"

    def __init__(self, query_id: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(query_id, candidates)
        hint = f"Did you mean {close}?" if close else None
        super().__init__(f'query "{query_id}" does not exist', span=span, hint=hint)


class FormatError(SsqlError):
    """A value cannot be written in, or a whole format set-up cannot be used for, the format that was asked for."""

    code = "format_error"
    status = 400
    ksql_code = 40001


class SchemaUnreadable(FormatError):
    """A registered schema, or what refers to one, that cannot be used."""

    code = "schema_unreadable"


class SchemaRefused(FormatError):
    """A schema that the registry does not take: mostly one that does not follow on from the subject's last."""

    code = "schema_refused"


class RegistryUnavailable(SsqlError):
    """The schema registry could not be reached, or failed; trying again may help."""

    code = "registry_unavailable"


class LogError(SsqlError):
    """The log could not do what was asked: the message says what, and whether trying again may help."""

    code = "log_error"


class LogFull(LogError):
    code = "disk_full"


class LogUnavailable(LogError):
    code = "log_unavailable"


class TopicNotFound(LogError):
    code = "topic_not_found"
    status = 400
    ksql_code = 40001

    def __init__(self, name: str, *, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(f'topic "{name}" does not exist', hint=f'Did you mean "{close}"?' if close else None)


class LogInDoubt(LogError):
    """Whether a transaction was committed is not known: start again from what the log holds."""

    code = "log_in_doubt"


class LogFenced(LogError):
    """Another process took over; this one must stop writing."""

    code = "log_fenced"


class ConfigError(SsqlError):
    code = "config_error"
    status = 400
    ksql_code = 40000


class UnknownSetting(ConfigError):
    code = "unknown_setting"

    def __init__(self, name: str, *, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(f'unknown setting "{name}"', hint=f'Did you mean "{close}"?' if close else None)


class BadRequest(SsqlError):
    """The request itself cannot be read: its JSON, its fields, or what it names."""

    code = "bad_request"
    status = 400
    ksql_code = 40000


class WrongEndpoint(SqlError):
    """The statement is right, and another path carries it out."""

    code = "wrong_endpoint"
    ksql_code = 40002

    def __init__(self, kind: str, path: str, *, instead: str, span: Span | None = None) -> None:
        super().__init__(f"{path} cannot carry out {kind} statements", span=span, hint=f"Send it to {instead}.")


class Unauthorized(SsqlError):
    """A request without credentials, or with wrong ones."""

    code = "unauthorized"
    status = 401
    ksql_code = 40100

    def __init__(self) -> None:
        super().__init__("you are not authorized: a user and password, or an API key, are needed")


class Forbidden(SqlError):
    """Known, and without the right to do this."""

    code = "forbidden"
    status = 403
    ksql_code = 40300

    def __init__(self, right: str, needed: str, *, span: Span | None = None) -> None:
        super().__init__(f"this needs the right to {needed}: yours is to {right}", span=span)


class PathNotFound(SsqlError):
    code = "path_not_found"
    status = 404
    ksql_code = 40400

    def __init__(self, path: str) -> None:
        super().__init__(f'path "{path}" does not exist')


class MethodNotAllowed(SsqlError):
    code = "method_not_allowed"
    status = 405
    ksql_code = 40500

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(f"{path} cannot be called with {method}", hint=f"Use {' or '.join(sorted(allowed))}.")


class NotAcceptable(SsqlError):
    code = "not_acceptable"
    status = 406
    ksql_code = 40600

    def __init__(self, accept: str, offered: Iterable[str]) -> None:
        super().__init__(f'no answer can be given as "{accept}"', hint=f"Accept one of: {', '.join(offered)}.")


class BodyTooLarge(SsqlError):
    code = "body_too_large"
    status = 413
    ksql_code = 41300

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"the request is larger than {limit_bytes} bytes", hint="Send rows in smaller parts, or to /inserts-stream."
        )


class ServerStarting(SsqlError):
    """The server listens, and the engine is not open yet."""

    code = "server_starting"
    status = 503
    ksql_code = 50302

    def __init__(self) -> None:
        super().__init__("the server is starting", hint="Try again in a few seconds.")


class ServerStopping(SsqlError):
    code = "server_stopping"
    status = 503
    ksql_code = 50303

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class SourceInUse(SqlError):
    """A stream or table cannot go while others depend on it.

    `readers`, `writers`: the ids of INSERT INTO queries; `sources`: what other queries fill from it.
    """

    code = "source_in_use"

    def __init__(
        self,
        name: str,
        *,
        readers: Iterable[str],
        writers: Iterable[str],
        sources: Iterable[str],
        span: Span | None = None,
    ) -> None:
        read, written, filled = (", ".join(sorted(names)) for names in (readers, writers, sources))
        uses, ends = (
            (f"The following queries read from this source: [{read}].\n"
             f"The following queries write into this source: [{written}].", "terminate")
            if read or written
            else (f"The following streams and/or tables read from this source: [{filled}].", "drop")
        )  # fmt: skip
        super().__init__(
            f"Cannot drop {name}.\n{uses}\nYou need to {ends} them before dropping {name}.",
            span=span,
            hint=f"And drop {filled} too: it reads from {name}." if filled and ends == "terminate" else None,
        )


class TopicInUse(SqlError):
    """A topic cannot be deleted while other streams or tables are over it."""

    code = "topic_in_use"

    def __init__(self, topic: str, sources: Sequence[str], *, span: Span | None = None) -> None:
        super().__init__(
            f"Refusing to delete topic. Found other data sources ({', '.join(sources)}) using topic {topic}",
            span=span,
            hint=f"Drop {', '.join(sources)} first, or leave DELETE TOPIC away.",
        )


class ReadOnlySource(SqlError):
    code = "read_only_source"

    def __init__(self, kind: str, name: str, what: str, *, span: Span | None = None) -> None:
        super().__init__(f'{what} is not possible on read-only {kind} "{name}"', span=span)


class TypeExists(SqlError):
    code = "type_exists"

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(f'a type named "{name}" already exists', span=span, hint="Use IF NOT EXISTS to keep it.")


class QueryExists(SqlError):
    code = "query_exists"

    def __init__(self, query_id: str, *, span: Span | None = None) -> None:
        super().__init__(f'a query named "{query_id}" already exists', span=span, hint="Choose another QUERY_ID.")


class AssertionNotMet(SqlError):
    """What an ASSERT statement claims is not so, after its timeout."""

    code = "assertion_not_met"
    status = 417
    ksql_code = 41700


class ConnectFailed(SsqlError):
    """Kafka Connect did not do what a statement asked of it. `status` is the one that it answered with, if it did."""

    code = "connect_failed"

    def __init__(self, reason: str, status: int = 500, *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.status, self.ksql_code = status, status * 100  # type: ignore[misc]

    def while_it(self, was: str) -> None:
        """Say what it was asked for."""
        self.message = f"{was}: {self.message}"
        self.args = (self.message,)


class ConnectNotConfigured(ConnectFailed):
    code = "connect_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "no Kafka Connect server is configured",
            400,
            hint="Start ssql with ksql.connect.url set to its address, such as http://localhost:8083.",
        )


class ConnectorExists(SqlError):
    code = "connector_exists"
    status = 409
    ksql_code = 40900

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(f"Connector {name} already exists", span=span, hint="Use IF NOT EXISTS to keep it.")


class TooManyPushQueries(SqlError):
    code = "too_many_push_queries"
    ksql_code = 40003

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} push queries are running already", hint="End one of them, or raise max.push.queries."
        )


class ReaderIdle(SsqlError):
    """A row stream was ended: its reader took nothing of it for too long."""

    code = "reader_idle"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the answer was ended: its reader took nothing for {seconds:g} s",
            hint="Read on, or raise idle.connection.timeout.seconds.",
        )


class QueryFailed(SsqlError):
    """A query stopped with an error; the reason is in the user's words."""

    code = "query_failed"

    def __init__(self, query_id: str, reason: str) -> None:
        super().__init__(f'query "{query_id}" failed: {reason}')


class BadRecord(SsqlError):
    """A record at which a query is to fail: it cannot be read, or gives no time."""

    code = "bad_record"

    def __init__(self, topic: str, partition: int, offset: int, reason: str, *, timestamp: bool) -> None:
        what = "Fatal user code error in TimestampExtractor callback for" if timestamp else "could not read"
        super().__init__(f'{what} record (topic "{topic}", partition {partition}, offset {offset}): {reason}')


class CommandsUnreadable(SsqlError):
    """The command topic cannot be replayed."""

    code = "commands_unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(f"the command topic cannot be read: {why}")


class PullTooLarge(SqlError):
    """A pull query has more rows than it may answer."""

    code = "pull_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the answer has more than {limit} rows",
            hint="Add a LIMIT or a narrower WHERE, or raise query.pull.max.rows.",
        )


class EvaluationFailed(SqlError):
    """An expression has no value for what it was given."""

    code = "evaluation_failed"

    def __init__(self, *, span: Span | None = None) -> None:
        super().__init__("an expression cannot be computed for the values given", span=span)
