"""Rows to insert, in whatever form they come, as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec
import pyarrow as pa


class ArrowStream(Protocol):
    """What gives its rows as Arrow: tables, batches, frames of pandas and polars, DuckDB's relations."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


#: What `insert` takes: objects by column name, or anything in Arrow's form.
Rows = Iterable[Mapping[str, Any]] | ArrowStream


def as_objects(rows: Rows) -> list[dict[str, Any]]:
    """The rows with values in JSON's types: times are ISO text, BYTES base64, decimals text."""
    objects: Any = rows
    if isinstance(rows, pa.RecordBatch):
        objects = rows.to_pylist(maps_as_pydicts="lossy")
    elif hasattr(rows, "__arrow_c_stream__"):
        objects = pa.table(rows).to_pylist(maps_as_pydicts="lossy")
    found: list[dict[str, Any]] = msgspec.to_builtins(list(objects), str_keys=True)
    return found
