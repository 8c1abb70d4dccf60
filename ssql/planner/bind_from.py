"""FROM and JOIN: sources, subqueries and joins as plan nodes, with the columns that they bring into scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from ssql.errors import LOOKING_UP, FormatError, InvalidStatement, SourceNotFound, TypeMismatch
from ssql.formats.inference import RegistryFormat
from ssql.formats.registry import format_named
from ssql.formats.rules import refuse_map_keys
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind_expr import Binder
from ssql.planner.expr_text import text_of
from ssql.planner.names import Names
from ssql.planner.options import Options
from ssql.planner.refusals import refuse_foreign_key_among_several, refuse_repeated
from ssql.planner.relation import Relation, Relations
from ssql.planner.scope import Scope, Visible
from ssql.sql import statements as sql
from ssql.sql.trees import span_of, without_parens
from ssql.types import BIGINT, BOOLEAN, Column, quote

KeyKind = Literal[
    "key column", "primary key column", "join expression", "partitioning expression", "grouping expression"
]


@dataclass(frozen=True)
class Key:
    """One key column of a relation in the making.

    `columns`: the columns that hold it, preferred ones first; the result's key is the first that is selected. `name`
    where `*` gives it. `shown`: the expressions as the user knows them. `synthetic`: made because no source column
    holds it. `value`: what the result's key is computed from where it is not the selected column itself: an outer
    join's key is there also in rows that lack the side which the column belongs to.
    """

    name: str
    columns: tuple[e.Column, ...]
    kind: KeyKind
    shown: tuple[str, ...]
    synthetic: bool = False
    value: e.Column | None = None


@dataclass(frozen=True)
class Bound:
    """A bound FROM clause: its plan, what can be named, its key, and the relations read (the left-most one first).

    `owner`: of a foreign-key join, the source whose key it keeps.
    """

    node: plan.Node
    scope: Scope
    keys: tuple[Key, ...]
    relations: tuple[Relation, ...]
    joined: bool = False
    owner: str = ""


@dataclass(frozen=True)
class _Condition:
    """The two sides of ON, the left relation's first; `shown`: as it was written."""

    left: e.Expr
    right: e.Expr
    shown: str


#: Binds a query that stands in FROM.
BindQuery = Callable[[sql.Query], Bound]


