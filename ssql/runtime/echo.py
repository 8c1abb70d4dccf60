"""What a query writes, as other streams and tables over its topic read it: in the same epoch, from the records' bytes.

A query's own relation takes its rows from memory. Another one may have other columns, formats or windows, so that it is
given what the topic will hold; that the records come again when the topic is read is passed over for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ssql.log.api import FETCH_SCHEMA, Fetch
from ssql.runtime.decode import RelationDecoder
from ssql.runtime.delta import Delta, Int64s, Mask, concat, delta_schema
from ssql.runtime.riders import NO_MARKS, Marks

#: Of records that are not in the topic yet nobody knows where they will stand.
_UNKNOWN = ("ROWPARTITION", "ROWOFFSET")

#: Rows of a relation, and for each whether its record has a value.
Rows = tuple[Delta, Mask]


@dataclass(frozen=True)
class Echo:
    """Rows of a relation, their marks, and the records that it cannot read: their places, and why."""

    rows: Rows
    marks: Marks
    bad: tuple[tuple[int, str], ...]


def echo(decoder: RelationDecoder, topic: str, records: pa.RecordBatch, seq: Int64s) -> Echo:
    """A relation's rows of records that were written at the places `seq`."""
    numbered = pa.RecordBatch.from_arrays([*records.columns, pa.array(np.arange(len(seq)))], schema=FETCH_SCHEMA)
    found = decoder.decode(Fetch(topic, 0, numbered, 0, 0))
    columns = [
        pa.nulls(found.batch.num_rows, field.type) if field.name in _UNKNOWN else column
        for field, column in zip(found.batch.schema, found.batch.columns, strict=True)
    ]
    places = seq[found.record]
    delta = Delta.of(columns, delta_schema(decoder.schema), found.time, np.ones(len(places), np.int8), places)
    keyless = records.column("key").is_null().to_numpy(zero_copy_only=False)[found.record]
    marks = NO_MARKS if found.live.all() and not keyless.any() else Marks(places[~found.live], places[keyless])
    bad = tuple((int(seq[r.position.offset]), r.reason) for r in found.rejects if r.position is not None)
    return Echo((delta, found.live), marks, bad)


def together(parts: Sequence[Rows | None]) -> Rows | None:
    """The rows of several sources of one relation, in order of their places."""
    given = [part for part in parts if part is not None and len(part[0])]
    if len(given) < 2:
        return given[0] if given else None
    rows, live = Delta(concat([rows.batch for rows, _ in given])), np.concatenate([live for _, live in given])
    order = np.argsort(rows.seq, kind="stable")
    return rows.take(order), live[order]
