"""The schema registry of a case: what is in it beforehand, and what must be in it at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssql.errors import SsqlError
from ssql.schemas.api import Definition, Reference, SchemaRegistry, SchemaType, subject_of
from ssql.schemas.embedded import EmbeddedRegistry
from ssql.schemas.types import sql_type
from tests.conformance.cases import Json, Mismatch
from tests.conformance.values import json_text

#: The language of a format's schemas.
LANGUAGE: Mapping[str, SchemaType] = {"AVRO": "AVRO", "PROTOBUF": "PROTOBUF", "JSON": "JSON", "JSON_SR": "JSON"}


def register(registry: EmbeddedRegistry, topics: Sequence[Mapping[str, Json]]) -> None:
    """Register the schemas that topics are listed with, under their ids where those are given."""
    for topic in topics:
        for side in ("key", "value"):
            format_, schema = str(topic.get(f"{side}_format")), topic.get(f"{side}_schema")
            if schema is None or format_ not in LANGUAGE:
                continue
            references = []
            for used in topic.get(f"{side}_schema_references") or ():
                _register(registry, used["name"], _definition(used["format"], used["schema"]))
                references.append(Reference(used["name"], used["name"], 1))
            definition = _definition(format_, schema, tuple(references))
            subject = subject_of(topic["name"], is_key=side == "key")
            _register(registry, subject, definition, topic.get(f"{side}_schema_id"))


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
            if sql_type(registry, wanted) != sql_type(registry, latest.definition):
                what = f"the schema under {subject} differs"
                raise Mismatch("schema", what, expected=wanted.text, got=latest.definition.text)