class FromBinder:
    """Binds the relations of one FROM clause."""

    def __init__(
        self, relations: Relations, bind_query: BindQuery, options: Options, *, bounds_in_star: bool = False
    ) -> None:
        self._relations = relations
        self._bounds_in_star = bounds_in_star
        self._bind_query = bind_query
        self._options = options
        self._joins = 0

    def bind(self, relation: sql.Relation) -> Bound:
        match relation:
            case sql.SourceRef():
                return self._source(relation)
            case sql.SubqueryRef():
                return self._subquery(relation)
            case sql.Join():
                return self._join(relation)

    def _source(self, ref: sql.SourceRef) -> Bound:
        found = self._relations.relation(ref.name.text)
        if found is None:
            known = self._relations.relation_names()
            raise SourceNotFound(ref.name.text, span=ref.name.span, candidates=known, step=LOOKING_UP)
        alias = ref.alias.text
        offered = plan.offered_columns(found)
        bounds = [n for n in plan.WINDOW_BOUNDS if found.window is not None]
        headers = [h.name for h in found.headers]
        plain = [n for n in offered if n not in headers]
        order = dict.fromkeys((*found.key_names, *bounds, *plain, *headers))
        visible = []
        for name in order:
            column = offered[name]
            pseudo = name if name not in found.schema.by_name else None
            bound = e.Column(column.type, name, pseudo, alias, name)
            in_star = pseudo is None or (self._bounds_in_star and name in bounds)
            visible.append(Visible(alias, name, bound, in_star=in_star, key=column.key))
        time = e.Column(BIGINT, "_time", "ROWTIME", alias, "ROWTIME")
        visible.append(Visible(alias, "ROWTIME", time, in_star=False))
        keys = tuple(Key(c.name, (e.Column(c.type, c.name),), "key column", (c.name,)) for c in found.schema.keys)
        return Bound(plan.Source(found, tuple(offered)), Scope(tuple(visible)), keys, (found,))

    def _subquery(self, ref: sql.SubqueryRef) -> Bound:
        inner = self._bind_query(ref.query)
        alias = ref.alias.text
        visible = tuple(
            replace(v, source=alias, column=v.column.relabelled(alias, v.name)) for v in inner.scope.columns
        )
        time = e.Column(BIGINT, "_time", "ROWTIME", alias, "ROWTIME")
        return replace(inner, scope=Scope((*visible, Visible(alias, "ROWTIME", time, in_star=False))))

    # --- joins -------------------------------------------------------------------------------------------------------

    def _join(self, join: sql.Join) -> Bound:
        left, right = _prefixed(self.bind(join.left)), _prefixed(self.bind(join.right))
        for relation in right.relations:
            refuse_repeated(self._options, relation, left.relations, join.span)
        for source in right.scope.sources:
            if source in left.scope.sources:
                raise InvalidStatement(
                    f"N-way joins do not support multiple occurrences of the same source. Source: '{source}'",
                    span=join.span,
                    hint="Give each its own alias: FROM s AS a JOIN s AS b.",
                )
        on = self._condition(join, left, right)
        number, self._joins = self._joins, self._joins + 1
        inner = left.keys[0].value if left.joined and _is_key(left, on.left) else None
        left_node, left_name = _with_column(left.node, inner or on.left, f"on.{number}.left")
        right_node, right_name = _with_column(right.node, on.right, f"on.{number}.right")
        windows = _window_keys(join, left, right, on)
        node = plan.Join(
            left_node,
            right_node,
            join.kind,
            (left_name, *(a for a, _ in windows)),
            (right_name, *(b for _, b in windows)),
            _within(join.within),
            join.span,
        )
        node = _checked(node, join, left, right, on)
        if node.foreign:
            if left.joined or right.joined:
                refuse_foreign_key_among_several(self._options, on.shown, span_of(join.on))
        else:
            _refuse_map_key(on, join)
            self._check_partitions(join, left, right)
        # A key that an inner join has made up is none of this one's columns.
        scope = Scope(tuple(v for side in (left, right) for v in side.scope.columns if v.source))
        relations = (*left.relations, *right.relations)
        if node.foreign:
            owner = next(iter(_sources_of(on.left)))
            keys = tuple(replace(k, kind="primary key column") for k in left.keys)
            return Bound(node, scope, keys, relations, joined=True, owner=owner)
        if join.kind == "FULL" or not (isinstance(on.left, e.Column) or isinstance(on.right, e.Column)):
            keyed, visible, key = _synthetic_key(node, scope)
            return Bound(_with_bounds(keyed, node), scope.with_columns([visible]), (key,), relations, joined=True)
        key = _join_key(left, on)
        if join.kind != "INNER" or left.joined:
            key = replace(key, value=e.Column(on.left.type, right_name if join.kind == "RIGHT" else left_name))
        return Bound(_with_bounds(node, node), scope, (key,), relations, joined=True)

    def _condition(self, join: sql.Join, left: Bound, right: Bound) -> _Condition:
        on = without_parens(join.on)
        if not isinstance(on, exp.EQ):
            raise InvalidStatement(
                "a join's ON is one equality between an expression over each side",
                span=span_of(on),
                hint="Put further conditions into WHERE.",
            )
        binder = Binder(Scope((*left.scope.columns, *right.scope.columns)), "JOIN ON", options=self._options)
        sides = binder.bind(on.this), binder.bind(on.expression)
        whole = f"({text_of(sides[0], qualified=True)} = {text_of(sides[1], qualified=True)})"
        sources = [_sources_of(side) for side in sides]
        for side, found in zip(sides, sources, strict=True):
            if len(found) != 1:
                raise InvalidStatement(
                    f"Invalid comparison expression '{text_of(side, qualified=True)}' in join '{whole}'. Each side of "
                    "the join comparision must contain references from exactly one source.",
                    span=side.span,
                )
        first, second = (next(iter(s)) for s in sources)
        shown = whole[1:-1]
        if second in right.scope.sources and first in left.scope.sources:
            return _Condition(sides[0], sides[1], shown)
        if first in right.scope.sources and second in left.scope.sources:
            return _Condition(sides[1], sides[0], shown)
        joined = right.scope.sources[0]
        raise InvalidStatement(
            f"A join criteria is expected to reference the source (`{joined}`) in the FROM clause, instead the right "
            f"source references `{second}` and the left source references `{first}`",
            span=span_of(on),
        )

    def _check_partitions(self, join: sql.Join, left: Bound, right: Bound) -> None:
        """Raise where the left-most sources of the two sides have topics of different sizes."""
        counts = [self._options.partitions(side.relations[0].topic) for side in (left, right)]
        if None in counts or counts[0] == counts[1]:
            return
        one, other = (quote(side.scope.sources[0]) for side in (left, right))
        raise InvalidStatement(
            f"Can't join {one} with {other} since the number of partitions don't match. "
            f"{one} partitions = {counts[0]}; {other} partitions = {counts[1]}. "
            "Please repartition either one so that the number of partitions match.",
            span=join.span,
        )


