"""Answers of statements that are no queries, as rows or as text.

One table of the entities that are lists; what is none (descriptions, plans) is text, or its JSON where programs read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ssql_cli.backend import AnswerColumn, Entity, Row
from ssql_cli.output import Out, Style, json_text, row_writer


@dataclass(frozen=True)
class Listing:
    """A list entity: where its elements are, and each column's title, SQL type and value in an element."""

    elements: Callable[[Entity], Sequence[Any]]
    columns: tuple[tuple[str, str, Callable[[Any], Any]], ...]


def _of(key: str) -> Callable[[Any], Any]:
    return lambda element: element.get(key)


def _text(title: str, key: str) -> tuple[str, str, Callable[[Any], Any]]:
    return (title, "STRING", _of(key))


def _joined(values: Any) -> str:
    return ", ".join(map(str, values or ()))


_SOURCES = (
    _text("NAME", "name"),
    _text("TOPIC", "topic"),
    _text("KEY_FORMAT", "keyFormat"),
    _text("VALUE_FORMAT", "valueFormat"),
    ("WINDOWED", "BOOLEAN", _of("isWindowed")),
)

LISTINGS: Mapping[str, Listing] = {
    "sources": Listing(lambda e: e["sources"], (_SOURCES[0], _text("TYPE", "type"), *_SOURCES[1:])),
    "sources_extended": Listing(
        lambda e: e["sources"],
        (
            _text("NAME", "name"),
            _text("TYPE", "type"),
            ("COLUMNS", "INTEGER", lambda s: len(s.get("fields") or ())),
            ("FORMATS", "STRING", lambda s: f"{s.get('keyFormat')}, {s.get('valueFormat')}"),
            ("WINDOW", "STRING", lambda s: s.get("windowType") or ""),
            _text("TOPIC", "topic"),
            ("PARTITIONS", "INTEGER", _of("partitions")),
            ("WRITTEN_BY", "STRING", lambda s: _joined(q["id"] for q in s.get("writeQueries") or ())),
            ("READ_BY", "INTEGER", lambda s: len(s.get("readQueries") or ())),
        ),
    ),
    "streams": Listing(lambda e: e["streams"], _SOURCES),
    "tables": Listing(lambda e: e["tables"], _SOURCES),
    "queries": Listing(
        lambda e: e["queries"],
        (
            _text("ID", "id"),
            _text("TYPE", "queryType"),
            _text("STATE", "state"),
            ("SINKS", "STRING", lambda q: _joined(q.get("sinks"))),
            ("QUERY", "STRING", lambda q: " ".join(str(q.get("queryString", "")).split())),
        ),
    ),
    "kafka_topics": Listing(
        lambda e: e["topics"],
        (_text("TOPIC", "name"), ("PARTITIONS", "INTEGER", lambda t: len(t.get("replicaInfo") or ()))),
    ),
    "kafka_topics_extended": Listing(
        lambda e: e["topics"],
        (
            _text("TOPIC", "name"),
            ("PARTITIONS", "INTEGER", lambda t: len(t.get("replicaInfo") or ())),
            ("CONSUMERS", "INTEGER", _of("consumerCount")),
            ("CONSUMER_GROUPS", "INTEGER", _of("consumerGroupCount")),
        ),
    ),
    "properties": Listing(
        lambda e: e["properties"],
        (_text("NAME", "name"), _text("SCOPE", "scope"), _text("VALUE", "value"), _text("LEVEL", "level")),
    ),
    "function_names": Listing(
        lambda e: e["functions"], (_text("NAME", "name"), _text("TYPE", "type"), _text("CATEGORY", "category"))
    ),
    "type_list": Listing(
        lambda e: [{"name": name, "type": schema_text(kind)} for name, kind in e["types"].items()],
        (_text("NAME", "name"), _text("TYPE", "type")),
    ),
    "connector_list": Listing(
        lambda e: e["connectors"],
        (_text("NAME", "name"), _text("TYPE", "type"), _text("CLASS", "className"), _text("STATUS", "state")),
    ),
    "connector_plugins_list": Listing(
        lambda e: e["connectorsPlugins"],
        (_text("CLASS", "className"), _text("TYPE", "type"), _text("VERSION", "version")),
    ),
    "endpoints": Listing(
        lambda e: e["endpoints"],
        (
            _text("NAME", "name"),
            _text("PATH", "path"),
            ("PARAMETERS", "STRING", lambda e: _joined(f"{p['name']} {p['type']}" for p in e["parameters"])),
            ("FOLLOWS", "BOOLEAN", _of("follows")),
        ),
    ),
    "variables": Listing(lambda e: e["variables"], (_text("NAME", "name"), _text("VALUE", "value"))),
}


