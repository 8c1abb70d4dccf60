"""`ssql run FILE.sql`: the queries of a file, without a server, until stopped."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from ssql import logs
from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP
from ssql.engine.api import Engine
from ssql.engine.lock import DirectoryLock
from ssql_cli import settings
from ssql_cli.exits import Exit
from ssql_cli.queries_file import carry_out

#: Seconds between two looks at how the queries are doing.
LOOK_S = 1.0


def run(args: argparse.Namespace) -> Exit:
    """Run until SIGTERM or Ctrl-C (exit 0), or until every query has failed (exit 1). Raises `SsqlError`."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka)
    logs.set_up(config, level=logging.WARNING)
    text = settings.read_text(Path(args.file))
    lock = None if config[KAFKA_BOOTSTRAP] else DirectoryLock(Path(config[DATA_DIR]))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        from ssql.engine.engine import LocalEngine

        engine = LocalEngine(config)
        try:
            carry_out(engine, text)
            print(f"running {args.file}", file=sys.stderr, flush=True)
            return _watch(engine, stop)
        finally:
            engine.close()
    finally:
        if lock is not None:
            lock.release()


def _watch(engine: Engine, stop: threading.Event) -> Exit:
    """Wait for the end, and tell of each query that fails."""
    told: set[str] = set()
    while not stop.wait(LOOK_S):
        [entity] = engine.execute("SHOW QUERIES;")
        states = {str(query["id"]): str(query.get("state")) for query in entity["queries"]}
        failed = {query_id for query_id, state in states.items() if state == "ERROR"}
        for query_id in sorted(failed - told):
            [described] = engine.execute(f"EXPLAIN {query_id};")
            reasons = [str(e.get("errorMessage")) for e in described["queryDescription"].get("queryErrors") or ()]
            print(f"query {query_id} failed: {'; '.join(reasons) or 'no reason given'}", file=sys.stderr, flush=True)
        told = failed
        if states and failed == states.keys():
            return Exit.FAILED
    return Exit.OK
