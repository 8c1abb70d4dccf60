"""Aggregates that SQL has and ksqlDB has not, under the names that most databases give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssql.functions.aggregates.collect import collected, counted
from ssql.functions.aggregates.moments import of_one_column, spread_of
from ssql.functions.aggregates.sums import count_rows
from ssql.functions.api import Accumulator
from ssql.functions.registry import Args, aggregate
from ssql.functions.udf import by_row, define
from ssql.types import BIGINT, DOUBLE, Array, Struct

_COMPARABLE = ("INT", "BIGINT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "STRING", "BYTES")


def _truths(args: Args) -> tuple[Accumulator, ...]:
    return count_rows(args[0]), count_rows(f"NOT {args[0]}")


for _name, _doc, _answer in (
    ("BOOL_AND", "Whether the argument is true in all rows where it is not NULL; NULL if there is none.", "{1} = 0"),
    ("BOOL_OR", "Whether the argument is true in some row; NULL if it is NULL in all.", "{0} > 0"),
):

    def _of_truths(accs: Sequence[str], _: Args, answer: str = _answer) -> str:
        return f"CASE WHEN {accs[0]} + {accs[1]} > 0 THEN {answer.format(*accs)} END"

    aggregate(f"{_name}(BOOLEAN) -> BOOLEAN", accumulators=_truths, answer=_of_truths, retractable=True, doc=_doc)


def _best(args: Args, *, largest: bool) -> tuple[Accumulator, ...]:
    kind = Struct((("b", args.type(1)), ("v", args.result)))
    row, by = f"struct_pack(b := {args[1]}, v := {args[0]})", args[1]
    order, better = ("DESC", ">") if largest else ("ASC", "<")
    delta = f"first({row} ORDER BY {by} {order}, _seq) FILTER (WHERE {by} IS NOT NULL)"
    merge = f"CASE WHEN {{s}} IS NULL OR ({{d}}).b {better} ({{s}}).b THEN {{d}} ELSE {{s}} END"
    return (Accumulator(kind, delta, merge),)


for _name, _word, _largest in (("ARG_MAX", "largest", True), ("ARG_MIN", "smallest", False)):

    def _accumulators(args: Args, largest: bool = _largest) -> tuple[Accumulator, ...]:
        return _best(args, largest=largest)

    for _type in _COMPARABLE:
        aggregate(
            f"{_name}(T, {_type}) -> T",
            accumulators=_accumulators,
            answer=lambda accs, _: f"({accs[0]}).v",
            doc=f"The first argument in the row where the second is {_word}; of several such rows, in the first.",
        )

_MULTISET = Array(Struct((("v", DOUBLE), ("n", BIGINT))))


def _percentile(entries: list[dict[str, Any]], share: float) -> float | None:
    kept = sorted((e for e in entries if e["n"] > 0), key=lambda e: float(e["v"]))
    total = sum(e["n"] for e in kept)
    if total == 0:
        return None
    place = share * (total - 1)
    low, high = _at(kept, int(place)), _at(kept, min(int(place) + 1, total - 1))
    return low + (high - low) * (place - int(place)) if high != low else low


def _at(entries: list[dict[str, Any]], place: int) -> float:
    """The value at a place (from 0) of a sorted multiset."""
    for entry in entries:
        place -= entry["n"]
        if place < 0:
            return float(entry["v"])
    raise IndexError(place)


def _values(args: Args) -> tuple[Accumulator, ...]:
    return (counted(args[0], args.type(0), f" FILTER (WHERE {args[0]} IS NOT NULL)"),)


def _at_share(accs: Sequence[str], share: object) -> str:
    name = define("percentile", by_row(_percentile, DOUBLE), [_MULTISET, DOUBLE], DOUBLE)
    within = min(max(float(str(share)), 0.0), 1.0)
    return f"{name}({accs[0]}, CAST({within} AS DOUBLE))"


aggregate(
    "MEDIAN(DOUBLE) -> DOUBLE",
    accumulators=_values,
    answer=lambda accs, _: _at_share(accs, 0.5),
    retractable=True,
    doc="The value that as many values lie below as above; between two, their mean.",
)
aggregate(
    "PERCENTILE(DOUBLE, DOUBLE literal) -> DOUBLE",
    accumulators=_values,
    answer=lambda accs, a: _at_share(accs, a.literals[1]),
    retractable=True,
    doc="The value below which a share (0 to 1) of the values lies; between two values, in proportion.",
)


def _most_frequent(accs: Sequence[str], _: Args) -> str:
    numbered = f"list_transform({accs[0]}, lambda e, i: struct_pack(n := e.n, i := -i, v := e.v))"
    return f"list_sort({numbered}, 'DESC')[1].v"


aggregate(
    "MODE(T) -> T",
    accumulators=_values,
    answer=_most_frequent,
    retractable=True,
    doc="The value that comes most often, NULL aside; of several such, the one that came first.",
)


def _texts(args: Args) -> tuple[Accumulator, ...]:
    return collected(args[0], Array(args.result), None)


def _delimited(accs: Sequence[str], args: Args) -> str:
    texts = f"list_filter(({accs[0]}).added, lambda _x: _x IS NOT NULL)"
    delimiter = str(args.literals[1]).replace("'", "''")
    return f"CASE WHEN len({texts}) > 0 THEN array_to_string({texts}, '{delimiter}') END"


aggregate(
    "STRING_AGG(STRING, STRING literal) -> STRING",
    accumulators=_texts,
    answer=_delimited,
    retractable=True,
    doc="All texts that are not NULL, in the order of their rows, with a delimiter between them; NULL for none.",
)


for _name, _sample, _root, _doc in (
    ("STDDEV", True, True, "The standard deviation of a sample, as STDDEV_SAMPLE."),
    ("STDDEV_POP", False, True, "The standard deviation of a population."),
    ("VAR_SAMP", True, False, "The variance of a sample."),
    ("VAR_POP", False, False, "The variance of a population."),
):

    def _spread(accs: Sequence[str], _: Args, sample: bool = _sample, root: bool = _root) -> str:
        found = spread_of(accs[0], sample=sample)
        return f"sqrt({found})" if root else found

    aggregate(f"{_name}(DOUBLE) -> DOUBLE", accumulators=of_one_column, answer=_spread, retractable=True, doc=_doc)
