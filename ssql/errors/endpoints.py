"""Endpoints: their names, and the values that their callers give."""

from __future__ import annotations

from collections.abc import Iterable

from ssql.errors.base import Span, SqlError, SsqlError, nearest


class EndpointNotFound(SqlError):
    """No endpoint has the name."""

    code = "endpoint_not_found"
    status = 404
    ksql_code = 40400

    def __init__(self, name: str, *, span: Span | None = None, candidates: Iterable[str] = ()) -> None:
        close = nearest(name, candidates)
        super().__init__(
            f'endpoint "{name}" does not exist', span=span, hint=f'Did you mean "{close}"?' if close else None
        )


class EndpointExists(SqlError):
    """An endpoint of that name is there already."""

    code = "endpoint_exists"

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(
            f'endpoint "{name}" exists already',
            span=span,
            hint="Use CREATE OR REPLACE to change it, or IF NOT EXISTS to keep it.",
        )


class ParameterTypeNeeded(SqlError):
    """The type of an endpoint's parameter does not follow from what it is compared with."""

    code = "parameter_type_needed"

    def __init__(self, name: str, *, span: Span | None = None) -> None:
        super().__init__(
            f'the type of parameter "${name}" does not follow from one column',
            span=span,
            hint=f"Declare it: CREATE ENDPOINT name (${name} STRING) AS SELECT ...",
        )


class InvalidParameter(SqlError):
    """A parameter that is declared in a way that cannot be used."""

    code = "invalid_parameter"


class ParameterMissing(SsqlError):
    """A call of an endpoint without a value that it needs."""

    code = "parameter_missing"
    status = 400
    ksql_code = 40000

    def __init__(self, name: str, type_name: str) -> None:
        super().__init__(f'parameter "{name}" is missing', hint=f"Give it a value of type {type_name}.")


class ParameterUnknown(SsqlError):
    """A call of an endpoint with a value for what it has not."""

    code = "parameter_unknown"
    status = 400
    ksql_code = 40000

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = list(known)
        close = nearest(name, names)
        has = f"It has: {', '.join(names)}." if names else "It has no parameters."
        super().__init__(f'there is no parameter "{name}"', hint=f'Did you mean "{close}"?' if close else has)


class ParameterRefused(SsqlError):
    """A value that a parameter of an endpoint cannot have; `why` says what is wrong with it."""

    code = "parameter_refused"
    status = 400
    ksql_code = 40000

    def __init__(self, name: str, value: str, why: str) -> None:
        super().__init__(f'parameter "{name}" cannot be "{value}": {why}')
