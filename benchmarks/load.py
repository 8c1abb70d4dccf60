"""How much one server carries, on one machine: `python -m benchmarks.load [lookups|own-keys|one-view|pushed]...`.

The server, a writer and the clients are processes of their own; every answer is checked. Figures depend on the machine
and on what else it does: compare those of one run with each other.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import ssql
from benchmarks.clients import Following, KeptAlive, Multiplexed, Pushed, checked_lookup

#: How many processes subscribers are spread over.
PROCESSES = 4
KEYS = 10_000
STATEMENTS = """
SET 'auto.offset.reset' = 'earliest';
CREATE STREAM ticks (k STRING KEY, n BIGINT) WITH (KAFKA_TOPIC='ticks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE totals AS SELECT k, COUNT(*) AS seen, MAX(n) AS newest FROM ticks GROUP BY k;
"""
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Serving:
    """A server that runs, and the directory it works in."""

    url: str
    directory: Path
    pid: int

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def cpu_s(self) -> float:
        """The processor time (s) that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> float:
        """What of it is in memory (MB)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _serve(directory: str, told: Connection, niceness: int) -> None:
    from ssql.config import DATA_DIR, LISTEN, MAX_PUSH_QUERIES, WORKER_NICENESS, Config
    from ssql.server.serve import serve

    _many_files()
    settings = {DATA_DIR.key: directory, LISTEN.key: "127.0.0.1:0", MAX_PUSH_QUERIES.key: 100_000}
    serve(Config(settings | {WORKER_NICENESS.key: niceness}), ready=told.send)


@contextmanager
def serving(niceness: int = 0) -> Iterator[Serving]:
    """A server on a directory of its own, with the table defined and a record of each key in it."""
    with tempfile.TemporaryDirectory() as directory:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_serve, args=(directory, theirs, niceness), daemon=True)
        process.start()
        assert process.pid is not None
        server = Serving(ours.recv(), Path(directory), process.pid)
        try:
            with ssql.connect(server.url) as db:
                db.execute(STATEMENTS)
            yield server
        finally:
            process.terminate()
            process.join(30)


def ticks(first: int, rows: int, keys: int = KEYS) -> pa.RecordBatch:
    """Records with the numbers from `first` on, which visit the keys in turn."""
    from ssql.log.api import RECORD_SCHEMA

    numbers = np.arange(first, first + rows)
    keys = pc.binary_join_element_wise("k", pa.array(numbers % keys).cast(pa.string()), "").cast(pa.binary())
    values = pc.binary_join_element_wise('{"N":', pa.array(numbers).cast(pa.string()), "}", "").cast(pa.binary())
    columns = {"key": keys, "value": values, "timestamp": pa.array(np.full(rows, time.time_ns() // 1_000_000))}
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(rows, f.type) for f in RECORD_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


def _write(directory: str, told: Connection, per_second: float) -> None:
    """Append a record a key, then at that rate until told to end; then tell how many a second it were."""
    from ssql.log.embedded import EmbeddedLog

    log = EmbeddedLog(directory)
    log.append("ticks", ticks(0, KEYS), 0)
    told.send("every key is there")
    rows = int(min(per_second / 10, KEYS)) if per_second < inf else KEYS
    written, begin = 0, time.perf_counter()
    while not told.poll(max(0.0, begin + written / per_second - time.perf_counter()) if per_second else None):
        log.append("ticks", ticks(KEYS + written, rows), 0)
        written += rows
    told.send(written / (time.perf_counter() - begin))
    log.close()


@contextmanager
def writing(server: Serving, per_second: float) -> Iterator[Connection]:
    """A writer of its own process: `inf` is as fast as the log takes it. Every key has a record when this begins; sent
    anything, the writer ends and says how many rows a second it wrote."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_write, args=(str(server.directory), theirs, per_second), daemon=True)
    process.start()
    ours.recv()
    try:
        yield ours
    finally:
        process.join(30)


# --- look-ups by key --------------------------------------------------------------


def _look_up(address: tuple[str, int], told: Connection, path: str, http2: bool, *load: float) -> None:
    """One client process: look-ups, so many at once for so many seconds; tells the delays of the answers at the end."""
    at_once, seconds = int(load[0]), load[1]

    async def run() -> list[float]:
        loop, check = asyncio.get_running_loop(), checked_lookup(KEYS)
        rng = np.random.default_rng(os.getpid())
        until = time.perf_counter() + seconds

        def make() -> KeptAlive | Multiplexed:
            keys = rng.integers(0, KEYS, 5000).tolist()
            return Multiplexed(path, keys, check, until, at_once) if http2 else KeptAlive(path, keys, check, until)

        clients = [(await loop.create_connection(make, *address))[1] for _ in range(1 if http2 else at_once)]
        await asyncio.gather(*(client.done for client in clients))
        return [delay for client in clients for delay in client.delays]

    told.send(asyncio.run(run()))


def lookups(seconds: float = 10, at_once: int = 16, path: str = "/sql") -> None:
    """Look-ups by key while one writer appends as fast as it can to the topic of the table."""
    for http2 in (False, True):
        for rate, niceness in ((0, 0), (inf, 0), (inf, 5)):
            with serving(niceness) as server, writing(server, rate) as writer:
                time.sleep(1)  # what the writer began with is applied
                begin, cpu = time.perf_counter(), server.cpu_s
                delays = _asked(server, path, http2, at_once, seconds)
                took, cpu = time.perf_counter() - begin, server.cpu_s - cpu
                writer.send("end")
                note = f"a writer at {writer.recv():,.0f} rows/s" if rate else "no writer"
                note += f", worker.niceness={niceness}" if niceness else ""
                print(
                    f"look-ups by key, {'HTTP/2' if http2 else 'HTTP/1.1'}, {at_once} at once, {note}: "
                    f"{len(delays) / seconds:,.0f}/s (aim 3,000), median {np.median(delays):.1f} ms, "
                    f"p99 {np.percentile(delays, 99):.1f} ms (aim 10), max {delays.max():.1f} ms; "
                    f"server {cpu / took:.0%} of a core, {cpu / len(delays) * 1e6:.0f} us each",
                    flush=True,
                )


def _asked(server: Serving, path: str, http2: bool, at_once: int, seconds: float) -> Any:
    ours, theirs = _SPAWN.Pipe()
    arguments = (server.address, theirs, path, http2, at_once, seconds)
    process = _SPAWN.Process(target=_look_up, args=arguments, daemon=True)
    process.start()
    theirs.close()
    delays = np.array(ours.recv()) * 1000
    process.join()
    return delays


# --- subscribers ------------------------------------------------------------------


def _follow(
    address: tuple[str, int], told: Connection, keys: int, client: type[Following], followed: Sequence[int | None]
) -> None:
    """One client process: a subscriber for each of `followed` (a key, or None for all of them), until told how many
    records there were; tells what it was told when, once all have been told of the last."""
    _many_files()

    async def run() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        noted: list[tuple[int, float]] = []
        subscribers: list[Following] = []
        for at in range(0, len(followed), 50):  # no more at a time than may wait to be accepted
            begun = [
                (await loop.create_connection(lambda k=key: client(_sql(k), k, keys, noted), *address))[1]
                for key in followed[at : at + 50]
            ]
            await asyncio.gather(*(subscriber.begun for subscriber in begun))
            subscribers += begun
        told.send("all follow")
        records = await asyncio.to_thread(told.recv)
        last = {key: records - keys + (key - records) % keys for key in range(keys)}
        deadline = time.perf_counter() + 60
        while behind := [s for s, key in zip(subscribers, followed, strict=True) if _behind(s, key, last)]:
            assert all(s.wrong is None for s in subscribers), next(s.wrong for s in subscribers if s.wrong)
            assert time.perf_counter() < deadline, f"{len(behind)} subscribers were not told of the last records"
            await asyncio.sleep(0.1)
        return noted

    told.send(asyncio.run(run()))


def _sql(key: int | None) -> str:
    return "SELECT k, seen, newest FROM totals" + ("" if key is None else f" WHERE k = 'k{key}'")


def _behind(subscriber: Following, key: int | None, last: Mapping[int, int]) -> bool:
    wanted = last if key is None else {key: last[key]}
    return subscriber.newest != wanted


def _many_files() -> None:
    """Let this process have as many connections as the system allows."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def _subscribers(
    title: str,
    keys: int,
    followed: Sequence[int | None],
    per_second: float,
    seconds: float,
    *,
    client: type[Following] = Following,
) -> None:
    """Subscribers in four processes, and records that come one at a time, at a steady rate."""
    from ssql.log.embedded import EmbeddedLog

    with serving() as server:
        log = EmbeddedLog(server.directory)
        log.append("ticks", ticks(0, keys, keys), 0)
        bare_mb, begin = server.memory_mb, time.perf_counter()
        clients = []
        for part in range(PROCESSES):
            ours, theirs = _SPAWN.Pipe()
            arguments = (server.address, theirs, keys, client, followed[part::PROCESSES])
            process = _SPAWN.Process(target=_follow, args=arguments, daemon=True)
            process.start()
            theirs.close()
            clients.append((ours, process))
        for ours, _ in clients:
            ours.recv()
        connected_s, before_mb, cpu = time.perf_counter() - begin, server.memory_mb, server.cpu_s
        records, begin = int(per_second * seconds), time.perf_counter()
        sent = np.zeros(keys + records)
        for n in range(records):
            time.sleep(max(0.0, begin + n / per_second - time.perf_counter()))  # the generator's clock
            sent[keys + n] = time.perf_counter()
            log.append("ticks", ticks(keys + n, 1, keys), 0)
        took = time.perf_counter() - begin
        for ours, _ in clients:
            ours.send(keys + records)
        told = np.array([each for ours, _ in clients for each in ours.recv()])
        cpu, after_mb = server.cpu_s - cpu, server.memory_mb
        for _, process in clients:
            process.join()
        log.close()
    delays = (told[:, 1] - sent[told[:, 0].astype(int)]) * 1000
    print(
        f"{title}, {records / took:,.0f} records/s: {len(delays) / took:,.0f} changes told a second, "
        f"median {np.median(delays):.1f} ms, p99 {np.percentile(delays, 99):.1f} ms, max {delays.max():.1f} ms; "
        f"server {cpu / took:.0%} of a core, {cpu / len(delays) * 1e6:.0f} us a change; "
        f"connected in {connected_s:.1f} s; "
        f"memory {bare_mb:,.0f} MB without them, {before_mb:,.0f} before the changes, {after_mb:,.0f} after",
        flush=True,
    )


def own_keys(count: int = 1000, seconds: float = 20) -> None:
    """Subscribers that each follow a key of their own, which changes once a second."""
    _subscribers(f"{count:,} subscribers, a key each", count, range(count), count, seconds)


def one_view(count: int = 10_000, seconds: float = 20) -> None:
    """Subscribers of one view that changes once a second."""
    _subscribers(f"{count:,} subscribers of one view", 10, [None] * count, 1, seconds)


def pushed(count: int = 1000, seconds: float = 20) -> None:
    """ksqlDB's push queries of one view that changes once a second."""
    _subscribers(f"{count:,} push queries of one view", 10, [None] * count, 1, seconds, client=Pushed)


SCENARIOS = {"lookups": lookups, "own-keys": own_keys, "one-view": one_view, "pushed": pushed}


def main(names: Sequence[str] = ()) -> None:
    for name in names or SCENARIOS:
        SCENARIOS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
