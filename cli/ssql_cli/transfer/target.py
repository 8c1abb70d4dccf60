"""What a file goes into: the columns of a stream or table that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssql.errors import SourceNotFound, SsqlError
from ssql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Column,
    Decimal,
    Map,
    SqlType,
    Struct,
    quote,
)
from ssql_cli.backend import Backend

#: The column that gives the time of rows, in milliseconds.
ROWTIME = "ROWTIME"
_PLAIN = {str(t): t for t in (BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP)}


def columns_of(backend: Backend, name: str) -> dict[str, Column] | None:
    """The columns of a stream or table, by name; None where there is none."""
    try:
        [described] = backend.execute(f"DESCRIBE {quote(name)};")
    except SourceNotFound:
        return None
    except SsqlError as other:
        if "Could not find" not in str(other):
            raise
        return None
    return {f["name"]: Column(f["name"], type_of(f["schema"])) for f in described["sourceDescription"]["fields"]}


def type_of(schema: Mapping[str, Any]) -> SqlType:
    """The type that a schema object of the REST API is."""
    kind, member = str(schema["type"]), schema.get("memberSchema")
    match kind:
        case "ARRAY":
            return Array(type_of(member or {}))
        case "MAP":
            return Map(STRING, type_of(member or {}))
        case "STRUCT":
            return Struct(tuple((str(f["name"]), type_of(f["schema"])) for f in schema.get("fields") or ()))
        case "DECIMAL":
            return Decimal(int(schema["parameters"]["precision"]), int(schema["parameters"]["scale"]))
    return _PLAIN[kind]
