"""Cases carried out in processes of their own, so that one that hangs or dies takes no other with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ssql.testing import pool
from tests.conformance.cases import Case
from tests.conformance.verdict import FAILED, LIMIT_S, Verdict, judge

#: Seconds beyond a case's own limit after which its process is ended.
_GRACE_S = 15


def run(cases: Sequence[Case], jobs: int, seed: int | None = None) -> Iterator[Verdict]:
    """The verdicts, as they come."""
    return pool.run(cases, partial(judge, seed=seed), _lost, processes=jobs, limit_s=LIMIT_S + _GRACE_S)


def _lost(case: Case, why: str) -> Verdict:
    return Verdict(case.id, FAILED, "crash", why, needs=case.needs)
