"""How a pull query gets at the rows of its table: by key, by a range of keys, or by reading them all.

Any WHERE clause is answered. What it says about keys narrows down which rows are looked at; and where a client has
switched table scans off, a clause that does not narrow them down to keys is refused, as ksqlDB refuses it.
"""

from __future__ import annotations

from itertools import product

from sqlglot import exp

from ssql.errors import KeyTypeMismatch, SqlError, TableScanNeeded
from ssql.functions import used_in
from ssql.functions.operators import cast
from ssql.functions.widening import distance
from ssql.planner import expr as e
from ssql.planner.bind_expr import Binder
from ssql.planner.coerce import converted
from ssql.planner.expr_text import text_of
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.print_duckdb import sql_of
from ssql.planner.relation import Relation
from ssql.planner.scope import Scope
from ssql.planner.steps import Statement
from ssql.sql.trees import span_of, without_parens
from ssql.types import BYTES, DATE, STRING, TIME, TIMESTAMP, Column, duck_quote, quote

#: More keys than this are not looked up one by one: reading the table is as fast.
MAX_KEYS = 10_000


# --- keys ------------------------------------------------------------------------------------------------------------

#: For each way to be true, the constants that a key column must be one of.
_Ways = list[dict[str, tuple[e.Expr, ...]]]


def key_lookup(predicate: e.Expr, relation: Relation) -> Statement | None:
    """The keys that the predicate can be true for, where it pins all key columns."""
    ways = _ways(predicate, set(relation.key_names))
    keys = relation.schema.keys
    if not keys or not all(set(w) == set(relation.key_names) for w in ways):
        return None
    rows: list[str] = []
    for way in ways:
        for values in product(*(way[k.name] for k in keys)):
            row = [cast(sql_of(v), v.type, k.type) for v, k in zip(values, keys, strict=True)]
            rows.append(f"({', '.join(f'CAST({x} AS {k.type.duckdb})' for x, k in zip(row, keys, strict=True))})")
            if len(rows) > MAX_KEYS:
                return None
    names = ", ".join(duck_quote(k.name) for k in keys)
    text = f"SELECT DISTINCT * FROM (VALUES {', '.join(rows)}) AS keys({names})"
    return Statement(text, None, tuple(sorted(used_in(text))))


def _ways(x: e.Expr, keys: set[str]) -> _Ways:
    match x:
        case e.Logical(op="OR"):
            return _ways(x.left, keys) + _ways(x.right, keys)
        case e.Logical():
            left, right = _ways(x.left, keys), _ways(x.right, keys)
            if len(left) * len(right) > MAX_KEYS:
                return left
            # Two constraints on one key: either will do, the predicate itself is checked anyway.
            return [{**b, **a} for a in left for b in right]
        case e.Comparison(op="="):
            for column, value in ((x.left, x.right), (x.right, x.left)):
                if isinstance(column, e.Column) and column.name in keys and e.is_constant(value):
                    return [{column.name: (value,)}]
        case e.InList():
            operand = _written(x.operand)
            if isinstance(operand, e.Column) and operand.name in keys and all(map(e.is_constant, x.items)):
                return [{operand.name: x.items}]
    return [{}]


def _written(x: e.Expr) -> e.Expr:
    """The expression without the conversions that nobody wrote."""
    while isinstance(x, e.Cast) and x.implicit:
        x = x.operand
    return x


# --- whether the whole table has to be read --------------------------------------------------------------------------

#: Comparisons that a key, or a range of keys, answers.
_ORDERED = frozenset({"=", "<", "<=", ">", ">="})
_SCAN = "Query requires table scan to be enabled. Table scans can be enabled by setting " + (
    "ksql.query.pull.table.scan.enabled=true."
)


def why_scan(predicate: e.Expr | None, relation: Relation, *, ranges: bool) -> TableScanNeeded | None:
    """Why ksqlDB would read the whole table; None where it would look up keys, or (`ranges`) one range of them."""
    ways = None if predicate is None else _disjuncts(predicate)
    if predicate is None or ways is None:
        return TableScanNeeded(_SCAN, span=None if predicate is None else predicate.span)
    try:
        by_range = [r for way in ways if (r := _range_in(way, relation)) is not None]
    except TableScanNeeded as needed:
        return needed
    if not by_range:
        return None
    (key, *others) = relation.schema.keys
    one_range = len(ways) == 1 and not others and key.type in (STRING, BYTES) and relation.window is None
    return None if one_range and ranges else TableScanNeeded(_SCAN, span=by_range[0].span)


