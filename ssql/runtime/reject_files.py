"""Writing what an epoch rejects to the errors and late streams, in the epoch's transaction."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from ssql.formats.registry import format_named
from ssql.log.api import RECORD_SCHEMA, Log, Writer
from ssql.planner.relation import Relation
from ssql.planner.system_streams import errors_stream, late_stream
from ssql.runtime.inputs import EpochInput
from ssql.runtime.rejects import Position, Reject, Rejects


class RejectFiles:
    """The two topics and their encoding."""

    def __init__(self, log: Log, service_id: str) -> None:
        self._streams = (errors_stream(service_id), late_stream(service_id))
        for stream in self._streams:
            log.create_topic(stream.topic, replicas=None)
        self._encoders = [
            format_named(s.value_format.name).encoder(s.value_format, s.schema.values, is_key=False)
            for s in self._streams
        ]

    def write(self, writer: Writer, rejects: Rejects, epoch: EpochInput | None) -> None:
        """Add the rejects to the transaction; `epoch` tells where their input records stand."""
        for stream, encoder, rows in zip(self._streams, self._encoders, (rejects.errors, rejects.late), strict=True):
            if not rows:
                continue
            batch = _rows(stream, rows, epoch)
            values = encoder.encode(batch).data
            now = pa.array([int(clock.time() * 1000)] * len(rows), pa.int64())
            keys = pa.nulls(len(rows), pa.binary())
            headers = pa.nulls(len(rows), RECORD_SCHEMA.field("headers").type)
            writer.append(
                stream.topic, pa.RecordBatch.from_arrays([keys, values, now, headers], schema=RECORD_SCHEMA), 0
            )


def _rows(stream: Relation, rejects: Sequence[Reject], epoch: EpochInput | None) -> pa.RecordBatch:
    nowhere = Position("", -1, -1, 0, None, None)
    rows = []
    for reject in rejects:
        at = reject.position
        if at is None and reject.seq is not None and epoch is not None:
            at = epoch.locate(reject.seq)
        at = at or nowhere
        window = reject.window or (None, None)
        rows.append(
            {
                "QUERY_ID": reject.query_id,
                "TOPIC": at.topic,
                "PARTITION": at.partition,
                "OFFSET": at.offset,
                "REASON": reject.reason,
                "KEY": at.key,
                "VALUE": at.value,
                "TIME": datetime.fromtimestamp(at.timestamp / 1000, UTC).replace(tzinfo=None),
                "WINDOW_START": window[0],
                "WINDOW_END": window[1],
                "ROW": reject.row,
            }
        )
    schema = pa.schema([pa.field(c.name, c.type.arrow) for c in stream.schema.values])
    return pa.RecordBatch.from_pylist([{n: r[n] for n in schema.names} for r in rows], schema=schema)
