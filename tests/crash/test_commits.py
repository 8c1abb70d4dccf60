"""A process dies at its commits: just before one, and so just after the one before. Nothing is lost or repeated."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ssql.testing.mortal import Hook, Killed
from tests.crash.scenario import Results, Run, compare

#: How many acts apart the lives of one run end, and how far the runs are shifted against each other.
APART = 36
STRIDE = 6


def dying_at(acts: Callable[[int], int | None]) -> Callable[[int], Hook]:
    """Each life dies before the act that `acts(life)` numbers; None: it lives on."""

    def befalls(life: int) -> Hook:
        last = acts(life)

        def hook(number: int, what: str, when: str) -> None:
            if number == last and when == "before":
                raise Killed

        return hook

    return befalls


def test_where_epochs_are_cut_makes_no_difference(undisturbed: Results, finest: Results) -> None:
    compare(undisturbed, finest, finest)
    compare(undisturbed, finest, undisturbed)


@pytest.mark.parametrize("seed", range(4))
def test_lives_that_end_anywhere(undisturbed: Results, finest: Results, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    ends = [chance.randrange(1, 70) for _ in range(8)]
    run = Run(tmp_path, befalls=dying_at(lambda life: ends[life - 1] if life <= len(ends) else None))
    found = run.go()
    assert found.lives > 3
    compare(undisturbed, finest, found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
def test_many_lives_that_end_anywhere(undisturbed: Results, finest: Results, tmp_path: Path, seed: int) -> None:
    test_lives_that_end_anywhere(undisturbed, finest, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, APART, STRIDE))
def test_a_life_ends_at_every_few_acts(undisturbed: Results, finest: Results, tmp_path: Path, first: int) -> None:
    """Over all `first`, some life ends within `STRIDE` acts of every moment of the story."""
    run = Run(tmp_path, befalls=dying_at(lambda life: first if life == 1 else APART if life < 12 else None))
    compare(undisturbed, finest, run.go())
