"""`ssql import` and `ssql export`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ssql_cli import settings
from ssql_cli.backend import open_backend
from ssql_cli.exits import Exit
from ssql_cli.transfer.load import LoadOptions, load, summary
from ssql_cli.transfer.store import all_of, store


def run(args: argparse.Namespace) -> Exit:
    """Raises `SsqlError` for what fails."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka)
    asker = settings.credentials(args.user, args.password, args.token)
    backend = open_backend(config, args.server, credentials=asker)
    try:
        if args.command == "export":
            query = args.what if re.match(r"\s*SELECT\b", args.what, re.IGNORECASE) else all_of(stored(args.what))
            count = store(backend, query, Path(args.file), args.format)
            print(f"{count} {'row' if count == 1 else 'rows'} into {args.file}", file=sys.stderr)
            return Exit.OK
        path = Path(args.file)
        name = stored(args.into or re.sub(r"\W", "_", path.name.split(".")[0]))
        options = LoadOptions(args.format, args.header, args.type, args.key, args.timestamp)
        loaded = load(backend, path, name, options)
    finally:
        backend.close()
    print(summary(loaded, name), file=sys.stderr)
    return Exit.FAILED if loaded.refused else Exit.OK


def stored(name: str) -> str:
    """A name as the catalog has it: upper case unless it is in back quotes."""
    return name[1:-1] if name[:1] == "`" else name.upper()
