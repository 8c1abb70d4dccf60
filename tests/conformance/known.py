"""The list of cases that are known to fail: digests of their ids, as a corpus' names are not the project's.

A file has one digest a line, and their number in its first line. `python -m tests.conformance FILE --write-known LIST`
writes it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.verdict import FAILED, Verdict

FOLDER = Path(__file__).parent / "known_failures"


def digest(case_id: str) -> str:
    return hashlib.sha256(case_id.encode()).hexdigest()[:16]


def read(path: Path) -> frozenset[str]:
    """The digests in a list; a list that is not there is empty."""
    if not path.exists():
        return frozenset()
    lines = path.read_text(encoding="utf-8").split()
    return frozenset(line for line in lines if len(line) == 16)


def write(path: Path, verdicts: Iterable[Verdict]) -> None:
    found = sorted(digest(v.id) for v in verdicts if v.outcome == FAILED)
    path.write_text("\n".join([f"{len(found)} known failures", *found]) + "\n", encoding="utf-8")


def unknown(path: Path, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The failures that are not in the list."""
    known = read(path)
    return [v for v in verdicts if v.outcome == FAILED and digest(v.id) not in known]
