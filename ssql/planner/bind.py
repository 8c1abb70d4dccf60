"""From a statement's query to a planned one, in two phases.

`analyse` binds the query: what it yields (columns with their keys, stream or table, windowed or not) and the logical
plan. The caller then knows what the sink of a CREATE ... AS must look like, and makes it. `build` turns the analysis,
with that sink or none, into the dataflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from ssql.errors import InvalidStatement, NegativeLimit, Span, TypeMismatch
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.bind_from import Key
from ssql.planner.bind_query import Projected, QueryBinder, selected_items
from ssql.planner.checks import check_unique
from ssql.planner.coerce import converted
from ssql.planner.dataflow import dataflow
from ssql.planner.explain import logical_text
from ssql.planner.expr_text import name_list
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.outline import Part, outline
from ssql.planner.projection import Selected
from ssql.planner.relation import KeyWindow, Kind, Relation, Relations
from ssql.planner.rewrites import rewrite
from ssql.planner.scope import PSEUDO
from ssql.planner.steps import QueryPlan
from ssql.sql import statements as sql
from ssql.types import BIGINT, Column, Schema, quote


@dataclass(frozen=True)
class Analysis:
    """A bound query.

    `schema`: the result's columns, those of its key marked; of a persistent query the key columns first, in key order.
    `window`: set where the result's keys are windowed; its rows then have WINDOWSTART and WINDOWEND beside `schema`.
    `relations`: what is read, the left-most source first: formats not given in WITH are its. `lifetime_ms`: how long
    after its end a window's result is kept. `keys`: the plan's columns by which a reader tells a table's rows apart.
    `outline`: of a persistent query, what may replace it.
    """

    plan: plan.Node
    schema: Schema
    kind: Kind
    window: KeyWindow | None
    relations: tuple[Relation, ...]
    limit: int | None = None
    lifetime_ms: int | None = None
    keys: tuple[str, ...] = ()
    outline: tuple[Part, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.name for r in self.relations))

    @property
    def source(self) -> Relation:
        return self.relations[0]


def analyse(query: sql.Query, relations: Relations, *, options: Options = DEFAULTS) -> Analysis:
    """Bind a query whose rows go to a reader (a push query; or a pull query over streams, run to the end).

    Raises SqlError with the place of what is wrong.
    """
    if query.limit is not None and query.limit < 0:
        raise NegativeLimit("Push", span=query.limit_span)
    projected = QueryBinder(relations, options, bounds_in_star=True).bind(query)
    selected = _read_items(projected)
    schema = Schema(tuple(i.column for i in selected))
    check_unique(schema.columns)
    told_by = _told_by(projected)
    names = {i.expr: i.name for i in reversed(selected)}
    hidden = [x for x in told_by if x not in names]
    names |= {x: f"key.{n}" for n, x in enumerate(hidden)}
    root = plan.Project(projected.node, (*selected, *(plan.Item(names[x], x, True) for x in hidden)))
    return replace(_analysis(root, schema, projected, query.limit), keys=tuple(names[x] for x in told_by))


#: Looks at what a query selects, and raises for what its sink cannot be.
Inspect = Callable[[Schema], None]


def analyse_persistent(
    query: sql.Query,
    relations: Relations,
    *,
    sink: str,
    statement: str,
    options: Options = DEFAULTS,
    inspect: Inspect = lambda _: None,
) -> Analysis:
    """Bind the query of a CREATE ... AS or INSERT INTO named `statement` in messages, that fills `sink`.

    `inspect` sees the selected columns before their keys are looked at. Raises SqlError with the place of what is
    wrong.
    """
    if query.limit is not None:
        raise InvalidStatement(f"{statement} statements don't support LIMIT clause.", span=query.span)
    if query.group_by is None and any(isinstance(i, sql.SelectItem) for i in query.items):
        _refuse_global(query, statement)
    _refuse_pseudo_columns(query)
    projected = QueryBinder(relations, options).bind(query)
    for item in projected.items:
        if item.name in PSEUDO and not item.named:
            raise _reserved(item.name, item.span)
        if item.expr.type is None:
            raise TypeMismatch(
                "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                span=item.span,
            )
    inspect(Schema(tuple(Column(i.name, i.expr.type) for i in projected.items if i.expr.type is not None)))
    if options.keys_optional and projected.node.changelog is plan.Changelog.APPEND:
        projected = replace(projected, keys=tuple(k for k in projected.keys if _selected_key(projected, k)))
    keys = _key_items(projected, sink)
    values = [i for i in projected.items if i not in keys]
    if not values:
        raise InvalidStatement(
            "The projection contains no value columns.",
            span=query.span,
            hint="Select an aggregate, or AS_VALUE(...) of a key column.",
        )
    held = [key.value or item.expr for key, item in zip(projected.keys, keys, strict=True)]
    items = [plan.Item(k.name, x, True) for k, x in zip(keys, held, strict=True)]
    items += [plan.Item(v.name, v.expr) for v in values]
    schema = Schema(tuple(i.column for i in items))
    check_unique(schema.columns)
    if projected.node.window is not None:
        bounds = projected.node.schema.by_name
        items.extend(plan.Item(n, e.Column(bounds[n].type, n, n)) for n in plan.WINDOW_BOUNDS)
    found = _analysis(plan.Project(projected.node, tuple(items)), schema, projected, None)
    return replace(found, outline=outline(projected.node, [i.expr for i in projected.items]))


def analyse_create(
    statement: sql.CreateAs, relations: Relations, *, options: Options = DEFAULTS, inspect: Inspect = lambda _: None
) -> Analysis:
    """Bind a CREATE STREAM / TABLE ... AS SELECT; `inspect` as for `analyse_persistent`."""
    words, name = f"CREATE {statement.kind} AS SELECT", statement.name.text
    found = analyse_persistent(statement.query, relations, sink=name, statement=words, options=options, inspect=inspect)
    if found.kind != statement.kind:
        raise InvalidStatement(
            f"Invalid result type. Your SELECT query produces a {found.kind}. "
            f"Please use CREATE {found.kind} AS SELECT statement instead.",
            span=statement.name.span,
        )
    return found


def analyse_insert(
    statement: sql.InsertInto, relations: Relations, target: Relation, *, options: Options = DEFAULTS
) -> Analysis:
    """Bind an INSERT INTO ... SELECT: the result's columns are those of the target, implicitly converted."""
    if target.kind != "STREAM":
        raise InvalidStatement(
            f"INSERT INTO can only be used to insert into a stream. {target.name} is a table.",
            span=statement.target.span,
        )
    if target.headers:
        raise InvalidStatement(
            f"Cannot insert into {target.name} because it has header columns", span=statement.target.span
        )
    found = analyse_persistent(statement.query, relations, sink=target.name, statement="INSERT INTO", options=options)
    if found.kind != "STREAM":
        raise InvalidStatement(
            f"INSERT INTO can only be used to insert into a stream. The query produces a {found.kind}.",
            span=statement.query.span,
        )
    given, wanted = found.schema.columns, target.schema.columns
    items = [
        converted(e.Column(g.type, g.name), w.type) if (g.name, g.key) == (w.name, w.key) else None
        for g, w in zip(given, wanted, strict=False)
    ]
    if len(given) != len(wanted) or None in items:
        raise InvalidStatement(
            f"Incompatible schema between results and sink.\nResult schema is {found.schema}\n"
            f"Sink schema is {target.schema}",
            span=statement.query.span,
        )
    made = [plan.Item(w.name, x, w.key) for w, x in zip(wanted, items, strict=True) if x is not None]
    made += [plan.Item(c.name, e.Column(c.type, c.name)) for c in found.plan.schema.columns[len(given) :]]
    return replace(found, plan=plan.Project(found.plan, tuple(made)), schema=target.schema)


