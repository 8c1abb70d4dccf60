"""The delay from the append of a record to the answer that shows it, at a steady rate, on the embedded log.

A query counts and sums per key; records come one at a time at 1,000 a second, each in a transaction of its own; a push
query over the result shows when the epoch that holds a record is committed and published. Each record is seen once.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time

import numpy as np

from benchmarks.pipeline import records
from ssql import kernels
from ssql.config import Config
from ssql.engine.engine import LocalEngine
from ssql.log.embedded import EmbeddedLog

STATEMENTS = """
CREATE STREAM ticks (k STRING KEY, n BIGINT) WITH (KAFKA_TOPIC='ticks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE totals AS SELECT k, COUNT(*) AS seen, MAX(n) AS newest FROM ticks GROUP BY k;
"""


def main(rate: int = 1000, seconds: int = 20) -> None:
    cores = sorted(os.sched_getaffinity(0))
    kernels.warm_up()
    with tempfile.TemporaryDirectory() as directory:
        log = EmbeddedLog(directory)
        config = Config().with_values({"service.id": "latency_", "auto.offset.reset": "latest"})
        engine = LocalEngine(config, log)
        engine.execute(STATEMENTS)
        push = engine.query("SELECT k, newest FROM totals EMIT CHANGES;")
        assert not hasattr(push, "rows")
        total = rate * seconds
        seen = np.zeros(total)

        def follow() -> None:
            done = 0
            while done < total:
                batch = push.take(timeout_s=5)  # type: ignore[union-attr]
                now = time.perf_counter()
                assert batch is not None, "the push query ended"
                for newest in batch.column(1).to_pylist():
                    # Keys are visited in turn: the newest record of a key is the one that this update shows.
                    seen[newest] = now
                    done += 1

        watcher = threading.Thread(target=follow)
        watcher.start()
        sent = np.zeros(total)
        begin = time.perf_counter() + 0.05
        for n in range(total):
            wait = begin + n / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)  # the load generator's clock, not a test's
            sent[n] = time.perf_counter()
            log.append("ticks", records([b"k%d" % n], [b'{"N":%d}' % n], [int(time.time() * 1000)]), 0)
        watcher.join()
        engine.close()
        assert (seen > 0).all(), "a record was never seen"
        delays = (seen - sent) * 1000
        took = sent[-1] - sent[0]
        print(
            f"embedded: append to visible answer at {total / took:,.0f} rows/s, {len(cores)} cores: "
            f"median {np.median(delays):.1f} ms (aim 10), p99 {np.percentile(delays, 99):.1f} ms (aim 50), "
            f"max {delays.max():.1f} ms"
        )
