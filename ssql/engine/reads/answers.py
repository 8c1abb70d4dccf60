"""DuckDB's types as SQL types: what an answer's columns are, and what DuckDB is to convert first.

==================================  ===============================================================================
DuckDB                              SQL
==================================  ===============================================================================
smaller and unsigned whole numbers  INTEGER where it holds them, else BIGINT
HUGEINT (the sum of whole numbers)  BIGINT; a value that it does not hold is an error (CAST it to DECIMAL or DOUBLE)
FLOAT                               DOUBLE
TIMESTAMP of any unit, with a zone  TIMESTAMP: milliseconds, in UTC
a list or an array of fixed length  ARRAY
all else (UUID, INTERVAL, ...)      STRING, as DuckDB writes it
==================================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ssql.functions.macros import written
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
)

_TYPES: dict[str, SqlType] = {
    "boolean": BOOLEAN,
    "tinyint": INTEGER,
    "smallint": INTEGER,
    "integer": INTEGER,
    "utinyint": INTEGER,
    "usmallint": INTEGER,
    "uinteger": BIGINT,
    "bigint": BIGINT,
    "ubigint": BIGINT,
    "hugeint": BIGINT,
    "uhugeint": BIGINT,
    "float": DOUBLE,
    "double": DOUBLE,
    "varchar": STRING,
    "blob": BYTES,
    "date": DATE,
    "time": TIME,
    "time_ns": TIME,
    "timestamp": TIMESTAMP,
    "timestamp_s": TIMESTAMP,
    "timestamp_ms": TIMESTAMP,
    "timestamp_ns": TIMESTAMP,
    "timestamp with time zone": TIMESTAMP,
}


def sql_type(duck: Any) -> SqlType:
    """The SQL type of a column of this DuckDB type (`duckdb.sqltypes.DuckDBPyType`)."""
    match duck.id:
        case "decimal":
            sizes = dict(duck.children)
            return Decimal(sizes["precision"], sizes["scale"])
        case "list" | "array":
            return Array(sql_type(duck.children[0][1]))
        case "map":
            (_, key), (_, value) = duck.children
            return Map(sql_type(key), sql_type(value))
        case "struct":
            fields = tuple((name, sql_type(of)) for name, of in duck.children)
            return Struct(fields) if fields and all(name for name, _ in fields) else STRING
    return _TYPES.get(duck.id, STRING)


def conversion(place: int, duck: Any, target: SqlType) -> str:
    """The DuckDB expression of the column at a place (from 1) in the target type."""
    column = f"#{place}"
    return column if str(duck) == target.duckdb else f"CAST({column} AS {target.duckdb})"


def columns_of(names: Sequence[str], types: Sequence[SqlType]) -> tuple[Column, ...]:
    """Columns with names that differ: the second X is X_1. An expression is named by its text, as DuckDB writes it."""
    taken: set[str] = set()
    columns = []
    for said, of in zip(names, types, strict=True):
        name = written(said)
        number, free = 0, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        columns.append(Column(free, of))
    return tuple(columns)


def as_declared(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """DuckDB's rows in SQL types' Arrow form."""
    schema = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
    arrays = [
        found if found.type == field.type else found.cast(field.type)
        for found, field in zip(rows.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
