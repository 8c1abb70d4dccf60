"""Rows to insert, in whatever form they come, as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
import pyarrow as pa


class ArrowStream(Protocol):
    """What gives its rows as Arrow: tables, batches, frames of pandas and polars, DuckDB's relations."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


#: What `insert` takes: objects by column name, or anything in Arrow's form.
Rows = Iterable[Mapping[str, Any]] | ArrowStream


#: Rows of one batch: large enough to be cheap, small enough for one transaction.
BATCH_ROWS = 50_000


def as_batches(rows: Rows) -> Iterator[pa.RecordBatch] | None:
    """The rows of what is in Arrow's form, batch by batch as they are asked for; None for objects."""
    if isinstance(rows, pa.RecordBatch):
        found: Iterable[pa.RecordBatch] = [rows]
    elif hasattr(rows, "__arrow_c_stream__"):
        found = pa.RecordBatchReader.from_stream(rows)
    else:
        return None
    return (batch.slice(at, BATCH_ROWS) for batch in found for at in range(0, batch.num_rows, BATCH_ROWS))


def as_objects(rows: Rows) -> list[dict[str, Any]]:
    """The rows with values in JSON's types: times are ISO text, BYTES base64, decimals text."""
    objects: Any = rows
    found: list[dict[str, Any]] = msgspec.to_builtins(list(objects), str_keys=True)
    return found
