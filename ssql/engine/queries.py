"""Persistent queries: CREATE ... AS SELECT, INSERT INTO ... SELECT, TERMINATE, PAUSE, RESUME.

A query is planned, its topic made, its command written, and then it runs. Its id ends in the number of its command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ssql.catalog.catalog import Catalog, PersistentQuery, Source
from ssql.catalog.changes import Change, DropQuery, DropSource, PauseQuery, PutQuery, PutSource
from ssql.config import AUTO_OFFSET_RESET, SETTINGS
from ssql.engine import planning, properties
from ssql.engine.api import Entity
from ssql.engine.context import Request, done, entity
from ssql.engine.define import already_there, find
from ssql.engine.relations import check_topic, ensure_topic
from ssql.engine.schemas import check_ids, register
from ssql.errors import (
    InvalidStatement,
    NotSupportedYet,
    QueryExists,
    QueryNotFound,
    ReadOnlySource,
    SourceExists,
    SsqlError,
)
from ssql.planner.steps import QueryPlan
from ssql.sql.statements import ChangeQuery, CreateAs, InsertInto, Name, Statement


def create_as(request: Request, statement: CreateAs) -> Entity:
    """CREATE STREAM or TABLE ... AS SELECT: a sink, and the query that fills it."""
    core, kind, name = request.core, statement.kind.lower(), statement.name
    with core.defining:
        existing = core.catalog.sources.get(name.text)
        if existing is not None:
            if statement.if_not_exists:
                return already_there(statement, statement.kind, name.text)
            if not statement.or_replace:
                raise SourceExists(existing.relation.kind.lower(), name.text, span=name.span)
            raise NotSupportedYet(
                "CREATE OR REPLACE of a running query", span=name.span, hint="Drop it, then create it."
            )
        sequence = core.commands.next_sequence()
        query_id = f"C{statement.kind[0]}AS_{name}_{sequence}"
        planned = planning.create_as(statement, query_id, core.catalog, request.config, core.log)
        check_ids(planned.sink, core.schemas, properties.read(statement.properties, "AS"))
        check_topic(core.log, planned.topic)
        register(planned.sink, core.schemas, at=name.span, over=True)
        ensure_topic(core.log, planned.topic)
        query = _query(request, statement, planned.plan, name.text, sequence)
        source = Source(planned.sink, statement.text, sequence, "QUERY", query_id)
        _start(request, statement, planned.plan, [PutSource(source), PutQuery(query)], query)
    message = f"Created query with ID {query_id}"
    return done(statement, (kind, name.text, "create"), message, sequence=sequence, query_id=query_id)


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
        circle = core.catalog.fed_by(target.text) & set(plan.reads)
        if circle:
            raise InvalidStatement(
                f'the query would feed itself: "{min(circle)}" gets rows from "{target}" already', span=target.span
            )
        query = _query(request, statement, plan, relation.name, sequence)
        _start(request, statement, plan, [PutQuery(query)], query)
    message = f"Created query with ID {query_id}"
    return done(statement, ("stream", target.text, "create"), message, sequence=sequence, query_id=query_id)


def _query(request: Request, statement: Statement, plan: QueryPlan, sink: str, sequence: int) -> PersistentQuery:
    config, catalog = request.config, request.catalog
    relations = {name: catalog.relation(name) for name in plan.reads}
    settings = {
        key: str(value) for key, value in config.values.items() if SETTINGS[key].per_query and value is not None
    }
    start: Literal["earliest", "latest"] = "earliest" if config[AUTO_OFFSET_RESET] == "earliest" else "latest"
    return PersistentQuery(
        id=plan.query_id,
        statement=statement.text,
        sink=sink,
        sequence=sequence,
        start=start,
        properties=settings,
        reads={name: relation for name, relation in relations.items() if relation is not None},
        types=catalog.types,
    )


def _start(
    request: Request, statement: Statement, plan: QueryPlan, changes: Sequence[Change], query: PersistentQuery
) -> None:
    """Write the command and run the query; a query that the worker refuses is taken back."""
    core = request.core
    request.commit(statement, changes)
    try:
        core.worker.add([plan], start=query.start)
    except SsqlError:
        back: list[Change] = [DropQuery(query.id)]
        if any(isinstance(change, PutSource) for change in changes):
            back.append(DropSource(query.sink))
        request.commit(statement, back)
        raise


def change_query(request: Request, statement: ChangeQuery) -> Entity:
    """TERMINATE, PAUSE or RESUME of one query or of all. TERMINATE also ends push queries."""
    core, action = request.core, statement.action
    if action == "TERMINATE" and statement.query is not None:
        ended = core.pushes.close(statement.query.text)
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
