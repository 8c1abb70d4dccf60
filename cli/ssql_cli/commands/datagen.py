"""`ssql datagen`: made-up rows into streams, at a rate."""

from __future__ import annotations

import argparse
import sys

from ssql_cli import settings
from ssql_cli.backend import open_backend
from ssql_cli.commands.transfer import stored
from ssql_cli.datagen.feed import feed
from ssql_cli.exits import Exit


def run(args: argparse.Namespace) -> Exit:
    """Raises `SsqlError` for what fails."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka)
    asker = settings.credentials(args.user, args.password, args.token)
    backend = open_backend(config, args.server, credentials=asker)
    into = None if args.into is None else stored(args.into)
    try:
        count = feed(backend, args.shape, rows=args.rows, rate=args.rate, seed=args.seed, into=into)
    finally:
        backend.close()
    print(f"{count} rows of {args.shape}", file=sys.stderr)
    return Exit.OK
