"""Names that ksqlDB gives to what a statement leaves unnamed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from ssql.planner import expr as e


class Names:
    """Gives `KSQL_COL_n` to expressions and a field's own name to fields, around the names that the sources use."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers = count()

    def for_expression(self, x: e.Expr) -> str:
        """A name for an expression that is no plain column."""
        return self._field(x.name) if isinstance(x, e.Field) else self._numbered()

    def _numbered(self) -> str:
        return next(n for i in self._numbers if (n := f"KSQL_COL_{i}") not in self._taken)

    def _field(self, name: str) -> str:
        found = self.unused(name)
        self._taken.add(found)
        return found

    def unused(self, name: str) -> str:
        """`name`, or `name_1`, `name_2`, ... if it is taken."""
        candidates = (name if i == 0 else f"{name}_{i}" for i in count())
        return next(n for n in candidates if n not in self._taken)
