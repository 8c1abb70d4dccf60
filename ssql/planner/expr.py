"""Bound expressions: every name resolved, every node typed.

Comes in: nothing but types and resolved function calls. Goes out: frozen trees that plans hold, rewrites move about and
`print_duckdb` prints. Two expressions are equal when they say the same, wherever they stand: spans do not count.

`type` is None for the NULL literal alone: whoever uses it gives it a type with a `Cast`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias
from typing import Literal as Choice

from ssql.errors import Span
from ssql.functions.api import AggregateCall, ScalarCall, TableCall
from ssql.types import BOOLEAN, SqlType

NOWHERE = Span(0, 0)

#: What a literal can hold; which one goes with which type is plain from the type.
Value: TypeAlias = str | int | float | bool | bytes | Decimal | date | time | datetime | None

Compare = Choice["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
Operator = Choice["+", "-", "*", "/", "%", "||"]


@dataclass(frozen=True)
class Expr:
    """Base of all bound expressions."""

    type: SqlType | None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def children(self) -> tuple[Expr, ...]:
        """The direct operands, in order."""
        found: list[Expr] = []
        for f in fields(self):
            _collect(getattr(self, f.name), found)
        return tuple(found)

    def walk(self) -> Iterator[Expr]:
        """The expression and all its parts, outer ones first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def rebuild(self, change: Callable[[Expr], Expr]) -> Expr:
        """The same node over changed operands."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            new = _changed(value, change)
            if new is not value:
                changed[f.name] = new
        return replace(self, **changed) if changed else self


def _collect(value: object, found: list[Expr]) -> None:
    if isinstance(value, Expr):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _collect(item, found)


def _changed(value: object, change: Callable[[Expr], Expr]) -> object:
    if isinstance(value, Expr):
        return change(value)
    if isinstance(value, tuple):
        new = tuple(_changed(item, change) for item in value)
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value


@dataclass(frozen=True)
class Column(Expr):
    """A column of the node's input. `pseudo`: which pseudo column it is (ROWTIME, WINDOWSTART, ...), if any.

    `source` and `label` are how the user names it (`S` and `ID`), for messages and for the names of results.
    """

    name: str
    pseudo: str | None = field(default=None, compare=False)
    source: str = field(default="", compare=False)
    label: str = field(default="", compare=False)

    def relabelled(self, source: str, label: str) -> Column:
        """The same column as the user names it elsewhere."""
        return replace(self, source=source, label=label)


@dataclass(frozen=True)
class Parameter(Expr):
    """A lambda's parameter."""

    name: str


@dataclass(frozen=True)
class Given(Expr):
    """A value that is given when the statement runs: `name` is that of DuckDB's parameter."""

    name: str


@dataclass(frozen=True)
class Literal(Expr):
    value: Value


@dataclass(frozen=True)
class Cast(Expr):
    operand: Expr
    #: made by a rule of conversion, not written: messages and generated names leave it out
    implicit: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Call(Expr):
    """A scalar function; arguments are cast to what the call wants already."""

    name: str
    args: tuple[Expr, ...]
    call: ScalarCall = field(compare=False)


@dataclass(frozen=True)
class Lambda(Expr):
    """A lambda as an argument; its `type` is its body's."""

    parameters: tuple[tuple[str, SqlType], ...]
    body: Expr


@dataclass(frozen=True)
class Arithmetic(Expr):
    op: Operator
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Negate(Expr):
    operand: Expr


@dataclass(frozen=True)
class Comparison(Expr):
    """TRUE or FALSE, never NULL: with a NULL operand FALSE. Both sides have one type."""

    op: Compare
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Logical(Expr):
    op: Choice["AND", "OR"]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Not(Expr):
    operand: Expr


@dataclass(frozen=True)
class IsNull(Expr):
    operand: Expr


@dataclass(frozen=True)
class InList(Expr):
    """`operand IN (items)`, all of one type; NULL operand or items never match."""

    operand: Expr
    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Like(Expr):
    operand: Expr
    pattern: Expr
    escape: str | None


@dataclass(frozen=True)
class Case(Expr):
    """CASE WHEN condition THEN value ... ELSE otherwise END; all values of one type."""

    branches: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


@dataclass(frozen=True)
class Subscript(Expr):
    """`array[index]` (1-based, negative from the end) or `map[key]`."""

    base: Expr
    index: Expr


@dataclass(frozen=True)
class Field(Expr):
    """`struct->name`."""

    base: Expr
    name: str


@dataclass(frozen=True)
class ArrayOf(Expr):
    items: tuple[Expr, ...]


@dataclass(frozen=True)
class MapOf(Expr):
    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True)
class StructOf(Expr):
    values: tuple[Expr, ...]


@dataclass(frozen=True)
class AggregateOf(Expr):
    """An aggregate function over rows; replaced by a Column of the Aggregate node before it is printed.

    `distinct`: DISTINCT was written.
    """

    name: str
    args: tuple[Expr, ...]
    call: AggregateCall = field(compare=False)
    distinct: bool = False


@dataclass(frozen=True)
class TableOf(Expr):
    """A table function; replaced by a Column of the FlatMap node before it is printed. Its type is its elements'."""

    name: str
    args: tuple[Expr, ...]
    call: TableCall = field(compare=False)


def transform(e: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """`e` with each part for which `change` answers an expression replaced by it; outer parts are asked first."""
    new = change(e)
    return new if new is not None else e.rebuild(lambda child: transform(child, change))


def substitute(e: Expr, columns: dict[str, Expr]) -> Expr:
    """`e` with the columns of these names replaced."""
    return transform(e, lambda part: columns.get(part.name) if isinstance(part, Column) else None)


def columns_of(*exprs: Expr) -> dict[str, None]:
    """The names of all columns read, in order of appearance."""
    return {part.name: None for e in exprs for part in e.walk() if isinstance(part, Column)}


def conjuncts(e: Expr) -> tuple[Expr, ...]:
    """The parts of a predicate that AND joins."""
    if isinstance(e, Logical) and e.op == "AND":
        return (*conjuncts(e.left), *conjuncts(e.right))
    return (e,)


def all_of(predicates: tuple[Expr, ...]) -> Expr:
    """The conjunction of at least one predicate."""
    first, *rest = predicates
    for other in rest:
        first = Logical(BOOLEAN, "AND", first, other, span=first.span)
    return first


def is_constant(e: Expr) -> bool:
    """Whether the expression reads no row."""
    return not any(isinstance(part, Column | AggregateOf | TableOf) for part in e.walk())
