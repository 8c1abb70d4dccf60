"""A test carried out as it is written, and then again in other ways that must end the same."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ssql.errors import SsqlError
from ssql.testing.arrivals import ONE_BY_ONE, RERUNS, Arrival
from ssql.testing.assertions import AssertionFailed
from ssql.testing.play import Ended, Start, carry_out
from ssql.testing.records import Mismatch
from ssql.testing.script import Expected, Item, SqlTest
from ssql.testing.snapshots import compare

_MEANT = "A test that means the order in which its rows arrive says so: --@once: why"
_PLACE = re.compile(r"\bROW(?:PARTITION|OFFSET)\b", re.IGNORECASE)
_CRASHED = "A crash must change nothing: please report this, with the test."


@dataclass(frozen=True)
class Failure:
    """Why a test failed. `place`: the file and line; `run`: in which way it was carried out, "" as it is written."""

    place: str
    message: str
    detail: str = ""
    run: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Result:
    """How a test went. `runs`: how often it was carried out; `seed`: what the choices of the runs follow from."""

    test: SqlTest
    failure: Failure | None
    seconds: float
    runs: int
    seed: int

    @property
    def passed(self) -> bool:
        return self.failure is None


@dataclass(frozen=True)
class Judge:
    """Carries out tests. `quick`: only as they are written; `variables`: the values of `${name}`."""

    seed: int
    quick: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    reruns: Sequence[Arrival] = RERUNS

    def __call__(self, test: SqlTest) -> Result:
        """The result of one test; whatever goes wrong is part of it."""
        started = time.perf_counter()
        runs = 0
        failure: Failure | None = None
        start = Start(self.seed, time.time_ns() // 1_000_000, self.variables)
        arrival = ONE_BY_ONE
        try:
            base = carry_out(test, ONE_BY_ONE, start)
            runs = 1
            failure = _unexpected(test, base)
            for arrival in () if failure or self.quick or test.once else self._again_as(test):
                failure = _again(test, base, arrival, start)
                runs += 1
                if failure is not None:
                    failure = replace(failure, run=arrival.name, hint=_MEANT if arrival.hook is None else _CRASHED)
                    break
        except Exception as bug:
            detail = traceback.format_exc(limit=-8)
            failure = Failure(f"{test.path}:{test.line}", f"{type(bug).__name__}: {bug}", detail, arrival.name)
        return Result(test, failure, time.perf_counter() - started, runs, self.seed)

    def _again_as(self, test: SqlTest) -> Sequence[Arrival]:
        """In which ways a test is carried out again: rows that a query asks for their place stay where they are."""
        placed = any(_PLACE.search(step.text) for step in test.steps if isinstance(step, Item))
        return [arrival for arrival in self.reruns if arrival.one_task or not placed]


def lost(test: SqlTest, why: str, seed: int) -> Result:
    """The result of a test whose process did not answer."""
    return Result(test, Failure(f"{test.path}:{test.line}", why), 0.0, 0, seed)


def _unexpected(test: SqlTest, ended: Ended) -> Failure | None:
    """What is wrong with how a test ended, as it is written."""
    if test.expected is None:
        return None if ended.error is None else _failure(test, ended)
    if ended.error is None:
        what = test.expected.message or test.expected.kind or "any"
        return Failure(f"{test.path}:{test.line}", "there should have been an error", f"expected: {what}")
    if _is_expected(ended.error, test.expected):
        return None
    failure = _failure(test, ended)
    wanted = " ".join(filter(None, (test.expected.kind, test.expected.message)))
    return replace(failure, message=f"another error was expected: {wanted}\n{failure.message}")


def _is_expected(error: Mismatch | SsqlError, expected: Expected) -> bool:
    """A Java class tells an assertion from other errors, and no more."""
    if expected.message is not None and not any(expected.message in text for text in _texts(error)):
        return False
    kind = expected.kind
    if kind is None:
        return True
    if "." in kind:
        return not kind.endswith("AssertionError") or isinstance(error, AssertionFailed)
    return kind == (error.code if isinstance(error, SsqlError) else error.reason.replace(" ", "_"))


def _texts(error: Mismatch | SsqlError) -> list[str]:
    if isinstance(error, SsqlError):
        return [error.message, str(error.as_json()["message"])]
    return [error.what]


def _failure(test: SqlTest, ended: Ended) -> Failure:
    """The error that a test ended with, as it is told."""
    place = test.steps[ended.at].place if ended.at < len(test.steps) else f"{test.path}:{test.line}"
    error = ended.error
    if isinstance(error, SsqlError):
        return Failure(place, error.render())
    assert error is not None
    return Failure(place, error.what, error.difference or _listed(error))


def _listed(error: Mismatch) -> str:
    """What was expected and what there was, where it is not in one table."""
    parts = []
    for title, value in (("expected", error.expected), ("got", error.got)):
        rows = value if isinstance(value, list) else [] if value is None else [value]
        if rows:
            parts.append("\n".join([f"{title}:", *(f"  {row}" for row in rows)]))
    return "\n".join(parts)


def _again(test: SqlTest, base: Ended, arrival: Arrival, start: Start) -> Failure | None:
    """What another run of the test does that the first did not."""
    asserted = isinstance(base.error, AssertionFailed)
    same = replace(test, steps=test.steps[: base.at + 1]) if asserted else test
    ended = carry_out(same, arrival, start, assertions=False)
    if ended.error is not None and (base.error is None or asserted):
        return _failure(test, ended)
    if ended.error is None and base.error is not None and not asserted:
        place = test.steps[base.at].place if base.at < len(test.steps) else f"{test.path}:{test.line}"
        return Failure(place, "there was no error this time")
    for (place, expected), (_, found) in zip(base.snapshots, ended.snapshots, strict=False):
        try:
            compare(expected, found, order=arrival.in_order)
        except Mismatch as mismatch:
            return Failure(place or f"{test.path}:{test.line}", mismatch.what, mismatch.difference)
    return None
