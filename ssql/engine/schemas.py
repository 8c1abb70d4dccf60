"""The schema registry in definitions: columns that a statement leaves to it, and schemas of those it declares."""

from __future__ import annotations

from ssql.engine import properties as p
from ssql.errors import FormatError, InvalidProperty, SchemaRefused, SchemaUnreadable, Span
from ssql.formats import inference, registered
from ssql.formats.api import FormatSpec
from ssql.formats.inference import RegistryFormat
from ssql.formats.registry import format_named
from ssql.planner.relation import Relation
from ssql.schemas.api import SchemaRegistry
from ssql.types import Column


def form_of(name: str, schemas: SchemaRegistry | None) -> RegistryFormat | None:
    """The format, where its schemas are in the registry; None for other formats, and for names that are none."""
    try:
        found = format_named(name, schemas)
    except FormatError:
        return None
    return found if isinstance(found, RegistryFormat) else None


def inferred(
    schemas: SchemaRegistry, spec: FormatSpec, topic: str, *, is_key: bool, at: Span | None
) -> tuple[Column, ...]:
    """The columns that the registry has for a side of the topic; none where the format does not ask it.

    Raises:
        SchemaUnreadable: where there is no schema, or none that columns can hold.
    """
    form = form_of(spec.name, schemas)
    if form is None:
        return ()
    try:
        return inference.inferred(form, schemas, spec, topic, is_key=is_key).columns
    except SchemaUnreadable as missing:
        missing.span = missing.span or at
        raise


def refuse_id_beside_columns(with_: p.With, *, is_key: bool) -> None:
    """Raise where a statement declares columns and says which schema to take them from."""
    entry = p.KEY_SCHEMA_ID if is_key else p.VALUE_SCHEMA_ID
    if with_[entry] is not None:
        raise InvalidProperty(
            f"Table elements and {entry.name} cannot both exist for create statement.",
            span=with_.name_span(entry),
            hint="Leave the columns away, or the id.",
        )


def check_ids(relation: Relation, schemas: SchemaRegistry, with_: p.With) -> None:
    """Raise where the columns of a query's result are not those of the schemas that the statement names by id."""
    for spec, columns, is_key in _sides(relation):
        form = form_of(spec.name, schemas)
        number = registered.schema_id(spec)
        if form is None or number is None:
            continue
        try:
            definition = registered.definition_of(schemas, number, form.schema_type, form.name)
            physical = form.columns(spec, definition, is_key=is_key)
            inference.require(columns, physical, is_key=is_key)
        except (FormatError, SchemaUnreadable) as wrong:
            wrong.span = wrong.span or with_.span(p.KEY_SCHEMA_ID if is_key else p.VALUE_SCHEMA_ID)
            raise


def register(relation: Relation, schemas: SchemaRegistry, *, at: Span, over: bool) -> None:
    """Register the schemas of a relation's columns; `over`: where the subject has another one, too.

    Raises:
        SchemaRefused: where the registry does not take one.
    """
    for spec, columns, is_key in _sides(relation):
        form = form_of(spec.name, schemas)
        if form is None or not columns or (not over and schemas.latest(spec.subject) is not None):
            continue
        try:
            inference.register(form, schemas, spec, columns, is_key=is_key)
        except SchemaRefused as refused:
            refused.span = refused.span or at
            raise


def missing(relation: Relation, schemas: SchemaRegistry) -> tuple[str, ...]:
    """The subjects of a relation's topic that have no schema yet."""
    subjects = [spec.subject for spec, _, _ in _sides(relation) if spec.subject]
    return tuple(subject for subject in subjects if schemas.latest(subject) is None)


def delete(relation: Relation, schemas: SchemaRegistry) -> None:
    """Delete the subjects of a relation's topic."""
    for spec, _, _ in _sides(relation):
        if spec.subject:
            schemas.delete_subject(spec.subject)


def _sides(relation: Relation) -> tuple[tuple[FormatSpec, tuple[Column, ...], bool], ...]:
    """Format and columns of keys and of values, and whether they are the keys."""
    headers = {h.name for h in relation.headers}
    values = tuple(c for c in relation.schema.values if c.name not in headers)
    return (relation.key_format, relation.schema.keys, True), (relation.value_format, values, False)
