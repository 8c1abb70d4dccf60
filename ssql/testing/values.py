"""Values between JSON and SQL: what a case writes as a value of a column's type, and the other way round."""

from __future__ import annotations

import base64
import json
from decimal import Context
from decimal import Decimal as PyDecimal
from typing import Any

import pyarrow as pa

from ssql.testing.records import Json
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
    Decimal,
    Map,
    SqlType,
    Struct,
)

#: Digits enough for any DECIMAL.
_WIDE = Context(prec=100)


def json_text(value: Json) -> str:
    """JSON text of a value, decimals with the digits they were read with."""
    match value:
        case PyDecimal():
            return str(value)
        case dict():
            return "{" + ",".join(f"{json.dumps(str(k))}:{json_text(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(json_text, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def typed(value: Json, sql_type: SqlType) -> Any:
    """A JSON value as what Arrow takes for a column of that type. Fields ignore case; unknown ones are dropped.

    Raises ValueError (or an ArithmeticError) where the value cannot be of that type.
    """
    if value is None:
        return None
    match sql_type:
        case Array(element):
            return [typed(v, element) for v in value]
        case Map(key, item):
            return [(typed(k, key), typed(v, item)) for k, v in value.items()]
        case Struct(fields):
            return {name: typed(field_of(value, name), t) for name, t in fields}
        case Decimal(_, scale):
            return PyDecimal(str(value)).quantize(PyDecimal(1).scaleb(-scale), context=_WIDE)
    if sql_type in (INTEGER, BIGINT):
        return int(PyDecimal(str(value)))
    if sql_type == DOUBLE:
        return float(value)
    if sql_type == BOOLEAN:
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if sql_type == STRING:
        return value if isinstance(value, str) else json_text(value)
    if sql_type == BYTES:
        return base64.b64decode(value)
    if sql_type in (DATE, TIMESTAMP):
        return int(value)
    if sql_type == TIME:
        return int(value) * 1000
    raise ValueError(f"no values of {sql_type}")


def field_of(row: dict[str, Json], name: str) -> Json:
    """A field by its name, else by its name in another case."""
    if name in row:
        return row[name]
    return next((v for k, v in row.items() if k.upper() == name.upper()), None)


def plain(scalar: pa.Scalar, sql_type: SqlType) -> Json:
    """A value as JSON would hold it: times as numbers (ms; days), bytes as bytes, rows and maps as objects."""
    if not scalar.is_valid:
        return None
    match sql_type:
        case Array(element):
            return [plain(v, element) for v in scalar.values]
        case Map(key, item):
            pairs = zip(scalar.values.field(0), scalar.values.field(1), strict=True)
            return {_map_key(plain(k, key)): plain(v, item) for k, v in pairs}
        case Struct(fields):
            return {name: plain(scalar[i], t) for i, (name, t) in enumerate(fields)}
    if sql_type == DATE:
        return scalar.value
    if sql_type == TIME:
        return scalar.value // 1000
    if sql_type == TIMESTAMP:
        return scalar.value
    return scalar.as_py()


def _map_key(key: Json) -> str:
    return key if isinstance(key, str) else json_text(key)
