"""From a definition to a relation: columns, formats, time, window, and the topic behind it.

CREATE STREAM and TABLE take formats from WITH, else from the settings. C*AS takes what WITH does not say from the
left-most source of its query: formats with their delimiters, and the number of partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ssql.catalog.catalog import Catalog
from ssql.config import (
    DEFAULT_PARTITIONS,
    KEY_FORMAT,
    OUTPUT_TOPIC_PREFIX,
    READONLY_TOPICS,
    VALUE_FORMAT,
    WRAP_SINGLE_VALUES,
    Config,
    matches,
)
from ssql.engine import properties as p
from ssql.engine import schemas as registry
from ssql.errors import FormatError, InvalidProperty, InvalidStatement, Span
from ssql.formats.api import FormatSpec
from ssql.formats.registered import FULL_NAME, SCHEMA_ID
from ssql.formats.registry import format_named
from ssql.log.api import Log, Topic
from ssql.planner.relation import HeaderColumn, KeyWindow, Kind, Relation, TimestampSpec
from ssql.planner.system_streams import OWN_TOPICS
from ssql.schemas.api import SchemaRegistry, subject_of
from ssql.sql.statements import ColumnDef, CreateSource
from ssql.sql.type_syntax import resolve_type
from ssql.types import BIGINT, BYTES, STRING, TIMESTAMP, Array, Column, Schema, SqlType, Struct, quote

NULLABLE = "nullableRepresentation"  # of PROTOBUF; its module is not loaded for a name
RESERVED = ("ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND")
_HEADERS = Array(Struct((("KEY", STRING), ("VALUE", BYTES))))


@dataclass(frozen=True)
class TopicWanted:
    """A topic that a definition needs. `partitions` and `replicas` None: as the topic has them, or by default when it
    is new."""

    name: str
    default_partitions: int
    default_replicas: int | None = None
    partitions: int | None = None
    replicas: int | None = None
    config: dict[str, str] = field(default_factory=dict)
    partitions_span: Span | None = None
    replicas_span: Span | None = None


def is_read_only(topic: str, config: Config) -> bool:
    """Whether a topic is one that nobody may write to: of our own, of Kafka's, or by the settings."""
    return topic.startswith(OWN_TOPICS) or matches(config[READONLY_TOPICS], topic)


def ensure_topic(log: Log, wanted: TopicWanted) -> Topic:
    """The topic, made where it is missing.

    Raises:
        InvalidProperty: where it exists with another number of partitions than is asked for, or fewer replicas.
    """
    check_topic(log, wanted)
    return log.topic(wanted.name) or log.create_topic(
        wanted.name,
        wanted.partitions or wanted.default_partitions,
        replicas=wanted.replicas or wanted.default_replicas,
        config=wanted.config,
    )


def check_topic(log: Log, wanted: TopicWanted) -> None:
    """Raise what `ensure_topic` would raise, and make nothing."""
    found = log.topic(wanted.name)
    if found is None:
        return
    differs = (
        f"A Kafka topic with the name '{wanted.name}' already exists, with different partition/replica configuration"
    )
    if wanted.partitions not in (None, found.partitions):
        raise InvalidProperty(
            f"{differs} than required: it has {found.partitions} partitions",
            span=wanted.partitions_span,
            hint=f"Leave PARTITIONS away, or set it to {found.partitions}.",
        )
    if wanted.replicas is not None and found.replicas < wanted.replicas:
        raise InvalidProperty(
            f"{differs} than required: it has {found.replicas} replicas",
            span=wanted.replicas_span,
            hint=f"Leave REPLICAS away, or set it to {found.replicas}.",
        )


# --- CREATE STREAM, CREATE TABLE ---------------------------------------------


