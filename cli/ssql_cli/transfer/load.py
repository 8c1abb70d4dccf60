"""A file into a stream or table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ssql.errors import ColumnNotFound
from ssql.types import Column, quote
from ssql_cli.backend import Backend
from ssql_cli.transfer.files import TOLD_LINES, RowsFile, format_of
from ssql_cli.transfer.progress import Progress
from ssql_cli.transfer.sink import inserter
from ssql_cli.transfer.target import ROWTIME, columns_of
from ssql_cli.transfer.values import BadRow


@dataclass(frozen=True)
class LoadOptions:
    """What is known of a file, and of the stream or table that is created for it if there is none."""

    format: str | None = None
    header: bool | None = None
    type: str = "stream"
    key: str | None = None
    timestamp: str | None = None


@dataclass(frozen=True)
class Loaded:
    """What became of a file: rows that are in, lines and rows that are not (the first ones of them)."""

    rows: int
    refused: int
    told: Sequence[str]
    created: bool


def load(backend: Backend, path: Path, name: str, options: LoadOptions) -> Loaded:
    """Append the rows of a file; the stream or table is created if it is not there.

    Raises:
        FileUnreadable: the file, or its format.
        ColumnNotFound: the key or timestamp is no column of the file, or the target lacks a column.
    """
    target = columns_of(backend, name)
    file = RowsFile(path, format_of(path, options.format), header=options.header, target=target)
    rows, refused, told = 0, 0, list[str]()
    try:
        if target is None:
            backend.execute(create_statement(name, file.columns, options))
        insert = inserter(backend)
        with Progress(f"{path.name} into {name}", file.about(), about=True) as progress:
            for batch in file.batches():
                errors = insert(name, _timed(batch))
                for index in sorted(errors)[: TOLD_LINES - len(told)]:
                    told.append(f"row {rows + refused + index + 1}: {errors[index]}")
                refused += len(errors)
                rows += batch.num_rows - len(errors)
                progress.at(rows + refused)
    except BaseException:
        if rows:
            print(f"{rows} rows of {path} are in {name}, the others are not", file=sys.stderr)
        raise
    finally:
        file.close()
    return Loaded(rows, refused + file.bad_rows, [*map(_told, file.bad), *told][:TOLD_LINES], target is None)


def summary(loaded: Loaded, name: str) -> str:
    """What became of a file, for people."""
    made = " (created)" if loaded.created else ""
    lines = [f"{loaded.rows} {'row' if loaded.rows == 1 else 'rows'} into {name}{made}"]
    if loaded.refused:
        lines[0] += f", {loaded.refused} left out"
        lines += loaded.told
        if loaded.refused > len(loaded.told):
            lines.append(f"... and {loaded.refused - len(loaded.told)} more")
    return "\n".join(lines)


def _told(bad: BadRow) -> str:
    return f"{bad.unit} {bad.number}: {bad.reason}"


def _timed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the time of its rows as the number of milliseconds that it is."""
    at = batch.schema.get_field_index(ROWTIME)
    return batch if at < 0 else batch.set_column(at, ROWTIME, batch.column(at).cast(pa.int64()))


def create_statement(name: str, columns: Sequence[Column], options: LoadOptions) -> str:
    """The CREATE of a stream or table that takes these columns."""
    columns = [c for c in columns if c.name != ROWTIME]
    names = [c.name for c in columns]
    key, timestamp = (_known(column, names) for column in (options.key, options.timestamp))
    role = " PRIMARY KEY" if options.type == "table" else " KEY"
    ordered = sorted(columns, key=lambda c: c.name != key)
    listed = ", ".join(f"{quote(c.name)} {c.type}{role if c.name == key else ''}" for c in ordered)
    at = f", TIMESTAMP = '{quote(timestamp)}'" if timestamp else ""
    text = name.replace("'", "''")
    return (
        f"CREATE {options.type.upper()} {quote(name)} ({listed})"
        f" WITH (KAFKA_TOPIC = '{text}', PARTITIONS = 1, VALUE_FORMAT = 'JSON'{at});"
    )


def _known(column: str | None, names: Sequence[str]) -> str | None:
    """A column that was named, as the file has it."""
    if column is None:
        return None
    for form in (column, column.upper()):
        if form in names:
            return form
    raise ColumnNotFound(column, candidates=names)
