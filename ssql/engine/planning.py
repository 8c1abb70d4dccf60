"""placeholder"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import pyarrow as pa

from ssql.catalog.catalog import Catalog, PersistentQuery
from ssql.config import Config
from ssql.engine.properties import With
from ssql.engine.relations import TopicWanted
from ssql.engine.statements_pool import StatementPool
from ssql.log.api import Log
from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan
from ssql.sql.statements import (
    CreateAs,
    InsertInto,
    InsertValues,
    Join,
    Query,
    Select,
    SourceRef,
    Statement,
)
from ssql.types import Column


def left_most(query: Query) -> str:
    """The name of the source that a query reads first."""
    at = query.source
    while not isinstance(at, SourceRef):
        at = at.left if isinstance(at, Join) else at.query.source
    return at.name.text


def transient_id(query: Query) -> str:
    """An id for a query that nobody keeps: `transient_<SOURCE>_<random>`."""
    return f"transient_{left_most(query)}_{secrets.randbits(63)}"


def create_as(
    statement: CreateAs, query_id: str, with_: With, catalog: Catalog, config: Config, log: Log
) -> tuple[QueryPlan, Relation, TopicWanted]:
    raise NotImplementedError


def insert_into(statement: InsertInto, query_id: str, target: Relation, catalog: Catalog) -> QueryPlan:
    raise NotImplementedError


def emit(statement: Select, query_id: str, catalog: Catalog) -> QueryPlan:
    raise NotImplementedError


def again(query: PersistentQuery, catalog: Catalog, config: Config) -> QueryPlan:
    raise NotImplementedError


def plan_only(statement: Statement, catalog: Catalog, config: Config, log: Log) -> QueryPlan:
    raise NotImplementedError


def values(statement: InsertValues, columns: Sequence[Column], catalog: Catalog, pool: StatementPool) -> pa.RecordBatch:
    raise NotImplementedError
