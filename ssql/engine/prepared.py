"""Queries with parameters: planned once, answered again and again with other values.

Which dialect answers a query, and how, is decided as for the same query with literals (`pull.pull`, `reads.choice`);
then the same is planned with a typed parameter in each literal's place. Where that is something else (a function wants
a literal, text stands for a time) nothing is prepared, and each call is a query of its own. So is one that fails: its
error is told of the query with its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import duckdb

from ssql.engine import pull
from ssql.engine.api import EndpointCall, PullResult
from ssql.engine.context import Request
from ssql.engine.reads import choice
from ssql.engine.reads.answer import Plan, carried_out, planned
from ssql.engine.reads.statements import ReadStatement
from ssql.errors import PullTooLarge, ReadTimedOut, ReadTooLarge, SqlError
from ssql.planner.pull import PullPlan
from ssql.sql import parameters as p
from ssql.sql.parser import parse_statement
from ssql.sql.statements import Query, Select
from ssql.types import Column, SqlType

#: Literals by the names that parameters have in a prepared text (`P0`).
Values = Mapping[str, str]

#: What a query with literals would fail of as well, after as long.
_FINAL = (PullTooLarge, ReadTimedOut, ReadTooLarge)


class Prepared(Protocol):
    """A query, but for the values of its parameters."""

    def answer(self, request: Request, values: Values) -> PullResult | None:
        """None where it has to be planned again."""

    def columns(self, request: Request, values: Values) -> tuple[Column, ...] | None:
        """Those of an answer; None where they follow from the values."""


class _Nothing:
    """A query that is not prepared."""

    def answer(self, request: Request, values: Values) -> PullResult | None:  # noqa: ARG002
        return None

    def columns(self, request: Request, values: Values) -> tuple[Column, ...] | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class _Pull:
    """A query over one table that is kept, in ksqlDB's dialect. `counts`: what LIMIT and OFFSET take, which is a number
    from 0."""

    plan: PullPlan
    counts: frozenset[str]

    def answer(self, request: Request, values: Values) -> PullResult | None:
        if any(p.is_null(values[name]) or p.is_negative(values[name]) for name in self.counts):
            return None
        return pull.from_table(request, self.plan, values)

    def columns(self, request: Request, values: Values) -> tuple[Column, ...] | None:  # noqa: ARG002
        return self.plan.columns


@dataclass(frozen=True)
class _Read:
    """A query in full SQL."""

    plan: Plan
    statement: ReadStatement
    names: frozenset[str] = field(default_factory=frozenset)

    def answer(self, request: Request, values: Values) -> PullResult | None:
        given = p.arguments({name: values[name] for name in self.names})
        return carried_out(
            request, self.plan, lambda _, tables, timeout_s: self.statement.run(tables, given, timeout_s)
        )

    def columns(self, request: Request, values: Values) -> tuple[Column, ...] | None:
        text = f"SELECT * FROM ({self.plan.text.text}\n) LIMIT 0"
        without_rows = _Read(self.plan, ReadStatement(request.core.reads, text), self.names)
        answer = without_rows.answer(request, values)
        return None if answer is None else answer.columns


def columns(request: Request, call: EndpointCall) -> tuple[Column, ...] | None:
    """The columns of a call's answer, where its query can be prepared; else None."""
    found = _prepare(request, call)
    try:
        return None if found is None else found.columns(request, _values(call))
    except (SqlError, duckdb.Error):
        return None


def _values(call: EndpointCall) -> Values:
    return {f"P{n}": literal for n, literal in enumerate(call.literals)}


def answer(request: Request, call: EndpointCall) -> PullResult | None:
    """The answer of a call of an endpoint, where its query is prepared; else None."""
    prepared, key = request.core.prepared, (call.endpoint.name, call.endpoint.sequence, *pull.planned_under(request))
    catalog = request.catalog
    found = prepared.get(key, catalog)
    if found is None:
        found = _prepare(request, call)
        if found is None:
            return None
        prepared.put(key, catalog, found)
    try:
        return found.answer(request, _values(call))
    except _FINAL:
        raise
    except (SqlError, duckdb.Error):
        if isinstance(found, _Read) and not found.statement.bound:
            prepared.put(key, catalog, _Nothing())  # it needs its values to be understood
        return None


def _prepare(request: Request, call: EndpointCall) -> Prepared | None:
    """None where the values of this call are wrong, so that they do not tell."""
    parameters = call.endpoint.parameters
    marks = {q.name.upper(): f"$P{n}" for n, q in enumerate(parameters)}
    try:
        literal = _select(_with_values(call))
        if not choice.joins_moments(literal):
            return _prepared_pull(request, call, literal, marks)
    except choice.OTHER_DIALECT:
        pass
    except SqlError:
        return None
    typed = {q.name.upper(): f"CAST({marks[q.name.upper()]} AS {q.type.duckdb})" for q in parameters}
    try:
        plan = planned(request, p.with_literals(call.endpoint.query, typed).text)
        # Whether it can be bound is known once it has run.
        names = frozenset(token.value for token in p.references(plan.text.text))
        return _Read(plan, ReadStatement(request.core.reads, plan.text.text), names)
    except SqlError:
        return _Nothing()


def _with_values(call: EndpointCall) -> str:
    """The query with values: those of the call, unless there is a NULL among them, which says less than others do."""
    parameters = call.endpoint.parameters
    if not any(p.is_null(given) for given in call.literals):
        return call.sql
    made_up = {q.name.upper(): p.literal(p.example(q.type), q.type) for q in parameters}
    return p.with_literals(call.endpoint.query, made_up).text


def _prepared_pull(request: Request, call: EndpointCall, literal: Query, marks: Mapping[str, str]) -> Prepared:
    """Raises SqlError where the query with literals has no answer in ksqlDB's dialect."""
    plan = pull.plan_of(request, literal)
    # Look-ups of keys are found by their shape; what is read from the log takes longer than planning.
    if plan is None or plan.direct is not None:
        return _Nothing()
    types: dict[str, SqlType] = {f"P{n}": q.type for n, q in enumerate(call.endpoint.parameters)}
    try:
        marked = _select(p.with_literals(call.endpoint.query, marks).text, parameters=True)
        plan = pull.plan_of(request, marked, types)
    except SqlError:
        return _Nothing()
    counts = frozenset(name for name in (marked.limit_by, marked.offset_by) if name is not None)
    return _Nothing() if plan is None else _Pull(plan, counts)


def _select(text: str, *, parameters: bool = False) -> Query:
    statement = parse_statement(text, parameters=parameters)
    assert isinstance(statement, Select)  # an endpoint's query is one
    return statement.query