def _refuse_map_key(on: _Condition, join: sql.Join) -> None:
    """A join's key column is named after the column of its left side."""
    name = f"{on.left.source}_{on.left.label}" if isinstance(on.left, e.Column) else "KSQL_COL_0"
    try:
        refuse_map_keys([Column(name, on.left.type, key=True)] if on.left.type is not None else [], is_key=True)
    except FormatError as refused:
        refused.span = span_of(join.on)
        raise


def _sources_of(x: e.Expr) -> set[str]:
    return {part.source for part in x.walk() if isinstance(part, e.Column)}


def _prefixed(bound: Bound) -> Bound:
    """The relation with its columns under names that no other relation of the join has: `ALIAS.COLUMN`."""
    if bound.joined:
        return bound
    items, visible = [], []
    names: dict[str, e.Column] = {}
    for v in bound.scope.columns:
        name = f"{v.source}.{v.name}"
        items.append(plan.Item(name, v.column, v.key))
        column = replace(v.column, name=name)
        names.setdefault(v.column.name, column)
        # Of a join `*` gives the window's bounds of each side: the result has its own.
        in_star = v.in_star or v.column.pseudo in plan.WINDOW_BOUNDS
        visible.append(replace(v, column=column, in_star=in_star))
    # What identifies a row of a subquery goes along even where the subquery does not select it.
    source = bound.scope.sources[0]
    hidden = [c for c in bound.node.schema.columns if c.name in bound.node.identity and c.name not in names]
    items.extend(plan.Item(f"{source}.{c.name}", e.Column(c.type, c.name)) for c in hidden)
    keys = tuple(
        replace(
            k,
            columns=tuple(names[c.name] for c in k.columns if c.name in names),
            shown=tuple(f"{source}.{s}" for s in k.shown),
        )
        for k in bound.keys
    )
    return replace(bound, node=plan.Project(bound.node, tuple(items)), scope=Scope(tuple(visible)), keys=keys)


def _with_column(node: plan.Node, x: e.Expr, name: str) -> tuple[plan.Node, str]:
    """The node with `x` among its columns, and the name it has there."""
    if isinstance(x, e.Column):
        return node, x.name
    passed = tuple(plan.Item(c.name, e.Column(c.type, c.name), c.key) for c in node.schema.columns)
    return plan.Project(node, (*passed, plan.Item(name, x))), name


