"""CREATE, ALTER and DROP of streams, tables and types."""

from __future__ import annotations

from dataclasses import replace

from ssql.catalog.catalog import Catalog, Source
from ssql.catalog.changes import Change, DropQuery, PutSource, PutType
from ssql.catalog.changes import DropSource as SourceDropped
from ssql.catalog.changes import DropType as TypeDropped
from ssql.engine import kept, properties, schemas
from ssql.engine.api import Entity
from ssql.engine.context import Request, done, entity
from ssql.engine.relations import RESERVED, check_formats, check_topic, column_type, created, ensure_topic
from ssql.errors import (
    CustomTypeNotFound,
    InvalidStatement,
    ReadOnlySource,
    SourceExists,
    SourceInUse,
    SourceNotFound,
    SsqlError,
    TopicInUse,
    TypeExists,
)
from ssql.planner.relation import Relation
from ssql.planner.upgrades import check_definition
from ssql.sql.statements import AlterSource, CreateSource, CreateType, DropSource, DropType, Kind, Name, Statement
from ssql.sql.type_syntax import resolve_type
from ssql.types import Column, Schema, quote


def create_source(request: Request, statement: CreateSource) -> Entity:
    """CREATE [OR REPLACE] [SOURCE] STREAM or TABLE over a topic; the topic is made where it is missing."""
    core, kind, name = request.core, statement.kind.lower(), statement.name.text
    with core.defining:
        existing = core.catalog.sources.get(name)
        if existing is not None and statement.if_not_exists:
            return already_there(statement, statement.kind, name)
        if statement.or_replace and (statement.read_only or (existing is not None and existing.relation.read_only)):
            raise read_only_kept(statement.kind, statement.name)
        with_ = properties.read(statement.properties, "CREATE")
        relation, topic = created(statement, with_, request.config, core.catalog, core.schemas)
        if existing is not None:
            check_replaceable(existing, statement, relation)
        check_topic(core.log, topic)
        if not relation.read_only:
            schemas.register(relation, core.schemas, at=statement.name.span, over=existing is not None)
        ensure_topic(core.log, topic)
        sequence = core.commands.next_sequence()
        if existing is not None:
            relation = replace(relation, derived=existing.relation.derived)
        source = Source(relation, statement.text, sequence)
        request.commit(statement, [PutSource(source)])
        try:
            kept.begin(core.worker, source)
        except SsqlError:
            request.commit(statement, [SourceDropped(name)])
            raise
    return done(statement, (kind, name, "create"), f"{kind.capitalize()} created", sequence=sequence)


def already_there(statement: Statement, kind: Kind, name: str) -> Entity:
    """The answer of IF NOT EXISTS where the name is taken."""
    shown = kind.lower()
    message = f"Cannot add {shown} {quote(name)}: A {shown} with the same name already exists."
    return entity("warning_entity", statement, message=message)


def check_replaceable(existing: Source, statement: CreateSource, new: Relation) -> None:
    """Raise where CREATE may not take the place of what is there."""
    old, at = existing.relation, statement.name.span
    if not statement.or_replace:
        raise SourceExists(statement.kind, old.name, there=old.kind, span=at)
    check_definition(old, new, at)
    if existing.origin == "QUERY":
        raise InvalidStatement(
            f"{old.kind.lower()} {quote(old.name)} is filled by a query, and cannot become a plain one",
            span=at,
            hint="Drop it first, or use CREATE OR REPLACE ... AS SELECT.",
        )


def read_only_kept(kind: Kind, name: Name) -> InvalidStatement:
    """What is over a topic of others stays as it is."""
    shown = kind.lower()
    return InvalidStatement(
        f"Cannot add {shown} '{name}': CREATE OR REPLACE is not supported on source {shown}s.",
        span=name.span,
        hint="Drop it first.",
    )


def find(catalog: Catalog, name: Name, kind: Kind | None = None, action: str = "") -> Source:
    """The source of that name, of that kind where one is asked for."""
    found = catalog.sources.get(name.text)
    if found is None:
        raise SourceNotFound(name.text, span=name.span, candidates=catalog.sources, kind=kind)
    if kind is not None and found.relation.kind != kind:
        raise InvalidStatement(
            f"Incompatible data source type is {found.relation.kind}, but statement was {action} {kind}",
            span=name.span,
            hint=f"Write {action} {found.relation.kind}.",
        )
    return found


