"""Python functions that DuckDB calls where its own do not do what ksqlDB's do.

Comes in: a Python function over Arrow arrays with its SQL types. Goes out: a name (`ssql_...`, one for each concrete
signature) that SQL text may call once `install` has made it known to the connection. Where a value cannot be
computed, a function raises `NoValue` if it was made with a name (the statement's careful form then makes NULL of it,
and the row is reported); else the row's result is NULL.
"""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ssql.types import DATE, TIME, TIMESTAMP, Array, Map, SqlType, Struct

if TYPE_CHECKING:
    import duckdb

#: Takes one Arrow array an argument, all of one length, and answers one of that length in the result's type.
Vectorised = Callable[..., pa.Array]


class NoValue(Exception):
    """A function has no value for what it was given; the text says which function, and why."""


@dataclass(frozen=True)
class Udf:
    """A vectorised function with its SQL types."""

    name: str
    function: Vectorised
    parameters: tuple[SqlType, ...]
    result: SqlType
    volatile: bool = False


_KNOWN: dict[str, Udf] = {}
_NAME = re.compile(r"\bssql_\w+")


def define(
    base: str, function: Vectorised, parameters: Sequence[SqlType], result: SqlType, *, volatile: bool = False
) -> str:
    """Make `function` callable from SQL and answer its name there, which is the same in every process.

    Defining the same signature again is free and keeps the first function, so `base` must name one behaviour.
    """
    signature = f"{','.join(map(str, parameters))}->{result}"
    name = f"ssql_{base.lower()}_{zlib.crc32(signature.encode()):08x}"
    if name not in _KNOWN:
        _KNOWN[name] = Udf(name, function, tuple(parameters), result, volatile)
    return name


def used_in(sql: str) -> frozenset[str]:
    """The names of the Python functions that a DuckDB statement calls."""
    return frozenset(name for name in _NAME.findall(sql) if name in _KNOWN)


def install(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Make the named functions known to a connection; those that it knows already are left alone.

    Functions belong to the database instance, so cursors of the connection see them too. The connection must not be
    in the middle of a result.
    """
    import duckdb
    from duckdb.func import FunctionNullHandling, PythonUDFType

    for name in sorted(set(names)):
        known = _KNOWN[name]
        try:
            connection.create_function(
                name,
                _with_arity(known),
                [p.duckdb for p in known.parameters],
                known.result.duckdb,
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
                side_effects=known.volatile,
            )
        except duckdb.NotImplementedException:
            # DuckDB's way of saying that the name exists; it has no way to ask first that is cheaper.
            continue


def _with_arity(known: Udf) -> Callable[..., pa.Array]:
    """The function with chunks joined, and with a signature from which DuckDB counts the parameters."""
    function = known.function

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        return function(*(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns))

    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"a{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(len(known.parameters))]
    )
    return call


def by_row(
    function: Callable[..., Any],
    result: SqlType,
    *,
    nulls: Literal["skip", "pass"] = "skip",
    name: str | None = None,
) -> Vectorised:
    """A vectorised function that calls a plain one for each row.

    Values come and go as `to_python` and `to_arrow` have them. With nulls="skip" a row with a NULL argument is NULL
    and not asked for. What the function raises becomes NULL, or with a `name` (its name in SQL) a `NoValue`.
    """

    def vectorised(*columns: pa.Array) -> pa.Array:
        rows: list[Any] = []
        for row in zip(*map(to_python, columns), strict=True):
            if nulls == "skip" and any(v is None for v in row):
                rows.append(None)
                continue
            try:
                rows.append(function(*row))
            except Exception as failure:  # whatever a bad value makes a function raise
                if name is not None:
                    raise NoValue(f"{name}: {_why(failure)}") from None
                rows.append(None)
        return to_arrow(rows, result)

    return vectorised


def _why(failure: Exception) -> str:
    """The reason in the user's words: a plain ValueError is one of our own functions'."""
    return str(failure) if type(failure) is ValueError else "there is no value for these arguments"


def plain_arrow(t: SqlType) -> pa.DataType:
    """The Arrow type of `t` with times as integers: epoch ms, µs of day, epoch days."""
    if t in (TIMESTAMP, TIME):
        return pa.int64()
    if t == DATE:
        return pa.int32()
    if isinstance(t, Array):
        return pa.list_(plain_arrow(t.element))
    if isinstance(t, Map):
        return pa.map_(plain_arrow(t.key), plain_arrow(t.value))
    if isinstance(t, Struct):
        return pa.struct([pa.field(n, plain_arrow(f)) for n, f in t.fields])
    return t.arrow


def to_python(column: pa.Array) -> list[Any]:
    """Python values of an Arrow column.

    TIMESTAMP is epoch ms, DATE epoch days, TIME µs of day (all `int`, so no year is out of range); MAP is a list
    of pairs, STRUCT a dict, DECIMAL a `decimal.Decimal`.
    """
    plain = _plain(column.type)
    values: list[Any] = (column if plain == column.type else _cast_plain(column, plain)).to_pylist()
    return values


def to_arrow(values: Sequence[Any], result: SqlType) -> pa.Array:
    """The inverse of `to_python`; a value that does not fit the type becomes NULL."""
    plain = plain_arrow(result)
    try:
        made = pa.array(values, plain)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        made = pa.array([v if _fits(v, plain) else None for v in values], plain)
    return made if plain == result.arrow else _cast_plain(made, result.arrow)


def _fits(value: Any, arrow: pa.DataType) -> bool:
    try:
        pa.array([value], arrow)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return False
    return True


def _plain(t: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(t) or pa.types.is_time64(t):
        return pa.int64()
    if pa.types.is_date32(t):
        return pa.int32()
    if pa.types.is_list(t):
        inner = _plain(t.value_type)
        return t if inner == t.value_type else pa.list_(inner)
    if pa.types.is_map(t):
        key, item = _plain(t.key_type), _plain(t.item_type)
        return t if (key, item) == (t.key_type, t.item_type) else pa.map_(key, item)
    if pa.types.is_struct(t):
        fields = [pa.field(f.name, _plain(f.type)) for f in t]
        return t if all(a.type == b.type for a, b in zip(fields, t, strict=True)) else pa.struct(fields)
    return t


def _cast_plain(column: pa.Array, target: pa.DataType) -> pa.Array:
    return pc.cast(column, target)
