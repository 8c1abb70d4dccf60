"""A file into a stream or table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssql.errors import ColumnNotFound, SourceNotFound, SsqlError
from ssql.types import Column, quote
from ssql_cli.backend import Backend
from ssql_cli.transfer.files import TOLD_LINES, BadLine, RowsFile, format_of
from ssql_cli.transfer.progress import Progress
from ssql_cli.transfer.sink import inserter


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
    file = RowsFile(path, format_of(path, options.format), header=options.header)
    try:
        created = _create(backend, name, file.columns, options)
        insert = inserter(backend)
        rows, refused, told = 0, 0, list[str]()
        with Progress(f"{path.name} into {name}") as progress:
            for batch in file.batches():
                errors = insert(name, batch)
                for index in sorted(errors)[: TOLD_LINES - len(told)]:
                    told.append(f"row {rows + refused + index + 1}: {errors[index]}")
                refused += len(errors)
                rows += batch.num_rows - len(errors)
                progress.at(rows)
        bad = file.bad_lines()
    finally:
        file.close()
    return Loaded(rows, refused + len(bad), [*map(_line, bad[:TOLD_LINES]), *told][:TOLD_LINES], created)


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


def _line(bad: BadLine) -> str:
    return f"line {bad.number}: {bad.reason}"


def _create(backend: Backend, name: str, columns: Sequence[Column], options: LoadOptions) -> bool:
    """Create the target if there is none."""
    try:
        backend.execute(f"DESCRIBE {quote(name)};")
    except SourceNotFound:
        pass
    except SsqlError as other:
        if "Could not find" not in str(other):
            raise
    else:
        return False
    backend.execute(create_statement(name, columns, options))
    return True


def create_statement(name: str, columns: Sequence[Column], options: LoadOptions) -> str:
    """The CREATE of a stream or table that takes these columns."""
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
