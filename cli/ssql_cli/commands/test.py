"""`ssql test PATH...`: tests of queries, on an engine in this process."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from ssql.errors import ConfigError, FileUnreadable, SsqlError
from ssql.testing import junit, pool, report
from ssql.testing.rerun import Failure, Judge, Result, lost
from ssql.testing.script import SqlTest, read_tests
from ssql.testing.triples import read_triple, triple_of
from ssql_cli import settings
from ssql_cli.exits import Exit

#: Seconds between two looks for files that changed. Polled: a few files' times cost nothing, and no library is needed.
LOOK_S = 0.3


def run(args: argparse.Namespace) -> Exit:
    """Raises `SsqlError` for wrong arguments and files that are not there."""
    if bool(args.sql_file) != bool(args.output_file) or (args.input_file and not args.sql_file):
        raise ConfigError("-s FILE and -o FILE go together, with or without -i FILE")
    if not args.paths and not args.sql_file:
        raise ConfigError("no PATH is given", hint="Name a file of tests, or a folder of them.")
    if not args.watch:
        return _once(args)
    while True:
        seen = _times(args)
        try:
            _once(args)
        except SsqlError as error:
            print(error.render(), file=sys.stderr)
        print("waiting for a change (Ctrl-C ends)", file=sys.stderr, flush=True)
        while _times(args) == seen:
            time.sleep(LOOK_S)


def _once(args: argparse.Namespace) -> Exit:
    """Carry all tests out."""
    started = time.monotonic()
    seed = args.seed if args.seed is not None else random.randrange(1 << 31)
    tests, unread = _tests(args)
    tests = [test for test in tests if args.select in test.id]
    results = [Result(test, failure, 0.0, 0, seed) for test, failure in unread]
    for result in results:
        _show(result, args)
    judge = Judge(seed, quick=args.quick, variables=settings.variables(args.define, os.environ))
    for result in pool.run(tests, judge, partial(lost, seed=seed), processes=args.jobs, limit_s=args.timeout):
        results.append(result)
        _show(result, args)
    order = {test.id: number for number, test in enumerate([*(test for test, _ in unread), *tests])}
    results.sort(key=lambda result: order[result.test.id])
    if args.junit:
        junit.write(args.junit, results)
    if not results:
        print("there is no test" + (f' with "{args.select}" in its name' if args.select else ""), file=sys.stderr)
        return Exit.NOTHING
    print(report.summary(results, time.monotonic() - started), flush=True)
    return Exit.OK if all(result.passed for result in results) else Exit.FAILED


def _show(result: Result, args: argparse.Namespace) -> None:
    """Tell of a result as soon as it is there; of three files as `ksql-test-runner` does."""
    if args.sql_file:
        why = "" if result.failure is None else result.failure.message
        print(">>> Test passed!" if result.passed else f">>>>> Test failed: {why}")
    else:
        print(report.line(result))
    if not result.passed:
        print(report.failure_text(result, settings.variables(args.define, os.environ)))
    sys.stdout.flush()


def _tests(args: argparse.Namespace) -> tuple[list[SqlTest], list[tuple[SqlTest, Failure]]]:
    """The tests of all files, and the files that are no tests."""
    tests: list[SqlTest] = []
    unread: list[tuple[SqlTest, Failure]] = []
    for path in _files(args):
        try:
            if path == args.sql_file:
                tests.append(read_triple(path, args.input_file, args.output_file))
            elif triple := triple_of(path):
                tests.append(read_triple(path, *triple))
            else:
                tests += read_tests(path)
        except SsqlError as error:
            at = 1 if error.position is None else error.position.line
            unread.append((SqlTest(path.stem, str(path), at, ()), Failure(f"{path}:{at}", error.render())))
        except OSError as bad:
            raise FileUnreadable(str(bad.filename or path), (bad.strerror or str(bad)).lower()) from None
        except UnicodeDecodeError:
            raise FileUnreadable(str(path), "it is not UTF-8 text") from None
    return tests, unread


def _files(args: argparse.Namespace) -> list[Path]:
    """The files with tests, in order; each once."""
    found: list[Path] = [args.sql_file] if args.sql_file else []
    for path in args.paths:
        found += sorted(path.rglob("*.sql")) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def _times(args: argparse.Namespace) -> dict[Path, int]:
    """When each file was changed; whatever is in the folders of the tests counts, as scripts may run each other."""
    folders = {path if path.is_dir() else path.parent for path in [*args.paths, *_files(args)]}
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in (".sql", ".json"):
                with suppress(OSError):
                    found[path] = path.stat().st_mtime_ns
    return found