def _window_keys(join: sql.Join, left: Bound, right: Bound, on: _Condition) -> tuple[tuple[str, str], ...]:
    """The window bounds that are part of the keys of both sides; they are joined on too."""
    one, other = left.node.window, right.node.window
    if one is None and other is None:
        return ()
    names = _last(left), _last(right)
    if one is None or other is None:
        states = (
            f"{quote(n)} is {'not' if w is None else w.type} windowed" for n, w in zip(names, (one, other), strict=True)
        )
        raise InvalidStatement(
            "Can not join windowed source to non-windowed source.\n" + "\n".join(states), span=join.span
        )
    if (one.type == "SESSION") != (other.type == "SESSION"):
        raise InvalidStatement(
            f"Incompatible windowed sources.\nLeft source: {one.type}\nRight source: {other.type}\n"
            "Session windowed sources can only be joined to other session windowed sources, and may still not result "
            "in expected behaviour as session bounds must be an exact match for the join to work\n"
            "Hopping and tumbling windowed sources can only be joined to other hopping and tumbling windowed sources",
            span=join.span,
        )
    # ksqlDB leaves keys with a registered schema where they are, whatever the sizes of their windows.
    same = one.size_ms == other.size_ms or all(
        isinstance(format_named(r.key_format.name), RegistryFormat) for r in (*left.relations, *right.relations)
    )
    if not same or not (_is_key(left, on.left) and _is_key(right, on.right)):
        raise InvalidStatement(
            "Implicit repartitioning of windowed sources is not supported. "
            "See https://github.com/confluentinc/ksql/issues/4385.",
            span=join.span,
        )
    # A time window's start says which one it is; a session's does not.
    bounds = plan.WINDOW_BOUNDS if one.type == "SESSION" else plan.WINDOW_BOUNDS[:1]
    return tuple((_bound_column(left, n), _bound_column(right, n)) for n in bounds)


def _bound_column(side: Bound, name: str) -> str:
    """Where a side of a join holds a bound of its window."""
    return name if side.joined else f"{side.scope.sources[0]}.{name}"


def _with_bounds(node: plan.Node, join: plan.Join) -> plan.Node:
    """The join with WINDOWSTART and WINDOWEND of its rows, where its sides are windowed."""
    if join.window is None:
        return node
    given = node.schema.columns
    items = [plan.Item(c.name, e.Column(c.type, c.name), c.key) for c in given if c.name not in plan.WINDOW_BOUNDS]
    for name in plan.WINDOW_BOUNDS:
        held = [e.Column(BIGINT, c.name) for c in given if c.name == name or c.name.endswith(f".{name}")]
        branches = tuple((e.Not(BOOLEAN, e.IsNull(BOOLEAN, c)), c) for c in held)
        items.append(plan.Item(name, e.Case(BIGINT, branches, None)))
    return plan.Project(node, tuple(items))


def _within(within: sql.Within | None) -> plan.Within | None:
    if within is None:
        return None
    grace = None if within.grace is None else within.grace.ms
    return plan.Within(within.before.ms, within.after.ms, grace, within.span)


_WORDS = {
    "INNER": "[INNER] JOIN",
    "LEFT": "LEFT [OUTER] JOIN",
    "RIGHT": "RIGHT [OUTER] JOIN",
    "FULL": "[FULL] OUTER JOIN",
}


