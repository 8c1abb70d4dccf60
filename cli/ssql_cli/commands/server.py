"""`ssql server`: serves the REST API until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from ssql import logs
from ssql.config import DATA_DIR, KAFKA_BOOTSTRAP, LISTEN, LOG_FORMAT, QUERIES_FILE
from ssql.engine.api import Engine, Session
from ssql.engine.lock import DirectoryLock
from ssql.engine.opening import Opening
from ssql.errors import ConfigError
from ssql.rights import Right
from ssql.server.serve import serve
from ssql_cli import settings
from ssql_cli.exits import Exit

LOGGER = logging.getLogger("ssql.server")


def run(args: argparse.Namespace) -> Exit:
    """Serve; the address is told on stderr once statements are answered. Raises `SsqlError` for what fails."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka, listen=args.listen)
    logs.set_up(config, level=logging.INFO)
    queries = args.queries or config[QUERIES_FILE]
    if queries:
        settings.read_text(Path(queries))  # one that cannot be read is told before anything is opened
    lock = None if config[KAFKA_BOOTSTRAP] else DirectoryLock(Path(config[DATA_DIR]))

    opening = Opening()

    def open_engine() -> Engine:
        from ssql.engine.engine import LocalEngine

        engine = LocalEngine(config, opening=opening)
        if queries:
            from ssql_cli.queries_file import carry_out

            try:
                carry_out(engine, str(queries), Session(variables=settings.variables([], os.environ)))
            except BaseException:
                engine.close()
                raise
        return engine

    def ready(url: str) -> None:
        if lock is not None:
            lock.announce(url)
        if config[LOG_FORMAT] == "json":  # then every line is
            LOGGER.info("ready url=%s", url)
        else:
            print(f"ssql server is ready at {url}", file=sys.stderr, flush=True)

    # What a file defines, the file changes.
    most = Right.ADMIN if not queries else Right.WRITE
    try:
        serve(config, ready=ready, open_engine=open_engine, opening=opening, most=most)
    except OSError as bad:
        reason = (bad.strerror or str(bad)).lower()
        raise ConfigError(
            f"cannot listen on {config[LISTEN]}: {reason}", hint="Choose another with --listen."
        ) from None
    finally:
        if lock is not None:
            lock.release()
    return Exit.OK