def created(
    statement: CreateSource,
    with_: p.With,
    config: Config,
    catalog: Catalog,
    schemas: SchemaRegistry | None = None,
) -> tuple[Relation, TopicWanted]:
    """The relation that CREATE STREAM or TABLE declares, and the topic that it needs.

    Key or value columns that it does not declare are those of the registry's schema, where the format has one.
    """
    topic = with_[p.KAFKA_TOPIC]
    if topic is None:
        raise InvalidProperty(
            'Missing required property "KAFKA_TOPIC" which has no default value.',
            span=statement.name.span,
            hint="Add WITH (KAFKA_TOPIC = '...').",
        )
    value_name = with_[p.VALUE_FORMAT] or with_[p.FORMAT] or config[VALUE_FORMAT]
    if not value_name:
        raise InvalidProperty(
            "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either provide one or set a "
            "default via the 'ksql.persistence.default.format.value' config.",
            span=statement.name.span,
            hint="Add VALUE_FORMAT = 'JSON' to the WITH clause.",
        )
    key_name = with_[p.KEY_FORMAT] or with_[p.FORMAT] or config[KEY_FORMAT]
    key_format = _format(key_name, with_, topic, is_key=True)
    value_format = _format(value_name, with_, topic, is_key=False, wrap=with_[p.WRAP_SINGLE_VALUE])
    inferred: list[Column] = []
    for spec, is_key in ((key_format, True), (value_format, False)):
        roles = ("key", "primary key") if is_key else ("value",)
        if any(c.role in roles for c in statement.columns):
            registry.refuse_id_beside_columns(with_, is_key=is_key)
        elif not statement.columns or registry.form_of(spec.name, schemas) is not None:
            _check_format(replace(spec, wrap=None), (), with_, is_key=is_key)
            if schemas is not None:
                at = with_.span(*(_KEY_SOURCES if is_key else _VALUE_SOURCES)) or statement.name.span
                inferred += registry.inferred(schemas, spec, topic, is_key=is_key, at=at)
    schema = _declared(statement.kind, statement.columns, inferred, catalog, statement.name.span)
    window_type = with_[p.WINDOW_TYPE]
    if window_type is not None and not schema.keys:
        raise InvalidProperty("Windowed sources require a key column.", span=with_.span(p.WINDOW_TYPE))
    headers = tuple(HeaderColumn(c.name.text, c.header) for c in statement.columns if c.role in ("headers", "header"))
    relation = Relation(
        name=statement.name.text,
        kind=statement.kind,
        schema=schema,
        topic=topic,
        key_format=key_format,
        value_format=value_format,
        window=KeyWindow(window_type, with_[p.WINDOW_SIZE]) if window_type else None,
        timestamp=timestamp_of(with_, schema),
        headers=headers,
        read_only=statement.read_only,
    )
    check_formats(relation, with_)
    if all(c.key for c in inferred):
        relation = _wrapped(relation, config)
    return relation, _topic(relation, with_, config[DEFAULT_PARTITIONS])


def _declared(
    kind: Kind, columns: Sequence[ColumnDef], inferred: Sequence[Column], catalog: Catalog, at: Span
) -> Schema:
    """The declared columns as a schema, with those that are `inferred`: key columns first, names checked."""
    if not columns and not inferred:
        raise InvalidStatement("No columns supplied.", span=at, hint="Declare them: (ID INT KEY, NAME STRING).")
    seen: dict[str, ColumnDef] = {}
    for column in columns:
        name = column.name.text
        if name in RESERVED:
            raise InvalidStatement(
                f"'{name}' is a reserved column name. You cannot use it as a name for a column.", span=column.name.span
            )
        if name in seen:
            raise InvalidStatement(f"Duplicate column names: {quote(name)}", span=column.name.span)
        seen[name] = column
    _check_headers(columns)
    for known in inferred:
        if known.name in RESERVED:
            raise InvalidStatement(
                f"'{known.name}' is a reserved column name. You cannot use it as a name for a column.", span=at
            )
    names = [*seen, *(c.name for c in inferred)]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InvalidStatement(f"Duplicate column names: {quote(twice)}", span=at)
    if kind == "TABLE" and not any(c.role == "primary key" for c in columns) and not any(c.key for c in inferred):
        raise InvalidStatement(
            "Tables require a PRIMARY KEY. Please define the PRIMARY KEY.",
            span=at,
            hint="Write PRIMARY KEY after the type of the key column.",
        )
    typed = [Column(c.name.text, column_type(c, catalog), key=c.role in ("key", "primary key")) for c in columns]
    for made, declared in zip(typed, columns, strict=True):
        needed: SqlType | None = {"headers": _HEADERS, "header": BYTES}.get(declared.role)
        if needed is not None and made.type != needed:
            role = "HEADERS" if declared.role == "headers" else f"HEADER('{declared.header}')"
            raise InvalidStatement(
                f"Invalid type for {role} column: expected {needed}, got {made.type}", span=declared.name.span
            )
    typed = [*typed, *inferred]
    return Schema((*(c for c in typed if c.key), *(c for c in typed if not c.key)))


def _check_headers(columns: Sequence[ColumnDef]) -> None:
    """One HEADERS column, or any number of HEADER('k') columns with different keys."""
    seen: set[str | None] = set()
    for column in columns:
        if column.role not in ("headers", "header"):
            continue
        if column.header in seen or (seen and (column.header is None or None in seen)):
            found = "HEADERS" if None in seen else f"HEADER('{column.header}')" if column.header in seen else "HEADER"
            raise InvalidStatement(f"Schema already contains a {found} column.", span=column.name.span)
        seen.add(column.header)


