"""Statements whose parts do not go together, or that what is there does not allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssql.errors.base import Span, SqlError, nearest


class InvalidStatement(SqlError):
    """The statement parses, and its parts do not go together."""

    code = "invalid_statement"


class RefusedAsInKsqldb(SqlError):
    """The statement has a clear meaning, and ksqlDB refuses it."""

    code = "refused_as_in_ksqldb"

    def __init__(self, message: str, *, span: Span | None = None) -> None:
        super().__init__(
            message, span=span, hint="SET 'sql.extensions' = 'true' to have it all the same: ksqlDB would refuse it."
        )


class InsertFailed(SqlError):
    """The values of an INSERT VALUES do not fit what they are for.

    `why` is a sentence.
    """

    code = "insert_failed"

    def __init__(self, target: str, why: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(f"Failed to insert values into '{target}'. {why}", span=span, hint=hint)


class UpgradeRefused(SqlError):
    """CREATE OR REPLACE or ALTER asks for what a running query, its state or its topic does not allow.

    The texts are ksqlDB's, whose clients match them.
    """

    code = "upgrade_refused"

    def __init__(self, why: str, *, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(why, span=span, hint=hint or "Drop it and create it anew, or create another one beside it.")


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


class TypeMismatch(SqlError):
    """A value or an expression is of a type that does not fit its place."""

    code = "type_mismatch"


class InvalidProperty(SqlError):
    """A property of WITH whose value cannot be used."""

    code = "invalid_property"


class SourceInUse(SqlError):
    """A stream or table cannot go while others depend on it.

    `readers`, `writers`: the ids of INSERT INTO queries; `sources`: what other queries fill from it; `endpoints`: those
    that read it.
    """

    code = "source_in_use"

    def __init__(
        self,
        name: str,
        *,
        readers: Iterable[str],
        writers: Iterable[str],
        sources: Iterable[str],
        endpoints: Sequence[str] = (),
        span: Span | None = None,
    ) -> None:
        read, written, filled = (", ".join(sorted(names)) for names in (readers, writers, sources))
        uses, ends = (
            (f"The following queries read from this source: [{read}].\n"
             f"The following queries write into this source: [{written}].", "terminate")
            if read or written
            else (f"The following streams and/or tables read from this source: [{filled}].", "drop")
        )  # fmt: skip
        if endpoints and not (read or written or filled):
            uses, ends = f"The following endpoints read from this source: [{', '.join(sorted(endpoints))}].", "drop"
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
    """A stream or table that is read-only was to be changed or written."""

    code = "read_only_source"

    def __init__(self, kind: str, name: str, what: str, *, span: Span | None = None) -> None:
        super().__init__(f'{what} is not possible on read-only {kind} "{name}"', span=span)


class WrongTestFile(SqlError):
    """A file of tests says what is no test. `name`: what was written for one of `candidates`."""

    code = "wrong_test_file"

    def __init__(
        self, message: str, *, span: Span | None = None, name: str | None = None, candidates: Iterable[str] = ()
    ) -> None:
        close = None if name is None else nearest(name, candidates)
        super().__init__(message, span=span, hint=f"Did you mean {close}?" if close else None)


class AssertionNotMet(SqlError):
    """What an ASSERT statement claims is not so, after its timeout."""

    code = "assertion_not_met"
    status = 417
    ksql_code = 41700
