"""What a command does to the catalog: a handful of changes, each of which is data.

A command stores its outcome beside its text. So replaying never parses, plans or asks a schema registry again, and
gives what was there, whatever the statement would mean to a newer version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ssql.catalog.catalog import Catalog, PersistentQuery, Source
from ssql.catalog.endpoints import Endpoint
from ssql.errors import InternalError
from ssql.formats.api import FormatSpec
from ssql.planner.relation import HeaderColumn, KeyWindow, Relation, TimestampSpec
from ssql.sql.parameters import Parameter
from ssql.sql.type_syntax import parse_type
from ssql.types import Column, Schema, SqlType


@dataclass(frozen=True)
class PutSource:
    source: Source


@dataclass(frozen=True)
class DropSource:
    name: str


@dataclass(frozen=True)
class PutQuery:
    query: PersistentQuery


@dataclass(frozen=True)
class DropQuery:
    id: str


@dataclass(frozen=True)
class PauseQuery:
    """`paused` True: PAUSE; False: RESUME."""

    id: str
    paused: bool


@dataclass(frozen=True)
class PutType:
    name: str
    type: SqlType


@dataclass(frozen=True)
class DropType:
    name: str


@dataclass(frozen=True)
class PutSetting:
    """ALTER SYSTEM: the value of a setting for all sessions."""

    key: str
    value: str


@dataclass(frozen=True)
class PutEndpoint:
    endpoint: Endpoint


@dataclass(frozen=True)
class DropEndpoint:
    name: str


Change = (
    PutSource
    | DropSource
    | PutQuery
    | DropQuery
    | PauseQuery
    | PutType
    | DropType
    | PutSetting
    | PutEndpoint
    | DropEndpoint
)


def apply(catalog: Catalog, changes: Sequence[Change]) -> Catalog:
    """The catalog after these changes."""
    for change in changes:
        match change:
            case PutSource(source):
                catalog = catalog.with_source(source)
            case DropSource(name):
                catalog = catalog.without_source(name)
            case PutQuery(query):
                catalog = catalog.with_query(query)
            case DropQuery(query_id):
                catalog = catalog.without_query(query_id)
            case PauseQuery(query_id, paused):
                catalog = catalog.with_query(replace(catalog.queries[query_id], paused=paused))
            case PutType(name, sql_type):
                catalog = catalog.with_type(name, sql_type)
            case DropType(name):
                catalog = catalog.without_type(name)
            case PutSetting(key, value):
                catalog = catalog.with_setting(key, value)
            case PutEndpoint(endpoint):
                catalog = catalog.with_endpoint(endpoint)
            case DropEndpoint(name):
                catalog = catalog.without_endpoint(name)
    return catalog


# --- as JSON -----------------------------------------------------------------


def to_json(change: Change) -> dict[str, Any]:
    """A change as JSON: its name under `change`, types and columns in the spelling of SQL."""
    match change:
        case PutSource(source):
            body: dict[str, Any] = {
                "relation": _relation_to_json(source.relation),
                "statement": source.statement,
                "sequence": source.sequence,
                "origin": source.origin,
                "query_id": source.query_id,
            }
        case PutQuery(query):
            body = {
                "id": query.id,
                "statement": query.statement,
                "sink": query.sink,
                "sequence": query.sequence,
                "start": query.start,
                "properties": dict(query.properties),
                "into": _relation_to_json(query.into),
                "reads": {name: _relation_to_json(relation) for name, relation in query.reads.items()},
                "types": {name: str(sql_type) for name, sql_type in query.types.items()},
                "paused": query.paused,
            }
        case PutType(name, sql_type):
            body = {"name": name, "type": str(sql_type)}
        case PutEndpoint(endpoint):
            body = {
                **vars(endpoint),
                "parameters": [{**vars(p), "type": str(p.type)} for p in endpoint.parameters],
                "columns": _columns_to_json(endpoint.columns),
            }
        case DropSource() | DropQuery() | PauseQuery() | DropType() | PutSetting() | DropEndpoint():
            body = msgspec.to_builtins(change)
    return {"change": type(change).__name__, **body}


def from_json(form: Mapping[str, Any]) -> Change:
    """The change of that JSON; `from_json(to_json(c)) == c`."""
    body = {key: value for key, value in form.items() if key != "change"}
    match form["change"]:
        case "PutSource":
            return PutSource(Source(**{**body, "relation": _relation_from_json(body["relation"])}))
        case "PutQuery":
            reads = {name: _relation_from_json(relation) for name, relation in body["reads"].items()}
            types = {name: _type_from_text(text) for name, text in body["types"].items()}
            into = _relation_from_json(body["into"])
            return PutQuery(PersistentQuery(**{**body, "into": into, "reads": reads, "types": types}))
        case "PutType":
            return PutType(body["name"], _type_from_text(body["type"]))
        case "DropSource":
            return DropSource(**body)
        case "DropQuery":
            return DropQuery(**body)
        case "PauseQuery":
            return PauseQuery(**body)
        case "DropType":
            return DropType(**body)
        case "PutSetting":
            return PutSetting(**body)
        case "PutEndpoint":
            parameters = tuple(Parameter(**{**p, "type": _type_from_text(p["type"])}) for p in body["parameters"])
            named = {"columns": _columns_from_json(body["columns"]), "reads": tuple(body["reads"])}
            return PutEndpoint(Endpoint(**{**body, **named, "parameters": parameters}))
        case "DropEndpoint":
            return DropEndpoint(**body)
    raise InternalError(f"a change that is not known: {form['change']}")


def _type_from_text(text: str) -> SqlType:
    parsed = parse_type(text)
    if not isinstance(parsed, SqlType):
        raise InternalError(f"a stored type that names another: {text}")
    return parsed


def _columns_to_json(columns: Sequence[Column]) -> list[list[Any]]:
    return [[c.name, str(c.type), c.key] for c in columns]


def _columns_from_json(form: Sequence[Sequence[Any]]) -> tuple[Column, ...]:
    return tuple(Column(name, _type_from_text(text), key) for name, text, key in form)


def _relation_to_json(relation: Relation) -> dict[str, Any]:
    parts = ("key_format", "value_format", "window", "timestamp", "headers")
    return {
        "name": relation.name,
        "kind": relation.kind,
        "columns": _columns_to_json(relation.schema.columns),
        "topic": relation.topic,
        **{part: msgspec.to_builtins(getattr(relation, part)) for part in parts},
        "read_only": relation.read_only,
        "derived": relation.derived,
    }


def _relation_from_json(form: Mapping[str, Any]) -> Relation:
    columns = _columns_from_json(form["columns"])
    return Relation(
        name=form["name"],
        kind=form["kind"],
        schema=Schema(columns),
        topic=form["topic"],
        key_format=msgspec.convert(form["key_format"], FormatSpec),
        value_format=msgspec.convert(form["value_format"], FormatSpec),
        window=msgspec.convert(form["window"], KeyWindow | None),
        timestamp=msgspec.convert(form["timestamp"], TimestampSpec | None),
        headers=msgspec.convert(form["headers"], tuple[HeaderColumn, ...]),
        read_only=form["read_only"],
        derived=form["derived"],
    )
