"""QTT: statements and records in, records out, in one task."""

from __future__ import annotations

from ssql.errors import SsqlError
from ssql.testing.bench import Bench
from ssql.testing.outputs import compare_outputs, feed
from ssql.testing.records import Mismatch
from tests.conformance.bench import bench
from tests.conformance.cases import Case
from tests.conformance.failures import check_error, check_text, no_error
from tests.conformance.schemas import check_topics
from tests.conformance.sources import check_sources

#: Every record is an epoch of its own.
SETTINGS = {"batch.max.rows": 1}


def run(case: Case) -> None:
    """Carry out a case; raises `Mismatch` where it does not do what it should."""
    with bench(case, one_task=True, settings=SETTINGS) as made:
        if defined(case, made):
            feed(made, case.inputs)
            finish(case, made)
            compare_outputs(made, case.outputs, any_zero=not case.inputs)


def defined(case: Case, made: Bench) -> bool:
    """Carry out the statements. False when they failed as they should."""
    try:
        made.execute(case.script)
    except SsqlError as error:
        check_error(case, error)
        return False
    if case.failure is None:
        post, golden = case.raw["post"] or {}, case.raw["golden"] or {}
        check_sources(made, post.get("sources") or ())
        check_sources(made, golden.get("sources") or ())
        check_topics(made.schemas, golden.get("topics") or ())
    return True


def finish(case: Case, made: Bench) -> None:
    """Check that the queries failed if, and only if, they should."""
    why = made.failed_query()
    if case.failure is not None:
        if why is None:
            raise no_error(case)
        check_text(case, [why], why)
    elif why is not None:
        raise Mismatch("query failed", why)
