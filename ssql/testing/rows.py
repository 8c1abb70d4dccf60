"""Rows that were expected beside those that there are: which go together, what is missing, extra or different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

Row = Sequence[Any]
#: Whether a row is the one that is expected: (expected, got).
Same = Callable[[Row, Row], bool]


@dataclass(frozen=True)
class Pair:
    """An expected row and the one that stands for it. One of them None: it is missing, or extra."""

    expected: Row | None
    got: Row | None
    same: bool


def in_order(expected: Sequence[Row], got: Sequence[Row], same: Same) -> list[Pair]:
    """The rows side by side where their order counts: as many as can be are the same."""
    numbers = _numbered(expected, got, same)
    pairs: list[Pair] = []
    matcher = SequenceMatcher(None, *numbers, autojunk=False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right = expected[i1:i2], got[j1:j2]
        for i in range(max(len(left), len(right))):
            one, other = (rows[i] if i < len(rows) else None for rows in (left, right))
            pairs.append(Pair(one, other, what == "equal"))
    return pairs


def in_any_order(expected: Sequence[Row], got: Sequence[Row], same: Same, alike: Same) -> list[Pair]:
    """The rows side by side: the same ones, then those that are `alike` (of one key), then what is left."""
    left, pairs, open_ = list(got), [], []
    for row in expected:
        at = next((i for i, other in enumerate(left) if same(row, other)), None)
        if at is None:
            open_.append(row)
        else:
            pairs.append(Pair(row, left.pop(at), True))
    for row in open_:
        at = next((i for i, other in enumerate(left) if alike(row, other)), None)
        pairs.append(Pair(row, None if at is None else left.pop(at), False))
    return [*pairs, *(Pair(None, row, False) for row in left)]


def one_by_one(expected: Sequence[Row], got: Sequence[Row], same: Same) -> list[Pair]:
    """The first with the first, and so on."""
    pairs = []
    for i in range(max(len(expected), len(got))):
        one, other = (rows[i] if i < len(rows) else None for rows in (expected, got))
        pairs.append(Pair(one, other, one is not None and other is not None and same(one, other)))
    return pairs


def _numbered(expected: Sequence[Row], got: Sequence[Row], same: Same) -> tuple[list[int], list[int]]:
    """The rows as numbers; those that are the same have the same."""
    left = [next(j for j in range(i + 1) if j == i or _equal(expected[j], row)) for i, row in enumerate(expected)]
    right = []
    for i, row in enumerate(got):
        number = next((left[j] for j, wanted in enumerate(expected) if same(wanted, row)), None)
        right.append(-1 - i if number is None else number)
    return left, right


def _equal(one: Row, other: Row) -> bool:
    return list(one) == list(other)
