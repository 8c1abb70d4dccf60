"""SQL types, and their Arrow and DuckDB counterparts.

Comes in: a type as written or inferred. Goes out: one frozen `SqlType` that prints as ksqlDB prints it, and knows
its Arrow type (what flows) and its DuckDB type (what operators compute with). Knows nothing of formats or functions.

============  ==============================  =================
SQL           Arrow                           DuckDB
============  ==============================  =================
BOOLEAN       bool                            BOOLEAN
INTEGER       int32                           INTEGER
BIGINT        int64                           BIGINT
DOUBLE        float64                         DOUBLE
DECIMAL(p,s)  decimal128(p, s)                DECIMAL(p,s)
STRING        string (UTF-8)                  VARCHAR
BYTES         binary                          BLOB
DATE          date32 (days)                   DATE
TIME          time64[us] (ms resolution)      TIME
TIMESTAMP     timestamp[ms] (UTC, no zone)    TIMESTAMP_MS
ARRAY<T>      list<T>                         T[]
MAP<K,V>      map<K, V>                       MAP(K, V)
STRUCT<..>    struct<..>                      STRUCT(..)
============  ==============================  =================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pyarrow as pa


@dataclass(frozen=True)
class SqlType:
    """Base of all types. Equal when they are the same type; `str` gives ksqlDB's spelling."""

    @property
    def arrow(self) -> pa.DataType:
        raise NotImplementedError

    @property
    def duckdb(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Primitive(SqlType):
    """A type without parameters."""

    name: str

    _ARROW: ClassVar[dict[str, pa.DataType]] = {
        "BOOLEAN": pa.bool_(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "STRING": pa.string(),
        "BYTES": pa.binary(),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "TIMESTAMP": pa.timestamp("ms"),
    }
    _DUCKDB: ClassVar[dict[str, str]] = {"STRING": "VARCHAR", "BYTES": "BLOB", "TIMESTAMP": "TIMESTAMP_MS"}

    def __str__(self) -> str:
        return self.name

    @property
    def arrow(self) -> pa.DataType:
        return self._ARROW[self.name]

    @property
    def duckdb(self) -> str:
        return self._DUCKDB.get(self.name, self.name)


BOOLEAN = Primitive("BOOLEAN")
INTEGER = Primitive("INTEGER")
BIGINT = Primitive("BIGINT")
DOUBLE = Primitive("DOUBLE")
STRING = Primitive("STRING")
BYTES = Primitive("BYTES")
DATE = Primitive("DATE")
TIME = Primitive("TIME")
TIMESTAMP = Primitive("TIMESTAMP")

MAX_PRECISION = 38  # what decimal128 and DuckDB's DECIMAL hold; ksqlDB accepts more and would not fit either


@dataclass(frozen=True)
class Decimal(SqlType):
    """DECIMAL(precision, scale); `1 <= precision`, `0 <= scale <= precision`."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"

    @property
    def arrow(self) -> pa.DataType:
        return pa.decimal128(min(self.precision, MAX_PRECISION), self.scale)

    @property
    def duckdb(self) -> str:
        return f"DECIMAL({min(self.precision, MAX_PRECISION)},{self.scale})"


@dataclass(frozen=True)
class Array(SqlType):
    element: SqlType

    def __str__(self) -> str:
        return f"ARRAY<{self.element}>"

    @property
    def arrow(self) -> pa.DataType:
        return pa.list_(self.element.arrow)

    @property
    def duckdb(self) -> str:
        return f"{self.element.duckdb}[]"


@dataclass(frozen=True)
class Map(SqlType):
    key: SqlType
    value: SqlType

    def __str__(self) -> str:
        return f"MAP<{self.key}, {self.value}>"

    @property
    def arrow(self) -> pa.DataType:
        return pa.map_(self.key.arrow, self.value.arrow)

    @property
    def duckdb(self) -> str:
        return f"MAP({self.key.duckdb}, {self.value.duckdb})"


@dataclass(frozen=True)
class Struct(SqlType):
    """STRUCT of named fields in order; names are exact (case as stored)."""

    fields: tuple[tuple[str, SqlType], ...]

    def __str__(self) -> str:
        return "STRUCT<" + ", ".join(f"{quote(n)} {t}" for n, t in self.fields) + ">"

    @cached_property
    def by_name(self) -> dict[str, SqlType]:
        return dict(self.fields)

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([pa.field(n, t.arrow) for n, t in self.fields])

    @property
    def duckdb(self) -> str:
        return "STRUCT(" + ", ".join(f"{duck_quote(n)} {t.duckdb}" for n, t in self.fields) + ")"


INTEGRAL = frozenset({INTEGER, BIGINT})


def is_numeric(t: SqlType) -> bool:
    return t in (INTEGER, BIGINT, DOUBLE) or isinstance(t, Decimal)


def quote(name: str) -> str:
    """A name as ksqlDB prints it in schemas: back-quoted."""
    return "`" + name.replace("`", "``") + "`"


def duck_quote(name: str) -> str:
    """A name as DuckDB reads it back exactly."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Column:
    """A named, typed column of a relation; `key` marks a part of the key."""

    name: str
    type: SqlType
    key: bool = False

    def __str__(self) -> str:
        return f"{quote(self.name)} {self.type}" + (" KEY" if self.key else "")


@dataclass(frozen=True)
class Schema:
    """The columns of a relation in order (key columns first where it is a source's schema)."""

    columns: tuple[Column, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.columns))

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {c.name: c for c in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def keys(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.key)

    @property
    def values(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if not c.key)

    @cached_property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])


def schema(*columns: Column) -> Schema:
    return Schema(tuple(columns))
