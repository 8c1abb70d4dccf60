"""What comes back: rows, answers, acknowledgements, changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import pyarrow as pa

from ssql.errors import LibraryMissing, NotOneRow


class Row(tuple[Any, ...]):
    """One row: a tuple whose values have names too, in any case: `row[0]`, `row["TOTAL"]`, `row.total`."""

    names: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the row has no column {name!r}") from None

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, str):
            return super().__getitem__(place)
        for name in (place, place.upper()):
            if name in self.names:
                return super().__getitem__(self.names.index(name))
        raise KeyError(place)

    def asdict(self) -> dict[str, Any]:
        """The values by their columns' names."""
        return dict(zip(self.names, self, strict=True))


def rows_of(table: pa.Table | pa.RecordBatch) -> list[Row]:
    """The rows of a table in Python's types; a MAP is a dict."""
    kind = type("Row", (Row,), {"names": tuple(table.schema.names)})
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in table.columns]
    return [kind(values) for values in zip(*columns, strict=True)]


class Result:
    """The answer of a query, all of it. Iterating gives its rows.

    Values have SQL's types in Arrow's form; a TIMESTAMP is UTC without a zone.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self._table.schema.names)

    def arrow(self) -> pa.Table:
        """The answer as it came: an Arrow table."""
        return self._table

    def df(self) -> Any:
        """The answer as a pandas frame.

        Raises:
            LibraryMissing: pandas is not installed.
        """
        try:
            import_module("pandas")
        except ImportError:
            raise LibraryMissing("pandas", "a frame") from None
        return self._table.to_pandas()

    def rows(self) -> list[Row]:
        """All rows, as tuples with names."""
        return self._rows

    def one(self) -> Row:
        """The only row.

        Raises:
            NotOneRow: there is none, or there are several.
        """
        if len(self) != 1:
            raise NotOneRow(len(self))
        return self._rows[0]

    @cached_property
    def _rows(self) -> list[Row]:
        return rows_of(self._table)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"<Result of {len(self)} rows: {', '.join(self.columns)}>"


@dataclass(frozen=True)
class Ack:
    """The outcome of one inserted row: its number in the call, and the error if it was refused."""

    seq: int
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True, eq=False)
class Delta:
    """One step of a subscription.

    `rows`: an Arrow table, `_diff` (+1 the row is now there, -1 it is gone) and then the query's columns. `snapshot`:
    whatever was there before is void, these rows are all. `token`: a subscription that starts `after` it goes on
    behind this delta. `frontier`: the next offset of each (topic, partition) that the query reads. `keys`: the columns
    that say which row a change is about; none for a stream, and where they are not selected: then an update is the old
    row at -1 and the new one at +1.
    """

    rows: pa.Table
    snapshot: bool
    token: str
    frontier: Mapping[tuple[str, int], int]
    keys: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        """The rows in Python's types."""
        return iter(rows_of(self.rows))

    def __len__(self) -> int:
        return int(self.rows.num_rows)
