"""DESCRIBE and EXPLAIN: one stream, table, function or query in full."""

from __future__ import annotations

from collections.abc import Sequence

from ssql.catalog.catalog import PersistentQuery, Source
from ssql.engine import planning
from ssql.engine.api import Entity
from ssql.engine.context import Request, entity
from ssql.engine.define import find
from ssql.engine.entities import Json, fields_json, query_json, state_of
from ssql.errors import InternalError, QueryNotFound
from ssql.functions.registry import REGISTRY, AggregateEntry, Entry
from ssql.planner.explain import dataflow_text
from ssql.planner.pull import PullPlan, plan_pull
from ssql.planner.steps import QueryPlan, Sink, Step
from ssql.runtime.api import QueryStatus
from ssql.sql.statements import Describe, Explain, Select, SourceRef
from ssql.types import Column


def statuses(request: Request) -> dict[str, QueryStatus]:
    """How the worker's queries are doing, by id."""
    return {s.query_id: s for s in request.core.worker.status()}


# --- DESCRIBE ----------------------------------------------------------------


def describe(request: Request, statement: Describe) -> Entity:
    """DESCRIBE of a source, a function, or of all STREAMS or TABLES."""
    match statement.what, statement.name:
        case "SOURCE", name if name is not None:
            (described,) = describe_sources(request, [find(request.catalog, name)], extended=statement.extended)
            return entity("sourceDescription", statement, sourceDescription=described)
        case "FUNCTION", name if name is not None:
            function = REGISTRY.find(name.text, span=name.span)
            return entity(
                "describe_function",
                statement,
                name=function.name,
                description=function.doc,
                author="ssql",
                version="",
                path="internal",
                type=function.kind.upper(),
                functions=[_signature(e) for e in function.entries],
            )
        case ("STREAMS" | "TABLES") as kind, _:
            found = [s for s in request.catalog.sources.values() if f"{s.relation.kind}S" == kind]
            all_of_them = describe_sources(request, found, extended=statement.extended)
            return entity("source_descriptions", statement, sourceDescriptions=all_of_them)
    raise InternalError(f"DESCRIBE {statement.what} without a name")


def _signature(entry: Entry) -> Json:
    signature = entry.signature
    arguments = [
        {"name": f"arg{i + 1}", "type": str(p.type), "description": "", "isVariadic": p.variadic}
        for i, p in enumerate(signature.parameters)
    ]
    over = " (streams only)" if isinstance(entry, AggregateEntry) and not entry.on_tables else ""
    return {"arguments": arguments, "returnType": str(signature.result), "description": entry.doc + over}


def describe_sources(request: Request, sources: Sequence[Source], *, extended: bool) -> list[Json]:
    """Sources as DESCRIBE shows them; `extended` adds topic, queries' counters and offsets."""
    running = statuses(request)
    return [_describe_source(request, source, running, extended=extended) for source in sources]


def _describe_source(request: Request, source: Source, running: dict[str, QueryStatus], *, extended: bool) -> Json:
    catalog, relation = request.catalog, source.relation

    def listed(ids: tuple[str, ...]) -> list[Json]:
        return [query_json(catalog.queries[i], running.get(i), catalog) for i in ids]

    readers, writers = catalog.readers(relation.name), catalog.writers(relation.name)
    topic = request.core.log.topic(relation.topic) if extended else None
    return {
        "name": relation.name,
        "windowType": relation.window.type if relation.window else None,
        "readQueries": listed(readers),
        "writeQueries": listed(writers),
        "fields": fields_json(relation.schema.columns, relation.headers),
        "type": relation.kind,
        "timestamp": relation.timestamp.column if relation.timestamp else "",
        "statistics": _statistics(running, (*readers, *writers)) if extended else "",
        "errorStats": _errors(running, (*readers, *writers)) if extended else "",
        "extended": extended,
        "keyFormat": relation.key_format.name,
        "valueFormat": relation.value_format.name,
        "topic": relation.topic,
        "partitions": topic.partitions if topic else 0,
        "replication": topic.replicas if topic else 0,
        "statement": source.statement + ";" if source.statement else "",
        "queryOffsetSummaries": _offsets(request, relation.topic) if topic else [],
        "sourceConstraints": [],
        "clusterStatistics": [],
        "clusterErrorStats": [],
    }


