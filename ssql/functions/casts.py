"""CAST between any two types that ksqlDB converts, as DuckDB expressions. A value that does not fit becomes NULL."""

from __future__ import annotations

import base64

from ssql.errors import Span, TypeMismatch
from ssql.functions import java_time, text
from ssql.functions.udf import by_row, define
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
    duck_quote,
    is_numeric,
)

_MAX32, _MAX64 = 2**31 - 1, 2**63 - 1


def wrap32(bigint: str) -> str:
    """The low 32 bits of a BIGINT expression as INTEGER, as Java's int arithmetic keeps them; never raises."""
    return f"CAST(xor({bigint} & 4294967295, 2147483648) - 2147483648 AS INTEGER)"


def wrap64(hugeint: str) -> str:
    """The low 64 bits of a HUGEINT expression as BIGINT; never raises."""
    return (
        f"CAST(xor({hugeint} & CAST(18446744073709551615 AS HUGEINT), CAST(9223372036854775808 AS HUGEINT))"
        " - CAST(9223372036854775808 AS HUGEINT) AS BIGINT)"
    )


def castable(source: SqlType | None, target: SqlType) -> bool:
    """Whether CAST takes `source` to `target`."""
    if source is None or source == target:
        return True
    if target == STRING:
        return source != BYTES
    if source == STRING:
        return is_numeric(target) or target in (BOOLEAN, TIME, DATE, TIMESTAMP, BYTES)
    if is_numeric(source):
        return is_numeric(target)
    if source == TIMESTAMP:
        return target in (TIME, DATE)
    if source == DATE:
        return target == TIMESTAMP
    if isinstance(source, Array) and isinstance(target, Array):
        return castable(source.element, target.element)
    if isinstance(source, Map) and isinstance(target, Map):
        return castable(source.key, target.key) and castable(source.value, target.value)
    if isinstance(source, Struct) and isinstance(target, Struct):
        return all(n not in source.by_name or castable(source.by_name[n], t) for n, t in target.fields)
    return False


def cast(sql: str, source: SqlType | None, target: SqlType, *, span: Span | None = None) -> str:
    """The expression `sql` of type `source` (None: NULL) as `target`.

    Text that does not parse and numbers that do not fit give NULL; BIGINT to INTEGER wraps around. Raises
    TypeMismatch for pairs that have no conversion.
    """
    if source == target:
        return sql
    if source is None:
        return f"CAST({sql} AS {target.duckdb})"
    if not castable(source, target):
        raise TypeMismatch(f"cast of {source} to {target} is not supported", span=span)
    if target == STRING:
        return _to_string(sql, source)
    if source == STRING:
        return _from_string(sql, target)
    if is_numeric(source):
        return _number(sql, source, target)
    if DATE in (source, target):
        return f"CAST({sql} AS {target.duckdb})"
    if source == TIMESTAMP:
        return f"CAST({sql} AS TIME)"
    return _nested(sql, source, target, 0)


def _number(sql: str, source: SqlType, target: SqlType) -> str:
    if target == DOUBLE or (source == INTEGER and target == BIGINT):
        return f"CAST({sql} AS {target.duckdb})"
    if isinstance(target, Decimal):
        # Through text, as a DOUBLE is the decimal that it prints as: 1.005 is to round up.
        exact = f"CAST({sql} AS VARCHAR)" if source == DOUBLE else sql
        return f"TRY_CAST({exact} AS {target.duckdb})"
    if source == DOUBLE:
        top = _MAX32 if target == INTEGER else _MAX64
        inside = f"CAST(trunc(greatest(least({sql}, 1e30), -1e30)) AS HUGEINT)"
        clamped = f"CAST(greatest(least({inside}, {top}), {-top - 1}) AS {target.duckdb})"
        # DuckDB's least and greatest pass over NULL.
        return f"CASE WHEN {sql} IS NULL THEN NULL WHEN isnan({sql}) THEN 0 ELSE {clamped} END"
    if isinstance(source, Decimal):
        whole = f"CAST(trunc({sql}) AS HUGEINT)"
        if target == BIGINT:
            return wrap64(whole)
        return wrap32(f"CAST({whole} & 4294967295 AS BIGINT)")
    return wrap32(sql)


def _to_string(sql: str, source: SqlType) -> str:
    if source in (BOOLEAN, INTEGER, BIGINT) or isinstance(source, Decimal):
        return f"CAST({sql} AS VARCHAR)"
    if source == DOUBLE:
        return f"{define('double_text', text.doubles_text, [DOUBLE], STRING)}({sql})"
    if source == TIMESTAMP:
        return f"strftime({sql}, '%Y-%m-%dT%H:%M:%S.%g')"
    return f"{define('text', by_row(text.formatter(source), STRING), [source], STRING)}({sql})"


def _from_string(sql: str, target: SqlType) -> str:
    if target in (INTEGER, BIGINT):
        digits = rf"regexp_extract({sql}, '^\s*([+-]?[0-9]+)\s*$', 1)"
        return f"TRY_CAST(nullif({digits}, '') AS {target.duckdb})"
    if isinstance(target, Decimal):
        number = rf"regexp_extract({sql}, '^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*$', 1)"
        return f"TRY_CAST(nullif({number}, '') AS {target.duckdb})"
    if target == DOUBLE:
        number = rf"regexp_extract({sql}, '^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[dDfF]?\s*$', 1)"
        return f"TRY_CAST(nullif({number}, '') AS DOUBLE)"
    if target == BOOLEAN:
        return f"{define('to_boolean', text.to_boolean, [STRING], BOOLEAN)}({sql})"
    if target == BYTES:
        return f"{define('from_base64', by_row(_base64, BYTES), [STRING], BYTES)}({sql})"
    parse = _PARSERS[str(target)]
    name = define(f"parse_{target}", by_row(parse, target), [STRING], target)
    return f"{name}({sql})"


_PARSERS = {
    "TIME": java_time.parse_iso_time,
    "DATE": java_time.parse_iso_date,
    "TIMESTAMP": java_time.parse_iso_timestamp,
}


def _base64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _nested(sql: str, source: SqlType, target: SqlType, depth: int) -> str:
    """Arrays, maps and structs, element by element; `depth` keeps the lambdas' parameters apart."""
    e = f"_e{depth}"

    def inner(value: str, s: SqlType, t: SqlType) -> str:
        return _nested(value, s, t, depth + 1) if isinstance(s, (Array, Map, Struct)) and s != t else cast(value, s, t)

    if target == STRING:
        return _to_string(sql, source)
    if isinstance(source, Array) and isinstance(target, Array):
        return f"list_transform({sql}, lambda {e}: {inner(e, source.element, target.element)})"
    if isinstance(source, Map) and isinstance(target, Map):
        pair = (
            f"struct_pack(k := {inner(f'{e}.key', source.key, target.key)},"
            f" v := {inner(f'{e}.value', source.value, target.value)})"
        )
        return f"map_from_entries(list_transform(map_entries({sql}), lambda {e}: {pair}))"
    assert isinstance(source, Struct)
    assert isinstance(target, Struct)
    fields = ", ".join(
        f"{duck_quote(n)} := "
        + (
            inner(f"({sql}).{duck_quote(n)}", source.by_name[n], t)
            if n in source.by_name
            else f"CAST(NULL AS {t.duckdb})"
        )
        for n, t in target.fields
    )
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({fields}) END"