def column_type(column: ColumnDef, catalog: Catalog) -> SqlType:
    """The type of a declared column, custom types resolved. Raises `TypeNotFound`."""
    return resolve_type(column.type, catalog.types.get)


# --- C*AS --------------------------------------------------------------------


def sink(
    *,
    name: str,
    kind: Kind,
    schema: Schema,
    window: KeyWindow | None,
    base: Relation,
    base_topic: Topic | None,
    retention_ms: int | None,
    with_: p.With,
    config: Config,
    unkeyed: bool = False,
) -> tuple[Relation, TopicWanted]:
    """The relation that C*AS fills, and its topic.

    `base` is the left-most source of the query, and `base_topic` its topic if that is there: the sink's takes its
    partitions, replicas and retention where no others are asked for. `retention_ms` is what the query's WINDOW says;
    `unkeyed` says that PARTITION BY NULL took the key away.
    """
    asked_key = with_[p.KEY_FORMAT] or (with_[p.FORMAT] if schema.keys else None)
    if unkeyed and with_[p.KEY_FORMAT] not in (None, "NONE"):
        raise InvalidProperty("Key format specified for stream without key columns.", span=with_.span(p.KEY_FORMAT))
    key_name = asked_key or base.key_format.name
    if unkeyed:
        key_name = "NONE"
    elif key_name == "NONE" and asked_key is None and schema.keys:
        key_name = config[KEY_FORMAT]
    value_name = with_[p.VALUE_FORMAT] or with_[p.FORMAT] or base.value_format.name
    topic = with_[p.KAFKA_TOPIC] or config[OUTPUT_TOPIC_PREFIX] + name
    if is_read_only(topic, config):
        raise InvalidProperty(f"Cannot write to read-only topic: {topic}", span=with_.span(p.KAFKA_TOPIC))
    wrap = with_[p.WRAP_SINGLE_VALUE]
    relation = Relation(
        name=name,
        kind=kind,
        schema=schema,
        topic=topic,
        key_format=_format(key_name, with_, topic, is_key=True, base=base.key_format),
        value_format=_format(value_name, with_, topic, is_key=False, base=base.value_format, wrap=wrap),
        window=window,
        timestamp=timestamp_of(with_, schema),
        derived=True,
    )
    check_formats(relation, with_)
    relation = _wrapped(relation, config)
    partitions = config[DEFAULT_PARTITIONS] if base_topic is None else base_topic.partitions
    return relation, _topic(relation, with_, partitions, base_topic, retention_ms)


# --- shared ------------------------------------------------------------------


#: Properties of formats, keys' and values', by the names that formats know them by.
_KEY_PROPERTIES: tuple[tuple[str, p.WithProperty[Any]], ...] = (
    ("delimiter", p.KEY_DELIMITER),
    (FULL_NAME, p.KEY_SCHEMA_FULL_NAME),
    (SCHEMA_ID, p.KEY_SCHEMA_ID),
    (NULLABLE, p.KEY_NULLABLE),
)
_VALUE_PROPERTIES: tuple[tuple[str, p.WithProperty[Any]], ...] = (
    ("delimiter", p.VALUE_DELIMITER),
    (FULL_NAME, p.VALUE_AVRO_SCHEMA_FULL_NAME),
    (FULL_NAME, p.VALUE_SCHEMA_FULL_NAME),
    (SCHEMA_ID, p.VALUE_SCHEMA_ID),
    (NULLABLE, p.VALUE_NULLABLE),
)
#: What a query's result takes over from its source; names and ids of schemas are one topic's own.
_INHERITED = ("delimiter", NULLABLE)


def _format(
    name: str,
    with_: p.With,
    topic: str,
    *,
    is_key: bool,
    base: FormatSpec | None = None,
    wrap: bool | None = None,
) -> FormatSpec:
    found: dict[str, str] = {}
    if base is not None and base.name == name:
        found |= {key: value for key, value in base.properties.items() if key in _INHERITED}
    for key, entry in _KEY_PROPERTIES if is_key else _VALUE_PROPERTIES:
        given = with_[entry]
        if given is not None:
            found[key] = str(given)
    has_schemas = registry.form_of(name, None) is not None
    if SCHEMA_ID in found and not has_schemas:
        side, entry = ("KEY", p.KEY_SCHEMA_ID) if is_key else ("VALUE", p.VALUE_SCHEMA_ID)
        raise InvalidProperty(
            f"{side}_FORMAT should support schema inference when {entry.name} is provided. Current format is {name}.",
            span=with_.name_span(entry),
        )
    return FormatSpec(name, found, wrap, subject_of(topic, is_key=is_key) if has_schemas else "")


