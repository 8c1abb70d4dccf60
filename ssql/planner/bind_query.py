"""One SELECT as a logical plan: FROM, WHERE, PARTITION BY or GROUP BY with HAVING, then the projection.

The clauses are bound in the order in which they take effect. Each hands the next a plan, a scope and the key that a row
has by then; expressions that an earlier clause has computed (a grouping expression, an aggregate) are replaced by the
columns that hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from ssql.errors import InvalidStatement, NotSupportedYet, TypeMismatch, UnknownAlias, UnknownInExpression
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind_expr import Binder
from ssql.planner.bind_from import Bound, FromBinder, Key
from ssql.planner.expr_text import text_of
from ssql.planner.names import Names
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.projection import Selected, expand, named_like
from ssql.planner.refusals import refuse_aggregates, refuse_bounds_after_grouping, refuse_kafka_values
from ssql.planner.relation import Relations
from ssql.planner.scope import Scope, Visible
from ssql.sql import statements as sql
from ssql.sql.trees import span_of, without_parens
from ssql.types import BIGINT

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Projected:
    """A bound query: what it selects, over the plan that yields it, and its key."""

    node: plan.Node
    items: tuple[Selected, ...]
    keys: tuple[Key, ...]
    bound: Bound


class QueryBinder:
    """Binds queries against the relations of a catalog.

    `bounds_in_star`: `*` of a windowed relation gives WINDOWSTART and WINDOWEND too. `snapshot`: the query is answered
    once, so that ORDER BY, OFFSET and DISTINCT (which the caller sees to) are no matter of keeping anything up to date.
    """

    def __init__(
        self,
        relations: Relations,
        options: Options = DEFAULTS,
        *,
        bounds_in_star: bool = False,
        snapshot: bool = False,
    ) -> None:
        self._relations = relations
        # A query that is answered once is ours alone, and ksqlDB's limits are not its.
        self._options = replace(options, extensions=True) if snapshot else options
        self._bounds_in_star = bounds_in_star
        self._snapshot = snapshot

    def bind(self, query: sql.Query) -> Projected:
        """Bind a query. Raises SqlError."""
        if _has_query(query.source) and not self._options.extensions:
            return self._extended().bind(query)
        if not self._snapshot:
            _refuse_unsupported(query)
        _check_qualifiers(query)
        bound = FromBinder(self._relations, self._nested, self._options, bounds_in_star=self._bounds_in_star).bind(
            query.source
        )
        if isinstance(query.source, sql.Join):
            self._refuse_kafka_values("JOIN", bound, query)
        if query.window is not None and bound.node.window is None:
            _refuse_bounds_before_grouping(query)
        bound = self.where(bound, query.where)
        names = Names([v.name for v in bound.scope.columns] + [n for r in bound.relations for n in r.schema.names])
        if query.group_by is not None or self._has_aggregates(query):
            return self._grouped(query, bound, names)
        if query.window is not None:
            raise InvalidStatement("WINDOW clause requires a GROUP BY clause.", span=query.window.span)
        if query.having is not None:
            raise InvalidStatement("HAVING requires a GROUP BY clause.", span=span_of(query.having))
        if query.emit == "FINAL":
            raise InvalidStatement("EMIT FINAL is only supported for windowed aggregations.", span=query.span)
        if query.partition_by is not None:
            return self._partitioned(query, bound, names)
        return self._projected(query, bound, names)

    def _extended(self) -> QueryBinder:
        """A binder for queries in FROM and those around them: ksqlDB has none, so that its limits are not theirs."""
        options = replace(self._options, extensions=True)
        return QueryBinder(self._relations, options, bounds_in_star=self._bounds_in_star, snapshot=self._snapshot)

    def _refuse_kafka_values(self, clause: str, bound: Bound, query: sql.Query) -> None:
        sources = zip(bound.scope.sources, bound.relations, strict=False)
        refuse_kafka_values(self._options, clause, sources, query.span)

    def where(self, bound: Bound, condition: exp.Expr | None) -> Bound:
        if condition is None:
            return bound
        predicate = self._binder(bound.scope, "WHERE").predicate(condition)
        return replace(bound, node=plan.Filter(bound.node, predicate))

    def _binder(self, scope: Scope, clause: str, *, aggregates: bool = False, tables: bool = False) -> Binder:
        return Binder(scope, clause, aggregates=aggregates, tables=tables, options=self._options)

    def _nested(self, query: sql.Query) -> Bound:
        """A query that stands in FROM: its selected columns, and the identity of its rows beside them."""
        _refuse_picking(query)
        projected = self._extended().bind(query)
        node = finished(projected)
        visible = []
        for item in projected.items:
            column = e.Column(item.expr.type, item.name, None, "", item.name)
            is_key = any(item.expr in k.columns for k in projected.keys)
            visible.append(Visible("", item.name, column, key=is_key))
        keys = []
        for key in projected.keys:
            held = [e.Column(i.expr.type, i.name) for c in key.columns for i in projected.items if i.expr == c]
            keys.append(replace(key, columns=tuple(held), shown=tuple(c.name for c in held)))
        return Bound(node, Scope(tuple(visible)), tuple(keys), projected.bound.relations)

    # --- projection --------------------------------------------------------------------------------------------------

    def _select(
        self, query: sql.Query, bound: Bound, names: Names, *, aggregates: bool, change: Callable[[e.Expr], e.Expr]
    ) -> tuple[Selected, ...]:
        binder = self._binder(bound.scope, "SELECT", aggregates=aggregates, tables=True)
        items = expand(query.items, bound, binder, names)
        return tuple(replace(i, expr=change(i.expr)) for i in items)

    def _projected(self, query: sql.Query, bound: Bound, names: Names) -> Projected:
        items = self._select(query, bound, names, aggregates=False, change=lambda x: x)
        node, items = _exploded(bound.node, items)
        return Projected(node, items, bound.keys, bound)

    # --- PARTITION BY ------------------------------------------------------------------------------------------------

    def _partitioned(self, query: sql.Query, bound: Bound, names: Names) -> Projected:
        assert query.partition_by is not None
        if bound.node.changelog is not plan.Changelog.APPEND:
            raise InvalidStatement(
                "PARTITION BY clause is not supported for tables",
                span=span_of(query.partition_by[0]),
                hint="A table's key is what identifies its rows; use GROUP BY for another one.",
            )
        if not query.partition_by:
            raise InvalidStatement("PARTITION BY requires at least one expression", span=query.span)
        binder = self._binder(bound.scope, "PARTITION BY")
        exprs = [binder.bind(x) for x in query.partition_by]
        if any(x.type is None for x in exprs):
            if len(exprs) > 1:
                raise InvalidStatement("Cannot PARTITION BY multiple columns including NULL", span=query.span)
            keyless = replace(bound, keys=(), scope=_rekeyed_scope(bound, ()))
            return self._projected(query, keyless, names)
        # Where nothing gives the keys by `*`, their names come from the expressions that are selected.
        starred = any(isinstance(i, sql.Star) and i.struct is None for i in query.items)
        keys, computed = _key_columns(exprs, bound, names if starred else Names(()), "partitioning expression")
        node = plan.Rekey(_extended(bound.node, computed), tuple(k.columns[0].name for k in keys))
        rekeyed = replace(bound, node=node, keys=keys, scope=_rekeyed_scope(bound, keys))
        held = {x: k.columns[0] for x, k in zip(exprs, keys, strict=True)}
        items = self._select(query, rekeyed, names, aggregates=False, change=lambda x: e.transform(x, held.get))
        node_, items = _exploded(node, items)
        return Projected(node_, items, keys, rekeyed)

    # --- GROUP BY ----------------------------------------------------------------------------------------------------

    def _has_aggregates(self, query: sql.Query) -> bool:
        from ssql.functions import is_aggregate

        trees = [i.expression for i in query.items if isinstance(i, sql.SelectItem)]
        calls = (n for t in trees for n in t.find_all(exp.Anonymous) if not isinstance(n.parent, exp.Window))
        return any(is_aggregate(str(n.this)) for n in calls)

    def _grouped(self, query: sql.Query, bound: Bound, names: Names) -> Projected:
        if query.partition_by is not None:
            raise InvalidStatement("PARTITION BY and GROUP BY cannot both be used", span=query.span)
        _refuse_table_functions(query)
        self._refuse_kafka_values("GROUP BY", bound, query)
        binder = self._binder(_window_scope(bound.scope, query.window), "GROUP BY")
        exprs = [binder.typed(without_parens(x)) for x in query.group_by or ()]
        for x, tree in zip(exprs, query.group_by or (), strict=True):
            found = [p.pseudo for p in x.walk() if isinstance(p, e.Column) and p.pseudo in plan.WINDOW_BOUNDS]
            if found and query.window is not None:
                raise InvalidStatement(
                    f"Window bounds column {found[0]} can only be used in the SELECT clause of windowed aggregations",
                    span=span_of(tree),
                )
        keys, computed = _key_columns(exprs, bound, Names(()), "grouping expression")
        # Over a join ksqlDB does not find a window's bounds.
        bounds = query.window if self._options.extensions or not bound.joined else None
        scope = _window_scope(bound.scope, bounds)
        selecting = replace(bound, scope=scope)
        items = self._select(query, selecting, names, aggregates=True, change=lambda x: x)
        having = None
        if query.having is not None:
            having = self._binder(scope, "HAVING", aggregates=True).predicate(query.having)
            for part in having.walk() if query.window is not None else ():
                if isinstance(part, e.Column) and part.pseudo in plan.WINDOW_BOUNDS:
                    refuse_bounds_after_grouping(self._options, str(part.pseudo), part.span or query.span)
        _check_grouped(query, items, having)

        held: dict[e.Expr, e.Column] = {x: k.columns[0] for x, k in zip(exprs, keys, strict=True)}
        grouping = _Grouping(held)
        stray = [i for i in items if not grouping.take(i.expr)]
        if stray:
            shown = ", ".join(text_of(i.expr) for i in stray)
            raise InvalidStatement(
                f"Non-aggregate SELECT expression(s) not part of GROUP BY: {shown}\n"
                "Either add the column(s) to the GROUP BY or remove them from the SELECT.",
                span=stray[0].span,
            )
        if having is not None and not grouping.take(having):
            raise InvalidStatement(
                f"Non-aggregate HAVING expression not part of GROUP BY: {text_of(having)}", span=having.span
            )
        over_table = bound.node.changelog is not plan.Changelog.APPEND
        refuse_aggregates(self._options, grouping.calls, bound.relations[0], over_table=over_table)
        node: plan.Node = _before_grouping(bound.node, keys, computed, grouping)
        window = None
        if query.window is not None:
            if bound.node.changelog is not plan.Changelog.APPEND:
                raise InvalidStatement("WINDOW clause is only supported for stream sources.", span=query.window.span)
            window = _window(node, query.window, final=query.emit == "FINAL")
        if query.emit == "FINAL" and window is None:
            raise InvalidStatement("EMIT FINAL is only supported for windowed aggregations.", span=query.span)
        final = query.span if query.emit == "FINAL" else None
        key_names = tuple(k.columns[0].name for k in keys)
        node = plan.Aggregate(window or node, key_names, grouping.aggregates(), final)
        if having is not None:
            node = plan.Filter(node, grouping.rewrite(having))
        items = tuple(replace(i, expr=grouping.rewrite(i.expr)) for i in items)
        return Projected(node, items, keys, selecting)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _refuse_unsupported(query: sql.Query) -> None:
    for what, there in (("DISTINCT", query.distinct), ("ORDER BY", bool(query.order_by)), ("OFFSET", query.offset)):
        if there:
            raise NotSupportedYet(f"{what} in a query that is kept up to date", span=query.span)


def _refuse_picking(query: sql.Query) -> None:
    """Refuse what picks rows of a query in FROM: of those below it no row is left out."""
    picks = {
        "DISTINCT": query.distinct,
        "LIMIT": query.limit is not None or query.limit_by is not None,
        "OFFSET": query.offset is not None or query.offset_by is not None,
    }
    for what, there in picks.items():
        if there:
            raise NotSupportedYet(f"{what} in a query in FROM", span=query.span)


def _qualified(query: sql.Query) -> Iterator[exp.Column]:
    """The qualified columns of a query's clauses."""
    trees: list[exp.Expr | None] = [i.expression for i in query.items if isinstance(i, sql.SelectItem)]
    trees += [query.where, query.having, *(query.group_by or ()), *(query.partition_by or ())]
    relation = query.source
    while isinstance(relation, sql.Join):
        trees.append(relation.on)
        relation = relation.left
    for tree in trees:
        for column in () if tree is None else tree.find_all(exp.Column):
            if column.args.get("table") is not None:
                yield column


