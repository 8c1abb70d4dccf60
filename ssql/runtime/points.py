"""Point look-ups: the rows of one key by its values, in microseconds.

`View.gather` works on whole columns. Each of its kernels costs microseconds however little it is given, and there are
dozens: right for an epoch's keys, ten times too much for the one key of a reader. Here are no kernels, and the same
rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ssql.runtime.arrangement import Run, View
from ssql.runtime.hashing import hash_values

#: More rows of a key than this are better found by columns.
FEW = 16

#: A run, and the number of a row in it.
Place = tuple[Run, int]


def rows_of(view: View, key: Sequence[str | int]) -> list[Place] | None:
    """The places of the live rows of a key of strings and integers, none of them NULL, in order of their identities;
    None where there are more than a few to look at."""
    layout = view.layout
    wanted = hash_values(key)
    found: dict[tuple[object, ...], Place] = {}
    looked_at = 0
    for run in reversed(view.runs):
        hashes, columns = run.hash.data, run.columns
        row = bisect_left(hashes, wanted)
        while row < len(hashes) and hashes[row] == wanted:
            looked_at += 1
            if looked_at > FEW:
                return None
            if all(columns[name][row].as_py() == value for name, value in zip(layout.key, key, strict=True)):
                if layout.unique:
                    return [(run, row)] if run.live[row] else []
                identity = tuple(columns[name][row].as_py() for name in layout.identity)
                found.setdefault(identity, (run, row))  # the newest row of an identity wins
            row += 1
    return [place for _, place in sorted(found.items(), key=_by_identity) if _is_there(view, *place)]


def _by_identity(item: tuple[tuple[object, ...], Place]) -> tuple[tuple[bool, object], ...]:
    return tuple((part is not None, part) for part in item[0])


def _is_there(view: View, run: Run, row: int) -> bool:
    expires = view.layout.expires
    return bool(run.live[row]) and (expires is None or run.columns[expires][row].as_py() > view.horizon)
