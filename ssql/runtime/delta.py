"""Deltas: Arrow batches of changes, with the system columns `_time`, `_diff` and `_seq` (see `planner.steps`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssql.types import Schema

Int64s = npt.NDArray[np.int64]
Int8s = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TIME, DIFF, SEQ = "_time", "_diff", "_seq"
SYSTEM_FIELDS = (pa.field(TIME, pa.int64()), pa.field(DIFF, pa.int8()), pa.field(SEQ, pa.int64()))


def delta_schema(schema: Schema | pa.Schema) -> pa.Schema:
    """The Arrow schema of a delta: the columns, then the system columns."""
    columns = schema.arrow if isinstance(schema, Schema) else schema
    return pa.schema([*columns, *SYSTEM_FIELDS])


def batch_of(table: pa.Table | pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """One contiguous batch with exactly the columns of `schema`, by name, cast where the type differs."""
    arrays = []
    for field in schema:
        column = table.column(field.name)
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            if isinstance(column, pa.ChunkedArray):  # an empty one has no chunk to combine
                column = pa.array([], column.type) if column.num_chunks == 0 else column.chunk(0)
        if column.type != field.type:
            column = column.cast(field.type)
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """All rows of batches of one schema, in order. At least one batch."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def numbers(array: pa.Array) -> Any:
    """The values of a fixed-width array as numpy, without nulls being looked at (0 where Arrow left them unset)."""
    return array.to_numpy(zero_copy_only=False)


class Delta:
    """A batch of changes, in order of `_seq`, a -1 before the +1 that replaces it. Immutable."""

    __slots__ = ("_diff", "_seq", "_time", "batch")

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self._time: Int64s | None = None
        self._diff: Int8s | None = None
        self._seq: Int64s | None = None

    @staticmethod
    def of(
        columns: Sequence[pa.Array], schema: pa.Schema, time: npt.ArrayLike, diff: npt.ArrayLike, seq: npt.ArrayLike
    ) -> Delta:
        """A delta from columns and system columns; `schema` is the delta's whole schema."""
        arrays = [*columns, pa.array(time, pa.int64()), pa.array(diff, pa.int8()), pa.array(seq, pa.int64())]
        return Delta(pa.RecordBatch.from_arrays(arrays, schema=schema))

    @staticmethod
    def empty(schema: pa.Schema) -> Delta:
        return Delta(pa.RecordBatch.from_pylist([], schema=schema))

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @property
    def schema(self) -> pa.Schema:
        return self.batch.schema

    @property
    def time(self) -> Int64s:
        if self._time is None:
            self._time = numbers(self.batch.column(TIME))
        return self._time

    @property
    def diff(self) -> Int8s:
        if self._diff is None:
            self._diff = numbers(self.batch.column(DIFF))
        return self._diff

    @property
    def seq(self) -> Int64s:
        if self._seq is None:
            self._seq = numbers(self.batch.column(SEQ))
        return self._seq

    @property
    def retracts(self) -> bool:
        return bool((self.diff < 0).any())

    def columns(self, names: Sequence[str]) -> list[pa.Array]:
        return [self.batch.column(n) for n in names]

    def take(self, indices: npt.NDArray[Any]) -> Delta:
        return Delta(self.batch.take(pa.array(indices)))

    def filter(self, mask: Mask) -> Delta:
        return Delta(self.batch.filter(pa.array(mask)))

    def sorted(self) -> Delta:
        """By `_seq`, -1 before +1 at one place; the order is kept among equals. Free where it is so already."""
        seq, diff = self.seq, self.diff
        if len(self) < 2:
            return self
        step = np.diff(seq)
        ordered = (step > 0) | ((step == 0) & (diff[1:] >= diff[:-1]))
        if ordered.all():
            return self
        return self.take(np.lexsort((diff, seq)))


def merge(deltas: Sequence[Delta], schema: pa.Schema) -> Delta:
    """Deltas of one schema as one, in order of `_seq`."""
    filled = [d for d in deltas if len(d)]
    if not filled:
        return Delta.empty(schema)
    if len(filled) == 1:
        return filled[0]
    return Delta(concat([d.batch for d in filled])).sorted()
