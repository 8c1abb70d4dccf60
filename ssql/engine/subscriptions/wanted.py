"""The rows of one key, out of the changes that are told to all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.engine.api import Frame
from ssql.engine.subscriptions.few import are_few, picked
from ssql.errors import TokenRefused
from ssql.planner.selection import Selection
from ssql.runtime.arrangement import View
from ssql.runtime.hashing import equal_rows, hash_columns

Hashes = npt.NDArray[np.uint64]


class Index:
    """The rows of a batch by some of their columns. Made once, and asked by all who want some of them."""

    def __init__(self, rows: pa.RecordBatch, columns: tuple[str, ...]) -> None:
        hashes = hash_columns([rows.column(name) for name in columns])
        self._order = np.argsort(hashes, kind="stable")
        self.hashes: Hashes = hashes[self._order]

    def places(self, wanted: np.uint64) -> npt.NDArray[np.int64]:
        """Where rows of that hash are, in order."""
        start, stop = np.searchsorted(self.hashes, wanted, "left"), np.searchsorted(self.hashes, wanted, "right")
        return self._order[start:stop]


@dataclass(frozen=True)
class Wanted:
    """`row`: one row, of the columns that are to be equal to it. `mark`: what tokens of it end in, so that one of
    another key is not taken for one of this."""

    row: pa.RecordBatch
    mark: str

    @staticmethod
    def of(selection: Selection) -> Wanted:
        row = pa.RecordBatch.from_arrays(
            [pa.array([value], column.type.arrow) for column, value in selection.wanted],
            names=[column.name for column, _ in selection.wanted],
        )
        said = hashlib.blake2b(repr(selection.wanted).encode(), digest_size=6).digest()
        return Wanted(row, "." + base64.urlsafe_b64encode(said).decode())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.row.schema.names)

    @cached_property
    def hash(self) -> np.uint64:
        found: np.uint64 = hash_columns(self.row.columns)[0]
        return found

    @cached_property
    def _values(self) -> Mapping[str, pa.Scalar]:
        return {name: column[0] for name, column in zip(self.columns, self.row.columns, strict=True)}

    def unmarked(self, token: str) -> str:
        """The token of the query for all, out of one of these rows. Raises `TokenRefused`: it is not one of theirs."""
        if not token.endswith(self.mark):
            raise TokenRefused
        return token.removesuffix(self.mark)

    def marked(self, frame: Frame) -> Frame:
        """A frame of its rows, with a token of its own."""
        token = None if frame.token is None else frame.token + self.mark
        return Frame(frame.rows, frame.snapshot, frame.frontier, token)

    def rows(self, changes: pa.RecordBatch, index: Index) -> pa.RecordBatch | None:
        """Its rows of a batch, in their order; None where there are none."""
        places = index.places(self.hash)
        if not len(places):
            return None
        if are_few(len(places), self.row.schema.types):
            columns = [(changes.column(name), value) for name, value in self._values.items()]
            equal = [row for row in places.tolist() if all(column[row].equals(value) for column, value in columns)]
            return picked(changes, equal) if equal else None
        return self._equal(changes.take(pa.array(places)))

    def table(self, view: View) -> pa.RecordBatch:
        """Its rows of a table. By the table's whole key this costs the same however large it is."""
        if set(view.layout.key) == set(self.columns):
            return view.gather([self.row.column(name) for name in view.layout.key]).rows
        rows = view.scan()
        return self._equal(rows) or rows.slice(0, 0)

    def _equal(self, rows: pa.RecordBatch) -> pa.RecordBatch | None:
        """Those that are equal: another key may have the same hash."""
        alike = self.row.take(pa.array(np.zeros(rows.num_rows, dtype=np.int64)))
        equal = equal_rows([rows.column(name) for name in self.columns], alike.columns)
        if equal.all():
            return rows if rows.num_rows else None
        return rows.filter(pa.array(equal)) if equal.any() else None