def _sources(relation: sql.Relation) -> Iterator[str]:
    """The names and aliases of what a query reads."""
    match relation:
        case sql.Join():
            yield from _sources(relation.left)
            yield from _sources(relation.right)
        case sql.SourceRef():
            yield relation.alias.text
            yield relation.name.text
        case sql.SubqueryRef():
            yield relation.alias.text


def _has_query(relation: sql.Relation) -> bool:
    match relation:
        case sql.Join():
            return _has_query(relation.left) or _has_query(relation.right)
        case sql.SubqueryRef():
            return True
        case sql.SourceRef():
            return False


def _check_qualifiers(query: sql.Query) -> None:
    """Raise UnknownAlias for a qualifier that is no source, before anything else is looked up."""
    known = dict.fromkeys(_sources(query.source))
    for column in _qualified(query):
        name = str(column.args["table"].this)
        if name not in known:
            raise UnknownAlias(name, known, span=span_of(column))


def _refuse_bounds_before_grouping(query: sql.Query) -> None:
    """A window's bounds are there once rows are grouped, not in WHERE."""
    for column in () if query.where is None else query.where.find_all(exp.Column):
        if str(column.this.this) in plan.WINDOW_BOUNDS:
            raise UnknownInExpression("WHERE", str(column.this.this), span=span_of(column))


