"""SELECT without EMIT: an answer from what is there now.

A table that a query of ours fills or reads is kept: it answers from the last committed epoch, by key where the WHERE
clause names keys. All else (streams, tables that nothing reads, joins) is read from the log (`history.py`), from the
beginning to where its topics end as the query comes.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ssql.catalog.catalog import Catalog
from ssql.config import (
    COLLECT_LIST_LIMIT,
    COLLECT_SET_LIMIT,
    PULL_QUERY_MAX_ROWS,
    PULL_RANGE_SCAN,
    PULL_TABLE_SCAN,
    SQL_EXTENSIONS,
    Setting,
)
from ssql.engine import planning
from ssql.engine.api import PullResult
from ssql.engine.context import Request
from ssql.engine.history import read_all
from ssql.engine.lookups import lookup_of, shape_of
from ssql.engine.reads import choice
from ssql.engine.reads.rows import kept_view
from ssql.engine.record_order import in_record_order
from ssql.engine.statements_pool import one_batch
from ssql.engine.subscriptions.push_query import LIMIT_REACHED
from ssql.errors import PullTooLarge, SsqlError
from ssql.planner import plan as logical
from ssql.planner.pull import PullPlan, plan_pull
from ssql.planner.pull_clauses import refuse_clauses, refuse_positions, selected_and_where
from ssql.planner.steps import Statement
from ssql.runtime.api import TableView
from ssql.sql.parameters import arguments, references
from ssql.sql.statements import Query, Select, SourceRef, Star, SubqueryRef
from ssql.types import Column, SqlType

QUERY_COMPLETED = "Query Completed"

#: Numbers of answers. No query runs for them that anybody could end, so they need not be hard to guess.
_NUMBERS = itertools.count(secrets.randbits(62))

NO_PARAMETERS: Mapping[str, SqlType] = MappingProxyType({})
NO_VALUES: Mapping[str, str] = MappingProxyType({})


def look_up(request: Request, text: str) -> PullResult | None:
    """The answer of a look-up of keys that was planned before, for these keys or for others."""
    shape = shape_of(text)
    if shape is None:
        return None
    lookup = request.core.lookups.get((shape.text, *planned_under(request)), request.catalog)
    if lookup is None:
        return None
    values, view = lookup.values(shape), _kept(request, lookup.plan.relation.name)
    return None if values is None or view is None else _looked_up(request, lookup.plan, view, values)


def known(request: Request, text: str) -> PullResult | None:
    """The answer of a pull query that was planned before, without parsing it again: the same text, or the same look-up
    of other keys."""
    found = look_up(request, text)
    if found is not None:
        return found
    plan = request.core.pull_plans.get((text, *planned_under(request)), request.catalog)
    return None if plan is None else from_table(request, plan)


#: The settings that a plan depends on.
_PLANNED_UNDER: tuple[Setting[Any], ...] = (
    PULL_TABLE_SCAN,
    PULL_RANGE_SCAN,
    SQL_EXTENSIONS,
    COLLECT_LIST_LIMIT,
    COLLECT_SET_LIMIT,
)


def planned_under(request: Request) -> tuple[Hashable, ...]:
    """The settings that plans are kept under: a client that asks for the same under others gets its own."""
    config = request.config
    return tuple(config[entry] for entry in _PLANNED_UNDER)


def _keep(request: Request, text: str, plan: PullPlan) -> None:
    """Keep a plan for when the text comes again, or one that looks up other keys."""
    if "${" in text:
        return
    under = planned_under(request)
    shape = shape_of(text)
    lookup = None if shape is None else lookup_of(plan, shape)
    if shape is not None and lookup is not None:
        request.core.lookups.put((shape.text, *under), request.catalog, lookup)
    else:
        request.core.pull_plans.put((text, *under), request.catalog, plan)


def pull(request: Request, statement: Select, text: str) -> PullResult:
    """Answer a pull query; `text` is what the user sent, under which its plan is kept."""
    if not choice.is_full(request):
        return _pull(request, statement, text)
    try:
        if choice.joins_moments(statement.query):
            return choice.joined(request, text, lambda: _pull(request, statement, text))
        return _pull(request, statement, text)
    except SsqlError as error:
        return choice.instead(request, text, error)


def _pull(request: Request, statement: Select, text: str) -> PullResult:
    plan = plan_of(request, statement.query)
    if plan is not None:
        _keep(request, text, plan)
        answer = from_table(request, plan)
        if answer is not None:
            return answer
    return _from_log(request, statement.query, request.catalog)


def plan_of(request: Request, query: Query, parameters: Mapping[str, SqlType] = NO_PARAMETERS) -> PullPlan | None:
    """How a query is answered from a table that is kept; None where it is from the log. `parameters`: the types of
    those that stand in it."""
    refuse_clauses(query, planning.options(request.catalog.types, request.config))
    base = _base(query)
    if base is None or _kept(request, base.name.text) is None:
        return None
    return _planned(request, query, parameters)


def from_table(request: Request, plan: PullPlan, values: Mapping[str, str] = NO_VALUES) -> PullResult | None:
    """The answer of a planned query from its table, if that is kept; `values`: literals for its parameters."""
    view = _kept(request, plan.relation.name)
    return None if view is None else _from_table(request, plan, view, values)


def _planned(request: Request, query: Query, parameters: Mapping[str, SqlType] = NO_PARAMETERS) -> PullPlan:
    config, catalog = request.config, request.catalog
    scans, ranges = config[PULL_TABLE_SCAN], config[PULL_RANGE_SCAN]
    options = replace(planning.options(catalog.types, config), parameters=parameters)
    return plan_pull(query, catalog, options=options, scans=scans, ranges=ranges)


def _kept(request: Request, name: str) -> TableView | None:
    """The rows of a table that is kept; None for any other."""
    relation = request.catalog.relation(name)
    return None if relation is None else kept_view(request.core.worker.cut(), relation)


def _from_table(request: Request, plan: PullPlan, view: TableView, values: Mapping[str, str]) -> PullResult:
    if plan.direct is not None:
        return _looked_up(request, plan, view, plan.direct.values)
    pool = request.core.pool
    if plan.lookup is None:
        rows = view.scan()
    else:
        keys = pa.schema([pa.field(c.name, c.type.arrow) for c in plan.relation.schema.keys])
        rows = view.get(pool.run(plan.lookup, keys, _arguments(plan.lookup, values)))
    answer = _computed(request, plan, rows, _arguments(plan.statement, values))
    return _result(request, _answer_id(plan.relation.name), plan.columns, pa.Table.from_batches([answer]))


def _looked_up(
    request: Request, plan: PullPlan, view: TableView, values: tuple[tuple[str | int, ...], ...]
) -> PullResult:
    """The rows of keys, of which `values` has the constants a key column: DuckDB has no part in it."""
    assert plan.direct is not None
    answer = view.find(plan.direct.asked(values), plan.direct.columns, plan.answer)
    return _result(request, _answer_id(plan.relation.name), plan.columns, answer)


def _arguments(statement: Statement, values: Mapping[str, str]) -> str:
    """Those that EXECUTE gives to a statement."""
    return arguments({name: values[name] for name in _names(statement.sql)}) if values else ""


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[str, ...]:
    """The parameters of a text."""
    return tuple(dict.fromkeys(token.value for token in references(text)))


def _computed(request: Request, plan: PullPlan, rows: pa.Table, given: str = "") -> pa.RecordBatch:
    """The answer that a plan gives over these rows of its relation; `given`: the arguments of its statement."""
    core, relation = request.core, plan.relation
    if plan.first_rows and relation.kind == "TABLE":
        rows = in_record_order(rows, relation, core.log.topic(relation.topic), core.schemas)
    return core.pool.run(plan.statement, plan.answer, given, delta=one_batch(rows))


def _from_log(request: Request, query: Query, catalog: Catalog) -> PullResult:
    core = request.core
    query_id = planning.transient_id(query)
    plan = _planned(request, query) if _needs_all_rows(query, catalog) else None
    rows_of = Query(items=(Star(query.span),), source=_base(query) or query.source, span=query.span)
    analysis, emit = planning.emit(query if plan is None else rows_of, query_id, catalog, request.config, core.log)
    if plan is None and _is_one_group(analysis.plan):
        plan = _planned(request, query)
        analysis, emit = planning.emit(rows_of, query_id, catalog, request.config, core.log)
    if not request.config[SQL_EXTENSIONS]:
        refuse_positions(*selected_and_where(analysis.plan))
    rows = read_all(core.worker, core.log, analysis, emit)
    if plan is not None:
        answer = _computed(request, plan, rows)
        columns, rows = plan.columns, pa.Table.from_batches([answer])
    else:
        columns = analysis.schema.columns
        rows = rows.select([c.name for c in columns]).slice(0, query.limit)
    if analysis.kind == "TABLE":
        return _result(request, query_id, columns, rows)
    ended = query.limit is not None and rows.num_rows >= query.limit
    return _result(request, query_id, columns, rows, message=LIMIT_REACHED if ended else QUERY_COMPLETED)


def _needs_all_rows(query: Query, catalog: Catalog) -> bool:
    """Whether the query is to run over its source's rows once all are read: over a plain table, and for ORDER BY,
    DISTINCT and OFFSET. Else it runs while they are read."""
    base = _base(query)
    source = None if base is None else catalog.relation(base.name.text)
    plain_table = source is not None and source.kind == "TABLE"
    return plain_table or bool(query.order_by or query.distinct or query.offset is not None)


def _is_one_group(root: logical.Node) -> bool:
    """Whether all rows are one group: it is there without any row too, which a query that runs cannot know."""
    return any(isinstance(n, logical.Aggregate) and not n.keys and n.window is None for n in root.walk())


def _base(query: Query) -> SourceRef | None:
    """The one stream or table that a query reads, directly or through queries in FROM; None where it joins several."""
    source = query.source
    while isinstance(source, SubqueryRef):
        source = source.query.source
    return source if isinstance(source, SourceRef) else None


def _answer_id(source: str) -> str:
    return f"transient_{source}_{next(_NUMBERS)}"


def _result(
    request: Request, query_id: str, columns: tuple[Column, ...], rows: pa.Table, *, message: str | None = None
) -> PullResult:
    """`message`: how a stream was read to its end; None for a table's rows, whose keys are marked."""
    limit = request.config[PULL_QUERY_MAX_ROWS]
    if limit and rows.num_rows > limit:
        raise PullTooLarge(limit)
    if message is not None:
        columns = tuple(replace(c, key=False) for c in columns)
    return PullResult(query_id, columns, rows, mark_keys=message is None, final_message=message)
