"""QTT: statements and records in, records out, in one task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ssql.errors import SsqlError
from tests.conformance.bench import Bench, bench
from tests.conformance.cases import Case, Json, Mismatch, Record
from tests.conformance.codec import Found, TopicCodec, header_list
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
            compare_outputs(case, made)


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


def feed(made: Bench, inputs: Sequence[Record]) -> None:
    """One record after the other, each fully processed before the next one of another topic."""
    made.settle()
    for _, records in groupby(inputs, key=lambda r: r.topic):
        made.produce(list(records), 0)
        made.settle()


def finish(case: Case, made: Bench) -> None:
    """Check that the queries failed if, and only if, they should."""
    why = made.failed_query()
    if case.failure is not None:
        if why is None:
            raise no_error(case)
        check_text(case, [why], why)
    elif why is not None:
        raise Mismatch("query failed", why)


def compare_outputs(case: Case, made: Bench) -> None:
    """Each topic that is listed holds exactly the records that are listed, in order."""
    any_zero = not case.inputs
    for topic, wanted in by_topic(case.outputs).items():
        found = made.records(topic)
        codec = made.codec(topic)
        for i, (expected, got) in enumerate(zip(wanted, found, strict=False)):
            what = difference(codec, expected, got, any_zero=any_zero)
            if what is not None:
                raise Mismatch(
                    f"records: {what}",
                    f"record {i} of {topic}: the {what} differs",
                    expected=[shown(r) for r in wanted],
                    got=[r.shown() for r in found],
                )
        if len(found) != len(wanted):
            raise Mismatch(
                "records: number",
                f"topic {topic} has {len(found)} records and not {len(wanted)}",
                expected=[shown(r) for r in wanted],
                got=[r.shown() for r in found],
            )


def by_topic(records: Sequence[Record]) -> dict[str, list[Record]]:
    topics: dict[str, list[Record]] = {}
    for record in records:
        topics.setdefault(record.topic, []).append(record)
    return topics


def difference(codec: TopicCodec, expected: Record, got: Found, *, any_zero: bool) -> str | None:
    """What is not as expected, None if all is. `any_zero`: an expected timestamp of 0 says nothing."""
    if not codec.key.same(expected.key, got.key):
        return "key"
    if expected.window != got.window:
        return "window"
    if not codec.value.same(expected.value, got.value):
        return "value"
    if expected.timestamp not in (None, got.timestamp) and not (any_zero and expected.timestamp == 0):
        return "timestamp"
    if header_list(expected) != got.headers:
        return "headers"
    return None


def shown(record: Record) -> dict[str, Json]:
    """An expected record as it is printed beside what was found."""
    found: dict[str, Json] = {"key": record.key, "value": record.value, "timestamp": record.timestamp}
    if record.window:
        found["window"] = [record.window.start, record.window.end]
    if record.headers:
        found["headers"] = header_list(record)
    return found
