"""Endpoints: CREATE, DROP, SHOW and DESCRIBE, and what a call of one asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ssql.catalog.catalog import Catalog
from ssql.catalog.changes import DropEndpoint as EndpointDropped
from ssql.catalog.changes import PutEndpoint
from ssql.catalog.endpoints import Endpoint
from ssql.config import SETTINGS, VARIABLE_SUBSTITUTION, lookup
from ssql.engine import planning, prepared
from ssql.engine.api import EndpointCall, Entity, PullResult, PushQuery, Session
from ssql.engine.context import Request, done, entity
from ssql.engine.entities import fields_json
from ssql.engine.parameter_types import follows, inferred_type, sources_named
from ssql.errors import (
    EndpointExists,
    EndpointNotFound,
    InvalidParameter,
    InvalidStatement,
    ParameterMissing,
    ParameterRefused,
    ParameterTypeNeeded,
    ParameterUnknown,
    SsqlError,
    TypeMismatch,
)
from ssql.sql import parameters as p
from ssql.sql.lexer import Token
from ssql.sql.parameters import Parameter
from ssql.sql.parser import parse_statement
from ssql.sql.statements import CreateEndpoint, Describe, DropEndpoint, Name, ParameterDef, Select, Show
from ssql.sql.type_syntax import resolve_type
from ssql.types import Column

#: Answers one query (`Engine.query`).
Ask = Callable[[str, Session], PullResult | PushQuery]

#: A query within these has its columns, and no rows.
_BEFORE, _AFTER = "SELECT * FROM (", "\n) AS answer LIMIT 0;"

#: What a call of an endpoint that is followed says of the way, beside its parameters.
FOLLOWING = frozenset({"after", "snapshot", "changes", "tokens"})


# --- definitions -------------------------------------------------------------


def create(request: Request, statement: CreateEndpoint, ask: Ask) -> Entity:
    """CREATE [OR REPLACE] ENDPOINT: checked by asking it once, with values made up and no rows."""
    core, name = request.core, statement.name
    command = ("endpoint", name.text, "create")
    with core.defining:
        if name.text in core.catalog.endpoints and not statement.or_replace:
            if not statement.if_not_exists:
                raise EndpointExists(name.text, span=name.span)
            message = f'endpoint "{name}" exists already'
            return done(statement, command, message, warning=message)
        parameters = _parameters(statement, core.catalog)
        following = follows(statement.query)
        if following and (taken := {q.name.lower() for q in parameters} & FOLLOWING):
            raise InvalidParameter(
                f'parameter "${min(taken)}" has a meaning of its own where an endpoint is followed',
                span=statement.span,
                hint="Give it another name.",
            )
        properties = {key: str(value) for key, value in request.session.properties.items() if _is_kept(key)}
        sequence = core.commands.next_sequence()
        endpoint = Endpoint(
            name=name.text,
            statement=statement.text,
            query=statement.query,
            sequence=sequence,
            parameters=parameters,
            columns=_columns(request, statement, parameters, properties, ask, following=following),
            reads=sources_named(statement.query, core.catalog),
            properties=properties,
            follows=following,
        )
        request.commit(statement, [PutEndpoint(endpoint)])
    return done(statement, command, f"Endpoint created: GET {path_of(endpoint)}", sequence=sequence)


def drop(request: Request, statement: DropEndpoint) -> Entity:
    """DROP ENDPOINT; calls under way go on."""
    core, name = request.core, statement.name
    command = ("endpoint", name.text, "drop")
    with core.defining:
        if name.text not in core.catalog.endpoints:
            if not statement.if_exists:
                raise EndpointNotFound(name.text, span=name.span, candidates=core.catalog.endpoints)
            return done(statement, command, f'endpoint "{name}" does not exist')
        sequence = core.commands.next_sequence()
        request.commit(statement, [EndpointDropped(name.text)])
    return done(statement, command, "Endpoint dropped", sequence=sequence)


def _is_kept(key: str) -> bool:
    """Whether a session's property is a setting of queries, which its endpoints are answered under."""
    setting = lookup(key)
    return setting is not None and SETTINGS[setting.key].per_query and setting is not VARIABLE_SUBSTITUTION


