"""The engine's calls of the planner: from a statement and the catalog to a plan, and for C*AS to its sink."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ssql.catalog.catalog import Catalog, PersistentQuery
from ssql.config import (
    COLLECT_LIST_LIMIT,
    COLLECT_SET_LIMIT,
    FAIL_ON_BAD_RECORD,
    FAIL_ON_BAD_TIMESTAMP,
    KEYS_OPTIONAL,
    SQL_EXTENSIONS,
    Config,
    Setting,
)
from ssql.engine import properties, relations
from ssql.errors import InternalError, InvalidStatement
from ssql.log.api import Log
from ssql.planner.bind import Analysis, analyse, analyse_create, analyse_insert, build
from ssql.planner.options import Options
from ssql.planner.relation import Relation
from ssql.planner.steps import Fault, QueryPlan
from ssql.sql import statements as sql
from ssql.sql.parser import parse_statement
from ssql.types import SqlType

_FATAL: Mapping[Fault, Setting[bool]] = {"unreadable": FAIL_ON_BAD_RECORD, "timeless": FAIL_ON_BAD_TIMESTAMP}


@dataclass(frozen=True)
class Planned:
    """A C*AS, planned: its query, the relation it fills, and the topic that needs."""

    plan: QueryPlan
    sink: Relation
    topic: relations.TopicWanted


@dataclass(frozen=True)
class _Snapshot:
    """The relations that a query read when it was made, as the planner wants them."""

    relations: Mapping[str, Relation]

    def relation(self, name: str) -> Relation | None:
        return self.relations.get(name)

    def relation_names(self) -> Sequence[str]:
        return tuple(self.relations)


def transient_id(query: sql.Query) -> str:
    """An id for a query that nobody keeps: `transient_<SOURCE>_<random>`."""
    at = query.source
    while not isinstance(at, sql.SourceRef):
        at = at.left if isinstance(at, sql.Join) else at.query.source
    return query_id(at.name.text)


def query_id(source: str) -> str:
    """An id for a transient query over that source."""
    return f"transient_{source}_{secrets.randbits(63)}"


def options(types: Mapping[str, SqlType], config: Config, log: Log | None = None) -> Options:
    """How statements are bound under these settings; `log` knows the topics' partitions."""

    def partitions(topic: str) -> int | None:
        found = None if log is None else log.topic(topic)
        return None if found is None else found.partitions

    limits = {"COLLECT_LIST": config[COLLECT_LIST_LIMIT], "COLLECT_SET": config[COLLECT_SET_LIMIT]}
    return Options(
        types.get,
        partitions,
        extensions=config[SQL_EXTENSIONS],
        keys_optional=config[KEYS_OPTIONAL],
        limits={name: limit for name, limit in limits.items() if limit >= 0},
    )


def create_as(statement: sql.CreateAs, query_id: str, catalog: Catalog, config: Config, log: Log) -> Planned:
    """Plan a C*AS. Makes nothing."""
    with_ = properties.read(statement.properties, "AS")
    # The properties' columns are checked first, as in ksqlDB.
    chosen = options(catalog.types, config, log)
    analysis = analyse_create(
        statement, catalog, options=chosen, inspect=lambda columns: relations.check_timestamp(with_, columns)
    )
    sink, topic = relations.sink(
        name=statement.name.text,
        kind=statement.kind,
        schema=analysis.schema,
        window=analysis.window,
        base=analysis.source,
        base_topic=log.topic(analysis.source.topic),
        retention_ms=window.retention.ms if (window := statement.query.window) and window.retention else None,
        with_=with_,
        config=config,
        unkeyed=statement.query.partition_by is not None and not analysis.schema.keys,
    )
    return Planned(built(analysis, query_id, sink, config), sink, topic)


def insert_into(
    statement: sql.InsertInto, query_id: str, target: Relation, catalog: Catalog, config: Config, *, log: Log
) -> QueryPlan:
    """Plan an INSERT INTO ... SELECT."""
    analysis = analyse_insert(statement, catalog, target, options=options(catalog.types, config, log))
    return built(analysis, query_id, target, config)


def emit(query: sql.Query, query_id: str, catalog: Catalog, config: Config, log: Log) -> tuple[Analysis, QueryPlan]:
    """Plan a query whose rows go to a reader."""
    analysis = analyse(query, catalog, options=options(catalog.types, config, log))
    return analysis, built(analysis, query_id, None, config)


def built(analysis: Analysis, query_id: str, sink: Relation | None, config: Config) -> QueryPlan:
    """The dataflow of an analysed query, into a sink or to a reader, under these settings."""
    plan = build(analysis, query_id=query_id, sink=sink)
    return replace(plan, fatal=frozenset(fault for fault, entry in _FATAL.items() if config[entry]))


def again(query: PersistentQuery) -> QueryPlan:
    """The plan of a query that runs already: as it was when it was made, whatever was altered since."""
    statement = parse_statement(query.statement)
    snapshot, sink = _Snapshot(query.reads), query.into
    config = Config().with_values(query.properties)
    # What was taken once goes on, whatever is refused by now.
    chosen = replace(options(query.types, config), extensions=True)
    match statement:
        case sql.CreateAs():
            analysis = analyse_create(statement, snapshot, options=chosen)
        case sql.InsertInto():
            analysis = analyse_insert(statement, snapshot, sink, options=chosen)
        case _:
            raise InternalError(f"query {query.id} has a statement that is no query")
    return built(analysis, query.id, sink, config)


def plan_only(statement: sql.Statement, catalog: Catalog, config: Config, log: Log) -> QueryPlan:
    """The plan of a statement that is not to be carried out, for EXPLAIN."""
    match statement:
        case sql.CreateAs():
            return create_as(statement, "", catalog, config, log).plan
        case sql.InsertInto():
            target = catalog.relation(statement.target.text)
            if target is not None:
                return insert_into(statement, "", target, catalog, config, log=log)
        case sql.Select():
            return emit(statement.query, "", catalog, config, log)[1]
    raise InvalidStatement("only queries can be explained", span=statement.span, hint="Give a SELECT, or a query's id.")