def _refuse_table_functions(query: sql.Query) -> None:
    from ssql.functions import is_table_function

    for item in query.items:
        for call in item.expression.find_all(exp.Anonymous) if isinstance(item, sql.SelectItem) else ():
            if is_table_function(str(call.this)):
                raise InvalidStatement("Table functions cannot be used with aggregations.", span=span_of(call))


def _key_columns(
    exprs: Iterable[e.Expr], bound: Bound, names: Names, kind: str
) -> tuple[tuple[Key, ...], tuple[plan.Item, ...]]:
    """Keys for expressions, and the columns to be computed for those that are no plain column."""
    keys, computed = [], []
    for number, x in enumerate(exprs):
        shown = (text_of(x, qualified=kind == "partitioning expression"),)
        name = named_like(x, bound.scope) or names.for_expression(x)
        if isinstance(x, e.Column) and x.name != "_time":
            column = x
        else:
            column = e.Column(x.type, f"key.{number}", None, "", text_of(x))
            computed.append(plan.Item(column.name, x))
        keys.append(Key(name, (column,), kind, shown))  # type: ignore[arg-type]
    return tuple(keys), tuple(computed)


def _extended(node: plan.Node, computed: tuple[plan.Item, ...]) -> plan.Node:
    if not computed:
        return node
    passed = tuple(plan.Item(c.name, e.Column(c.type, c.name), c.key) for c in node.schema.columns)
    return plan.Project(node, (*passed, *computed))


