"""A log in trouble, and a query in trouble: it goes on where it was once the trouble is over."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ssql.engine.api import Session
from ssql.engine.engine import LocalEngine
from ssql.errors import LogFull, LogInDoubt, LogUnavailable
from ssql.runtime.delta import Delta
from ssql.runtime.operators.aggregate import Aggregate
from ssql.testing.mortal import Hook, Killed
from tests.crash.scenario import Results, Run, compare

QUERY = "CTAS_BY_KIND_7"


@pytest.mark.parametrize(
    ("trouble", "when"),
    [
        (LogFull("the disk of the log is full"), "before"),
        (LogUnavailable("Kafka could not be reached"), "before"),
        (LogInDoubt("Kafka did not say whether the transaction was committed"), "before"),
        (LogInDoubt("Kafka did not say whether the transaction was committed"), "after"),
    ],
    ids=["full", "unavailable", "in doubt and not committed", "in doubt and committed"],
)
def test_commits_that_fail_are_tried_again(
    undisturbed: Results, finest: Results, tmp_path: Path, trouble: Exception, when: str
) -> None:
    chance = random.Random(3)
    failed = 0

    def befalls(life: int) -> Hook:
        def hook(number: int, what: str, at: str) -> None:
            nonlocal failed
            if life <= 3 and number == 60 and at == "before":
                raise Killed  # what the failed ones have left of the state is what comes next
            if what.startswith("commit") and at == when and chance.random() < 0.4:
                failed += 1
                raise trouble

        return hook

    found = Run(tmp_path, befalls=befalls).go()
    assert failed > 20
    compare(undisturbed, finest, found)


class Broken:
    """Makes an operator of one query fail while `on`, after it has worked `good` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, good: int) -> None:
        self.on = False
        self.good = good
        self.failures = 0
        works = Aggregate.on_deltas

        def on_deltas(operator: Aggregate, *inputs: Delta) -> Delta:
            if self.on and operator.context.query_id == QUERY:
                # Late in its work, so that there is something to take back.
                out = works(operator, *inputs)
                self.good -= 1
                if self.good >= 0:
                    return out
                self.failures += 1
                raise RuntimeError("it is broken")
            return works(operator, *inputs)

        monkeypatch.setattr(Aggregate, "on_deltas", on_deltas)


def state_of(engine: LocalEngine, query: str) -> tuple[str, str]:
    """A query's state, and its error."""
    (found,) = [q for q in engine.execute("SHOW QUERIES;", Session())[0]["queries"] if q["id"] == query]
    (status,) = [s for s in engine._core.worker.status() if s.query_id == query]
    return found["state"], status.error or ""


@pytest.mark.parametrize("killed", [False, True], ids=["", "and killed meanwhile"])
@pytest.mark.parametrize(
    ("breaks", "mended", "good"),
    # Steps of the story. Running, not at the first epoch: what was written just before has not been read past.
    [(10, 17, 0), (18, 20, 2)],
    ids=["while it catches up", "while it runs"],
)
def test_a_query_that_fails_is_detached_and_resumed_without_loss(
    undisturbed: Results,
    finest: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    breaks: int,
    mended: int,
    good: int,
    killed: bool,
) -> None:
    broken = Broken(monkeypatch, good)
    seen: list[tuple[str, str]] = []

    def between(step: int, engine: LocalEngine) -> None:
        broken.on = breaks <= step < mended
        if step == mended and not seen:
            seen.append(state_of(engine, QUERY))
            engine.execute(f"RESUME {QUERY};", Session())
            assert engine.caught_up(60)

    def befalls(life: int) -> Hook:
        def hook(number: int, what: str, when: str) -> None:
            if killed and broken.failures and life == 1 and what.startswith("commit") and when == "after":
                raise Killed

        return hook

    found = Run(tmp_path, befalls=befalls, between=between).go()
    assert broken.failures > 0
    assert seen == [("ERROR", "internal error: RuntimeError: it is broken")]
    assert found.lives == (2 if killed else 1)
    compare(undisturbed, finest, found)


def test_a_pause_and_a_resume_that_were_not_answered(undisturbed: Results, finest: Results, tmp_path: Path) -> None:
    """The command is written, and the process dies before the worker has heard of it: it holds all the same."""
    commands = [0]
    states: list[str] = []
    lives = 1

    def befalls(life: int) -> Hook:
        nonlocal lives
        lives = life
        states.append("")

        def hook(number: int, what: str, when: str) -> None:
            if "append" in what and "command_topic" in what and when == "after":
                commands[-1] += 1
                # The first is after the twelve definitions; said again, it is followed by the other.
                if commands[-1] == {1: 13, 2: 2}.get(life):
                    commands.append(0)
                    raise Killed

        return hook

    def between(step: int, engine: LocalEngine) -> None:
        if not states[-1] and lives > 1:
            states[-1] = state_of(engine, QUERY)[0]

    found = Run(tmp_path, befalls=befalls, between=between).go()
    assert states == ["", "PAUSED", "RUNNING"]
    compare(undisturbed, finest, found)
