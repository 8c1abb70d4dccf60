"""The schema registry of a case: what is in it beforehand, and what must be in it at the end."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ssql.errors import SsqlError
from ssql.formats import inference
from ssql.formats.inference import RegistryFormat
from ssql.formats.registry import format_named
from ssql.planner.relation import Relation
from ssql.schemas import proto
from ssql.schemas.api import Definition, Reference, SchemaRegistry, referenced, subject_of
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.schemas.types import sql_type
from ssql.testing.records import LANGUAGE, Json, Mismatch
from ssql.testing.values import json_text


def register(registry: EmbeddedRegistry, topics: Sequence[Mapping[str, Json]], declared: Sequence[Relation]) -> None:
    """Register the schemas that are there beforehand.

    First those that topics are listed with under an id, then those of declared columns for which none is listed, then
    the other listed ones; ids are given in this order.
    """
    listed = list(_listed(topics))
    for subject, side, topic in listed:
        if topic.get(f"{side}_schema_id") is not None:
            _register_listed(registry, subject, side, topic)
    for relation in declared:
        _register_declared(registry, relation, {subject for subject, _, _ in listed})
    for subject, side, topic in listed:
        if topic.get(f"{side}_schema_id") is None:
            _register_listed(registry, subject, side, topic)


def _listed(topics: Sequence[Mapping[str, Json]]) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    """Subject, side and topic of each schema that is listed."""
    for topic in topics:
        for side in ("key", "value"):
            if topic.get(f"{side}_schema") is not None and topic.get(f"{side}_format") in LANGUAGE:
                yield subject_of(topic["name"], is_key=side == "key"), side, topic


def _register_listed(registry: EmbeddedRegistry, subject: str, side: str, topic: Mapping[str, Json]) -> None:
    references = []
    for used in topic.get(f"{side}_schema_references") or ():
        _register(registry, used["name"], _definition(used["format"], used["schema"]))
        references.append(Reference(used["name"], used["name"], 1))
    definition = _definition(topic[f"{side}_format"], topic[f"{side}_schema"], tuple(references))
    _register(registry, subject, definition, topic.get(f"{side}_schema_id"))


def _register_declared(registry: EmbeddedRegistry, relation: Relation, listed: Container[str]) -> None:
    headers = {h.name for h in relation.headers}
    values = tuple(c for c in relation.schema.values if c.name not in headers)
    for spec, columns, is_key in (
        (relation.key_format, relation.schema.keys, True),
        (relation.value_format, values, False),
    ):
        form = format_named(spec.name, registry)
        subject = subject_of(relation.topic, is_key=is_key)
        if isinstance(form, RegistryFormat) and subject not in listed:
            with suppress(SsqlError):  # what cannot be registered is for the statement to say
                inference.register(form, registry, replace(spec, subject=subject), columns, is_key=is_key)


def _register(registry: EmbeddedRegistry, subject: str, definition: Definition, schema_id: int | None = None) -> None:
    try:
        registry.register(subject, definition, schema_id=schema_id)
    except SsqlError as error:
        what = f"a schema of the case cannot be registered under {subject}"
        raise Mismatch("input", what, expected=definition.text, got=error.render()) from None


def _definition(format_: str, schema: Json, references: tuple[Reference, ...] = ()) -> Definition:
    text = schema if LANGUAGE[format_] == "PROTOBUF" else json_text(schema)
    return Definition(LANGUAGE[format_], text, references)


def check_topics(registry: SchemaRegistry, expected: Sequence[Mapping[str, Json]]) -> None:
    """Raise `Mismatch` where the latest schema of a topic does not describe what is expected."""
    for topic in expected:
        for side in ("key", "value"):
            format_, schema = str((topic.get(f"{side}_format") or {}).get("format")), topic.get(f"{side}_schema")
            if schema is None or format_ not in LANGUAGE:
                continue
            subject = subject_of(topic["name"], is_key=side == "key")
            latest = registry.latest(subject)
            if latest is None:
                raise Mismatch("schema", f"there is no schema under {subject}", expected=schema)
            wanted = _definition(format_, schema, latest.definition.references)
            if not _same(registry, wanted, latest.definition):
                what = f"the schema under {subject} differs"
                raise Mismatch("schema", what, expected=wanted.text, got=latest.definition.text)


def _same(registry: SchemaRegistry, wanted: Definition, found: Definition) -> bool:
    """Whether two schemas describe the same values; of several Protobuf messages the one that is wanted counts."""
    if wanted.type != found.type:
        return False
    if wanted.type != "PROTOBUF":
        return sql_type(registry, wanted) == sql_type(registry, found)
    ours = proto.ProtoSchema(wanted.text, referenced(registry, wanted))
    theirs = proto.ProtoSchema(found.text, referenced(registry, found))
    message = ours.message()
    names = [m.full_name for m in theirs.messages]
    other = theirs.message(message.full_name if message.full_name in names else None)
    return proto.sql_type(ours, message) == proto.sql_type(theirs, other)
