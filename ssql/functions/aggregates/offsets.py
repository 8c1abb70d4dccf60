"""LATEST_BY_OFFSET and EARLIEST_BY_OFFSET: the last and the first rows in the order of processing (`_seq`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssql.functions.api import Accumulator
from ssql.functions.registry import Args, aggregate
from ssql.types import Struct


def _one(args: Args, *, latest: bool, ignore_nulls: bool) -> tuple[Accumulator, ...]:
    # In a struct, so that a row whose value is NULL can be told from no row.
    kind = Struct((("v", args.result),))
    row = f"struct_pack(v := {args[0]})"
    rows = f" FILTER (WHERE {args[0]} IS NOT NULL)" if ignore_nulls else ""
    pick, first, second = ("arg_max", "{d}", "{s}") if latest else ("arg_min", "{s}", "{d}")
    return (Accumulator(kind, f"{pick}({row}, _seq){rows}", f"coalesce({first}, {second})"),)


def _several(args: Args, *, latest: bool, ignore_nulls: bool) -> tuple[Accumulator, ...]:
    n = args.literals[1]
    count = n if isinstance(n, int) and n > 0 else 0
    rows = f" FILTER (WHERE {args[0]} IS NOT NULL)" if ignore_nulls else ""
    empty = f"CAST([] AS {args.result.duckdb})"
    part = f"[-{count}:]" if latest else f"[:{count}]"
    delta = f"coalesce(list({args[0]} ORDER BY _seq){rows}, {empty})"
    both = f"list_concat(coalesce({{s}}, {empty}), coalesce({{d}}, {empty}))"
    return (Accumulator(args.result, f"({delta}){part}", f"({both}){part}"),)


def _first_of(accs: Sequence[str], _: Args) -> str:
    return f"({accs[0]}).v"


def _list_of(accs: Sequence[str], args: Args) -> str:
    return f"coalesce({accs[0]}, CAST([] AS {args.result.duckdb}))"


def _declare(name: str, doc: str, *, latest: bool) -> None:
    def one(args: Args) -> tuple[Accumulator, ...]:
        return _one(args, latest=latest, ignore_nulls=len(args) < 2 or args.literals[1] is not False)

    def several(args: Args) -> tuple[Accumulator, ...]:
        return _several(args, latest=latest, ignore_nulls=len(args) < 3 or args.literals[2] is not False)

    declare: list[tuple[str, Callable[[Args], tuple[Accumulator, ...]], Callable[[Sequence[str], Args], str]]] = [
        (f"{name}(T) -> T", one, _first_of),
        (f"{name}(T, BOOLEAN literal) -> T", one, _first_of),
        (f"{name}(T, INT literal) -> ARRAY<T>", several, _list_of),
        (f"{name}(T, INT literal, BOOLEAN literal) -> ARRAY<T>", several, _list_of),
    ]
    for signature, accumulators, answer in declare:
        aggregate(signature, accumulators=accumulators, answer=answer, doc=doc)


_declare(
    "LATEST_BY_OFFSET",
    "The value of the last row, or an array of those of the last n rows; NULLs are passed over, unless the last"
    " argument is FALSE.",
    latest=True,
)
_declare(
    "EARLIEST_BY_OFFSET",
    "The value of the first row, or an array of those of the first n rows; NULLs are passed over, unless the last"
    " argument is FALSE.",
    latest=False,
)
