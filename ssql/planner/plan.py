"""The logical plan: relational algebra over changing relations.

Any node stands over any other. Each knows its `schema` (internal column names, key columns marked), its
`changelog`, what identifies a row of it (`identity`) and its `window` (the time bounds that are part of its rows'
identity). ksqlDB's query shapes are some of these trees, not rules of the algebra.

Internal names: a source's own (`ID`); with several sources `ALIAS.ID`; what the binder computes has a point and a small
prefix (`key.0`, `arg.1`, `agg.0`, `on.0.left`). `_time` is ROWTIME wherever a row has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import cached_property
from typing import Literal, TypeVar

from ssql.errors import InternalError, Span
from ssql.planner.expr import AggregateOf, Expr, TableOf
from ssql.planner.expr import Column as ColumnRef
from ssql.planner.relation import KeyWindow, Relation
from ssql.types import BIGINT, INTEGER, Column, Schema, SqlType

WINDOW_BOUNDS = ("WINDOWSTART", "WINDOWEND")
POSITION = ("ROWPARTITION", "ROWOFFSET")

N = TypeVar("N", bound="Node")


class Changelog(Enum):
    """How a relation changes. APPEND: rows only come. UPSERT: the last row of a key counts, and a deletion may name
    no row. RETRACT: a row that goes is given back as it was."""

    APPEND = "append"
    UPSERT = "upsert"
    RETRACT = "retract"


@dataclass(frozen=True)
class Node:
    """Base of all plan nodes."""

    @cached_property
    def schema(self) -> Schema:
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(v for f in fields(self) if isinstance(v := getattr(self, f.name), Node))

    @property
    def changelog(self) -> Changelog:
        """By default that of the (only) input."""
        return self.inputs[0].changelog

    @property
    def window(self) -> KeyWindow | None:
        """By default that of the (first) input."""
        return self.inputs[0].window

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that identify a row of a table, as far as the node still has them."""
        return tuple(n for i in self.inputs for n in i.identity if n in self.schema.by_name)

    @property
    def together(self) -> tuple[str, ...] | None:
        """The columns by which rows are together already: rows equal in them are on one worker. None: unknown."""
        return self.inputs[0].together

    def over(self: N, *inputs: Node) -> N:
        """The same node over other inputs."""
        names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), Node)]
        return replace(self, **dict(zip(names, inputs, strict=True)))

    def walk(self) -> Iterator[Node]:
        """The node and all below it, upper ones first."""
        yield self
        for child in self.inputs:
            yield from child.walk()


@dataclass(frozen=True)
class Source(Node):
    """A stream or table. `columns`: the relation's, and pseudo columns, that are read; in order."""

    relation: Relation
    columns: tuple[str, ...]

    @cached_property
    def schema(self) -> Schema:
        offered = offered_columns(self.relation)
        return Schema(tuple(offered[name] for name in self.columns))

    @property
    def changelog(self) -> Changelog:
        return Changelog.APPEND if self.relation.kind == "STREAM" else Changelog.RETRACT

    @property
    def window(self) -> KeyWindow | None:
        return self.relation.window

    @property
    def together(self) -> tuple[str, ...] | None:
        return self.relation.key_names or None

    @property
    def identity(self) -> tuple[str, ...]:
        bounds = WINDOW_BOUNDS if self.relation.window else ()
        return (*self.relation.key_names, *bounds) if self.relation.kind == "TABLE" else ()


def offered_columns(relation: Relation) -> dict[str, Column]:
    """What a scan of the relation can yield: its columns, window bounds, partition and offset."""
    offered = dict(relation.schema.by_name)
    if relation.window is not None:
        offered |= {name: Column(name, BIGINT) for name in WINDOW_BOUNDS}
    return offered | {"ROWPARTITION": Column("ROWPARTITION", INTEGER), "ROWOFFSET": Column("ROWOFFSET", BIGINT)}


@dataclass(frozen=True)
class Filter(Node):
    """Rows for which the predicate is TRUE."""

    input: Node
    predicate: Expr

    @cached_property
    def schema(self) -> Schema:
        return self.input.schema


@dataclass(frozen=True)
class Item:
    """A computed column."""

    name: str
    expr: Expr
    key: bool = False

    @property
    def column(self) -> Column:
        if self.expr.type is None:
            raise InternalError(f"column {self.name} has no type")
        return Column(self.name, self.expr.type, self.key)


