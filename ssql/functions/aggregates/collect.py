"""COLLECT_LIST, COLLECT_SET, HISTOGRAM, ATTR: accumulators that hold the values themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ssql.functions import lists
from ssql.functions.api import Accumulator
from ssql.functions.registry import Args, aggregate
from ssql.functions.udf import define
from ssql.types import BIGINT, Array, SqlType, Struct

#: HISTOGRAM counts no further values than this.
HISTOGRAM_LIMIT = 1000


def _empty(t: SqlType) -> str:
    return f"CAST([] AS {t.duckdb})"


def _joined(t: SqlType) -> str:
    return f"list_concat(coalesce({{s}}, {_empty(t)}), coalesce({{d}}, {_empty(t)}))"


def _cut(sql: str, limit: int | None) -> str:
    """A list with no more elements than the limit."""
    return sql if limit is None else f"({sql})[:{limit}]"


def collected(value: str, values: SqlType, limit: int | None) -> tuple[Accumulator, ...]:
    """STRUCT(added, removed): what was removed and not found yet waits for an earlier state to be merged."""
    kind = Struct((("added", values), ("removed", values)))
    # With a limit, a removal that finds nothing was of a value that the limit kept out.
    forget = limit is not None
    settle = define("forget" if forget else "settle", lists.settle(kind, forget=forget), [kind], kind)

    def part(sign: str) -> str:
        return f"coalesce(list({value} ORDER BY _seq) FILTER (WHERE _diff {sign} 0), {_empty(values)})"

    def both(name: str) -> str:
        return f"list_concat(coalesce(({{s}}).{name}, {_empty(values)}), coalesce(({{d}}).{name}, {_empty(values)}))"

    merged = f"struct_pack(added := {both('added')}, removed := {both('removed')})"
    kept = f"struct_pack(added := {_cut(both('added'), limit)}, removed := {_empty(values)})"
    nothing_removed = "coalesce(len(({s}).removed), 0) + coalesce(len(({d}).removed), 0) = 0"
    return (
        Accumulator(
            kind,
            f"struct_pack(added := {part('>')}, removed := {part('<')})",
            f"CASE WHEN {nothing_removed} THEN {kept} ELSE {settle}({merged}) END",
        ),
    )


aggregate(
    "COLLECT_LIST(T) -> ARRAY<T>",
    accumulators=lambda a: collected(a[0], a.result, a.limit),
    answer=lambda accs, a: _cut(f"coalesce(({accs[0]}).added, {_empty(a.result)})", a.limit),
    retractable=True,
    on_tables=True,
    doc="All values, NULLs too, in the order of their rows.",
)


def _collect_set(args: Args) -> tuple[Accumulator, ...]:
    distinct = define("distinct", lists.distinct, [args.result], args.result)
    return (
        Accumulator(
            args.result,
            f"{distinct}(list({args[0]} ORDER BY _seq))",
            f"{_cut(f'{distinct}({_joined(args.result)})', args.limit)}",
        ),
    )


aggregate(
    "COLLECT_SET(T) -> ARRAY<T>",
    accumulators=_collect_set,
    answer=lambda accs, a: _cut(f"coalesce({accs[0]}, {_empty(a.result)})", a.limit),
    doc="The different values, NULL too, in the order of their first rows.",
)


def counted(value: str, value_type: SqlType, rows: str = "") -> Accumulator:
    """How often each value came: a list of STRUCT(v, n)."""
    kind = Array(Struct((("v", value_type), ("n", BIGINT))))
    multiset = define("multiset", lists.multiset(kind), [kind], kind)
    entry = f"struct_pack(v := {value}, n := CAST(_diff AS BIGINT))"
    delta = f"{multiset}(coalesce(list({entry} ORDER BY _seq){rows}, {_empty(kind)}))"
    return Accumulator(kind, delta, f"{multiset}({_joined(kind)})")


def _histogram_answer(accs: Sequence[str], _: Args) -> str:
    seen = f"list_filter(coalesce({accs[0]}, []), lambda e: e.n > 0)[:{HISTOGRAM_LIMIT}]"
    return f"map_from_entries(list_transform({seen}, lambda e: struct_pack(k := e.v, v := e.n)))"


aggregate(
    "HISTOGRAM(STRING) -> MAP<STRING, BIGINT>",
    accumulators=lambda a: (counted(a[0], a.type(0), f" FILTER (WHERE {a[0]} IS NOT NULL)"),),
    answer=_histogram_answer,
    retractable=True,
    on_tables=True,
    doc=f"How often each value came, for the first {HISTOGRAM_LIMIT} different values.",
)


def _attribute(accs: Sequence[str], _: Args) -> str:
    seen = f"list_filter({accs[0]}, lambda e: e.n > 0)"
    return f"CASE WHEN len({seen}) = 1 THEN ({seen})[1].v END"


aggregate(
    "ATTR(T) -> T",
    accumulators=lambda a: (counted(a[0], a.result),),
    answer=_attribute,
    retractable=True,
    on_tables=True,
    doc="The value that all rows of the group have in common; NULL if there are several.",
)
