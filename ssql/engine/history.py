"""A query over all that the log holds now: a subscription from the beginning that ends where the topics ended.

This answers pull queries over streams, and over what no query keeps: plain tables, joins, groups.
"""

from __future__ import annotations

import contextlib
import threading
import time as clock

import numpy as np
import pyarrow as pa

from ssql.errors import QueryFailed, ReadTimedOut, SsqlError
from ssql.log.api import Log
from ssql.planner.bind import Analysis
from ssql.planner.steps import QueryPlan
from ssql.runtime.api import Demand, Offsets, Reached, Worker
from ssql.runtime.changes import group_rows

#: How long (s) one wait for the worker lasts before it is looked at again.
_LOOK_S = 1.0


class _Collected:
    """The follower: keeps the rows of all epochs, or the first `limit`, and how it ended."""

    def __init__(self, limit: int | None) -> None:
        self.batches: list[pa.RecordBatch] = []
        self._left = limit
        self.ended = threading.Event()
        self.reason: str | None = None

    def told(self, rows: pa.RecordBatch | None, reached: Reached) -> Demand:  # noqa: ARG002
        if rows is None:
            return Demand.MORE
        self.batches.append(rows)
        if self._left is None:
            return Demand.MORE
        self._left -= rows.num_rows
        if self._left > 0:
            return Demand.MORE
        self.ended.set()
        return Demand.DONE

    def failed(self, reason: str) -> None:
        self.reason = reason
        self.ended.set()


def read_all(worker: Worker, log: Log, analysis: Analysis, plan: QueryPlan, deadline: float | None = None) -> pa.Table:
    """The rows of a query over what the log holds now: the analysis' columns, then `_time`.

    Raises:
        ReadTimedOut: there was more to read at the `deadline` (of the monotonic clock).
        QueryFailed: it could not be read.
    """
    if analysis.limit == 0:
        return _schema(analysis).empty_table()
    ends = _ends(log, analysis)
    # Of a table the first changes are not the first rows.
    collected = _Collected(None if analysis.kind == "TABLE" else analysis.limit)
    worker.follow(plan, collected, begin={}, quiet={}, own={})
    try:
        while not collected.ended.is_set() and not worker.wait_for(ends, _LOOK_S):
            worker.status()  # raises where the worker has stopped for good
            if deadline is not None and clock.monotonic() > deadline:
                raise ReadTimedOut
    finally:
        # Carried out between epochs: what has been read until now is handed over before.
        with contextlib.suppress(SsqlError):
            worker.drop(plan.query_id)
    if collected.reason is not None:
        raise QueryFailed(plan.query_id, collected.reason)
    return _there_at_the_end(collected.batches, _schema(analysis))


def _schema(analysis: Analysis) -> pa.Schema:
    return analysis.schema.arrow.append(pa.field("_time", pa.int64()))


def _ends(log: Log, analysis: Analysis) -> Offsets:
    topics = {relation.topic: log.topic(relation.topic) for relation in analysis.relations}
    return {
        (name, partition): log.bounds(name, partition)[1]
        for name, topic in topics.items()
        if topic is not None
        for partition in range(topic.partitions)
    }


def _there_at_the_end(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The rows that are there after all changes, in the order in which they came."""
    if not batches:
        return schema.empty_table()
    whole = pa.Table.from_batches(batches).combine_chunks()
    diff = whole.column("_diff").to_numpy()
    rows = pa.Table.from_arrays([whole.column(f.name) for f in schema], schema=schema)
    if (diff > 0).all():
        return rows
    # A row is taken back as it was, and at another time: what it says tells which one it is.
    groups = group_rows([c.combine_chunks() for c in rows.drop_columns(["_time"]).columns], len(diff))
    weights = np.bincount(groups.ids, weights=diff).astype(np.int64)
    kept = np.sort(np.repeat(groups.last, np.maximum(weights, 0)))
    return rows.take(pa.array(kept))
