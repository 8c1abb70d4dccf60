"""A query's outline: its operators from the sink down to the source, in ksqlDB's words.

Whether a query may take the place of another is ksqlDB's to say (`upgrades`), and it says so in terms of its own
operators. A part is *free* where it may come, go and change (filters, projections), *fixed* where the other query must
have the same one with the same properties, and else *closed*: a query that has it cannot be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ssql.errors import InternalError
from ssql.planner import expr as e
from ssql.planner import plan
from ssql.planner.expr_text import text_of
from ssql.planner.ksql_text import column_list, formats_text, optional, timestamp_text
from ssql.planner.relation import Relation

Role = Literal["free", "fixed", "closed"]


@dataclass(frozen=True)
class Part:
    """An operator. `name`: ksqlDB's. `properties`: what two of them must have in common, in order, as text."""

    name: str
    role: Role
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def is_source(self) -> bool:
        return self.name.endswith("Source")


def outline(node: plan.Node, selected: Sequence[e.Expr]) -> tuple[Part, ...]:
    """The outline of a query that selects `selected` (in the order written) from `node`. Below a join there is none."""
    return (Part(f"{_kind(node)}Select", "free"), *_parts(node, tuple(selected), ()))


def _kind(node: plan.Node) -> str:
    return "Stream" if node.changelog is plan.Changelog.APPEND else "Table"


def _parts(node: plan.Node, selected: tuple[e.Expr, ...], having: tuple[e.Expr, ...]) -> Iterator[Part]:
    """`selected`, `having`: what is computed from the node's rows, for what an aggregate needs of its input."""
    kind = _kind(node)
    match node:
        case plan.Source():
            yield _source(node.relation)
        case plan.Filter():
            yield Part(f"{kind}Filter", "free")
            yield from _parts(node.input, selected, (node.predicate,))
        case plan.Project():
            yield Part(f"{kind}Select", "free")
            yield from _parts(node.input, tuple(i.expr for i in node.items), ())
        case plan.FlatMap():
            yield Part(f"{kind}FlatMap", "closed")
            yield from _parts(node.input, (), ())
        case plan.Rekey():
            yield from _rekeyed(node)
        case plan.Aggregate():
            yield from _grouped(node, selected, having)
        case plan.Join():
            left, right = (f"{side.capitalize()}" for side in node.shape)
            yield Part("ForeignKeyTableTableJoin" if node.foreign else f"{left}{right}Join", "closed")
        case _:
            raise InternalError(f"no outline of a {type(node).__name__}")


def _source(relation: Relation) -> Part:
    kind = relation.kind.capitalize()
    if relation.window is not None:
        return Part(f"Windowed{kind}Source", "closed")
    properties = (
        ("topicName", relation.topic),
        ("formats", formats_text(relation)),
        ("timestampColumn", optional(timestamp_text(relation))),
    )
    return Part(f"{kind}Source", "fixed", properties)


def _rekeyed(node: plan.Rekey) -> Iterator[Part]:
    """PARTITION BY: nothing where rows have that key already."""
    below, made = node.input, dict[str, e.Expr]()
    if isinstance(below, plan.Project):
        made = {i.name: i.expr for i in below.items}
        below = below.input
    if node.keys != tuple(c.name for c in below.schema.keys):
        by = ", ".join(text_of(made[name]) if name in made else name for name in node.keys)
        yield Part("StreamSelectKey", "fixed", (("keyExpressions", f"[{by}]"),))
    yield from _parts(below, (), ())


def _grouped(node: plan.Aggregate, selected: tuple[e.Expr, ...], having: tuple[e.Expr, ...]) -> Iterator[Part]:
    rows = node.input.input if isinstance(node.input, plan.Window) else node.input
    kind = _kind(rows)
    if node.final is not None:
        yield Part("TableSuppress", "closed")
    if isinstance(node.input, plan.Window) or kind == "Table":
        yield Part("TableAggregate" if kind == "Table" else "StreamWindowedAggregate", "closed")
        return
    assert isinstance(rows, plan.Project), "the binder puts the columns that grouping needs below it"
    needs = _Needs(node, rows)
    where = rows.input.predicate if isinstance(rows.input, plan.Filter) else None
    columns, functions = needs.read(selected, where, having)
    properties = (("columns not part of aggregate", columns), ("aggregate functions", functions))
    yield Part("StreamAggregate", "fixed", properties)
    by = tuple(needs.written(e.Column(None, key)) for key in node.keys)
    if tuple(x.name for x in by if isinstance(x, e.Column)) == tuple(c.name for c in rows.input.schema.keys):
        yield Part("StreamGroupByKey", "fixed")
    else:
        yield Part("StreamGroupBy", "fixed", (("group by clause", f"[{', '.join(map(text_of, by))}]"),))
    yield from _parts(rows, (), ())


class _Needs:
    """What an aggregate reads of its source, in the order in which ksqlDB finds it."""

    def __init__(self, node: plan.Aggregate, rows: plan.Project) -> None:
        self._keys = node.keys
        self._made = {i.name: i.expr for i in rows.items}
        self._aggregates = dict(node.aggregates)
        self._columns: dict[str, None] = {}

    def written(self, x: e.Expr) -> e.Expr:
        """An expression over the groups as one over the source's rows."""

        def change(part: e.Expr) -> e.Expr | None:
            if not isinstance(part, e.Column):
                return None
            if part.name in self._aggregates:
                return self._aggregates[part.name].rebuild(self.written)
            return self._made.get(part.name)

        return e.transform(x, change)

    def read(self, selected: Sequence[e.Expr], where: e.Expr | None, having: Sequence[e.Expr]) -> tuple[str, str]:
        """The columns that it takes along, and its functions over what it takes along."""
        over = [self.written(x) for x in selected]
        over_having = [self.written(x) for x in having]
        by = [self.written(e.Column(None, key)) for key in self._keys]
        for x in (*over, *([where] if where is not None else []), *by, *over_having):
            self._note(x)
        calls = [p for x in (*over, *over_having) for p in x.walk() if isinstance(p, e.AggregateOf)]
        held = dict.fromkeys(self._columns)
        for argument in (text_of(a) for call in calls for a in call.args):
            held.setdefault(argument)
        places = {text: number for number, text in enumerate(held)}

        def shown(x: e.Expr) -> str:
            text = text_of(x)
            return text if isinstance(x, e.Column | e.Literal) else f"KSQL_INTERNAL_COL_{places[text]}"

        functions = [f"{c.name}({', '.join(map(shown, c.args)) or 'ROWTIME'})" for c in calls]
        return column_list(self._columns), f"[{', '.join(functions)}]"

    def _note(self, x: e.Expr) -> None:
        if isinstance(x, e.Column) and x.pseudo not in plan.WINDOW_BOUNDS:
            self._columns.setdefault(x.pseudo or x.label or x.name)
        if isinstance(x, e.AggregateOf) and not x.args:
            self._columns.setdefault("ROWTIME")
        for child in x.children():
            self._note(child)
