"""INSERT INTO ... VALUES, and rows given as JSON objects: encoded by the target's formats, appended to its topic."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ssql.config import INSERT_VALUES_ENABLED
from ssql.engine.api import InsertAck
from ssql.engine.context import Request
from ssql.engine.fitting import fitting
from ssql.engine.relations import is_read_only
from ssql.engine.rows_json import typed_rows
from ssql.errors import (
    ColumnNotFound,
    EvaluationFailed,
    InsertFailed,
    InsertTargetNotFound,
    InvalidStatement,
    Span,
    SsqlError,
    nearest,
)
from ssql.formats.registry import format_named
from ssql.log.api import RECORD_SCHEMA
from ssql.planner.options import Options
from ssql.planner.relation import Relation
from ssql.planner.values import plan_values
from ssql.schemas.api import SchemaRegistry
from ssql.sql.printer import print_expression
from ssql.sql.statements import InsertValues, Name
from ssql.types import BIGINT, Column, Schema, quote

_ROWTIME = Column("ROWTIME", BIGINT)


def insert_values(request: Request, statement: InsertValues) -> None:
    """INSERT INTO source (columns) VALUES (...), ...: all rows in one append, or none."""
    name = statement.target
    relation = _target(request, name.text, name.span)
    columns = _named_columns(relation, statement)
    plan = plan_values(name.text, columns, statement.rows, options=Options(types=request.catalog.types.get))
    try:
        batch = request.core.pool.run(plan, Schema(tuple(columns)).arrow)
    except EvaluationFailed as failed:
        failed.span = statement.target.span
        raise
    errors = _append(request, relation, batch, {})
    if errors:
        first = errors[min(errors)]
        first.span = first.span or statement.target.span
        raise first


def insert_rows(request: Request, target: str, rows: Sequence[Mapping[str, Any]]) -> list[InsertAck]:
    """Append rows given as JSON objects; a row that does not fit is refused, the others are appended."""
    name = target[1:-1] if target[:1] == "`" == target[-1:] else target.upper()
    relation = _target(request, name, None)
    columns = [*relation.schema.columns, _ROWTIME]
    if not rows:
        return []
    batch, errors = typed_rows(columns, rows)
    if relation.headers:
        written = {h.name for h in relation.headers}
        for index in range(len(rows)):
            if any(batch.column(n)[index].is_valid for n in written):
                errors[index] = InvalidStatement(f"Cannot insert into HEADER columns: {', '.join(sorted(written))}")
    errors = _append(request, relation, batch, errors)
    return [InsertAck(index, errors.get(index)) for index in range(len(rows))]


def insert_batch(request: Request, target: str, batch: pa.RecordBatch) -> dict[int, SsqlError]:
    """Append rows given as columns under their own names (in any case where no other is meant; ROWTIME: ms, or times);
    answers the rows that were refused, by index.

    Raises:
        ColumnNotFound: the target has no such column.
        InvalidStatement: a column is there twice, or its values can never be of the target's type.
    """
    name = target[1:-1] if target[:1] == "`" == target[-1:] else target
    relation = _target(request, name, None)
    columns = {c.name: c for c in (*relation.schema.columns, _ROWTIME)}
    headers = {h.name for h in relation.headers}
    found: dict[str, pa.Array] = {}
    errors: dict[int, SsqlError] = {}
    for given, array in zip(batch.schema.names, batch.columns, strict=True):
        stored = given if given in columns else given.upper()
        if stored in headers:
            raise InvalidStatement(f"Cannot insert into HEADER columns: {stored}")
        if stored not in columns:
            raise ColumnNotFound(given, candidates=columns)
        if stored in found:
            raise InvalidStatement(f"column {quote(stored)} is named twice")
        found[stored] = fitting(array, columns[stored], errors)
    typed = pa.RecordBatch.from_arrays(list(found.values()), names=list(found))
    return _append(request, relation, typed, errors) if batch.num_rows else {}


def _target(request: Request, name: str, span: Span | None) -> Relation:
    if not request.core.config[INSERT_VALUES_ENABLED]:
        raise InvalidStatement(
            "The server has disabled INSERT INTO ... VALUES functionality.",
            span=span,
            hint="To enable it, start the server with 'ksql.insert.into.values.enabled'=true.",
        )
    relation = request.catalog.relation(name)
    if relation is None:
        raise InsertTargetNotFound(name, span=span, candidates=request.catalog.relation_names())
    if relation.read_only:
        raise InvalidStatement(f"Cannot insert values into read-only {relation.kind.lower()}: {name}", span=span)
    if is_read_only(relation.topic, request.core.config):
        raise InvalidStatement(f"Cannot insert values into read-only topic: {relation.topic}", span=span)
    if relation.window is not None:
        raise InvalidStatement("Cannot insert values into windowed stream/table!", span=span)
    return relation


def _named_columns(relation: Relation, statement: InsertValues) -> list[Column]:
    """The columns that the values are for: as named, else all of the relation's."""
    headers = {h.name for h in relation.headers}
    offered = {**relation.schema.by_name, "ROWTIME": _ROWTIME}
    if not statement.columns:
        columns = list(relation.schema.columns)
        if headers:
            raise InvalidStatement(
                f"Cannot insert into HEADER columns: {', '.join(sorted(headers))}", span=statement.target.span
            )
        for row in statement.rows:
            if len(row) != len(columns):
                wanted, given = ", ".join(quote(c.name) for c in columns), ", ".join(map(print_expression, row))
                raise InsertFailed(
                    relation.name,
                    f"Expected a value for each column. Expected Columns: [{wanted}]. Got [{given}]",
                    span=statement.target.span,
                )
        return columns
    found: dict[str, Column] = {}
    for name in statement.columns:
        found[name.text] = _column(relation, name, offered, headers, found)
    return list(found.values())


