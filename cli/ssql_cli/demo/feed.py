"""Rows -> records in topics: always the same ones in the same batches, from any position on."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ssql.formats.api import FormatSpec
from ssql.formats.registry import format_named
from ssql.log.api import RECORD_SCHEMA, Log
from ssql_cli.demo.source import Source

#: Rows of one append.
BATCH_ROWS = 8192


def feed(
    log: Log, topic: str, source: Source, *, start: int = 0, stop: int | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[int]:
    """Append rows `start` to `stop` of a source to partition 0 of a topic, a batch a transaction.

    Yields after each batch the position to go on from, should this one be the last that was appended.
    """
    for position, records in batches(source, start=start, stop=stop, batch_rows=batch_rows):
        log.append(topic, records, 0)
        yield position


def batches(
    source: Source, *, start: int = 0, stop: int | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The records of rows `start` to `stop`, and the position after each batch.

    One key column is written in the KAFKA format, several as a JSON object; values are JSON.
    """
    key_format = "KAFKA" if len(source.keys) == 1 else "JSON"
    keys = format_named(key_format).encoder(FormatSpec(key_format), source.keys, is_key=True)
    values = format_named("JSON").encoder(FormatSpec("JSON"), source.values, is_key=False)
    end = source.rows.num_rows if stop is None else min(stop, source.rows.num_rows)
    split = len(source.keys)
    for position in range(start, end, batch_rows):
        rows = source.rows.slice(position, min(batch_rows, end - position)).combine_chunks().to_batches()[0]
        names = rows.schema.names
        key = keys.encode(rows.select(names[:split])).data
        value = values.encode(rows.select(names[split:-1])).data
        headers = pa.nulls(rows.num_rows, RECORD_SCHEMA.field("headers").type)
        yield (
            position + rows.num_rows,
            pa.record_batch([key, value, rows.column("_time"), headers], schema=RECORD_SCHEMA),
        )
