"""What the planner knows of functions: resolved calls with their result types and DuckDB translations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ssql.types import SqlType


@dataclass(frozen=True)
class LambdaType:
    """Stands for a lambda argument while a call is resolved: it has parameters, and a result once its body is bound."""

    arity: int
    result: SqlType | None = None


#: The type of an argument; None is the untyped NULL literal.
ArgType = SqlType | LambdaType | None


@dataclass(frozen=True)
class ScalarCall:
    """A scalar function resolved for argument types.

    `casts[i]` is the type that argument i is to be cast to first (None: as it is). `render` gets the arguments as
    DuckDB expressions and answers one. `udfs` are the Python functions that the connection must have (see `install`).
    """

    name: str
    result: SqlType
    casts: tuple[SqlType | None, ...]
    render: Callable[[Sequence[str]], str]
    udfs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Accumulator:
    """One column of an aggregate's state.

    `delta` is a DuckDB aggregate expression over the rows of a delta, with the arguments filled in; it may use the
    columns `_diff` (+1, -1) and `_seq` (the order of the rows). `merge` combines `{s}` (the state before, NULL in a
    new group) and `{d}` (what `delta` gave).
    """

    type: SqlType
    delta: str
    merge: str


@dataclass(frozen=True)
class AggregateCall:
    """An aggregate function resolved for argument types.

    `render(args)` gives the accumulators; `result(accs)` the answer from the accumulators' columns. `retractable`:
    the accumulators also take rows back (`_diff` = -1); else a group that loses a row is computed again from its
    rows, by `render` over all of them. `distinct_argument`: the accumulators are to see each distinct (group,
    argument) once, when it comes, and once at -1, when it goes; the operator keeps those.
    """

    name: str
    result_type: SqlType
    casts: tuple[SqlType | None, ...]
    render: Callable[[Sequence[str]], tuple[Accumulator, ...]]
    result: Callable[[Sequence[str]], str]
    retractable: bool
    distinct_argument: bool = False
    udfs: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableCall:
    """A table function resolved for argument types: `render` gives a DuckDB list expression, one row per element."""

    name: str
    result: SqlType
    casts: tuple[SqlType | None, ...]
    render: Callable[[Sequence[str]], str]
    udfs: tuple[str, ...] = ()
