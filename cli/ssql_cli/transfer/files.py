"""Files of rows: CSV, JSON, Parquet. Types are inferred from the file; rows that cannot be read are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from ssql.errors import FileUnreadable
from ssql.types import Column
from ssql_cli.transfer.csv_rows import CsvRows
from ssql_cli.transfer.json_rows import JsonRows, Nothing
from ssql_cli.transfer.values import BadRow, Part, cast, name_of, quoted, reason, sql_type

#: Rows of one batch.
BATCH_ROWS = 50_000
#: Bad lines that are told one by one.
TOLD_LINES = 20

FORMATS = ("csv", "json", "parquet")
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".ndjson": "json", ".jsonl": "json", ".parquet": "parquet",
}  # fmt: skip


def format_of(path: Path, given: str | None = None) -> str:
    """The format of a file: as given, else by its name (`.gz` at its end is passed over).

    Raises:
        FileUnreadable: it has none that can be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    found = (given or _SUFFIXES.get(suffixes[-1] if suffixes else "", "")).lower()
    found = "json" if found == "ndjson" else found
    if found not in FORMATS:
        raise FileUnreadable(str(path), f"its format is none of {', '.join(FORMATS)}: say which one it is")
    return found


class _Rows(Protocol):
    """The rows of a file in one format."""

    columns: list[Column]

    def parts(self, size: int) -> Iterator[Part]: ...

    def left_out(self) -> list[BadRow]: ...

    def about(self) -> int | None:
        """How many rows there are, roughly; None where that cannot be told without reading them."""


class RowsFile:
    """A file that is read in batches.

    `columns`: as inferred, names in upper case unless they need quotes; one that `target` has is read as of its type.
    `bad`: the first rows that cannot be read, and `bad_rows` their number; all once the batches were read.
    """

    def __init__(
        self, path: Path, form: str, *, header: bool | None = None, target: Mapping[str, Column] | None = None
    ) -> None:
        if not path.is_file():
            raise FileUnreadable(str(path), "it is a directory" if path.is_dir() else "no such file")
        if path.stat().st_size == 0:
            raise FileUnreadable(str(path), "it is empty")
        self.bad: list[BadRow] = []
        self.bad_rows = 0
        self._path = path
        self._connection = duckdb.connect()
        self._connection.execute("SET enable_progress_bar = false")  # how far it is, we tell ourselves
        try:
            self._rows = _open(self._connection, path, form, header, target or {})
        except Nothing:
            raise FileUnreadable(str(path), "there is no JSON object with a member in it") from None
        except duckdb.Error as bad:
            raise FileUnreadable(str(path), reason(bad)) from None
        except OSError as bad:
            raise FileUnreadable(str(path), (bad.strerror or str(bad)).lower()) from None
        self.columns: Sequence[Column] = self._rows.columns

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows with the types of `columns`, without the bad ones.

        Raises:
            FileUnreadable: the file breaks off.
        """
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in self.columns])
        try:
            for part in self._rows.parts(BATCH_ROWS):
                batch = pa.RecordBatch.from_arrays(list(part.arrays), schema=schema)
                if part.bad:
                    self._tell(part.bad)
                    left = {bad.index for bad in part.bad}
                    batch = batch.filter(pa.array([row not in left for row in range(batch.num_rows)], pa.bool_()))
                yield batch
            self._tell(self._rows.left_out())
        except duckdb.Error as bad:
            raise FileUnreadable(str(self._path), reason(bad)) from None

    def about(self) -> int | None:
        """How many rows there are, roughly; None where that cannot be told without reading them."""
        try:
            return self._rows.about()
        except (duckdb.Error, OSError):  # reading will say so
            return None

    def _tell(self, bad: Sequence[BadRow]) -> None:
        self.bad += bad[: TOLD_LINES - len(self.bad)]
        self.bad_rows += len(bad)

    def close(self) -> None:
        self._connection.close()


@dataclass
class _ParquetRows:
    connection: duckdb.DuckDBPyConnection
    path: Path
    target: Mapping[str, Column]
    columns: list[Column] = field(init=False)

    def __post_init__(self) -> None:
        self._sql = f"SELECT * FROM read_parquet({quoted(str(self.path))})"
        schema = self.connection.sql(f"{self._sql} LIMIT 0").to_arrow_table().schema
        names = [f.name if f.name in self.target else name_of(f.name) for f in schema]
        self.columns = [Column(name, sql_type(f.type)) for name, f in zip(names, schema, strict=True)]

    def parts(self, size: int) -> Iterator[Part]:
        for batch in self.connection.sql(self._sql).to_arrow_reader(size):
            yield Part([cast(a, c.type.arrow) for a, c in zip(batch.columns, self.columns, strict=True)])

    def left_out(self) -> list[BadRow]:
        return []

    def about(self) -> int:
        sql = f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({quoted(str(self.path))})"
        [[rows]] = self.connection.sql(sql).fetchall()
        return int(rows)


def _open(
    connection: duckdb.DuckDBPyConnection, path: Path, form: str, header: bool | None, target: Mapping[str, Column]
) -> _Rows:
    if form == "csv":
        return CsvRows(connection, path, header, target)
    if form == "json":
        return JsonRows(connection, path, target)
    return _ParquetRows(connection, path, target)
