"""The columns that an expression may name, and how a name finds its column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ssql.errors import AmbiguousColumn, ColumnNotFound, Span, UnknownAlias
from ssql.planner.expr import Column

#: Pseudo columns: never part of `*`, reserved as names and aliases.
PSEUDO = ("ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND")


@dataclass(frozen=True)
class Visible:
    """One column in scope: the source it belongs to ("" for none), its name there, what it is bound to.

    `in_star`: `*` gives it; `named`: it can be named.
    """

    source: str
    name: str
    column: Column
    in_star: bool = True
    named: bool = True
    key: bool = False


@dataclass(frozen=True)
class Scope:
    """Columns in the order in which `*` gives them."""

    columns: tuple[Visible, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.source for v in self.columns if v.source))

    def find(self, name: str, source: str | None) -> tuple[Visible, ...]:
        return tuple(v for v in self.columns if v.named and v.name == name and source in (None, v.source))

    def resolve(self, name: str, source: str | None, span: Span, *, clause: str = "") -> Visible:
        """The column of that name, which stands in `clause`. Raises ColumnNotFound, AmbiguousColumn, UnknownAlias."""
        if source is not None:
            self.check_source(source, span)
        found = self.find(name, source)
        if not found:
            shown = name if source is None else f"{source}.{name}"
            raise ColumnNotFound(shown, clause=clause, span=span, candidates=[v.name for v in self.columns])
        if len(found) > 1:
            raise AmbiguousColumn(name, [v.source for v in found], span=span)
        return found[0]

    def check_source(self, source: str, span: Span) -> None:
        if source not in self.sources:
            raise UnknownAlias(source, self.sources, span=span)

    def star(self, source: str | None = None) -> tuple[Visible, ...]:
        return tuple(v for v in self.columns if v.in_star and source in (None, v.source))

    def in_several(self, name: str) -> bool:
        """Whether more than one source has a column of that name."""
        return len({v.source for v in self.columns if v.named and v.name == name}) > 1

    def with_columns(self, columns: Iterable[Visible]) -> Scope:
        return Scope((*columns, *self.columns))
