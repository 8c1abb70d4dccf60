"""`ssql auth`: parts of the file that `auth.file` names, for users and for API keys."""

from __future__ import annotations

import argparse
import getpass
import sys

from ssql.errors import ConfigError
from ssql.server.auth import hash_password, new_secret
from ssql_cli.exits import Exit


def run(args: argparse.Namespace) -> Exit:
    """The part goes to stdout, to be appended to the file; the secret of a key to stderr, this once."""
    if args.kind == "user":
        part = _part(f"users.{args.name}", "password", hash_password(_password()), args.right)
    else:
        secret, stored = new_secret()
        part = _part(f"keys.{args.name}", "secret", stored, args.right)
        print(f"The secret of {args.name}, which is kept nowhere: {secret}", file=sys.stderr)
    print(part)
    return Exit.OK


def _password() -> str:
    """From the terminal, twice; or the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ConfigError("the two passwords differ")
    return password


def _part(table: str, field: str, stored: str, right: str) -> str:
    return f'[{table}]\n{field} = "{stored}"\nright = "{right}"\n'