def _parameters(statement: CreateEndpoint, catalog: Catalog) -> tuple[Parameter, ...]:
    """The declared parameters, then the others in the order in which the query names them."""
    named: dict[str, Token] = {}
    for token in p.references(statement.query):
        named.setdefault(token.value, token)
    found: dict[str, Parameter] = {}
    for declared in statement.parameters:
        key = declared.name.text.upper()
        if key in found:
            raise InvalidParameter(f'parameter "${declared.name}" is declared twice', span=declared.name.span)
        if key not in named:
            raise InvalidParameter(f'the query has no parameter "${declared.name}"', span=declared.name.span)
        found[key] = _declared(declared, catalog)
    for key, token in named.items():
        if key in found:
            continue
        name, place = token.raw[1:], token.span.shift(statement.query_span.start)
        kind = inferred_type(statement.query, key, catalog)
        if kind is None:
            raise ParameterTypeNeeded(name, span=place)
        if not p.can_be_parameter(kind):
            raise InvalidParameter(f'parameter "${name}" cannot be of type {kind}', span=place)
        found[key] = Parameter(name, kind)
    return tuple(found.values())


def _declared(declared: ParameterDef, catalog: Catalog) -> Parameter:
    kind = resolve_type(declared.type, catalog.types.get)
    name, span = declared.name.text, declared.name.span
    if not p.can_be_parameter(kind):
        raise InvalidParameter(f'parameter "${name}" cannot be of type {kind}', span=span)
    if declared.default is not None:
        try:
            p.literal(declared.default, kind)
        except ValueError as wrong:
            raise TypeMismatch(
                f'the default of parameter "${name}" cannot be "{declared.default}": {wrong}', span=span
            ) from None
    return Parameter(name, kind, declared.required, declared.default)


def _columns(
    request: Request,
    statement: CreateEndpoint,
    parameters: tuple[Parameter, ...],
    properties: Mapping[str, str],
    ask: Ask,
    *,
    following: bool,
) -> tuple[Column, ...]:
    """What the query answers.

    Raises:
        SqlError: it cannot be asked; with its place in the script.
    """
    literals = {q.name.upper(): p.literal(p.example(q.type), q.type) for q in parameters}
    tried = p.with_literals(statement.query, literals, statement.query_span.start)
    before, after = ("", "") if following or _picks(tried.text) else (_BEFORE, _AFTER)
    try:
        if not following:
            answer = ask(before + tried.text + after, _session(properties))
            if not isinstance(answer, PullResult):
                answer.close()
                raise InvalidStatement("the query of an endpoint is one SELECT", span=statement.span)
            return _typed_columns(request, parameters, statement.query, tried.text) or answer.columns
        parsed = parse_statement(tried.text)
        if not isinstance(parsed, Select):
            raise InvalidStatement("the query of an endpoint is one SELECT", span=parsed.span)
        core = request.core
        analysis, _ = planning.emit(
            parsed.query, planning.transient_id(parsed.query), core.catalog, request.config, core.log
        )
    except SsqlError as error:
        if error.span is not None and error.text is not None:
            start, end = error.span.start - len(before), error.span.end - len(before)
            inside = 0 <= start <= len(tried.text)
            error.span = tried.original(start, min(end, len(tried.text))) if inside else statement.span
        error.text = error.statement = None  # the caller knows the script
        raise
    return analysis.schema.columns


def _picks(text: str) -> bool:
    """Whether a query picks among its rows: it is no query in FROM, in ksqlDB's dialect."""
    try:
        parsed = parse_statement(text)
    except SsqlError:
        return False
    query = parsed.query if isinstance(parsed, Select) else None
    return query is not None and (query.distinct or query.limit is not None or query.offset is not None)


def _typed_columns(
    request: Request, parameters: tuple[Parameter, ...], query: str, tried: str
) -> tuple[Column, ...] | None:
    """The columns where calls are answered by a prepared query: a number in it may be of a larger type than its literal
    is. None where they are not."""
    made_up = tuple(p.duckdb_literal(p.literal(p.example(q.type), q.type), q.type) for q in parameters)
    unnamed = Endpoint("", "", query, -1, parameters)
    session = _session({})
    call = EndpointCall(unnamed, tried, session.properties, made_up)
    return prepared.columns(Request(request.core, session), call)