def _checked(node: plan.Join, join: sql.Join, left: Bound, right: Bound, on: _Condition) -> plan.Join:
    """The join, if ksqlDB's rules for its shape are kept."""
    if on.left.type != on.right.type:
        sides = " = ".join(f"{text_of(x, qualified=True)}{{{x.type}}}" for x in (on.left, on.right))
        raise TypeMismatch(
            f"Invalid join condition: types don't match. Got {sides}.",
            span=span_of(join.on),
            hint="Use CAST on one side.",
        )
    written = f"{_last(left)} {_WORDS[join.kind]} {_last(right)}"
    primary = _is_key(right, on.right)
    match node.shape:
        case ("STREAM", "STREAM"):
            if join.within is None:
                raise InvalidStatement(
                    f"Stream-Stream joins must have a WITHIN clause specified. None was provided. To learn about how "
                    f"to specify a WITHIN clause with a stream-stream join, please visit: {_DOCS}",
                    span=join.span,
                    hint="Add WITHIN, e.g. WITHIN 1 HOUR.",
                )
            return node
        case (_, _) if join.within is not None:
            raise InvalidStatement(
                "Invalid join condition: WITHIN is only for stream-stream joins", span=join.within.span
            )
        case ("STREAM", "TABLE"):
            if join.kind in ("RIGHT", "FULL"):
                word = "full-outer" if join.kind == "FULL" else "right-outer"
                raise InvalidStatement(
                    f"Invalid join type: {word} join not supported for stream-table join. Got {written}.",
                    span=join.span,
                )
            if not primary:
                raise InvalidStatement(
                    "Invalid join condition: stream-table joins require to join on the table's primary key. "
                    f"Got {on.shown}.",
                    span=span_of(join.on),
                )
            return node
        case ("TABLE", "STREAM"):
            raise InvalidStatement(
                f"Invalid join order: table-stream joins are not supported; only stream-table joins. Got {written}.",
                span=join.span,
                hint="Swap the two.",
            )
    if not primary:
        raise InvalidStatement(
            "Invalid join condition: table-table joins require to join on the primary key of the right input table. "
            f"Got {on.shown}.",
            span=span_of(join.on),
        )
    foreign = not _is_key(left, on.left)
    if foreign and join.kind in ("RIGHT", "FULL"):
        word = "FULL" if join.kind == "FULL" else "RIGHT"
        raise InvalidStatement(
            f"Invalid join type: {word} OUTER JOIN on a foreign key is not supported. Got {written}.", span=join.span
        )
    return replace(node, foreign=foreign)


_DOCS = "https://docs.ksqldb.io/en/latest/developer-guide/joins/join-streams-and-tables"


def _last(bound: Bound) -> str:
    """The source as messages name it: of a join, its last one."""
    return bound.scope.sources[-1]


def _is_key(bound: Bound, x: e.Expr) -> bool:
    """Whether `x` is the whole key of the relation."""
    return len(bound.keys) == 1 and x in bound.keys[0].columns


def _join_key(left: Bound, on: _Condition) -> Key:
    """The key of a join: any of the columns that are equal in it, those further left preferred."""
    columns: list[e.Column] = []
    if isinstance(on.left, e.Column):
        same = left.keys[0].columns if left.joined and _is_key(left, on.left) else (on.left,)
        columns.extend(same)
    if isinstance(on.right, e.Column):
        columns.append(on.right)
    shown = tuple(text_of(c, qualified=True) for c in columns)
    return Key(columns[0].label, tuple(columns), "join expression", shown)


def _synthetic_key(node: plan.Join, scope: Scope) -> tuple[plan.Node, Visible, Key]:
    """The join with a key column of its own: the ON expression's value, from whichever side has it."""
    name = Names(v.name for v in scope.columns).unused("ROWKEY")
    types = node.schema.by_name
    kind = types[node.left_on[0]].type
    left, right = e.Column(kind, node.left_on[0]), e.Column(kind, node.right_on[0])
    value: e.Expr = left
    if node.kind in ("FULL", "RIGHT"):
        given = e.Not(BOOLEAN, e.IsNull(BOOLEAN, left))
        value = e.Case(kind, ((given, left),), right)
    items = [plan.Item(name, value, key=True)]
    items.extend(plan.Item(n, e.Column(c.type, n)) for n, c in types.items())
    column = e.Column(kind, name, None, "", name)
    key = Key(name, (column,), "join expression", (name,), synthetic=True)
    return plan.Project(node, tuple(items)), Visible("", name, column, key=True), key
