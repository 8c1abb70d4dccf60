"""`ssql config check`: whether a configuration file says what settings take."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ssql.config import Config, from_environment
from ssql.errors import SsqlError
from ssql_cli.exits import Exit
from ssql_cli.settings import read_file


def run(args: argparse.Namespace) -> Exit:
    """Tell of every key that is wrong, not of the first alone. Raises `FileUnreadable`."""
    from ssql.engine.session import has_no_effect, is_misspelt

    from_environment()
    found = read_file(Path(args.file))
    idle = [key for key in found if has_no_effect(key) and not is_misspelt(key)]
    wrong = 0
    for key, value in found.items():
        try:
            if key not in idle:
                Config().with_values({key: value})
        except SsqlError as error:
            wrong += 1
            print(error.render(), file=sys.stderr)
    if idle:
        print(f"without effect: {', '.join(idle)}", file=sys.stderr)
    print(f"{args.file}: {len(found)} settings, {wrong} wrong", file=sys.stderr)
    return Exit.USAGE if wrong else Exit.OK
