"""Finds a format by the name that a statement gives it."""

from __future__ import annotations

from collections.abc import Callable

from ssql.errors import FormatError, nearest
from ssql.formats.api import Format
from ssql.formats.delimited import DelimitedFormat
from ssql.formats.json import JsonFormat
from ssql.formats.kafka import KafkaFormat
from ssql.formats.none import NoneFormat
from ssql.schemas.api import SchemaRegistry

_PLAIN: tuple[Format, ...] = (JsonFormat(), KafkaFormat(), DelimitedFormat(), NoneFormat())


# Imported where they are first needed: most installations use one of them, or none.
def _avro(schemas: SchemaRegistry | None) -> Format:
    from ssql.formats.avro import AvroFormat

    return AvroFormat(schemas)


def _json_sr(schemas: SchemaRegistry | None) -> Format:
    from ssql.formats.json_sr import JsonSchemaFormat

    return JsonSchemaFormat(schemas)


def _protobuf(schemas: SchemaRegistry | None) -> Format:
    from ssql.formats.protobuf import ProtobufFormat

    return ProtobufFormat(schemas)


def _protobuf_nosr(_: SchemaRegistry | None) -> Format:
    from ssql.formats.protobuf import ProtobufNoRegistryFormat

    return ProtobufNoRegistryFormat()


FORMATS: dict[str, Format] = {f.name: f for f in _PLAIN}
MADE: dict[str, Callable[[SchemaRegistry | None], Format]] = {
    "AVRO": _avro,
    "PROTOBUF": _protobuf,
    "PROTOBUF_NOSR": _protobuf_nosr,
    "JSON_SR": _json_sr,
}
NAMES = (*FORMATS, *MADE)


def format_named(name: str, schemas: SchemaRegistry | None = None) -> Format:
    """The format of that name, in any case.

    `schemas`: the registry that AVRO, PROTOBUF and JSON_SR read and write with; without one they check columns only.

    Raises:
        FormatError: for a name that is none, with the nearest one as a hint.
    """
    found = FORMATS.get(name.upper())
    if found is not None:
        return found
    if name.upper() in MADE:
        return MADE[name.upper()](schemas)
    close = nearest(name, NAMES)
    raise FormatError(
        f"Unknown format: {name}", hint=f"Did you mean {close}?" if close else f"Use one of: {', '.join(NAMES)}."
    )
