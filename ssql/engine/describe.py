"""DESCRIBE and EXPLAIN: one stream, table, function or query in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssql.catalog.catalog import PersistentQuery, Source
from ssql.engine import planning
from ssql.engine.api import Entity
from ssql.engine.context import Request, entity
from ssql.engine.define import find
from ssql.engine.entities import Json, fields_json, query_json, state_of
from ssql.engine.progress import query_text
from ssql.engine.statistics_text import failures, host, line, messages, time_text
from ssql.errors import InternalError, QueryNotFound
from ssql.functions.registry import REGISTRY, AggregateEntry, Entry
from ssql.planner.explain import dataflow_text
from ssql.planner.pull import PullPlan, plan_pull
from ssql.planner.steps import QueryPlan, Sink, Step
from ssql.runtime.api import QueryStatus, Throughput
from ssql.runtime.progress import PartitionLag, QueryProgress, QueryState
from ssql.sql.statements import Describe, Explain, Select, SourceRef
from ssql.types import Column


def statuses(request: Request) -> dict[str, QueryStatus]:
    """How the worker's queries are doing, by id."""
    return {s.query_id: s for s in request.core.worker.status()}


def progresses(request: Request) -> dict[str, QueryProgress]:
    """How far the worker's queries have read, by id."""
    return {at.query_id: at for at in request.core.worker.progress()}


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
    done = request.core.worker.throughput() if extended else {}
    return [_describe_source(request, source, running, done, extended=extended) for source in sources]


def _describe_source(
    request: Request,
    source: Source,
    running: Mapping[str, QueryStatus],
    done: Mapping[str, Throughput],
    *,
    extended: bool,
) -> Json:
    catalog, relation = request.catalog, source.relation

    def listed(ids: tuple[str, ...]) -> list[Json]:
        return [query_json(catalog.queries[i], running.get(i), catalog) for i in ids]

    readers, writers = catalog.readers(relation.name), catalog.writers(relation.name)
    topic = request.core.log.topic(relation.topic) if extended else None
    stats, failed = messages(found := done.get(relation.topic, Throughput())), failures(found)
    at = host(request.core.config)
    return {
        "name": relation.name,
        "windowType": relation.window.type if relation.window else None,
        "readQueries": listed(readers),
        "writeQueries": listed(writers),
        "fields": fields_json(relation.schema.columns, relation.headers),
        "type": relation.kind,
        "timestamp": relation.timestamp.column if relation.timestamp else "",
        "statistics": line(stats, "last-message"),
        "errorStats": line(failed, "last-failed"),
        "extended": extended,
        "keyFormat": relation.key_format.name,
        "valueFormat": relation.value_format.name,
        "topic": relation.topic,
        "partitions": topic.partitions if topic else 0,
        "replication": topic.replicas if topic else 0,
        "statement": source.statement + ";" if source.statement else "",
        "queryOffsetSummaries": _offsets(request, relation.topic) if topic else [],
        "sourceConstraints": list(catalog.fed_directly(relation.name)),
        "clusterStatistics": [stat.as_json(at) for stat in stats],
        "clusterErrorStats": [stat.as_json(at) for stat in failed],
    }


def _offsets(request: Request, topic: str) -> list[Json]:
    """How far the worker has read the topic: all its queries together, or those aside where only they read it."""
    core = request.core
    reached: dict[int, int] = {}
    for found in core.worker.progress():
        for at in found.partitions:
            if at.topic == topic:
                reached[at.partition] = min(at.offset, reached.get(at.partition, at.offset))
    reached |= {partition: at for (name, partition), at in core.worker.cut().frontier.items() if name == topic}
    offsets = []
    for partition, offset in sorted(reached.items()):
        begin, end = core.log.bounds(topic, partition)
        offsets.append({"partition": partition, "logStartOffset": begin, "logEndOffset": end, "consumerOffset": offset})
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
        status, at = statuses(request).get(query.id), progresses(request).get(query.id)
        described = query_description(request, query, status, at)
        return entity("queryDescription", statement, queryDescription=described)
    inner = statement.statement
    if inner is None:
        raise InternalError("an EXPLAIN of nothing")
    if isinstance(inner, Select) and inner.query.emit is None and isinstance(inner.query.source, SourceRef):
        options = planning.options(request.catalog.types, request.config)
        described = _pull_description(plan_pull(inner.query, request.catalog, options=options), inner)
    else:
        plan = planning.plan_only(inner, request.catalog, request.config, request.core.log)
        described = _description(plan, inner.text, "")
    return entity("queryDescription", statement, queryDescription=described)


def query_description(
    request: Request, query: PersistentQuery, status: QueryStatus | None, at: QueryProgress | None
) -> Json:
    """A persistent query with its plan, its state and why it stopped."""
    described = _description(planning.again(query), query.statement, query.id)
    state = state_of(query, status)
    described["overriddenProperties"] = dict(query.properties)
    described["ksqlHostQueryStatus"] = {host(request.core.config): state}
    described["state"] = state
    described["consumerGroupId"] = request.core.service_id
    described["tasksMetadata"] = [_task(request, () if at is None else at.partitions)]
    if at is not None and at.state is QueryState.CATCHING_UP:
        described["progress"] = query_text(at, ", ")
    if status is not None:
        described["statistics"] = _query_statistics(status.throughput)
        if status.error:
            kind = "SYSTEM" if status.internal else "USER"
            described["queryErrors"] = [{"timestamp": status.failed_ms, "errorMessage": status.error, "type": kind}]
    return described


def _task(request: Request, partitions: Sequence[PartitionLag]) -> Json:
    """How far the topics that a query reads have been read: one task does all of it."""
    offsets = [
        {
            "topicPartitionEntity": {"topic": at.topic, "partition": at.partition},
            "endOffset": request.core.log.bounds(at.topic, at.partition)[1],
            "committedOffset": at.offset,
        }
        for at in partitions
    ]
    return {"taskId": "0_0", "topicOffsets": offsets, "timeCurrentIdlingStarted": None}


def _query_statistics(done: Throughput) -> Json:
    """Rows that a query has read and written since the server started, and those on which it failed."""
    return {
        what: {
            "rows": traffic.records,
            "rowsPerSec": round(traffic.per_second, 2),
            "last": time_text(traffic.last_ms) if traffic.last_ms else None,
        }
        for what, traffic in (("read", done.read), ("written", done.written), ("failed", done.failed))
    }


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
    body["resultType"] = plan.kind
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
