"""`ssql run FILE.sql...`: the queries of files, without a server: until stopped, or until all input is processed."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from ssql import logs
from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP, Config
from ssql.engine.api import Engine, Session
from ssql.engine.lock import DirectoryLock
from ssql.engine.opening import Opening
from ssql.errors import ConfigError, FileUnwritable, SsqlError
from ssql.types import quote
from ssql_cli import settings
from ssql_cli.exits import Exit
from ssql_cli.local import LocalBackend
from ssql_cli.queries_file import Read, carry_out
from ssql_cli.runner import Runner
from ssql_cli.status_line import StatusLine, Watch

#: Seconds between two looks at how the queries are doing.
LOOK_S = 1.0
#: The endings of exported files.
_ENDINGS = {"csv": ".csv", "json": ".ndjson", "parquet": ".parquet"}


def run(args: argparse.Namespace) -> Exit:
    """Run until SIGTERM or Ctrl-C (exit 0), or until every query has failed (exit 1). Raises `SsqlError`.

    `--until-caught-up`: until all that the topics hold now is processed; exit 1 where any query failed, and 130 where
    it was stopped before.
    """
    if args.export is not None and not args.until_caught_up:
        raise ConfigError("--export needs --until-caught-up", hint="A query that goes on has no final table.")
    config = settings.load(args.config, data=args.data, kafka=args.kafka)
    logs.set_up(config, level=logging.WARNING)
    for file in args.files:
        settings.read_text(Path(file))  # one that cannot be read is told before anything is done
    session = Session(variables=settings.variables(args.define, os.environ), full_sql=True)
    lock = None if config[KAFKA_BOOTSTRAP] else DirectoryLock(Path(config[DATA_DIR]))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        from ssql.engine.engine import LocalEngine

        opening = Opening()
        with Watch(opening.progress):
            engine = LocalEngine(config, opening=opening)
        try:
            reads: list[Read] | None = [] if args.until_caught_up else None
            for file in args.files:
                carry_out(engine, file, session, reads)
            print(f"running {', '.join(args.files)}", file=sys.stderr, flush=True)
            with Watch(engine.progress) as line:
                if reads is None:
                    return _watch(engine, stop, line)
                ended = _catch_up(engine, stop, line)
            if ended is not Exit.OK:
                return ended
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.default_int_handler)  # a query that is answered looks at no flag
            return _results(engine, config, session, reads, args)
        finally:
            engine.close()
    finally:
        if lock is not None:
            lock.release()


def _catch_up(engine: Engine, stop: threading.Event, line: StatusLine) -> Exit:
    """Wait until all that the topics hold is processed, and tell of queries that fail."""
    told: set[str] = set()
    while not engine.caught_up(LOOK_S):
        told = _tell_failures(engine, told, line)[1]
        if stop.is_set():
            return Exit.INTERRUPTED
    if _tell_failures(engine, told, line)[1]:
        return Exit.FAILED
    line.say("caught up")
    return Exit.OK


def _results(engine: Engine, config: Config, session: Session, reads: Sequence[Read], args: argparse.Namespace) -> Exit:
    """Answer the files' SELECTs, and write the tables."""
    backend = LocalBackend(config, engine=engine)
    backend.session = session
    runner = Runner(backend, args.output, sys.stdout, sys.stderr)
    for read in reads:
        try:
            runner.run(read.piece.text)
        except SsqlError as error:
            raise read.placed(error) from None
    if args.export is not None:
        _export(backend, Path(args.export), args.export_format)
    return Exit.OK


def _export(backend: LocalBackend, folder: Path, form: str) -> None:
    """Write each table that a query makes to a file. Files are put in their place once all are written.

    Raises:
        FileUnwritable: nothing was changed in the folder.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".ssql-", dir=folder) as aside:
            for table in _made_tables(backend.engine):
                # A name may hold what a file's may not.
                path = Path(aside) / (table.replace("/", "_") + _ENDINGS[form])
                with path.open("w", encoding="utf-8", newline="") as out:
                    Runner(backend, form, out, sys.stderr).run(f"SELECT * FROM {quote(table)};")
                written.append(path)
            for path in written:
                path.replace(folder / path.name)
                print(f"wrote {folder / path.name}", file=sys.stderr, flush=True)
    except OSError as bad:
        raise FileUnwritable(str(folder), (bad.strerror or str(bad)).lower()) from None


def _made_tables(engine: Engine) -> list[str]:
    """The tables that queries write."""
    tables, queries = engine.execute("SHOW TABLES; SHOW QUERIES;")
    sinks = {sink for query in queries["queries"] for sink in query["sinks"]}
    return sorted(str(table["name"]) for table in tables["tables"] if table["name"] in sinks)


def _watch(engine: Engine, stop: threading.Event, line: StatusLine) -> Exit:
    """Wait for the end, and tell of each query that fails."""
    told: set[str] = set()
    while not stop.wait(LOOK_S):
        states, told = _tell_failures(engine, told, line)
        if states and told == states:
            return Exit.FAILED
    return Exit.OK


def _tell_failures(engine: Engine, told: set[str], line: StatusLine) -> tuple[set[str], set[str]]:
    """Tell of each query that failed since the last look; all queries, and those that have failed."""
    [entity] = engine.execute("SHOW QUERIES;")
    states = {str(query["id"]): str(query.get("state")) for query in entity["queries"]}
    failed = {query_id for query_id, state in states.items() if state == "ERROR"}
    for query_id in sorted(failed - told):
        [described] = engine.execute(f"EXPLAIN {query_id};")
        reasons = [str(e.get("errorMessage")) for e in described["queryDescription"].get("queryErrors") or ()]
        line.say(f"query {query_id} failed: {'; '.join(reasons) or 'no reason given'}")
    return set(states), failed