def _session(properties: Mapping[str, str]) -> Session:
    # What a caller gives is no place for variables.
    return Session({**properties, VARIABLE_SUBSTITUTION.key: "false"}, full_sql=True)


# --- what there is -----------------------------------------------------------


def find(catalog: Catalog, name: str, place: Name | None = None) -> Endpoint:
    """The endpoint of that name; one that is named without quotes is found in any case.

    Raises:
        EndpointNotFound: there is none.
    """
    found = catalog.endpoints.get(name) or catalog.endpoints.get(name.upper())
    if found is None:
        raise EndpointNotFound(name, span=place.span if place else None, candidates=catalog.endpoints)
    return found


def path_of(endpoint: Endpoint) -> str:
    plain = endpoint.name.isupper()
    return f"/endpoints/{endpoint.name.lower() if plain else endpoint.name}"


def as_json(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as SHOW ENDPOINTS and `GET /endpoints` list it."""
    return {
        "name": endpoint.name,
        "path": path_of(endpoint),
        "parameters": [
            {"name": q.name, "type": str(q.type), "required": q.required, "default": q.default}
            for q in endpoint.parameters
        ],
        "follows": endpoint.follows,
        "statement": endpoint.statement + ";",
    }


def show(request: Request, statement: Show) -> Entity:
    """SHOW ENDPOINTS."""
    return entity("endpoints", statement, endpoints=[as_json(e) for e in request.catalog.endpoints.values()])


def describe(request: Request, statement: Describe) -> Entity:
    """DESCRIBE ENDPOINT."""
    assert statement.name is not None
    endpoint = request.catalog.endpoints.get(statement.name.text)
    if endpoint is None:
        endpoint = find(request.catalog, statement.name.text, statement.name)
    described = {
        **as_json(endpoint),
        "fields": fields_json(endpoint.columns),
        "reads": list(endpoint.reads),
    }
    return entity("endpoint_description", statement, endpoint=described)


# --- calls -------------------------------------------------------------------


def call(catalog: Catalog, name: str, values: Mapping[str, str], *, as_json: bool) -> EndpointCall:
    """The query that a call asks for; names of parameters ignore case. `as_json`: values are JSON texts, null is none.

    Raises:
        EndpointNotFound, ParameterMissing, ParameterUnknown, ParameterRefused
    """
    endpoint = find(catalog, name)
    known = {q.name.upper(): q for q in endpoint.parameters}
    given: dict[str, str] = {}
    for key, value in values.items():
        if endpoint.follows and key in FOLLOWING:
            continue
        if key.upper() not in known:
            raise ParameterUnknown(key, [q.name for q in endpoint.parameters])
        if key.upper() in given:
            raise ParameterRefused(key, value, "it is given twice")
        if as_json and value != "null":
            given[key.upper()] = _plain(known[key.upper()], value)
        elif not as_json:
            given[key.upper()] = value
    literals = {key: _literal(q, given.get(key)) for key, q in known.items()}
    session = _session(endpoint.properties)
    typed = tuple(p.duckdb_literal(literals[q.name.upper()], q.type) for q in endpoint.parameters)
    return EndpointCall(endpoint, p.with_literals(endpoint.query, literals).text, session.properties, typed)


def _plain(parameter: Parameter, raw: str) -> str:
    try:
        return p.text_of_json(raw, parameter.type)
    except ValueError as wrong:
        raise ParameterRefused(parameter.name, raw, f"{wrong} ({parameter.type})") from None


def _literal(parameter: Parameter, value: str | None) -> str:
    if value is None:
        if parameter.required:
            raise ParameterMissing(parameter.name, str(parameter.type))
        value = parameter.default
        if value is None:
            return p.null_literal(parameter.type)
    try:
        return p.literal(value, parameter.type)
    except ValueError as wrong:
        raise ParameterRefused(parameter.name, value, f"{wrong} ({parameter.type})") from None
