"""Key look-ups: pull queries whose answer is rows of the table as they are, found by their keys and nothing else.

`SELECT columns FROM t WHERE key = literal` (or IN, or several key columns) needs no statement: the arrangement has the
rows, and Arrow selects the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ssql.errors import Span
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.relation import Relation
from ssql.types import BIGINT, INTEGER, STRING, SqlType

#: More keys than this are looked up by a statement.
MAX_KEYS = 1_000

_LIMITS = {INTEGER: 2**31, BIGINT: 2**63}


@dataclass(frozen=True)
class Constant:
    """A literal that a key column is compared with, and its place in the statement."""

    value: str | int
    span: Span


@dataclass(frozen=True)
class Direct:
    """The rows whose key columns are one of these constants each; `columns`: the table's, as they are selected."""

    keys: tuple[tuple[Constant, ...], ...]
    types: tuple[SqlType, ...]
    columns: tuple[str, ...]

    def asked(self, values: tuple[tuple[str | int, ...], ...]) -> list[tuple[str | int, ...]]:
        """The keys that constants of the key columns make, each once, in the order of the constants."""
        return list(dict.fromkeys(product(*values)))

    @property
    def values(self) -> tuple[tuple[str | int, ...], ...]:
        return tuple(tuple(c.value for c in constants) for constants in self.keys)


def direct(root: plan.Node, relation: Relation, names: Sequence[str]) -> Direct | None:
    """How a plan over one table is a key look-up; None where it is not. `names`: what is selected of the plan."""
    match root:
        case plan.Project(input=plan.Filter(input=plan.Source(), predicate=predicate), items=items):
            by_name = {i.name: i.expr for i in items}
            columns = [_selected(by_name[name]) for name in names]
        case _:
            return None
    found: dict[str, tuple[Constant, ...]] = {}
    for condition in _conjuncts(predicate):
        column, constants = _key_condition(condition)
        if column is None or column in found or not constants:
            return None
        found[column] = constants
    keys = relation.schema.keys
    if not keys or set(found) != set(relation.key_names) or None in columns:
        return None
    if any(not fits(c.value, k.type) for k in keys for c in found[k.name]):
        return None
    ordered = tuple(found[k.name] for k in keys)
    count = 1
    for constants in ordered:
        count *= len(constants)
    if count > MAX_KEYS:
        return None
    return Direct(ordered, tuple(k.type for k in keys), tuple(c for c in columns if c is not None))


def fits(value: str | int, key: SqlType) -> bool:
    """Whether a literal is a value of a key's type without a conversion that could change it."""
    if isinstance(value, str):
        return key == STRING
    return key in _LIMITS and -_LIMITS[key] <= value < _LIMITS[key]


def _selected(x: e.Expr) -> str | None:
    """The column of the table's rows that an expression is."""
    if not isinstance(x, e.Column) or x.pseudo in plan.POSITION:
        return None
    return x.name


def _conjuncts(x: e.Expr) -> list[e.Expr]:
    if isinstance(x, e.Logical) and x.op == "AND":
        return [*_conjuncts(x.left), *_conjuncts(x.right)]
    return [x]


def _key_condition(x: e.Expr) -> tuple[str | None, tuple[Constant, ...]]:
    """The column that a condition gives constants for, if that is all it does."""
    match x:
        case (
            e.Comparison(op="=", left=e.Column(name=name), right=value)
            | e.Comparison(op="=", left=value, right=e.Column(name=name))
        ):
            constants = [_constant(value)]
        case e.InList(operand=e.Column(name=name), items=items):
            constants = [_constant(i) for i in items]
        case _:
            return None, ()
    return (None, ()) if None in constants else (name, tuple(c for c in constants if c is not None))


def _constant(x: e.Expr) -> Constant | None:
    while isinstance(x, e.Cast) and x.implicit and x.type in (BIGINT, INTEGER) and x.operand.type in (BIGINT, INTEGER):
        x = x.operand
    if isinstance(x, e.Literal) and type(x.value) in (str, int) and x.type in (STRING, INTEGER, BIGINT):
        assert isinstance(x.value, str | int)
        return Constant(x.value, x.span)
    return None
