"""Columns from registered schemas, and schemas for columns: what a statement needs of the registry.

`inferred` gives the columns of a topic's keys or values, `register` makes the schema of columns the latest of its
subject, `require` holds columns against the schema that they are to be written with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from ssql.errors import FormatError, SchemaUnreadable
from ssql.formats import registered
from ssql.formats.api import Format, FormatSpec
from ssql.schemas.api import Definition, SchemaRegistry, SchemaType
from ssql.types import Array, Column, Map, SqlType, Struct, quote


@runtime_checkable
class RegistryFormat(Format, Protocol):
    """A format whose schemas are in the registry."""

    schema_type: SchemaType

    def definition(self, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool) -> Definition:
        """The schema to register for the columns."""

    def columns(self, spec: FormatSpec, definition: Definition, *, is_key: bool) -> tuple[Column, ...]:
        """The columns that a registered schema says, with the names that it has."""


@dataclass(frozen=True)
class Inferred:
    """Columns of a registered schema, and its id."""

    columns: tuple[Column, ...]
    id: int


def inferred(form: RegistryFormat, schemas: SchemaRegistry, spec: FormatSpec, topic: str, *, is_key: bool) -> Inferred:
    """The columns of the schema that `spec` names by id (names as they are there), else of the subject's latest
    (names in upper case).

    Raises:
        SchemaUnreadable: where there is no such schema, or no columns can hold what it describes.
    """
    number = registered.schema_id(spec)
    if number is not None:
        definition = registered.definition_of(schemas, number, form.schema_type, form.name)
        return Inferred(form.columns(spec, definition, is_key=is_key), number)
    latest = schemas.latest(spec.subject)
    side = "keys" if is_key else "values"
    missing = SchemaUnreadable(
        f"Schema for message {side} on topic '{topic}' does not exist in the Schema Registry.",
        hint=f"Subject: {spec.subject}. Register a schema there, or declare the columns.",
    )
    if latest is None:
        raise missing
    if latest.definition.type != form.schema_type:
        found, name = latest.definition.type, form.name
        missing.hint = f"Subject: {spec.subject}. Its latest schema is of type {found}, which {name} does not read."
        raise missing
    try:
        columns = form.columns(spec, latest.definition, is_key=is_key)
    except SchemaUnreadable as bad:
        missing.hint = f"Subject: {spec.subject}. Its latest schema cannot be used: {bad.message}."
        raise missing from bad
    return Inferred(tuple(replace(c, name=c.name.upper(), type=_upper(c.type)) for c in columns), latest.id)


def _upper(t: SqlType) -> SqlType:
    """The type with the names of its fields in upper case."""
    if isinstance(t, Struct):
        return Struct(tuple((name.upper(), _upper(kind)) for name, kind in t.fields))
    if isinstance(t, Array):
        return Array(_upper(t.element))
    if isinstance(t, Map):
        return Map(_upper(t.key), _upper(t.value))
    return t


def register(
    form: RegistryFormat, schemas: SchemaRegistry, spec: FormatSpec, columns: Sequence[Column], *, is_key: bool
) -> int | None:
    """Make the schema of the columns the latest of its subject; its id, or None where there is nothing to register.

    Nothing is where the statement names a schema by id, or there are no columns.

    Raises:
        SchemaRefused: where the registry does not take it.
    """
    if registered.SCHEMA_ID in spec.properties or not columns:
        return None
    return schemas.register(spec.subject, form.definition(spec, columns, is_key=is_key))


def require(columns: Sequence[Column], physical: Sequence[Column], *, is_key: bool) -> None:
    """Raise where columns are not those that a schema begins with: the rule for writing by a schema's id."""
    side = "key" if is_key else "value"
    if len(columns) > len(physical):
        missing = [c for c in columns if c.name not in {p.name for p in physical}]
        wrong = missing or list(columns[len(physical) :])
    else:
        wrong = [c for c, p in zip(columns, physical, strict=False) if (c.name, c.type) != (p.name, p.type)]
    if wrong:
        raise FormatError(
            f"The following {side} columns are changed, missing or reordered: [{_listed(wrong)}]. Schema from schema "
            f"registry is [{_listed(physical)}]"
        )


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quote(c.name)} {c.type}{' KEY' if c.key else ''}" for c in columns)