def write_entity(entity: Entity, form: str, out: Out, notices: Out, style: Style | None = None) -> None:
    """Write one answer: rows and descriptions to `out`, what is only said to `notices`."""
    for warning in entity.get("warnings") or ():
        notices.write(f"warning: {warning.get('message')}\n")
    kind = str(entity.get("@type"))
    if kind == "currentStatus":
        notices.write(str((entity.get("commandStatus") or {}).get("message", "done")) + "\n")
    elif form == "json":
        out.write(json_text(entity) + "\n")
    elif kind in LISTINGS:
        _write_listing(LISTINGS[kind], entity, form, out, style)
    elif kind in TEXTS:
        out.write(TEXTS[kind](entity).rstrip() + "\n")
    elif kind in NOTICES:
        notices.write(NOTICES[kind](entity) + "\n")
    else:
        out.write(json_text(entity) + "\n")
    out.flush()
    notices.flush()


def matching(entity: Entity, pattern: str) -> Entity | None:
    """A list with only the elements whose name (or id) matches, whatever its case; None where there are none.

    `*` stands for any characters, `?` for one.
    """
    shown = dict(entity)
    found = False
    for key, elements in entity.items():
        if isinstance(elements, list) and elements and isinstance(elements[0], dict):
            shown[key] = [e for e in elements if fnmatchcase(_name(e).upper(), pattern.upper())]
            found = found or bool(shown[key])
    return shown if found else None


def _name(element: Mapping[str, Any]) -> str:
    return str(element.get("name", element.get("id", "")))


def _write_listing(listing: Listing, entity: Entity, form: str, out: Out, style: Style | None) -> None:
    columns = [AnswerColumn(title, kind) for title, kind, _ in listing.columns]
    writer = row_writer(form, out, columns, style=style)
    writer.rows([Row([value(element) for _, _, value in listing.columns]) for element in listing.elements(entity)])
    writer.end()


def schema_text(schema: Mapping[str, Any]) -> str:
    """A schema object of the REST API as a SQL type."""
    kind, member, fields = schema.get("type"), schema.get("memberSchema"), schema.get("fields")
    if kind == "ARRAY" and member:
        return f"ARRAY<{schema_text(member)}>"
    if kind == "MAP" and member:
        return f"MAP<STRING, {schema_text(member)}>"
    if kind == "STRUCT":
        return "STRUCT<" + ", ".join(f"{f['name']} {schema_text(f['schema'])}" for f in fields or ()) + ">"
    numbers = schema.get("parameters")
    if kind == "DECIMAL" and numbers:
        return f"DECIMAL({numbers.get('precision')}, {numbers.get('scale')})"
    return str(kind)


def _fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [str(f["name"]) for f in fields]
    width = max(map(len, names), default=0)
    return [f"  {name:<{width}}  {schema_text(f['schema'])}{_role(f)}" for name, f in zip(names, fields, strict=True)]


def _role(field: Mapping[str, Any]) -> str:
    """What a column is beside a value: a key, or headers."""
    role = str(field.get("fieldType") or "").lower()
    key = field.get("headerKey")
    return f"  ({role}{f' {key}' if key else ''})" if role else ""


def _source_text(described: Mapping[str, Any]) -> str:
    kind = str(described.get("type", "source")).lower()
    lines = [f"{kind} {described.get('name')}", *_fields(described.get("fields") or ())]
    facts = {
        "topic": described.get("topic"),
        "key format": described.get("keyFormat"),
        "value format": described.get("valueFormat"),
        "window": described.get("windowType"),
        "timestamp column": described.get("timestamp"),
        "partitions": described.get("partitions") or None,
        "read by": _joined(q["id"] for q in described.get("readQueries") or ()),
        "written by": _joined(q["id"] for q in described.get("writeQueries") or ()),
    }
    if described.get("extended"):
        facts |= {
            "statement": described.get("statement"),
            "statistics": " ".join(str(described.get("statistics") or "").split()),
            "errors": " ".join(str(described.get("errorStats") or "").split()),
            "needed by": _joined(described.get("sourceConstraints")),
        }
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    return "\n".join([*lines, *_offsets(described)])


