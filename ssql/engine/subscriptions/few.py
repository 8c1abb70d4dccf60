"""A few rows of a batch, value by value: for one row, a kernel over columns costs more than all else that is done with
it, and most of what subscribers are told is one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

#: More rows than this are better looked at by columns.
FEW = 16


def are_few(rows: int, types: Iterable[pa.DataType]) -> bool:
    """Whether so many rows are best looked at one by one. Of types whose scalars are equal where kernels say so: NaN
    is not equal to NaN there, alone or within a list."""
    return rows <= FEW and not any(pa.types.is_floating(of) or pa.types.is_nested(of) for of in types)


def picked(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """Those rows, in that order. What stands together is not copied."""
    if not rows:
        return batch.slice(0, 0)
    if all(row == rows[0] + n for n, row in enumerate(rows)):
        return batch.slice(rows[0], len(rows))
    return batch.take(pa.array(np.array(rows, dtype=np.int64)))