def _statistics(running: dict[str, QueryStatus], ids: tuple[str, ...]) -> str:
    found = [running[i] for i in ids if i in running]
    return "\n".join(f"{s.query_id}: rows-in: {s.rows_in} rows-out: {s.rows_out}" for s in found)


def _errors(running: dict[str, QueryStatus], ids: tuple[str, ...]) -> str:
    return "\n".join(f"{i}: {running[i].error}" for i in ids if i in running and running[i].error)


def _offsets(request: Request, topic: str) -> list[Json]:
    """How far the worker has read the topic."""
    core = request.core
    offsets = []
    for (name, partition), at in sorted(core.worker.cut().frontier.items()):
        if name == topic:
            begin, end = core.log.bounds(topic, partition)
            offsets.append({"partition": partition, "logStartOffset": begin, "logEndOffset": end, "consumerOffset": at})
    if not offsets:
        return []
    return [{"groupId": core.service_id, "topicSummaries": [{"kafkaTopic": topic, "offsets": offsets}]}]


# --- EXPLAIN -----------------------------------------------------------------


def explain(request: Request, statement: Explain) -> Entity:
    """EXPLAIN of a statement (planned, not carried out) or of a query by its id."""
    if statement.query is not None:
        query = request.catalog.queries.get(statement.query.text)
        if query is None:
            raise QueryNotFound(statement.query.text, span=statement.query.span, candidates=request.catalog.queries)
        described = query_description(request, query, statuses(request).get(query.id))
        return entity("queryDescription", statement, queryDescription=described)
    inner = statement.statement
    if inner is None:
        raise InternalError("an EXPLAIN of nothing")
    if isinstance(inner, Select) and inner.query.emit is None and isinstance(inner.query.source, SourceRef):
        described = _pull_description(plan_pull(inner.query, request.catalog, types=request.catalog.types.get), inner)
    else:
        plan = planning.plan_only(inner, request.catalog, request.config, request.core.log)
        described = _description(plan, inner.text, "")
    return entity("queryDescription", statement, queryDescription=described)


def query_description(request: Request, query: PersistentQuery, status: QueryStatus | None) -> Json:
    """A persistent query with its plan, its state and why it stopped."""
    described = _description(planning.again(query, request.catalog), query.statement, query.id)
    state = state_of(query, status)
    described["overriddenProperties"] = dict(query.properties)
    described["ksqlHostQueryStatus"] = {"localhost": state}
    described["state"] = state
    if status is not None and status.error:
        described["queryErrors"] = [{"timestamp": 0, "errorMessage": status.error, "type": "USER"}]
    return described


def _description(plan: QueryPlan, statement: str, query_id: str) -> Json:
    end: Step = plan.steps[-1]
    relation = end.relation if isinstance(end, Sink) else None
    body = _body(statement, query_id, relation.schema.columns if relation else end.schema.columns)
    body["windowType"] = relation.window.type if relation and relation.window else None
    body["sources"] = list(plan.reads)
    body["sinks"] = [relation.name] if relation else []
    body["topology"] = dataflow_text(plan)
    body["executionPlan"] = plan.logical
    body["queryType"] = "PERSISTENT" if relation else "PUSH"
    return body


def _pull_description(plan: PullPlan, statement: Select) -> Json:
    """A pull query: how it finds its rows, and the SQL that runs over them."""
    name = plan.relation.name
    found = f"Look up keys of {name}:\n  {plan.lookup.sql}" if plan.lookup else f"Scan {name}"
    body = _body(statement.text, "", plan.columns)
    body["sources"] = [name]
    body["topology"] = f"{found}\nRun over the rows:\n  {plan.statement.sql}"
    body["executionPlan"] = found
    body["queryType"] = "PULL"
    return body


def _body(statement: str, query_id: str, columns: Sequence[Column]) -> Json:
    """What the description of every query has."""
    return {
        "id": query_id,
        "statementText": statement + ";",
        "windowType": None,
        "fields": fields_json(columns),
        "sources": [],
        "sinks": [],
        "topology": "",
        "executionPlan": "",
        "overriddenProperties": {},
        "ksqlHostQueryStatus": {},
        "queryType": "",
        "queryErrors": [],
        "tasksMetadata": [],
        "consumerGroupId": "",
        "state": None,
    }