def alter_source(request: Request, statement: AlterSource) -> Entity:
    """ALTER ... ADD COLUMN: value columns at the end. Queries that run already do not see them."""
    core, kind, name = request.core, statement.kind.lower(), statement.name
    with core.defining:
        source = find(core.catalog, name, statement.kind, "ALTER")
        if source.relation.read_only:
            raise InvalidStatement(
                f"Cannot alter {kind} '{name}': ALTER operations are not supported on source {kind}s.", span=name.span
            )
        if source.origin == "QUERY":
            raise InvalidStatement("ALTER command is not supported for CREATE ... AS statements.", span=name.span)
        columns = list(source.relation.schema.columns)
        for added in statement.columns:
            if added.name.text in {c.name for c in columns}:
                raise InvalidStatement(
                    f"Cannot add column {quote(added.name.text)} to schema. A column with the same name already "
                    "exists.",
                    span=added.name.span,
                )
            if added.name.text in RESERVED:
                raise InvalidStatement(
                    f"'{added.name}' is a reserved column name. You cannot use it as a name for a column.",
                    span=added.name.span,
                )
            columns.append(Column(added.name.text, column_type(added, core.catalog)))
        relation = replace(source.relation, schema=Schema(tuple(columns)))
        check_formats(relation, properties.With())
        sequence = core.commands.next_sequence()
        text = f"{source.statement};\n{statement.text}"
        request.commit(statement, [PutSource(replace(source, relation=relation, statement=text))])
    message = f"{kind.capitalize()} {quote(name.text)} altered successfully."
    return done(statement, (kind, name.text, "alter"), message, sequence=sequence)


def drop_source(request: Request, statement: DropSource) -> Entity:
    """DROP STREAM or TABLE; the query of a C*AS ends with it. Refused while other queries use it."""
    core, kind, name = request.core, statement.kind.lower(), statement.name
    command = (kind, name.text, "drop")
    with core.defining:
        if statement.if_exists and name.text not in core.catalog.sources:
            return done(statement, command, f"Source {quote(name.text)} does not exist.")
        source = find(core.catalog, name, statement.kind, "DROP")
        if source.origin == "SYSTEM":
            raise ReadOnlySource(kind, name.text, "DROP", span=name.span)
        if statement.delete_topic and source.relation.read_only:
            raise InvalidStatement(f"Cannot delete topic for read-only source: {name}", span=name.span)
        own = source.query_id if source.query_id in core.catalog.queries else None
        _refuse_while_used(core.catalog, name, own)
        if statement.delete_topic:
            _refuse_shared(core.catalog, source, name)
        changes: list[Change] = [SourceDropped(name.text)]
        if own is not None:
            changes.insert(0, DropQuery(own))
        if statement.delete_topic:
            schemas.delete(source.relation, core.schemas)  # first: a registry that is away refuses all of it
        sequence = core.commands.next_sequence()
        request.commit(statement, changes)
        core.running.stop_readers(name.text, f'{kind} "{name}" was dropped')
        if own is not None:
            core.worker.drop(own)
        kept.end(core.worker, source)
        if statement.delete_topic:
            core.log.delete_topic(source.relation.topic)
    message = f"Source {quote(name.text)} (topic: {source.relation.topic}) was dropped."
    return done(statement, command, message, sequence=sequence)


def _refuse_shared(catalog: Catalog, source: Source, name: Name) -> None:
    """Raise where the topic of a source, and with it its schemas, are those of others too."""
    topic = source.relation.topic
    others = sorted(s.name for s in catalog.sources.values() if s.relation.topic == topic and s is not source)
    if others:
        raise TopicInUse(topic, others, span=name.span)


def _refuse_while_used(catalog: Catalog, name: Name, own: str | None) -> None:
    """`own`: the query that ends with the source."""
    readers = [q for q in catalog.readers(name.text) if q != own]
    writers = [q for q in catalog.writers(name.text) if q != own]
    endpoints = catalog.asked_by(name.text)
    if not readers and not writers and not endpoints:
        return
    filling = {s.query_id for s in catalog.sources.values()}
    raise SourceInUse(
        name.text,
        readers=[q for q in readers if q not in filling],
        writers=writers,
        sources=catalog.fed_directly(name.text),
        endpoints=endpoints,
        span=name.span,
    )


def create_type(request: Request, statement: CreateType) -> Entity:
    """CREATE TYPE: an alias, resolved where it is used."""
    core, name = request.core, statement.name
    command = ("type", name.text, "create")
    with core.defining:
        if name.text in core.catalog.types:
            if not statement.if_not_exists:
                raise TypeExists(name.text, span=name.span)
            message = f"{name} is already registered with type {core.catalog.types[name.text]}"
            return done(statement, command, message, warning=message)
        sql_type = resolve_type(statement.type, core.catalog.types.get)
        sequence = core.commands.next_sequence()
        request.commit(statement, [PutType(name.text, sql_type)])
    message = f"Registered custom type with name '{name}' and SQL type {sql_type}"
    return done(statement, command, message, sequence=sequence)


def drop_type(request: Request, statement: DropType) -> Entity:
    """DROP TYPE: what uses it keeps the type it had."""
    core, name = request.core, statement.name
    command = ("type", name.text, "drop")
    with core.defining:
        if name.text not in core.catalog.types:
            if not statement.if_exists:
                raise CustomTypeNotFound(name.text, span=name.span, candidates=core.catalog.types)
            return done(statement, command, f"Type '{name}' does not exist.")
        sequence = core.commands.next_sequence()
        request.commit(statement, [TypeDropped(name.text)])
    return done(statement, command, f"Dropped type '{name}'", sequence=sequence)
