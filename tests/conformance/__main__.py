"""`python -m tests.conformance FILE.jsonl`: carry out the cases of a file, print what fails, close with the numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import known, pool, report
from tests.conformance.cases import load
from tests.conformance.verdict import FAILED


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("file", type=Path, help="a corpus file (JSON Lines)")
    parser.add_argument("--select", default="", metavar="ID_PART", help="only cases whose id contains this")
    parser.add_argument("--report", type=Path, metavar="OUT.json", help="write all verdicts as JSON")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cuts", choices=["row", "random"], default="row", help="where epochs end (default: row)")
    parser.add_argument("--write-known", type=Path, metavar="LIST", help="write the list of known failures anew")
    parser.add_argument("--seed", type=int, default=1, help="for --cuts random (default: 1)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """0 when nothing failed, else 1."""
    arguments = _arguments(given)
    cases = load(arguments.file, arguments.select)
    seed = arguments.seed if arguments.cuts == "random" else None
    verdicts = []
    for verdict in pool.run(cases, arguments.jobs, seed):
        verdicts.append(verdict)
        if verdict.outcome == FAILED:
            print(report.failure_text(verdict), flush=True)
    if arguments.report:
        report.write(arguments.report, verdicts)
    if arguments.write_known:
        known.write(arguments.write_known, verdicts)
    print(report.summary(verdicts))
    return 1 if any(v.outcome == FAILED for v in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
