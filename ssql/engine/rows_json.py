"""Rows given as JSON objects, turned into typed columns by the types of a stream or table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
import pyarrow as pa

from ssql.errors import ColumnNotFound, InvalidStatement, SsqlError
from ssql.formats.api import FormatSpec
from ssql.formats.registry import format_named
from ssql.planner.timestamps import parse_temporal
from ssql.types import DATE, TIME, TIMESTAMP, Array, Column, Map, SqlType, Struct, quote

_JSON = FormatSpec("JSON")


def typed_rows(
    columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]
) -> tuple[pa.RecordBatch, dict[int, SsqlError]]:
    """The rows as a batch with these columns, and the errors of rows that do not fit, by index.

    Names ignore case unless back-quoted. What is missing is NULL. Dates and times may be text, or numbers as the JSON
    format has them.
    """
    errors: dict[int, SsqlError] = {}
    by_name = {c.name: c for c in columns}
    temporal = {c.name: c.type for c in columns if _holds_time(c.type)}
    names: dict[str, str | None] = {}
    texts: list[bytes | None] = []
    for index, row in enumerate(rows):
        try:
            renamed = _renamed(row, names, by_name)
            for name in temporal.keys() & renamed.keys():
                renamed[name] = as_number(renamed[name], temporal[name])
            texts.append(msgspec.json.encode(renamed))
        except SsqlError as bad:
            errors[index] = bad
            texts.append(None)
        except (TypeError, ValueError, msgspec.MsgspecError) as bad:
            errors[index] = InvalidStatement(f"the row cannot be read: {bad}")
            texts.append(None)
    decoder = format_named("JSON").decoder(_JSON, columns, is_key=False)
    decoded = decoder.decode(pa.array(texts, pa.binary()))
    for row_error in decoded.bad:
        errors.setdefault(row_error.index, InvalidStatement(f"the row does not fit the columns: {row_error.reason}"))
    return decoded.batch, errors


def _renamed(row: Mapping[str, Any], names: dict[str, str | None], columns: Mapping[str, Column]) -> dict[str, Any]:
    """The row under the columns' own names. `names` remembers what was looked up."""
    found: dict[str, Any] = {}
    for written, value in row.items():
        if written not in names:
            name = stored_name(written)
            names[written] = name if name in columns else None
        known = names[written]
        if known is None:
            raise ColumnNotFound(written, candidates=columns)
        if known in found:
            raise InvalidStatement(f"the row has column {quote(known)} twice")
        found[known] = value
    return found


def stored_name(written: str) -> str:
    """The name that a written one means: upper case unless it stands in back quotes."""
    if len(written) > 2 and written[0] == "`" and written[-1] == "`":
        return written[1:-1].replace("``", "`")
    return written.upper()


def _holds_time(t: SqlType) -> bool:
    match t:
        case Array(element):
            return _holds_time(element)
        case Map(_, value):
            return _holds_time(value)
        case Struct(fields):
            return any(_holds_time(field) for _, field in fields)
    return t in (DATE, TIME, TIMESTAMP)


def as_number(value: Any, t: SqlType) -> Any:
    """Dates and times given as text, as the JSON format's numbers; everything else as it is."""
    match t, value:
        case _, None:
            return None
        case Array(element), list():
            return [as_number(v, element) for v in value]
        case Map(_, member), dict():
            return {k: as_number(v, member) for k, v in value.items()}
        case Struct(fields), dict():
            types = {name.upper(): field for name, field in fields}
            return {k: as_number(v, types[k.upper()]) if k.upper() in types else v for k, v in value.items()}
        case _, str() if t in (DATE, TIME, TIMESTAMP):
            parsed = parse_temporal(value, t)
            if parsed is None:
                raise InvalidStatement(f'"{value}" is no {t}')
            return _number(parsed)
    return value


def _number(value: date | time | datetime) -> int:
    """Days, ms of the day, or ms since the epoch."""
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1000)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000
