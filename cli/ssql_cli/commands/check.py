"""`ssql check FILE.sql...`: what is wrong with each statement, without running any."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssql import logs
from ssql.errors import FileUnreadable, SsqlError
from ssql.testing.check import Finding, check
from ssql.testing.script import SqlTest, read_tests
from ssql_cli import settings
from ssql_cli.exits import Exit


def run(args: argparse.Namespace) -> Exit:
    """What is wrong goes to stderr, with file, line and caret. Raises `SsqlError` for a file that is not there."""
    with logs.silence():  # what would be logged is told as a finding
        return _check(args.files, settings.variables(args.define, os.environ))


def _check(files: Sequence[Path], variables: Mapping[str, str]) -> Exit:
    told: set[str] = set()
    statements = 0
    for file in files:
        try:
            scripts = _read(file)
        except FileUnreadable:
            raise
        except SsqlError as error:
            at = 1 if error.position is None else error.position.line
            told.add(f"{file}:{at}: {error.render()}")
            print(f"{file}:{at}: {error.render()}\n", file=sys.stderr, flush=True)
            continue
        statements += sum(len(script.steps) for script in scripts)
        for script in scripts:
            for finding in check(script, variables):
                _tell(finding, told)
    if not statements and not told:
        print("there is no statement", file=sys.stderr)
        return Exit.NOTHING
    count = len(told)
    print(f"{statements} statements, {count} wrong" if count else f"{statements} statements, all well", file=sys.stderr)
    return Exit.FAILED if told else Exit.OK


def _read(file: Path) -> list[SqlTest]:
    try:
        return read_tests(file)
    except OSError as bad:
        raise FileUnreadable(str(file), (bad.strerror or str(bad)).lower()) from None
    except UnicodeDecodeError:
        raise FileUnreadable(str(file), "it is not UTF-8 text") from None


def _tell(finding: Finding, told: set[str]) -> None:
    """Tell of a statement once, however many tests share it."""
    text = f"{finding.item.place}: {finding.error.render()}"
    if text not in told:
        told.add(text)
        print(text + "\n", file=sys.stderr, flush=True)
