"""`ssql completion`: what a shell needs to complete the command's arguments."""

from __future__ import annotations

import argparse

from ssql_cli.exits import Exit


def run(args: argparse.Namespace) -> Exit:
    """Print the script for a shell."""
    import shtab

    from ssql_cli.main import make_parser

    print(shtab.complete(make_parser(), args.shell))
    return Exit.OK