def _disjuncts(x: e.Expr, *, negated: bool = False) -> list[tuple[e.Expr, ...]] | None:
    """The predicate as alternatives of conditions that hold together; None where these are too many to look at."""
    match x:
        case e.Not():
            return _disjuncts(x.operand, negated=not negated)
        case e.Logical():
            left, right = (_disjuncts(side, negated=negated) for side in (x.left, x.right))
            if left is None or right is None or len(left) * len(right) > MAX_KEYS:
                return None
            if (x.op == "OR") != negated:
                return left + right
            return [a + b for a in left for b in right]
    return [(e.Not(x.type, x, span=x.span) if negated else x,)]


def _range_in(conditions: tuple[e.Expr, ...], relation: Relation) -> e.Expr | None:
    """The condition of an alternative that gives a key by a range; None where all keys are given as they are.

    Raises TableScanNeeded where they are not given.
    """
    seen: set[str] = set()
    by_range: e.Expr | None = None
    for condition in conditions:
        found = _key_condition(condition, relation)
        if found is None:
            continue
        column, op = found
        if column in seen:
            raise TableScanNeeded(
                "A comparison condition on the key column cannot be combined with other comparisons such as an IN "
                "predicate.",
                span=condition.span,
            )
        seen.add(column)
        if op != "=":
            by_range = condition
    if not seen:
        shown = " AND ".join(text_of(c) for c in conditions)
        raise TableScanNeeded(f"WHERE clause missing key column for disjunct: {shown}.", span=conditions[0].span)
    keys = relation.schema.keys
    if len(seen) < len(keys):
        given = ", ".join(quote(k.name) for k in keys if k.name in seen)
        raise TableScanNeeded(
            "Multi-column sources must specify every key in the WHERE clause. "
            f"Specified: [{given}] Expected: {_shown(keys)}.",
            span=conditions[0].span,
        )
    return by_range


def _key_condition(x: e.Expr, relation: Relation) -> tuple[str, str] | None:
    """The key column that a condition is about, and its comparison; None where it is about none.

    Raises TableScanNeeded where a condition like this one needs all rows.
    """
    column: e.Expr
    others: tuple[e.Expr, ...]
    match x:
        case e.Comparison():
            left, right = _written(x.left), _written(x.right)
            column, op, others = (right, x.op, (left,)) if isinstance(right, e.Column) else (left, x.op, (right,))
        case e.InList():
            column, op, others = _written(x.operand), "=", x.items
        case e.Like():
            if isinstance(_written(x.operand), e.Column):
                return None
            raise TableScanNeeded("Like condition must be between strings.", span=x.span)
        case _:
            raise TableScanNeeded(f"Unsupported expression in WHERE clause: {text_of(x)}.", span=x.span)
    if not isinstance(column, e.Column):
        raise TableScanNeeded("A comparison must directly reference a key column.", span=x.span)
    if not all(map(e.is_constant, others)):
        raise TableScanNeeded("A comparison must be between a key column and a resolvable expression.", span=x.span)
    if column.name not in relation.key_names:
        return None
    if op not in _ORDERED:
        raise TableScanNeeded(
            f"Bound on key columns '{_shown(relation.schema.keys)}' must currently be '='.", span=x.span
        )
    return column.name, op


def _shown(keys: tuple[Column, ...]) -> str:
    return f"[{', '.join(map(str, keys))}]"


# --- the types of keys -----------------------------------------------------------------------------------------------

_TEMPORAL = (DATE, TIME, TIMESTAMP)


def check_key_types(where: exp.Expr | None, relation: Relation, options: Options = DEFAULTS) -> None:
    """Refuse constants that are compared with a key column and could not be one: keys are compared as what they are.

    Elsewhere text bends to a number; a key that is looked up must be of the column's type, or a smaller number.

    Raises:
        KeyTypeMismatch: with the place of the constant.
    """
    if where is None:
        return
    keys = {k.name: k for k in relation.schema.keys}
    for node in where.find_all(exp.In, exp.EQ):
        sides = (node.this, *node.expressions) if isinstance(node, exp.In) else (node.this, node.expression)
        named = [str(s.this.this) if isinstance(s, exp.Column) else None for s in map(without_parens, sides)]
        key = next((keys[n] for n in named if n in keys), None)
        for side, name in zip(sides, named, strict=True):
            if key is not None and name is None:
                _check_key_type(without_parens(side), key, options)


def _check_key_type(node: exp.Expr, key: Column, options: Options) -> None:
    try:
        value = Binder(Scope(()), "WHERE", options=options).bind(node)
    except SqlError:
        return  # it reads columns, or is wrong in a way that was told already
    if value.type in (None, key.type) or (value.type is not None and distance(value.type, key.type) is not None):
        return
    if value.type == STRING and key.type in _TEMPORAL and converted(value, key.type) is not None:
        return
    written = str(value.value) if isinstance(value, e.Literal) else text_of(value)
    raise KeyTypeMismatch(written, f"{key.name} {key.type} KEY", span=span_of(node))
