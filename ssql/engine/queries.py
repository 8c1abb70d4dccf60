"""Persistent queries: CREATE ... AS SELECT, INSERT INTO ... SELECT, TERMINATE, PAUSE, RESUME.

A query is planned, its topic made, its command written, and then it runs. Its id ends in the number of its command; one
that takes the place of another keeps that one's id, place, positions and state.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

from ssql.catalog.catalog import Catalog, PersistentQuery, Source
from ssql.catalog.changes import Change, DropQuery, DropSource, PauseQuery, PutQuery, PutSource
from ssql.config import AUTO_OFFSET_RESET, SETTINGS
from ssql.engine import planning, properties
from ssql.engine.api import Entity
from ssql.engine.context import Core, Request, done, entity
from ssql.engine.define import already_there, find, read_only_kept
from ssql.engine.sinks import provided
from ssql.errors import InvalidStatement, QueryExists, QueryNotFound, ReadOnlySource, SourceExists, UpgradeRefused
from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan
from ssql.planner.upgrades import check_definition, check_query, same_query
from ssql.sql.statements import ChangeQuery, CreateAs, InsertInto, Name, Statement
from ssql.types import quote


def create_as(request: Request, statement: CreateAs) -> Entity:
    """CREATE [OR REPLACE] STREAM or TABLE ... AS SELECT: a sink, and the query that fills it."""
    core, name = request.core, statement.name
    with core.defining:
        catalog = core.catalog
        existing = catalog.sources.get(name.text)
        if existing is not None:
            if statement.if_not_exists:
                return already_there(statement, statement.kind, name.text)
            if not statement.or_replace:
                raise SourceExists(statement.kind, name.text, there=existing.relation.kind, span=name.span)
            if existing.relation.read_only:
                raise read_only_kept(existing.relation.kind, name)
        old = _only_writer(catalog, name)
        sequence = core.commands.next_sequence()
        query_id = f"C{statement.kind[0]}AS_{name}_{sequence}" if old is None else old.id
        planned = planning.create_as(statement, query_id, catalog, request.config, core.log)
        if existing is not None:
            check_definition(existing.relation, planned.sink, name.span, exact_keys=old is None)
            _refuse_circle(catalog, name, planned.plan)
        query = _query(request, statement, planned.plan, planned.sink, sequence)
        if old is not None:
            before = planning.again(old)
            if same_query(before, planned.plan):
                if old.statement == statement.text and before.fatal == planned.plan.fatal:
                    return _created(statement, old.sequence, query_id)
            else:
                check_query(before, planned.plan, name.span)
                check_definition(old.into, planned.sink, name.span)
            query = replace(query, start=old.start, paused=old.paused)
        source = Source(planned.sink, statement.text, sequence, "QUERY", query_id)
        back = _back(catalog, query_id, name.text)
        with provided(request, statement, planned.sink, planned.topic):
            request.commit(
                statement,
                [PutSource(source), PutQuery(query)],
                run=partial(_run, core, planned.plan, query, old),
                back=back,
            )
    return _created(statement, sequence, query_id)


def _created(statement: CreateAs, sequence: int, query_id: str) -> Entity:
    command = (statement.kind.lower(), statement.name.text, "create")
    message = f"Created query with ID {query_id}"
    return done(statement, command, message, sequence=sequence, query_id=query_id)


def _only_writer(catalog: Catalog, name: Name) -> PersistentQuery | None:
    """The query that CREATE OR REPLACE takes the place of."""
    writers = catalog.writers(name.text)
    if len(writers) > 1:
        raise UpgradeRefused(
            f"REPLACE for sink {quote(name.text)} is not supported because there are multiple queries writing into it: "
            f"[{', '.join(writers)}]",
            span=name.span,
            hint="Terminate all of them but one.",
        )
    return catalog.queries[writers[0]] if writers else None


def _refuse_circle(catalog: Catalog, sink: Name, plan: QueryPlan) -> None:
    circle = catalog.fed_by(sink.text) & set(plan.reads)
    if circle:
        raise InvalidStatement(
            f'the query would feed itself: "{min(circle)}" gets rows from "{sink}" already', span=sink.span
        )


def _back(catalog: Catalog, query_id: str, sink: str) -> tuple[Change, ...]:
    """What makes the catalog as it is, after a query and its sink were put into it."""
    source, query = catalog.sources.get(sink), catalog.queries.get(query_id)
    return (
        DropQuery(query_id) if query is None else PutQuery(query),
        DropSource(sink) if source is None else PutSource(source),
    )


def _run(core: Core, plan: QueryPlan, query: PersistentQuery, old: PersistentQuery | None) -> None:
    if old is None:
        core.worker.add([plan], start=query.start)
        core.recent.began(query.id)
    else:
        core.worker.replace(plan, paused=query.paused)


def insert_into(request: Request, statement: InsertInto) -> Entity:
    """INSERT INTO ... SELECT: one more query that writes into a stream."""
    core, target = request.core, statement.target
    with core.defining:
        source = find(core.catalog, target)
        relation = source.relation
        if relation.kind == "TABLE":
            raise InvalidStatement(
                f"INSERT INTO can only be used to insert into a stream. {target} is a table.", span=target.span
            )
        if relation.read_only:
            raise ReadOnlySource("stream", target.text, "INSERT INTO", span=target.span)
        if relation.headers:
            raise InvalidStatement(f"Cannot insert into {target} because it has header columns", span=target.span)
        sequence = core.commands.next_sequence()
        with_ = properties.read(statement.properties, "INSERT")
        query_id = with_[properties.QUERY_ID] or f"INSERTQUERY_{sequence}"
        if query_id in core.catalog.queries:
            raise QueryExists(query_id, span=with_.span(properties.QUERY_ID))
        plan = planning.insert_into(statement, query_id, relation, core.catalog, request.config, log=core.log)
        _refuse_circle(core.catalog, target, plan)
        query = _query(request, statement, plan, relation, sequence)
        run = partial(_run, core, plan, query, None)
        request.commit(statement, [PutQuery(query)], run=run, back=[DropQuery(query_id)])
    message = f"Created query with ID {query_id}"
    return done(statement, ("stream", target.text, "create"), message, sequence=sequence, query_id=query_id)


def _query(request: Request, statement: Statement, plan: QueryPlan, into: Relation, sequence: int) -> PersistentQuery:
    config, catalog = request.config, request.catalog
    relations = {name: catalog.relation(name) for name in plan.reads}
    settings = {
        key: str(value) for key, value in config.values.items() if SETTINGS[key].per_query and value is not None
    }
    start: Literal["earliest", "latest"] = "earliest" if config[AUTO_OFFSET_RESET] == "earliest" else "latest"
    return PersistentQuery(
        id=plan.query_id,
        statement=statement.text,
        sink=into.name,
        sequence=sequence,
        start=start,
        into=into,
        properties=settings,
        reads={name: relation for name, relation in relations.items() if relation is not None},
        types=catalog.types,
    )


def change_query(request: Request, statement: ChangeQuery) -> Entity:
    """TERMINATE, PAUSE or RESUME of one query or of all. TERMINATE also ends push queries."""
    core, action = request.core, statement.action
    if action == "TERMINATE" and statement.query is not None:
        ended = core.running.close(statement.query.text)
        if ended is not None:
            return entity("terminate_query", statement, queryId=ended, wasTerminated=True)
    with core.defining:
        ids = _chosen(core.catalog, statement.query)
        sequence = core.commands.next_sequence()
        if ids:
            request.commit(statement, [_changed(query_id, action) for query_id in ids])
        for query_id in ids:
            match action:
                case "TERMINATE":
                    core.worker.drop(query_id)
                case "PAUSE":
                    core.worker.pause(query_id)
                case "RESUME":
                    core.worker.resume(query_id)
    name = statement.query.text if statement.query else "ALL"
    verb = {"TERMINATE": "terminated", "PAUSE": "paused", "RESUME": "resumed"}[action]
    return done(statement, (action.lower(), name, "execute"), f"Query {verb}.", sequence=sequence)


def _chosen(catalog: Catalog, name: Name | None) -> tuple[str, ...]:
    if name is None:
        return tuple(catalog.queries)
    if name.text not in catalog.queries:
        raise QueryNotFound(name.text, span=name.span, candidates=catalog.queries)
    return (name.text,)


def _changed(query_id: str, action: str) -> Change:
    return DropQuery(query_id) if action == "TERMINATE" else PauseQuery(query_id, paused=action == "PAUSE")
