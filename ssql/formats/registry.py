"""Finds a format by the name that a statement gives it."""

from __future__ import annotations

from ssql.errors import FormatError, NotSupportedYet, nearest
from ssql.formats.api import Format
from ssql.formats.delimited import DelimitedFormat
from ssql.formats.json import JsonFormat
from ssql.formats.kafka import KafkaFormat
from ssql.formats.none import NoneFormat

_FORMATS: tuple[Format, ...] = (JsonFormat(), KafkaFormat(), DelimitedFormat(), NoneFormat())

FORMATS: dict[str, Format] = {f.name: f for f in _FORMATS}
#: Names that ksqlDB knows and ssql does not read or write yet.
PLANNED = ("AVRO", "PROTOBUF", "PROTOBUF_NOSR", "JSON_SR")


def format_named(name: str) -> Format:
    """The format of that name, in any case.

    Raises:
        NotSupportedYet: for a format that is known and not there yet.
        FormatError: for any other name, with the nearest one as a hint.
    """
    found = FORMATS.get(name.upper())
    if found is not None:
        return found
    if name.upper() in PLANNED:
        raise NotSupportedYet(f"format {name.upper()}", hint=f"Use one of: {', '.join(FORMATS)}.")
    close = nearest(name, (*FORMATS, *PLANNED))
    raise FormatError(
        f"Unknown format: {name}", hint=f"Did you mean {close}?" if close else f"Use one of: {', '.join(FORMATS)}."
    )