def build(analysis: Analysis, *, query_id: str, sink: Relation | None = None) -> QueryPlan:
    """The dataflow of an analysed query: into `sink`, or to a reader.

    Raises NotSupportedYet for what can be bound and not be run.
    """
    root = rewrite(analysis.plan)
    steps = dataflow(root, sink=sink, keys=analysis.keys, lifetime_ms=analysis.lifetime_ms)
    to = None if sink is None else sink.name
    logical = logical_text(root, sink=to, limit=analysis.limit)
    return QueryPlan(query_id, steps, analysis.kind, logical, analysis.reads, analysis.outline)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _read_items(projected: Projected) -> tuple[plan.Item, ...]:
    """What a reader has selected; marked: for each key column the first that holds it, and a window's bounds."""
    exprs = [i.expr for i in projected.items]
    keys = [next((c for c in key.columns if c in exprs), None) for key in projected.keys]
    bounds = plan.WINDOW_BOUNDS if projected.node.window is not None else ()
    marked = [*keys, *(e.Column(BIGINT, name) for name in bounds)]
    return tuple(replace(item, key=item.expr in marked) for item in selected_items(projected))


def _told_by(projected: Projected) -> tuple[e.Column, ...]:
    """The columns by which a reader tells the rows of a table apart: its key, and the bounds of a windowed one.

    A query in FROM may have left key columns behind: then what identifies a row within the plan.
    """
    node = projected.node
    if node.changelog is plan.Changelog.APPEND:
        return ()
    types = node.schema.by_name
    if not all(key.value or key.columns for key in projected.keys):
        return tuple(e.Column(types[name].type, name) for name in node.identity)
    keys = [key.value or key.columns[0] for key in projected.keys]
    bounds = [name for name in plan.WINDOW_BOUNDS if node.window is not None and name in types]
    return (*dict.fromkeys(keys), *(e.Column(BIGINT, name) for name in bounds))


