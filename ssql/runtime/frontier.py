"""The frontier: what each dataflow has processed, filed in the same transaction as its outputs and state.

One topic holds it; its last record is the truth. It names the queries of each dataflow, the state that each relation
is filed under, the offsets that come next, and the small numbers that operators keep.
"""

from __future__ import annotations

import logging
import time as clock

import msgspec
import pyarrow as pa

from ssql.errors import LogError
from ssql.log.api import RECORD_SCHEMA, Log, Writer
from ssql.planner.system_streams import internal_topic

LOGGER = logging.getLogger("ssql.worker")

#: The topic is truncated each time it has grown by this many records.
KEPT_RECORDS = 4096


class DataflowFrontier(msgspec.Struct):
    """One dataflow: `positions` are [topic, partition, next offset]; `relations` maps names to state ids.

    `reached` are [topic, partition, greatest time processed], by which rows of several inputs are merged.
    `skips` are topics in which its own records are passed over, as they came from memory. `unknown`: columns of tables
    that rows were kept without. `failed`: the plan that failed, for `failure`; another one may not.
    """

    queries: list[str] = []
    relations: dict[str, str] = {}
    times: dict[str, int] = {}
    positions: list[tuple[str, int, int]] = []
    reached: list[tuple[str, int, int]] = []
    skips: list[str] = []
    memo: dict[str, dict[str, dict[str, int]]] = {}
    next_seq: int = 0
    paused: bool = False
    failure: str | None = None
    failed: str = ""
    unknown: dict[str, list[str]] = {}


class Frontier(msgspec.Struct):
    """All dataflows of a worker; `epoch` counts commits, `sides` the dataflows that were begun on the side."""

    epoch: int = 0
    sides: int = 0
    dataflows: dict[str, DataflowFrontier] = {}


class FrontierFile:
    """The frontier's topic."""

    def __init__(self, log: Log, service_id: str) -> None:
        self._log = log
        self.topic = internal_topic(service_id, "frontier")
        log.create_topic(self.topic, replicas=None, config={"cleanup.policy": "delete", "retention.ms": "-1"})
        self._since_truncation = 0

    def read(self) -> Frontier:
        """The last frontier that was committed; an empty one where nothing ran yet."""
        at, end = self._log.bounds(self.topic, 0)
        last: bytes | None = None
        while at < end:
            fetch = self._log.read(self.topic, 0, at, 10_000)
            if fetch.batch.num_rows:
                last = fetch.batch.column("value")[-1].as_py()
            if fetch.next_offset <= at:
                break
            at = fetch.next_offset
        return msgspec.json.decode(last, type=Frontier) if last is not None else Frontier()

    def write(self, writer: Writer, frontier: Frontier) -> None:
        record = [[b"frontier"], [msgspec.json.encode(frontier)], [int(clock.time() * 1000)], [None]]
        arrays = [pa.array(v, f.type) for v, f in zip(record, RECORD_SCHEMA, strict=True)]
        writer.append(self.topic, pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA), 0)

    def committed(self) -> None:
        self._since_truncation += 1
        if self._since_truncation >= KEPT_RECORDS:
            try:
                self._log.truncate(self.topic, 0, self._log.bounds(self.topic, 0)[1] - 1)
            except LogError as trouble:  # what is too much is no harm: the next commit tries again
                LOGGER.warning("could not truncate %s: %s", self.topic, trouble.message)
                return
            self._since_truncation = 0
