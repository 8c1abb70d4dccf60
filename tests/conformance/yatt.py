"""YATT: a script with assertions on records and on definitions between its statements."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ssql.errors import SsqlError
from ssql.testing.arrivals import ONE_BY_ONE, Coming
from ssql.testing.play import Play
from ssql.testing.records import Mismatch
from tests.conformance.bench import bench
from tests.conformance.cases import Case
from tests.conformance.failures import check_error, check_text, no_error

#: When a case begins (ms), for rows without a time.
CLOCK_MS = 1_700_000_000_000


def run(case: Case) -> None:
    """Carry out a case; raises `Mismatch` where an assertion does not hold, or an error does not come."""
    with bench(case, one_task=True, settings=ONE_BY_ONE.settings) as made:
        play = Play(made, ONE_BY_ONE, Coming(made, random.Random(0)), CLOCK_MS)
        for sql in _statements(case):
            try:
                play.statement(sql.rstrip(";"), [])
            except SsqlError as error:
                check_error(case, error)
                return
            except Mismatch as mismatch:
                if case.failure is None or mismatch.reason != "assertion":
                    raise
                check_text(case, [mismatch.what], mismatch.what)
                return
        play.settle()
        if case.failure is not None:
            raise no_error(case)


def _statements(case: Case) -> Iterator[str]:
    for item in case.raw["items"]:
        match item["kind"]:
            case "directive":
                pass
            case "run_script":
                yield from item["expanded"]
            case _:
                yield item["sql"]
