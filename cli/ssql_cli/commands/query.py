"""`ssql`: the prompt; or with -e, -f or a pipe: statements that are carried out at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ssql_cli import settings
from ssql_cli.backend import Backend, open_backend
from ssql_cli.exits import Exit
from ssql_cli.runner import Runner, live_view


def run(args: argparse.Namespace) -> Exit:
    """Raises `SsqlError` for what fails."""
    config = settings.load(args.config, data=args.data, kafka=args.kafka)
    text = _text(args)
    asker = settings.credentials(args.user, args.password, args.token)
    variables = settings.variables(args.define)
    backend = open_backend(config, args.server, variables, credentials=asker, in_background=text is None)
    if text is None:
        return _prompt(backend, args)
    try:
        runner = Runner(backend, args.output, sys.stdout, sys.stderr, viewer=live_view)
        _limit(runner, args)
        runner.run(text)
    finally:
        backend.close()
    return Exit.OK


def _prompt(backend: Backend, args: argparse.Namespace) -> Exit:
    """Ask for statements until the user leaves."""
    from ssql_cli.shell import Shell

    shell = Shell(backend, args.output)
    _limit(shell.runner, args)
    try:
        shell.run()
    finally:
        backend.close()
        shell.settle()
    return Exit.OK


def _limit(runner: Runner, args: argparse.Namespace) -> None:
    runner.row_limit = args.query_row_limit
    runner.timeout_s = None if args.query_timeout is None else args.query_timeout / 1000


def _text(args: argparse.Namespace) -> str | None:
    """The statements that are given, or None: then there is someone to ask for them."""
    if args.execute is not None:
        return str(args.execute)
    if args.file == "-" or (args.file is None and not sys.stdin.isatty()):
        return sys.stdin.read()
    return None if args.file is None else settings.read_text(Path(args.file))
