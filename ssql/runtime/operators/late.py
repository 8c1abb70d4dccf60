"""Rows that come too late go to the late stream, with the window that they missed."""

from __future__ import annotations

import pyarrow as pa

from ssql.runtime.delta import Int64s
from ssql.runtime.operators.base import Context
from ssql.runtime.rejects import Reject


def report_late(
    context: Context,
    rows: pa.RecordBatch,
    seq: Int64s,
    window: tuple[Int64s, Int64s],
    reason: str = "late for its window",
) -> None:
    """Turn away `rows` (shown as they are), each with its place and the bounds of its window."""
    bounds = zip(*(side.tolist() for side in window), strict=True)
    for place, missed, row in zip(seq.tolist(), bounds, rows.to_pylist(), strict=True):
        context.rejects.late.append(Reject(context.query_id, reason, seq=place, window=missed, row=str(row)))