def _wrapped(relation: Relation, config: Config) -> Relation:
    """The relation with a single value column held as the settings say, where WITH does not and the format can."""
    spec, default = relation.value_format, config[WRAP_SINGLE_VALUES]
    columns = len(relation.schema.values) - len(relation.headers)
    if default is None or spec.wrap is not None or columns != 1 or default not in format_named(spec.name).wraps:
        return relation
    return replace(relation, value_format=replace(spec, wrap=default))


def check_formats(relation: Relation, with_: p.With) -> None:
    """Raise where the formats cannot hold the columns; the error points at the property that asks for the format."""
    headers = {h.name for h in relation.headers}
    values = tuple(c for c in relation.schema.values if c.name not in headers)
    _check_format(relation.key_format, relation.schema.keys, with_, is_key=True)
    _check_format(relation.value_format, values, with_, is_key=False)


_KEY_SOURCES: tuple[p.WithProperty[Any], ...] = (p.KEY_FORMAT, p.FORMAT, *(e for _, e in _KEY_PROPERTIES))
_VALUE_SOURCES: tuple[p.WithProperty[Any], ...] = (
    p.WRAP_SINGLE_VALUE,
    p.VALUE_FORMAT,
    p.FORMAT,
    *(e for _, e in _VALUE_PROPERTIES),
)


def _check_format(spec: FormatSpec, columns: tuple[Column, ...], with_: p.With, *, is_key: bool) -> None:
    try:
        format_named(spec.name).check(spec, columns, is_key=is_key)
    except FormatError as bad:
        if bad.span is None:
            bad.span = with_.span(*(_KEY_SOURCES if is_key else _VALUE_SOURCES))
        raise


def check_timestamp(with_: p.With, columns: Schema) -> None:
    """Raise where the TIMESTAMP column of WITH cannot be one of these."""
    timestamp_of(with_, columns)


def timestamp_of(with_: p.With, schema: Schema) -> TimestampSpec | None:
    """The TIMESTAMP column of WITH: BIGINT or TIMESTAMP, or STRING with TIMESTAMP_FORMAT."""
    name, pattern = with_[p.TIMESTAMP], with_[p.TIMESTAMP_FORMAT]
    if name is None:
        if pattern is not None:
            raise InvalidProperty(
                "TIMESTAMP_FORMAT is of no use without TIMESTAMP", span=with_.name_span(p.TIMESTAMP_FORMAT)
            )
        return None
    column = schema.by_name.get(name)
    if column is None:
        raise InvalidProperty(
            f"The TIMESTAMP column set in the WITH clause does not exist in the schema: '{name}'",
            span=with_.span(p.TIMESTAMP),
        )
    fits = column.type == STRING if pattern is not None else column.type in (BIGINT, TIMESTAMP)
    if not fits:
        raise InvalidProperty(
            f"Timestamp column, {quote(name)}, should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format "
            "specified",
            span=with_.span(p.TIMESTAMP),
        )
    return TimestampSpec(name, pattern)


def _topic(
    relation: Relation,
    with_: p.With,
    default_partitions: int,
    base: Topic | None = None,
    window_retention_ms: int | None = None,
) -> TopicWanted:
    windowed = relation.window is not None
    policy = "delete" if relation.kind == "STREAM" else "compact,delete" if windowed else "compact"
    retention = with_[p.RETENTION_MS]
    if retention is not None and policy == "compact":
        raise InvalidProperty(
            "Invalid config variable in the WITH clause: RETENTION_MS. Non-windowed tables do not support retention.",
            span=with_.name_span(p.RETENTION_MS),
        )
    if retention is None and base is not None and (inherited := base.config.get("retention.ms")) is not None:
        retention = int(inherited)
    # The larger of the two; -1 is for ever.
    asked = [ms for ms in (retention, window_retention_ms) if ms is not None]
    config = {"cleanup.policy": policy}
    if asked and policy != "compact":
        config["retention.ms"] = str(-1 if -1 in asked else max(asked))
    return TopicWanted(
        relation.topic,
        default_partitions,
        None if base is None else base.replicas,
        with_[p.PARTITIONS],
        with_[p.REPLICAS],
        config,
        with_.span(p.PARTITIONS),
        with_.span(p.REPLICAS),
    )
