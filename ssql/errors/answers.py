"""Queries that ask for what there is no answer to, and answers that nobody takes."""

from __future__ import annotations

from ssql.errors.base import Span, SqlError, SsqlError

_SEE_QUERIES = "See https://cnfl.io/queries for more info."


class NegativeLimit(SqlError):
    """LIMIT with a number below 0.

    `kind` is the kind of query that has it.
    """

    code = "negative_limit"

    def __init__(self, kind: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"{kind} queries don't support negative integers in the LIMIT clause. {_SEE_QUERIES}", span=span
        )


class PullQueryRefused(SqlError):
    """A pull query asks for what such queries do not give.

    `why` is a sentence.
    """

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
    """A value that a key is compared with cannot be a key.

    `column` is the key column as it is declared.
    """

    code = "key_type_mismatch"

    def __init__(self, value: str, column: str, *, span: Span | None = None) -> None:
        super().__init__(
            f"'{value}' can not be converted to the type of the key column: {column}",
            span=span,
            hint="Write the value in the column's own type.",
        )


class TooManyPushQueries(SqlError):
    """As many push queries are running as the server allows."""

    code = "too_many_push_queries"
    ksql_code = 40003

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} push queries are running already", hint="End one of them, or raise max.push.queries."
        )


class ReaderIdle(SsqlError):
    """A row stream was ended: its reader took nothing of it for too long."""

    code = "reader_idle"
    status = 408
    ksql_code = 40800

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the answer was ended: its reader took nothing for {seconds:g} s",
            hint="Read on, or raise idle.connection.timeout.seconds.",
        )


class PullTooLarge(SqlError):
    """A pull query has more rows than it may answer."""

    code = "pull_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the answer has more than {limit} rows",
            hint="Add a LIMIT or a narrower WHERE, or raise query.pull.max.rows.",
        )


class ReadTimedOut(SqlError):
    """A query in full SQL took longer than such queries may."""

    code = "read_timed_out"
    status = 408
    ksql_code = 40800

    def __init__(self) -> None:
        super().__init__(
            "the query took too long and was ended",
            hint="Narrow it down, make a view of it, or raise query.pull.timeout.seconds.",
        )


class ReadTooLarge(SqlError):
    """A query in full SQL needs more memory, or space for temporary files, than there is for it."""

    code = "read_too_large"

    def __init__(self) -> None:
        super().__init__(
            "the query needs more memory than it may have", hint="Narrow it down, or raise query.pull.memory.bytes."
        )


class FileRefused(SqlError):
    """A query names a file that it may not read. `some`: whether there are files that it may."""

    code = "file_refused"

    def __init__(self, name: str, *, some: bool, span: Span | None = None) -> None:
        super().__init__(
            f'file "{name}" may not be read',
            span=span,
            hint="Only files under the directory that files.directory names may be read."
            if some
            else "No files may be read here: set files.directory where the engine starts.",
        )


class FileAbsent(SqlError):
    """A query names a file that is not there."""

    code = "file_not_found"

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(f'file "{name}" does not exist', span=span)


class EvaluationFailed(SqlError):
    """An expression has no value for what it was given."""

    code = "evaluation_failed"

    def __init__(self, *, span: Span | None = None) -> None:
        super().__init__("an expression cannot be computed for the values given", span=span)


class TokenRefused(SqlError):
    """A subscription is to go on after a token that is none, or that another statement gave."""

    code = "token_refused"

    def __init__(self) -> None:
        super().__init__(
            "the token is not one of this subscription",
            hint="Start again without it: the rows that are there come first.",
        )


class TokenExpired(SqlError):
    """What comes after a token is no longer in the log."""

    code = "token_expired"
    status = 410
    ksql_code = 41000

    def __init__(self, topic: str) -> None:
        super().__init__(
            f'the subscription cannot go on: records after its token were deleted from topic "{topic}"',
            hint="Start again without the token, or keep the topic's records for longer.",
        )


class ReaderTooSlow(SqlError):
    """What the reader of a push query has yet to see is no longer in the log."""

    code = "reader_too_slow"
    status = 410
    ksql_code = 41000

    def __init__(self) -> None:
        super().__init__(
            "the query cannot go on: records that its reader has yet to see were deleted or compacted",
            hint="Read faster, raise query.push.buffer.bytes, or keep the topic's records for longer.",
        )


class SubscriptionStartsOver(SsqlError):
    """The rows of a subscription begin anew, in a form that has no word for that."""

    code = "subscription_starts_over"

    def __init__(self) -> None:
        super().__init__(
            "the subscription starts over: the rows that were told before are void",
            hint="Subscribe again; events, WebSocket and Arrow say so as they go on.",
        )