def _analysis(root: plan.Node, schema: Schema, projected: Projected, limit: int | None) -> Analysis:
    kind: Kind = "STREAM" if root.changelog is plan.Changelog.APPEND else "TABLE"
    windows = [n for n in projected.node.walk() if isinstance(n, plan.Window)]
    lifetime = None
    if projected.node.window is not None and windows:
        gap = 0 if windows[0].kind == "SESSION" else windows[0].size_ms
        lifetime = windows[0].retention_ms - gap
    return Analysis(root, schema, kind, projected.node.window, projected.bound.relations, limit, lifetime)


def _refuse_global(query: sql.Query, statement: str) -> None:
    from ssql.functions import is_aggregate

    for item in query.items:
        if not isinstance(item, sql.SelectItem):
            continue
        for call in item.expression.find_all(exp.Anonymous):
            if is_aggregate(str(call.this)) and not isinstance(call.parent, exp.Window):
                shown = f"{call.this}(ROWTIME)" if str(call.this) == "COUNT" else str(call.this)
                raise InvalidStatement(
                    f"{statement} statement does not support aggregate function [{shown}] without a GROUP BY clause.",
                    span=item.span,
                    hint="Add GROUP BY: a table needs a key. GROUP BY 1 makes one group of all rows.",
                )


def _refuse_pseudo_columns(query: sql.Query) -> None:
    """Refuse a pseudo column that is selected under its own name, whether the source has it or not. In a join it would
    get its source's name before it."""
    for item in query.items if isinstance(query.source, sql.SourceRef) else ():
        if isinstance(item, sql.SelectItem) and item.alias is None and isinstance(item.expression, exp.Column):
            name = str(item.expression.this.this)
            if name in PSEUDO:
                raise _reserved(name, item.span)


def _reserved(name: str, span: Span) -> InvalidStatement:
    return InvalidStatement(f"Reserved column name in select: `{name}`. Please remove or alias the column.", span=span)


def _key_items(projected: Projected, sink: str) -> tuple[Selected, ...]:
    """The selected columns that are the result's key, in key order. Raises InvalidStatement where one is missing."""
    found: list[Selected] = []
    missing: list[Key] = []
    for key in projected.keys:
        item = _selected_key(projected, key)
        if item is None:
            missing.append(key)
        else:
            found.append(item)
    if missing:
        raise _missing_keys(projected, missing, sink)
    return tuple(found)


def _selected_key(projected: Projected, key: Key) -> Selected | None:
    for column in key.columns:
        items = [i for i in projected.items if i.expr == column]
        if len(items) > 1:
            if key.kind == "grouping expression":
                names = " and ".join(quote(i.name) for i in items)
                message = f"The projection contains a key column more than once: {names}."
            else:
                names = " and ".join(i.name for i in items)
                message = (
                    f"The projection contains a key column ({quote(key.name)}) more than once, aliased as: {names}."
                )
            raise InvalidStatement(
                message,
                span=items[1].span,
                hint="Each key column must only be in the projection once. If you intended to copy the key into the "
                "value, then consider using the AS_VALUE function to indicate which key reference should be copied.",
            )
        if items:
            return items[0]
    return None


def _missing_keys(projected: Projected, missing: list[Key], sink: str) -> InvalidStatement:
    kind = missing[0].kind
    if kind == "primary key column":
        plural = "s" if len(missing) > 1 else ""
        names = ", ".join(quote(k.name) for k in missing)
        return InvalidStatement(
            f"Primary key column{plural} missing in projection. For foreign-key table-table joins, the projection must "
            f"include all primary key columns from the left input table ({quote(projected.bound.owner)}). "
            f"Missing column{plural}: {names}.",
            span=projected.items[0].span if projected.items else None,
        )
    keys = missing if kind == "grouping expression" else list(projected.keys)
    if kind == "join expression":
        shown, last = list(keys[0].shown), "or"
        example = shown[0]
    else:
        shown, last = [k.shown[0] for k in keys], "and"
        example = ", ".join(shown)
    plural = "s" if len(shown) > 1 else ""
    synthetic = (
        f"\n{shown[0]} was added as a synthetic key column because the join criteria did not match any source column. "
        "This expression must be included in the projection and may be aliased. "
        if keys[0].synthetic
        else ""
    )
    return InvalidStatement(
        "Key missing from projection (ie, SELECT). See https://cnfl.io/2LV7ouS.\n"
        f"The query used to build {quote(sink)} must include the {kind}{plural} {name_list(shown, last=last)} in its "
        f"projection (eg, SELECT {example}...).{synthetic}",
        span=projected.items[0].span if projected.items else None,
        hint=f"Add {example} to the SELECT list.",
    )