_DRAGGED = ("ROWTIME", "ROWPARTITION", "ROWOFFSET")


def _rekeyed_scope(bound: Bound, keys: tuple[Key, ...]) -> Scope:
    """What can be named after PARTITION BY; `*` gives the new key, then the value columns, then the old key.

    In a join `*` also gives the pseudo columns of each source, as ksqlDB does.
    """
    plain = {k.columns[0].name for k in keys}
    columns = [(k.name, k.columns[0]) for k in keys]
    first = [Visible(c.source, c.label if c.source else name, c, key=True) for name, c in columns]
    rest = [replace(v, in_star=False) for v in bound.scope.columns]
    star = list(first)
    for source in bound.scope.sources:
        own = [v for v in bound.scope.columns if v.source == source and v.column.name not in plain]
        star.extend(v for v in own if v.in_star and not v.key)
        if bound.joined:
            star.extend(v for name in _DRAGGED for v in own if v.name == name)
        star.extend(v for v in own if v.in_star and v.key)
    marked = [replace(v, in_star=True, named=False, key=v in first) for v in star]
    return Scope((*marked, *rest))


def _window_scope(scope: Scope, window: sql.Window | None) -> Scope:
    if window is None:
        return scope
    kept = tuple(v for v in scope.columns if v.name not in plan.WINDOW_BOUNDS)
    bounds = tuple(
        Visible("", name, e.Column(BIGINT, name, name, "", name), in_star=False) for name in plan.WINDOW_BOUNDS
    )
    return Scope((*kept, *bounds))