def _offsets(described: Mapping[str, Any]) -> list[str]:
    """How far each partition has been read."""
    return [
        f"partition {at.get('partition')}: read to {at.get('consumerOffset')} of {at.get('logEndOffset')}"
        for group in described.get("queryOffsetSummaries") or ()
        for topic in group.get("topicSummaries") or ()
        for at in topic.get("offsets") or ()
    ]


def _query_text(described: Mapping[str, Any]) -> str:
    lines = [f"query {described['id']}" if described.get("id") else "query"]
    lines += _fields(described.get("fields") or ())
    for name in ("state", "progress", "sources", "sinks"):
        value = described.get(name)
        if value:
            lines.append(f"{name}: {_joined(value) if isinstance(value, list) else value}")
    for what, done in (described.get("statistics") or {}).items():
        if done["rows"]:
            lines.append(f"rows {what}: {done['rows']} ({done['rowsPerSec']} a second, the last at {done['last']})")
    for part in ("executionPlan", "topology"):
        if described.get(part):
            lines += ["", str(described[part]).strip()]
    lines += [f"error: {e.get('errorMessage')}" for e in described.get("queryErrors") or ()]
    return "\n".join(lines)


def _function_text(described: Mapping[str, Any]) -> str:
    lines = [
        f"{described.get('name')} ({str(described.get('type', '')).lower()})",
        str(described.get("description", "")),
    ]
    for form in described.get("functions") or ():
        arguments = ", ".join(
            f"{a['name'] or ''} {a['type']}".strip() + ("..." if a.get("isVariadic") else "")
            for a in form.get("arguments") or ()
        )
        lines.append(f"  {described.get('name')}({arguments}) -> {form.get('returnType')}")
    return "\n".join(lines)


def _connector_text(described: Mapping[str, Any]) -> str:
    status = described.get("status") or {}
    lines = [
        f"connector {status.get('name')}",
        f"class: {described.get('connectorClass')}",
        f"state: {(status.get('connector') or {}).get('state')}",
    ]
    for task in status.get("tasks") or ():
        lines.append(f"task {task.get('id')}: {task.get('state')}")
        lines += [f"  {line}" for line in str(task.get("trace") or "").splitlines()]
    facts = {
        "streams and tables": _joined(s["name"] for s in described.get("sources") or ()),
        "topics": _joined(described.get("topics")),
    }
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in facts.items() if value)])


#: Entities that are a sentence.
NOTICES: Mapping[str, Callable[[Entity], str]] = {
    "terminate_query": lambda e: f"query {e.get('queryId')} is stopped",
    "warning_entity": lambda e: str(e.get("message")),
    "connector_info": lambda e: f"Created connector {(e.get('info') or {}).get('name')}",
    "drop_connector": lambda e: f"Dropped connector {e.get('connectorName')}",
    "assert_topic": lambda e: f"Topic {e.get('topicName')} {_exists(e)}",
    "assert_schema": lambda e: (
        f"Schema with{_named('subject name', e.get('subject'))}{_named('id', e.get('id'))} {_exists(e)}"
    ),
}


def _exists(entity: Entity) -> str:
    return "exists" if entity.get("exists") else "does not exist"


def _named(what: str, name: object) -> str:
    return "" if name is None else f" {what} {name}"


#: Entities that are described in text.
def _endpoint_text(described: Mapping[str, Any]) -> str:
    given = []
    for p in described["parameters"]:
        default = "" if p["required"] else f"  (default {'NULL' if p['default'] is None else p['default']})"
        given.append(f"  ${p['name']}  {p['type']}{default}")
    return "\n".join(
        [
            f"endpoint {described['name']}: GET {described['path']}",
            *given,
            "answers" + (" as long as it is followed" if described["follows"] else ""),
            *_fields(described["fields"]),
            f"reads: {_joined(described['reads'])}",
            f"statement: {described['statement']}",
        ]
    )


TEXTS: Mapping[str, Callable[[Entity], str]] = {
    "sourceDescription": lambda e: _source_text(e["sourceDescription"]),
    "source_descriptions": lambda e: "\n\n".join(map(_source_text, e["sourceDescriptions"])),
    "queryDescription": lambda e: _query_text(e["queryDescription"]),
    "query_descriptions": lambda e: "\n\n".join(map(_query_text, e["queryDescriptions"])),
    "describe_function": _function_text,
    "connector_description": _connector_text,
    "endpoint_description": lambda e: _endpoint_text(e["endpoint"]),
}
