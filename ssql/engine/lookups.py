"""Key look-ups told by their shape: texts that differ in their literals alone share a plan.

A client that asks for one key after the other sends another text each time. What is kept is the text without its
literals, and which literal belongs to which key column; such a query is neither parsed nor planned, and DuckDB has no
part in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ssql.planner.pull import PullPlan
from ssql.planner.pull_direct import fits
from ssql.sql.lexer import unquote

#: Literals; and what a text may hold in which they would not be ones: quoted names, comments, variables.
_LITERAL = re.compile(
    r"""('[^']*(?:''[^']*)*') | (?<![\w.@$]) ([0-9]+) (?![\w.@]) | (`[^`]*`|"[^"]*") | (--|/\*|\$\{|\0|['"`])""",
    re.VERBOSE,
)
_TEXT, _INT, _BIGINT = "\0s", "\0i", "\0l"

Value = str | int


@dataclass(frozen=True)
class Shape:
    """A text with `text` for what is not literal in it; `literals` by the places where they begin."""

    text: str
    literals: dict[int, Value]


@dataclass(frozen=True)
class Lookup:
    """A planned key look-up: for each key column which literals of the text are its constants."""

    plan: PullPlan
    slots: tuple[tuple[int, ...], ...]

    def values(self, shape: Shape) -> tuple[tuple[Value, ...], ...] | None:
        """The constants of another text of the same shape; None where one is no value of its key."""
        assert self.plan.direct is not None
        given = list(shape.literals.values())
        found = tuple(tuple(given[slot] for slot in slots) for slots in self.slots)
        types = self.plan.direct.types
        return found if all(fits(v, t) for values, t in zip(found, types, strict=True) for v in values) else None


def shape_of(text: str) -> Shape | None:
    """The shape of a text; None where it has parts that are better left to the parser."""
    pieces: list[str] = []
    literals: dict[int, Value] = {}
    at = 0
    for found in _LITERAL.finditer(text):
        which = found.lastindex
        if which == 3:
            continue
        if which == 4 or "${" in found[0]:  # a variable may stand in a text, too
            return None
        pieces.append(text[at : found.start()])
        at = found.end()
        if which == 1:
            literals[found.start()] = unquote(found[1])
            pieces.append(_TEXT)
        else:
            number = int(found[2])
            literals[found.start()] = number
            pieces.append(_INT if number < 1 << 31 else _BIGINT)
    pieces.append(text[at:])
    return Shape("".join(pieces), literals)


def lookup_of(plan: PullPlan, shape: Shape) -> Lookup | None:
    """The look-up that a plan is; None where it depends on more than the keys' constants."""
    if plan.direct is None:
        return None
    places = {start: number for number, start in enumerate(shape.literals)}
    slots = tuple(tuple(places.get(c.span.start, -1) for c in constants) for constants in plan.direct.keys)
    used = [slot for of_key in slots for slot in of_key]
    # Each literal is a constant of one key, and they are what the plan found there.
    if sorted(used) != list(range(len(places))):
        return None
    found = Lookup(plan, slots)
    return found if found.values(shape) == plan.direct.values else None