def _check_grouped(query: sql.Query, items: tuple[Selected, ...], having: e.Expr | None) -> None:
    parts = [part for i in items for part in i.expr.walk()]
    if having is not None:
        parts.extend(having.walk())
    if query.group_by is not None and not any(isinstance(part, e.AggregateOf) for part in parts):
        raise InvalidStatement(
            "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.", span=query.span
        )


class _Grouping:
    """Collects the aggregates of a query and replaces them, and the grouping expressions, by columns."""

    def __init__(self, held: dict[e.Expr, e.Column]) -> None:
        self._held = held
        self._aggregates: dict[e.AggregateOf, e.Column] = {}
        self.arguments: dict[e.Expr, e.Column] = {}

    def take(self, x: e.Expr) -> bool:
        """Note the aggregates in `x`; False where it reads a column that is neither grouped by nor aggregated."""
        if x in self._held:
            return True
        if isinstance(x, e.AggregateOf):
            if x not in self._aggregates:
                self._aggregates[x] = e.Column(x.type, f"agg.{len(self._aggregates)}", None, "", text_of(x))
                for argument in x.args:
                    self._argument(argument)
            return True
        if isinstance(x, e.Column):
            return x.pseudo in plan.WINDOW_BOUNDS
        taken = [self.take(child) for child in x.children()]
        return all(taken)

    def _argument(self, x: e.Expr) -> e.Expr:
        if isinstance(x, e.Literal) or (isinstance(x, e.Cast) and isinstance(x.operand, e.Literal)):
            return x
        if x not in self.arguments:
            self.arguments[x] = e.Column(x.type, f"arg.{len(self.arguments)}", None, "", text_of(x))
        return self.arguments[x]

    def rewrite(self, x: e.Expr) -> e.Expr:
        def change(part: e.Expr) -> e.Expr | None:
            if part in self._held:
                return self._held[part]
            return self._aggregates.get(part) if isinstance(part, e.AggregateOf) else None

        return e.transform(x, change)

    @property
    def calls(self) -> tuple[e.AggregateOf, ...]:
        """The different aggregates, in the order of the query."""
        return tuple(self._aggregates)

    def aggregates(self) -> tuple[tuple[str, e.AggregateOf], ...]:
        return tuple(
            (column.name, replace(a, args=tuple(self._argument(x) for x in a.args)))
            for a, column in self._aggregates.items()
        )


