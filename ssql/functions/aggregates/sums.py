"""COUNT, SUM, AVG and their kin: accumulators that add up, and take rows back by adding their negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssql.functions.api import Accumulator
from ssql.functions.casts import wrap32, wrap64
from ssql.functions.registry import Args, aggregate
from ssql.types import BIGINT, DOUBLE, Decimal, SqlType


def count_rows(condition: str | None) -> Accumulator:
    """Rows for which `condition` holds (None: all), those at -1 counted down."""
    rows = f" FILTER (WHERE {condition})" if condition else ""
    return Accumulator(
        BIGINT, f"CAST(coalesce(sum(_diff){rows}, 0) AS BIGINT)", "(coalesce({s}, 0) + coalesce({d}, 0))"
    )


def integer_sum(value: str, result: SqlType) -> Accumulator:
    """The sum of an integer expression (BIGINT or HUGEINT), wrapped around into `result`."""

    def wrap(total: str) -> str:
        return wrap64(total) if result == BIGINT else wrap32(f"CAST({total} & 4294967295 AS BIGINT)")

    signed = f"sum(CAST({value} AS HUGEINT) * _diff)"
    return Accumulator(
        result,
        wrap(f"coalesce({signed}, 0)"),
        wrap("(CAST(coalesce({s}, 0) AS HUGEINT) + CAST(coalesce({d}, 0) AS HUGEINT))"),
    )


def double_sum(value: str) -> Accumulator:
    """The sum of a DOUBLE expression."""
    return Accumulator(DOUBLE, f"coalesce(sum({value} * _diff), 0e0)", "(coalesce({s}, 0e0) + coalesce({d}, 0e0))")


def decimal_sum(value: str, scale: int) -> Accumulator:
    """The sum of a DECIMAL expression, with all the digits there are room for."""
    wide = Decimal(38, scale)
    return Accumulator(
        wide,
        f"CAST(coalesce(sum(CASE WHEN _diff < 0 THEN -{value} ELSE {value} END), 0) AS {wide.duckdb})",
        f"CAST(coalesce({{s}}, 0) + coalesce({{d}}, 0) AS {wide.duckdb})",
    )


def _column_sum(args: Args) -> tuple[Accumulator, ...]:
    kind = args.type(0)
    if isinstance(kind, Decimal):
        return (decimal_sum(args[0], kind.scale),)
    return (double_sum(args[0]) if kind == DOUBLE else integer_sum(args[0], kind),)


def _sum_answer(accs: Sequence[str], args: Args) -> str:
    if isinstance(args.result, Decimal):
        # The accumulator has more digits than the type: a sum beyond the type is NULL, and comes back when it fits.
        return f"TRY_CAST(coalesce({accs[0]}, 0) AS {args.result.duckdb})"
    return f"coalesce({accs[0]}, 0)"


_COUNT = "How many rows the group has; with an argument, those where it is not NULL."
aggregate(
    "COUNT() -> BIGINT",
    accumulators=lambda _: (count_rows(None),),
    answer=lambda accs, _: f"coalesce({accs[0]}, 0)",
    retractable=True,
    on_tables=True,
    doc=_COUNT,
)
aggregate(
    "COUNT(ANY) -> BIGINT",
    accumulators=lambda a: (count_rows(f"{a[0]} IS NOT NULL"),),
    answer=lambda accs, _: f"coalesce({accs[0]}, 0)",
    retractable=True,
    on_tables=True,
    doc=_COUNT,
)
aggregate(
    "COUNT_DISTINCT(ANY) -> BIGINT",
    accumulators=lambda a: (count_rows(f"{a[0]} IS NOT NULL"),),
    answer=lambda accs, _: f"coalesce({accs[0]}, 0)",
    retractable=True,
    distinct_argument=True,
    doc="How many different values other than NULL the argument has in the group. Exact.",
)

_SUM = "The sum of the values that are not NULL, in their type: INT and BIGINT wrap around; 0 for none."
for _type in ("INT", "BIGINT", "DOUBLE", "DECIMAL"):
    aggregate(
        f"SUM({_type}) -> {_type}",
        accumulators=_column_sum,
        answer=_sum_answer,
        retractable=True,
        on_tables=True,
        doc=_SUM,
    )


def _list_sum(args: Args) -> tuple[Accumulator, ...]:
    total = f"coalesce(list_sum({args[0]}), 0)"
    return (double_sum(total) if args.result == DOUBLE else integer_sum(total, args.result),)


for _type in ("INT", "BIGINT", "DOUBLE"):
    aggregate(
        f"SUM_LIST(ARRAY<{_type}>) -> {_type}",
        accumulators=_list_sum,
        answer=_sum_answer,
        retractable=True,
        on_tables=True,
        doc="The sum of all elements of an array column.",
    )


def _average(total: Callable[[Args], Accumulator]) -> Callable[[Args], tuple[Accumulator, ...]]:
    return lambda a: (total(a), count_rows(f"{a[0]} IS NOT NULL"))


def _mean(accs: Sequence[str], _: Args) -> str:
    return f"CASE WHEN coalesce({accs[1]}, 0) = 0 THEN 0e0 ELSE CAST({accs[0]} AS DOUBLE) / {accs[1]} END"


_AVG = "The mean of the values that are not NULL; 0 for none."
for _type in ("INT", "BIGINT"):
    aggregate(
        f"AVG({_type}) -> DOUBLE",
        accumulators=_average(lambda a: decimal_sum(f"CAST({a[0]} AS DECIMAL(19,0))", 0)),
        answer=_mean,
        retractable=True,
        on_tables=True,
        doc=_AVG,
    )
aggregate(
    "AVG(DOUBLE) -> DOUBLE",
    accumulators=_average(lambda a: double_sum(a[0])),
    answer=_mean,
    retractable=True,
    on_tables=True,
    doc=_AVG,
)
