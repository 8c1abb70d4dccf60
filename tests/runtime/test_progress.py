"""Rates over the last seconds, and the time that is left by them."""

from __future__ import annotations

from ssql.runtime.api import Offsets
from ssql.runtime.progress import (
    STEP_S,
    WINDOW_S,
    Course,
    QueryProgress,
    QueryState,
    RestoreProgress,
    Restoring,
    Subject,
    Trail,
    of_query,
    time_left,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def amount(value: float) -> float:
    return value


def trail(*steps: tuple[float, float]) -> tuple[Clock, Trail[float]]:
    """Samples, each after so many seconds."""
    clock = Clock()
    found: Trail[float] = Trail(clock)
    for seconds, value in steps:
        clock.now += seconds
        found.add(value)
    return clock, found


def test_a_rate_is_that_of_the_last_seconds() -> None:
    _, slow_then_fast = trail(*[(1.0, n) for n in range(20)], *[(1.0, 20 + n * 100) for n in range(20)])
    assert slow_then_fast.rate(amount) == 100.0
    assert slow_then_fast.samples[0][0] <= slow_then_fast.now() - WINDOW_S
    assert len(slow_then_fast.samples) <= WINDOW_S + 2


def test_samples_are_few_however_often_something_is_noted() -> None:
    _, often = trail(*[(0.001, n) for n in range(20_000)])
    assert len(often.samples) <= WINDOW_S / STEP_S + 2
    assert 900 < often.rate(amount) < 1100


def test_without_two_moments_there_is_no_rate_and_no_time_left() -> None:
    clock, once = trail((0.0, 5))
    assert once.rate(amount) == 0.0
    assert time_left(10, once.rate(amount)) is None
    assert time_left(0, 0.0) == 0.0
    once.add(8)  # in the same moment
    assert once.rate(amount) == 0.0
    clock.now += 1.0
    assert once.rate(amount) == 3.0
    assert time_left(6, once.rate(amount)) == 2.0


def test_what_stands_still_has_no_rate_after_a_while() -> None:
    _, still = trail((0.0, 0), (1.0, 100), *[(1.0, 100)] * 10)
    assert still.rate(amount) == 0.0


def test_a_time_of_waiting_before_the_first_does_not_make_it_slow() -> None:
    clock, late = trail((0.0, 0), (3.0, 0), (1.0, 100), (1.0, 200))
    assert late.rate(amount) == 100.0
    clock.now += 2.0
    assert late.rate(amount) == 50.0


def test_what_comes_in_steps_keeps_its_rate_between_them() -> None:
    clock, steps = trail((0.0, 0), (1.0, 100), (1.0, 200))
    for seconds, expected in ((0.5, 100.0), (0.5, 100.0), (1.0, 50.0)):
        clock.now += seconds
        assert steps.rate(amount) == expected


SUBJECT = Subject("T", frozenset({"a", "b"}), {("a", 0): 5, ("b", 0): 0}, durable=True)


def course(state: QueryState = QueryState.CATCHING_UP, *, behind: bool = False) -> Course:
    before: Offsets = {("a", 0): 5, ("b", 0): 0, ("other", 0): 0}
    seen: Offsets = {("a", 0): 15, ("b", 0): 10, ("other", 0): 1000}
    ends: Offsets = {("a", 0): 25, ("b", 0): 10, ("other", 0): 9000}
    reached: Offsets = {("a", 0): 70_000, ("b", 0): 10_000}
    return Course(state, seen, ends, reached, behind, ((100.0, before), (101.0, seen)))


def told(course: Course, *, idle: int = 5) -> QueryProgress:
    speed = course.speed(SUBJECT.topics, 104.0)
    return of_query("Q", SUBJECT, course, idle=idle, speed=speed, now_ms=90_000)


def test_a_query_counts_only_what_it_reads_itself() -> None:
    found = told(course())
    assert (found.records, found.records_total, found.lag) == (20, 30, 10)
    assert (found.records_per_second, found.seconds_left) == (5.0, 2.0)
    assert found.lag_ms == 20_000  # of `a`: nothing is left of `b`


def test_a_query_of_the_main_dataflow_catches_up_where_that_and_it_are_behind() -> None:
    running = QueryState.RUNNING
    assert told(course(running)).state is running
    assert told(course(running, behind=True)).state is QueryState.CATCHING_UP
    assert told(course(running, behind=True), idle=10).state is running


def test_a_query_that_stands_still_has_no_time_left() -> None:
    found = told(course(QueryState.PAUSED))
    assert (found.records_per_second, found.seconds_left) == (0.0, None)


def test_restoring_counts_to_the_end() -> None:
    clock = Clock()
    restoring = Restoring(clock)
    assert restoring.progress() == RestoreProgress(seconds_left=0.0)
    restoring.expect({"x": (0, 4), "y": (2, 8)})
    assert restoring.progress() == RestoreProgress(0, 2, 0, 10)
    clock.now += 2.0
    restoring.read(4, 400, 9000)
    restoring.whole("x")
    assert restoring.progress() == RestoreProgress(1, 2, 4, 10, 400, 9000, 200.0, 3.0)
    assert restoring.bounds("y") == (2, 8)
    assert restoring.bounds("z") is None
    restoring.over()  # the rest was of a query that is no more
    clock.now += 60.0
    assert restoring.progress() == RestoreProgress(1, 1, 4, 4, 400, 9000, 200.0, 0.0)
    assert restoring.bounds("y") is None  # more may have been written since