def _before_grouping(
    node: plan.Node, keys: tuple[Key, ...], computed: tuple[plan.Item, ...], grouping: _Grouping
) -> plan.Node:
    """The columns that grouping needs: keys, the aggregates' arguments, and what identifies a table's row."""
    made = {i.name: i.expr for i in computed}
    items: dict[str, plan.Item] = {}
    for key in keys:
        column = key.columns[0]
        items[column.name] = plan.Item(column.name, made.get(column.name, column))
    for x, column in grouping.arguments.items():
        items[column.name] = plan.Item(column.name, x)
    types = node.schema.by_name
    for name in node.identity:
        items.setdefault(name, plan.Item(name, e.Column(types[name].type, name)))
    return plan.Project(node, tuple(items.values()))


def _window(node: plan.Node, window: sql.Window, *, final: bool) -> plan.Window:
    size = window.size.ms
    if size <= 0 or (window.advance is not None and not 0 < window.advance.ms <= size):
        raise InvalidStatement(
            "a window's SIZE is more than 0, and its ADVANCE BY more than 0 and at most its SIZE", span=window.span
        )
    default_grace = 0 if final else max(DAY_MS - size, 0)
    grace = default_grace if window.grace is None else window.grace.ms
    retention = DAY_MS if window.retention is None else window.retention.ms
    if window.retention is not None and retention < size + grace and window.grace is not None:
        raise InvalidStatement(
            f"RETENTION ({retention} ms) is less than SIZE and GRACE PERIOD together ({size + grace} ms)",
            span=window.span,
        )
    advance = size if window.advance is None else window.advance.ms
    held = size + grace if window.retention is None else max(retention, size + grace)
    return plan.Window(node, window.kind, size, advance, grace, max(retention, size + grace), held, window.span)


def _exploded(node: plan.Node, items: tuple[Selected, ...]) -> tuple[plan.Node, tuple[Selected, ...]]:
    """The plan with the table functions that the items call, and the items over their columns."""
    calls: list[tuple[str, e.TableOf]] = []

    def change(part: e.Expr) -> e.Expr | None:
        if not isinstance(part, e.TableOf):
            return None
        # Two calls of one function are two columns: they go in step anyway.
        name = f"row.{len(calls)}"
        calls.append((name, part))
        return e.Column(part.type, name, None, "", text_of(part))

    changed = []
    for item in items:
        inside = next((p for p in item.expr.walk() if isinstance(p, e.Case | e.Lambda)), None)
        if inside is not None and any(isinstance(p, e.TableOf) for p in inside.walk()):
            raise InvalidStatement("Table functions cannot be used in CASE statements", span=inside.span)
        changed.append(replace(item, expr=e.transform(item.expr, change)))
    if not calls:
        return node, items
    if node.changelog is not plan.Changelog.APPEND:
        raise InvalidStatement("Table source is not supported with table functions", span=items[0].span)
    return plan.FlatMap(node, tuple(calls)), tuple(changed)


def finished(projected: Projected) -> plan.Node:
    """The whole plan of a query that needs no key, a subquery's or a pull query's: the selected columns, and after them
    what identifies a table's rows where that is not selected."""
    items = list(selected_items(projected))
    types = projected.node.schema.by_name
    held = {i.expr.name for i in items if isinstance(i.expr, e.Column)}
    for n, name in enumerate(n for n in projected.node.identity if n not in held):
        items.append(plan.Item(f"id.{n}.{name}", e.Column(types[name].type, name)))
    return plan.Project(projected.node, tuple(items))


def selected_items(projected: Projected) -> tuple[plan.Item, ...]:
    """The selected columns; raises TypeMismatch for one whose type is not known."""
    for i in projected.items:
        if i.expr.type is None:
            raise TypeMismatch(
                "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                span=i.span,
            )
    keys = projected.keys
    return tuple(plan.Item(i.name, i.expr, any(i.expr in k.columns for k in keys)) for i in projected.items)
