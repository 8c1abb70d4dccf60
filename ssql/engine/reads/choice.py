"""Which of two answers a SELECT gets: ksqlDB's, or where that is none, DuckDB's.

What ksqlDB's pull queries can say means what it means in ksqlDB. What they cannot is tried in full SQL, where that is
allowed; if that is wrong too, the error is told that helps more.
"""

from __future__ import annotations

from collections.abc import Callable

from ssql.config import SQL_EXTENSIONS
from ssql.engine.api import PullResult
from ssql.engine.context import Request
from ssql.engine.reads.answer import answer
from ssql.errors import (
    ColumnNotFound,
    EvaluationFailed,
    FunctionNotFound,
    InvalidStatement,
    KeyTypeMismatch,
    NegativeLimit,
    NotSupportedYet,
    PullQueryRefused,
    PullTooLarge,
    QueryFailed,
    RefusedAsInKsqldb,
    SourceNotFound,
    SqlError,
    SsqlError,
    SyntaxSqlError,
    TableScanNeeded,
    VariableNotFound,
)
from ssql.sql.lexer import Kind, tokens
from ssql.sql.statements import Join, Query

#: Errors of queries that were understood: nothing else is tried.
_FINAL = (
    *(EvaluationFailed, KeyTypeMismatch, NegativeLimit, PullTooLarge, QueryFailed, TableScanNeeded, VariableNotFound),
)
#: ksqlDB's dialect has no answer, rather than that something is wrong.
_NO_ANSWER = (NotSupportedYet, PullQueryRefused, RefusedAsInKsqldb)
#: What is wrong with a text, rather than with carrying it out.
_WRONG = (ColumnNotFound, FunctionNotFound, InvalidStatement, SourceNotFound, SyntaxSqlError)
#: How a query fails in ksqlDB's dialect that is one of full SQL, whatever its values are.
OTHER_DIALECT = (*_NO_ANSWER, *_WRONG)


def is_full(request: Request) -> bool:
    """Whether a SELECT of this session may say all that SQL can."""
    return request.session.full_sql or request.config[SQL_EXTENSIONS]


def joins_moments(query: Query) -> bool:
    """Whether a query joins relations as they are at one moment: all but the joins of streams over time."""
    source = query.source
    while isinstance(source, Join):
        if source.within is not None:
            return False
        source = source.left
    return source is not query.source


def joined(request: Request, script: str, otherwise: Callable[[], PullResult]) -> PullResult:
    """The answer of a query with joins: over one moment, where DuckDB understands it; `otherwise` over all that was."""
    try:
        return answer(request, script)
    except _WRONG:
        if not request.config[SQL_EXTENSIONS]:
            raise
        return otherwise()


def instead(request: Request, script: str, first: SsqlError) -> PullResult:
    """The answer in full SQL of a query that failed with `first` in ksqlDB's dialect.

    Raises:
        SsqlError: `first`, or what is wrong with the query in full SQL.
    """
    if isinstance(first, _FINAL) or not isinstance(first, SqlError) or _has_emit(script):
        raise first
    try:
        return answer(request, script)
    except SqlError as second:
        if isinstance(first, SyntaxSqlError) and isinstance(second, SyntaxSqlError):
            raise max(first, second, key=_reached) from None
        if isinstance(first, (SyntaxSqlError, *_NO_ANSWER)) or not isinstance(second, _WRONG):
            raise second from None
        raise first from None


def _reached(error: SqlError) -> int:
    """How far a parser came."""
    return -1 if error.span is None else error.span.start


def _has_emit(script: str) -> bool:
    return any(token.kind is Kind.WORD and token.value == "EMIT" for token in tokens(script))