@dataclass(frozen=True)
class Project(Node):
    """Columns computed from the input's."""

    input: Node
    items: tuple[Item, ...]

    @cached_property
    def schema(self) -> Schema:
        return Schema(tuple(item.column for item in self.items))

    @property
    def identity(self) -> tuple[str, ...]:
        """The input's identity under its new names; empty where part of it is not passed on."""
        return self._renamed(self.input.identity) or ()

    @property
    def together(self) -> tuple[str, ...] | None:
        return self._renamed(self.input.together)

    def _renamed(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Columns of the input under their new names, or None where one is not passed on."""
        renamed = {_plain_name(i.expr): i.name for i in reversed(self.items)}
        if names is None or not all(n in renamed for n in names):
            return None
        return tuple(renamed[n] for n in names)


def _plain_name(e: Expr) -> str | None:
    return e.name if isinstance(e, ColumnRef) else None


@dataclass(frozen=True)
class FlatMap(Node):
    """The input's columns, and beside them the elements of lists, a row an element; several lists go in step, the
    shorter ones followed by NULLs. A row whose lists are all empty or NULL yields none."""

    input: Node
    items: tuple[tuple[str, TableOf], ...]

    @cached_property
    def schema(self) -> Schema:
        made = tuple(Column(name, _typed(e.type)) for name, e in self.items)
        return Schema((*self.input.schema.columns, *made))


@dataclass(frozen=True)
class Rekey(Node):
    """The same rows, keyed (and brought together) by other columns of theirs."""

    input: Node
    keys: tuple[str, ...]

    @property
    def together(self) -> tuple[str, ...] | None:
        return self.keys

    @cached_property
    def schema(self) -> Schema:
        return with_keys(self.input.schema, self.keys)


def with_keys(schema: Schema, keys: tuple[str, ...]) -> Schema:
    """The schema with just these columns marked as key."""
    return Schema(tuple(Column(c.name, c.type, c.name in keys) for c in schema.columns))


@dataclass(frozen=True)
class Window(Node):
    """Each row once for each time window it falls in; adds WINDOWSTART and WINDOWEND. Times are ms.

    SESSION: `size_ms` is the gap of inactivity, and the bounds are those of the session after the row. `retention_ms`:
    how long results can be read. `held_ms`: how long the grouping itself holds a window, as ksqlDB does it: no longer
    than rows may come for it, unless RETENTION says so.
    """

    input: Node
    kind: Literal["TUMBLING", "HOPPING", "SESSION"]
    size_ms: int
    advance_ms: int
    grace_ms: int
    retention_ms: int
    held_ms: int
    span: Span

    @cached_property
    def schema(self) -> Schema:
        return Schema((*self.input.schema.columns, *(Column(n, BIGINT) for n in WINDOW_BOUNDS)))

    @property
    def window(self) -> KeyWindow | None:
        return KeyWindow(self.kind, None if self.kind == "SESSION" else self.size_ms)


@dataclass(frozen=True)
class Aggregate(Node):
    """Groups by columns of the input (none: one group of all rows). The aggregates' arguments are columns or literals.

    `final`: a window's result is given once, when the window has closed.
    """

    input: Node
    keys: tuple[str, ...]
    aggregates: tuple[tuple[str, AggregateOf], ...]
    final: Span | None = None

    @property
    def group(self) -> tuple[str, ...]:
        """What makes a group: the keys, and the window's bounds."""
        bounds = WINDOW_BOUNDS if isinstance(self.input, Window) else ()
        return (*self.keys, *bounds)

    @cached_property
    def schema(self) -> Schema:
        given = self.input.schema.by_name
        keys = tuple(Column(n, given[n].type, n in self.keys) for n in self.group)
        return Schema((*keys, *(Column(name, _typed(a.type)) for name, a in self.aggregates)))

    @property
    def changelog(self) -> Changelog:
        return Changelog.RETRACT

    @property
    def together(self) -> tuple[str, ...] | None:
        return self.keys

    @property
    def window(self) -> KeyWindow | None:
        return self.input.window if isinstance(self.input, Window) else None

    @property
    def identity(self) -> tuple[str, ...]:
        return self.group

    @property
    def joins_groups(self) -> bool:
        """Whether two groups may become one: sessions do when a row comes between them."""
        return isinstance(self.input, Window) and self.input.kind == "SESSION"

    @property
    def merges(self) -> bool:
        """Whether accumulators do: rows are never taken back, or every aggregate can take them back."""
        appends = self.input.changelog is Changelog.APPEND
        return appends or all(a.call.retractable for _, a in self.aggregates)


@dataclass(frozen=True)
class Within:
    """How far apart (ms) rows of two streams may be: the right one at most `before` before and `after` after."""

    before_ms: int
    after_ms: int
    grace_ms: int | None
    span: Span


JoinKind = Literal["INNER", "LEFT", "RIGHT", "FULL"]


@dataclass(frozen=True)
class Join(Node):
    """The left rows with the right ones whose `right_on` is equal to their `left_on`; columns of both, left first.

    `foreign`: two tables, on another column of the left one than its key.
    """

    left: Node
    right: Node
    kind: JoinKind
    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    within: Within | None
    span: Span
    foreign: bool = False

    @cached_property
    def schema(self) -> Schema:
        return with_keys(Schema((*self.left.schema.columns, *self.right.schema.columns)), self.left_on)

    @property
    def together(self) -> tuple[str, ...] | None:
        return self.left_on

    @property
    def shape(self) -> tuple[Literal["STREAM", "TABLE"], Literal["STREAM", "TABLE"]]:
        return _kind(self.left), _kind(self.right)

    @property
    def changelog(self) -> Changelog:
        return Changelog.APPEND if self.shape[0] == "STREAM" else Changelog.RETRACT

    @property
    def identity(self) -> tuple[str, ...]:
        return () if self.changelog is Changelog.APPEND else (*self.left.identity, *self.right.identity)


def _kind(node: Node) -> Literal["STREAM", "TABLE"]:
    return "STREAM" if node.changelog is Changelog.APPEND else "TABLE"


def _typed(t: SqlType | None) -> SqlType:
    if t is None:
        raise InternalError("an expression without a type in a plan")
    return t
