"""MIN, MAX, TOPK, TOPKDISTINCT: the best so far. A row that leaves makes the group's answer be computed again."""

from __future__ import annotations

from collections.abc import Sequence

from ssql.functions.api import Accumulator
from ssql.functions.registry import Args, aggregate
from ssql.types import Array, SqlType, Struct

_COMPARABLE = ("INT", "BIGINT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "STRING", "BYTES")

for _name, _best, _doc in (
    ("MIN", "least({s}, {d})", "The smallest value that is not NULL."),
    ("MAX", "greatest({s}, {d})", "The largest value that is not NULL."),
):

    def _accumulators(args: Args, name: str = _name, best: str = _best) -> tuple[Accumulator, ...]:
        return (Accumulator(args.result, f"{name.lower()}({args[0]})", best),)

    for _type in _COMPARABLE:
        aggregate(f"{_name}({_type}) -> {_type}", accumulators=_accumulators, doc=_doc)


def _count(args: Args) -> int:
    found = args.literals[-1]
    return found if isinstance(found, int) and found > 0 else 0


def _both(t: SqlType) -> str:
    empty = f"CAST([] AS {t.duckdb})"
    return f"list_concat(coalesce({{s}}, {empty}), coalesce({{d}}, {empty}))"


def _answer(accs: Sequence[str], args: Args) -> str:
    return f"coalesce({accs[0]}, CAST([] AS {args.result.duckdb}))"


def _top(args: Args) -> tuple[Accumulator, ...]:
    k, value = _count(args), args[0]
    delta = f"list({value} ORDER BY {value} DESC) FILTER (WHERE {value} IS NOT NULL)"
    return (Accumulator(args.result, f"({delta})[1:{k}]", f"list_sort({_both(args.result)}, 'DESC')[1:{k}]"),)


def _top_distinct(args: Args) -> tuple[Accumulator, ...]:
    k, value = _count(args), args[0]
    delta = f"list_sort(list(DISTINCT {value}) FILTER (WHERE {value} IS NOT NULL), 'DESC')"
    merged = f"list_sort(list_distinct({_both(args.result)}), 'DESC')[1:{k}]"
    return (Accumulator(args.result, f"({delta})[1:{k}]", merged),)


def _row_type(types: Sequence[SqlType]) -> SqlType:
    others = [(f"col{i}", t) for i, t in enumerate(types[1:-1])]
    return Array(Struct((("sort_col", types[0]), *others)))


def _top_rows(args: Args) -> tuple[Accumulator, ...]:
    k, value = _count(args), args[0]
    columns = "".join(f", col{i} := {sql}" for i, sql in enumerate(args.sql[1:-1]))
    row = f"struct_pack(sort_col := {value}{columns})"
    delta = f"list({row} ORDER BY {value} DESC, _seq) FILTER (WHERE {value} IS NOT NULL)"
    # Equal values stay in the order of their rows, and the state's come before the delta's.
    numbered = f"list_transform({_both(args.result)}, lambda r, i: struct_pack(v := r.sort_col, i := -i, r := r))"
    merged = f"list_transform(list_sort({numbered}, 'DESC')[1:{k}], lambda n: n.r)"
    return (Accumulator(args.result, f"({delta})[1:{k}]", merged),)


_TOPK = "The k largest values, largest first; with further columns, structs of the value and these, as in its row."
for _type in ("INT", "BIGINT", "DOUBLE", "STRING", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "BYTES"):
    aggregate(f"TOPK({_type}, INT literal) -> ARRAY<{_type}>", accumulators=_top, answer=_answer, doc=_TOPK)
    aggregate(
        f"TOPK({_type}, ANY, ANY..., INT literal) -> ARRAY<ANY>",
        accumulators=_top_rows,
        answer=_answer,
        result=_row_type,
        doc=_TOPK,
    )
    aggregate(
        f"TOPKDISTINCT({_type}, INT literal) -> ARRAY<{_type}>",
        accumulators=_top_distinct,
        answer=_answer,
        doc="The k largest different values, largest first.",
    )