def _column(
    relation: Relation, name: Name, offered: Mapping[str, Column], headers: set[str], before: Mapping[str, Column]
) -> Column:
    if name.text in ("ROWPARTITION", "ROWOFFSET"):
        raise InvalidStatement(f"Inserting into column {quote(name.text)} is not allowed.", span=name.span)
    if name.text in headers:
        raise InvalidStatement(f"Cannot insert into HEADER columns: {name}", span=name.span)
    if name.text not in offered:
        close = nearest(name.text, offered)
        raise InsertFailed(
            relation.name,
            f"Column name {quote(name.text)} does not exist.",
            span=name.span,
            hint=f'Did you mean "{close}"?' if close else None,
        )
    if name.text in before:
        raise InvalidStatement(f"column {quote(name.text)} is named twice", span=name.span)
    return offered[name.text]


def _append(
    request: Request, relation: Relation, batch: pa.RecordBatch, errors: dict[int, SsqlError]
) -> dict[int, SsqlError]:
    """Encode and append the rows that have no error yet; answers all errors, by index.

    `batch` holds any of the relation's columns, and ROWTIME; what is missing is NULL, ROWTIME is now.
    """
    rows = batch.num_rows
    headers = {h.name for h in relation.headers}
    schemas = request.core.schemas
    key = _encode(relation, schemas, batch, is_key=True, errors=errors, without=headers)
    value = _encode(relation, schemas, batch, is_key=False, errors=errors, without=headers)
    if relation.kind == "TABLE":
        _require_keys(relation, batch, errors)
    timestamp = _rowtime(batch, errors)
    records = pa.RecordBatch.from_arrays(
        [key, value, timestamp, pa.nulls(rows, RECORD_SCHEMA.field("headers").type)], schema=RECORD_SCHEMA
    )
    if errors:
        records = records.filter(pa.array([index not in errors for index in range(rows)], pa.bool_()))
    if records.num_rows:
        request.core.log.append(relation.topic, records)
        request.core.recent.appended(relation.topic)
    return errors


def _encode(
    relation: Relation,
    schemas: SchemaRegistry,
    batch: pa.RecordBatch,
    *,
    is_key: bool,
    errors: dict[int, SsqlError],
    without: set[str],
) -> pa.Array:
    spec = relation.key_format if is_key else relation.value_format
    columns = [c for c in relation.schema.columns if c.key == is_key and c.name not in without]
    if not columns:
        return pa.nulls(batch.num_rows, pa.binary())
    given = set(batch.schema.names)
    arrays = [batch.column(c.name) if c.name in given else pa.nulls(batch.num_rows, c.type.arrow) for c in columns]
    part = pa.RecordBatch.from_arrays(arrays, schema=pa.schema([pa.field(c.name, c.type.arrow) for c in columns]))
    encoded = format_named(spec.name, schemas).encoder(spec, columns, is_key=is_key).encode(part)
    for bad in encoded.bad:
        errors.setdefault(bad.index, InvalidStatement(f"the row cannot be written: {bad.reason}"))
    return encoded.data


def _require_keys(relation: Relation, batch: pa.RecordBatch, errors: dict[int, SsqlError]) -> None:
    """Refuse rows of a table that lack some of its key."""
    missing: dict[int, list[str]] = {}
    for column in relation.schema.keys:
        given = batch.column(column.name) if column.name in batch.schema.names else pa.nulls(batch.num_rows)
        for index in pc.indices_nonzero(given.is_null()).to_pylist():
            missing.setdefault(index, []).append(column.name)
    for index, names in missing.items():
        why = f"Value for primary key column(s) {', '.join(names)} is required for tables"
        errors.setdefault(index, InsertFailed(relation.name, why))


def _rowtime(batch: pa.RecordBatch, errors: dict[int, SsqlError]) -> pa.Array:
    now = time.time_ns() // 1_000_000
    if "ROWTIME" not in batch.schema.names:
        return pa.array([now] * batch.num_rows, pa.int64())
    given = batch.column("ROWTIME").fill_null(now)
    for index in pc.indices_nonzero(pc.less(given, 0)).to_pylist():
        errors.setdefault(index, InvalidStatement("ROWTIME must not be negative"))
    return given
