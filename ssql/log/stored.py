"""A stored batch: its row in the index, and its bytes in that row or in a segment file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ssql.log.records import crc_of, pack, unpack
from ssql.log.segments import Location, Segments, SegmentTransaction, damaged

#: Batches up to this size (bytes) lie in the index, larger ones in segment files.
INLINE_BYTES = 128 << 10

#: The columns of an `Entry`, in order.
ENTRY = "id, base, next, writer, shape, crc, segment, position, length"


class Entry(NamedTuple):
    """The index row of one stored batch: records with offsets from `base` to before `next`."""

    id: int
    base: int
    next: int
    writer: int | None
    shape: int
    crc: int
    segment: str | None
    position: int | None
    length: int


@dataclass(frozen=True, slots=True)
class Packed:
    """The bytes of a batch that has no offsets yet: in `data`, or (synced by the caller) in a file at `place`."""

    rows: int
    newest: int
    shape: int
    crc: int
    length: int
    data: pa.Buffer | None
    place: Location | None


def put(room: SegmentTransaction, batch: pa.RecordBatch) -> Packed:
    """Pack a batch, into a segment file when it is large."""
    shape, data = pack(batch)
    newest = int(batch.column(2).to_numpy().max())
    if data.size > INLINE_BYTES:
        place = room.write(data)
        return Packed(batch.num_rows, newest, shape, place.crc, data.size, None, place)
    return Packed(batch.num_rows, newest, shape, crc_of(data), data.size, data, None)


def insert(
    connection: sqlite3.Connection,
    topic: int,
    partition: int,
    offsets: tuple[int, int],
    *,
    writer: int | None,
    packed: Packed,
) -> None:
    """Write the index row of a packed batch, within the caller's transaction.

    Args:
        offsets: that of the first record, and the one after the last.
    """
    place = packed.place
    connection.execute(
        "INSERT INTO batches (topic, partition, base, next, writer, newest, shape, crc, segment, position, length,"
        " data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            topic,
            partition,
            *offsets,
            writer,
            packed.newest,
            packed.shape,
            packed.crc,
            place.segment if place is not None else None,
            place.position if place is not None else None,
            packed.length,
            memoryview(packed.data) if packed.data is not None else None,
        ),
    )


def load(
    connection: sqlite3.Connection, index: Path, segments: Segments, entry: Entry, where: str
) -> pa.RecordBatch | None:
    """The records of a stored batch, or None when it is there no more.

    Args:
        where: topic and partition, for errors.

    Raises:
        LogError: when the bytes are not those that were written.
    """
    where = f"{where}, offset {entry.base}"
    if entry.segment is not None and entry.position is not None:
        place = Location(entry.segment, entry.position, entry.length, entry.crc)
        try:
            return unpack(entry.shape, segments.read(place, where))
        except FileNotFoundError:
            row = connection.execute("SELECT segment FROM batches WHERE id = ?", (entry.id,)).fetchone()
            if row is not None and row[0] == entry.segment:
                raise damaged(segments.path(entry.segment), entry.position, where, "the file is missing") from None
            return None
    row = connection.execute("SELECT data FROM batches WHERE id = ?", (entry.id,)).fetchone()
    if row is None:
        return None
    if row[0] is None or crc_of(row[0]) != entry.crc:
        raise damaged(index, 0, where, "the checksum does not match")
    return unpack(entry.shape, row[0])
