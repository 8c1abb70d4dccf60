"""Parts of answers, in the shapes that ksqlDB's API has: types, columns, sources and queries as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssql.catalog.catalog import Catalog, PersistentQuery, Source
from ssql.errors import InternalError
from ssql.planner.relation import HeaderColumn
from ssql.runtime.api import QueryStatus
from ssql.runtime.progress import QueryState
from ssql.types import Array, Column, Decimal, Map, Primitive, SqlType, Struct

Json = dict[str, Any]


def type_json(t: SqlType) -> Json:
    """`{"type", "fields", "memberSchema"}`, with `parameters` for DECIMAL; a map's member is its value."""
    out: Json = {"type": "", "fields": None, "memberSchema": None}
    match t:
        case Primitive():
            out["type"] = t.name
        case Decimal():
            out["type"] = "DECIMAL"
            out["parameters"] = {"precision": t.precision, "scale": t.scale}
        case Array():
            out["type"] = "ARRAY"
            out["memberSchema"] = type_json(t.element)
        case Map():
            out["type"] = "MAP"
            out["memberSchema"] = type_json(t.value)
        case Struct():
            out["type"] = "STRUCT"
            out["fields"] = [{"name": name, "schema": type_json(field)} for name, field in t.fields]
        case _:
            raise InternalError(f"a type without a JSON form: {t!r}")
    return out


def fields_json(columns: Sequence[Column], headers: Sequence[HeaderColumn] = ()) -> list[Json]:
    """Columns as DESCRIBE lists them. What is no plain value is told twice: ksqlDB's Java client reads `type`, its
    command `fieldType`."""
    by_name = {h.name: h for h in headers}
    found = []
    for column in columns:
        field: Json = {"name": column.name, "schema": type_json(column.type)}
        if column.key:
            field["type"] = field["fieldType"] = "KEY"
        elif column.name in by_name:
            field["type"] = field["fieldType"] = "HEADER"
            if by_name[column.name].header is not None:
                field["headerKey"] = by_name[column.name].header
        found.append(field)
    return found


def source_json(source: Source) -> Json:
    """A stream or table as SHOW STREAMS and SHOW TABLES list it."""
    relation = source.relation
    return {
        "type": relation.kind,
        "name": relation.name,
        "topic": relation.topic,
        "keyFormat": relation.key_format.name,
        "valueFormat": relation.value_format.name,
        "isWindowed": relation.window is not None,
    }


#: ksqlDB's words for the states of a query; catching up is running for it.
_STATES: Mapping[QueryState, str] = {
    QueryState.CATCHING_UP: "RUNNING",
    QueryState.RUNNING: "RUNNING",
    QueryState.PAUSED: "PAUSED",
    QueryState.ERROR: "ERROR",
    QueryState.TERMINATED: "NOT_RUNNING",
}


def state_of(query: PersistentQuery, status: QueryStatus | None) -> str:
    """RUNNING, PAUSED, ERROR or NOT_RUNNING."""
    if status is None:
        return "PAUSED" if query.paused else "NOT_RUNNING"
    return _STATES[status.state]


def query_json(query: PersistentQuery, status: QueryStatus | None, catalog: Catalog) -> Json:
    """A persistent query as SHOW QUERIES lists it."""
    state = state_of(query, status)
    sink = catalog.relation(query.sink)
    return {
        "queryString": query.statement + ";",
        "sinks": [query.sink],
        "sinkKafkaTopics": [sink.topic] if sink else [],
        "id": query.id,
        "queryType": "PERSISTENT",
        "statusCount": {state: 1},
        "state": state,
    }
