"""Records and reads that the log tests share."""

from __future__ import annotations

import time

import pyarrow as pa

from ssql.log.api import RECORD_SCHEMA, Fetch, Log, Reader


def records(*rows: tuple[bytes | None, bytes | None], at: int = 1000) -> pa.RecordBatch:
    """Records of those keys and values; timestamps count up from `at`."""
    return pa.record_batch(
        [
            pa.array([k for k, _ in rows], pa.binary()),
            pa.array([v for _, v in rows], pa.binary()),
            pa.array(range(at, at + len(rows)), pa.int64()),
        ],
        schema=pa.schema(list(RECORD_SCHEMA)[:3]),
    )


def numbered(begin: int, end: int, padding: int = 0) -> pa.RecordBatch:
    """Records whose value is their number (and so many bytes more)."""
    return records(*[(b"k", b"%d" % n + b"." * padding) for n in range(begin, end)])


def values(fetches: list[Fetch]) -> list[bytes | None]:
    return [v for f in fetches for v in f.batch.column("value").to_pylist()]


def numbers(fetches: list[Fetch]) -> list[int]:
    """The numbers of `numbered` records."""
    return [int(v.rstrip(b".")) for v in values(fetches) if v is not None]


def offsets(fetches: list[Fetch]) -> list[int]:
    return [o for f in fetches for o in f.batch.column("offset").to_pylist()]


def everything(
    log: Log, topic: str, rows: int = 0, partition: int = 0, *, offset: int = 0, max_rows: int = 10_000
) -> list[Fetch]:
    """All that is committed, in several reads, once it is `rows` records (a commit may be seen a little later)."""
    deadline = time.monotonic() + 20
    while True:
        fetches: list[Fetch] = []
        at = offset
        while not fetches or at < fetches[-1].end_offset:
            fetch = log.read(topic, partition, at, max_rows)
            assert fetch.next_offset > at or fetch.next_offset >= fetch.end_offset
            at = fetch.next_offset
            fetches.append(fetch)
        if sum(f.batch.num_rows for f in fetches) >= rows or time.monotonic() > deadline:
            return fetches


def drain(reader: Reader, rows: int, max_rows: int = 10_000) -> list[Fetch]:
    """Fetches until that many rows came."""
    fetches: list[Fetch] = []
    deadline = time.monotonic() + 20
    while sum(f.batch.num_rows for f in fetches) < rows:
        assert time.monotonic() < deadline, f"{rows} rows wanted, there came {fetches}"
        fetches += reader.poll(max_rows, 1000)
    return fetches
