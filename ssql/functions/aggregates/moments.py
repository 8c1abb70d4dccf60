"""STDDEV_SAMPLE, STDDEV_SAMP, CORRELATION: means and centred sums of squares, merged as Chan, Golub and LeVeque do.

Sums of squares would lose all their digits over values that are large and close together, such as times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.functions.api import Accumulator
from ssql.functions.registry import Args, aggregate
from ssql.functions.udf import define
from ssql.types import DOUBLE, Struct

_ONE = ("n", "mx", "sxx")
_TWO = ("n", "mx", "my", "sxx", "syy", "sxy")
#: Each moment twice: of the rows that came, and of those that left and have not been set off against them yet.
_SIGNS = ("p", "m")

Moments = dict[str, Any]


def _combined(a: Moments, b: Moments, sign: int) -> Moments:
    """The moments of both sets of rows (sign 1), or of the first without the second (sign -1)."""
    m = sign * b["n"]
    n = a["n"] + m
    some = np.where(n == 0, 1.0, n)
    out: Moments = {"n": n}
    for axis in "xy":
        if f"m{axis}" in a:
            out[f"m{axis}"] = np.where(n == 0, 0.0, (a["n"] * a[f"m{axis}"] + m * b[f"m{axis}"]) / some)
    for first, second in ("xx", "yy", "xy"):
        name = f"s{first}{second}"
        if name in a:
            apart = (b[f"m{first}"] - a[f"m{first}"]) * (b[f"m{second}"] - a[f"m{second}"])
            out[name] = np.where(n == 0, 0.0, a[name] + sign * b[name] + apart * a["n"] * m / some)
    return out


def _merge(names: Sequence[str], kind: Struct) -> Callable[[pa.Array, pa.Array], pa.Array]:
    def read(column: pa.Array, sign: str) -> Moments:
        return {
            n: pc.fill_null(pc.struct_field(column, f"{sign}{n}"), 0.0).to_numpy(zero_copy_only=False) for n in names
        }

    def merge(state: pa.Array, delta: pa.Array) -> pa.Array:
        with np.errstate(all="ignore"):
            came = _combined(read(state, "p"), read(delta, "p"), 1)
            left = _combined(read(state, "m"), read(delta, "m"), 1)
            rest = _combined(came, left, -1)
        # What left is set off once at least as much has come; a lone -1 waits.
        settled = rest["n"] >= 0
        columns: list[Any] = [np.where(settled, rest[n], came[n]) for n in names]
        columns += [np.where(settled, 0.0, left[n]) for n in names]
        return pa.StructArray.from_arrays([pa.array(c, pa.float64()) for c in columns], fields=list(kind.arrow))

    return merge


def _accumulator(names: Sequence[str], parts: Callable[[str], Sequence[str]]) -> Accumulator:
    """`parts` gives the DuckDB expressions of the moments over the rows of a FILTER condition."""
    kind = Struct(tuple((f"{s}{n}", DOUBLE) for s in _SIGNS for n in names))
    merge = define("moments", _merge(names, kind), [kind, kind], kind)
    fields = [
        f"{s}{name} := coalesce(CAST({sql} AS DOUBLE), 0e0)"
        for s, rows in zip(_SIGNS, ("_diff > 0", "_diff < 0"), strict=True)
        for name, sql in zip(names, parts(rows), strict=True)
    ]
    return Accumulator(kind, f"struct_pack({', '.join(fields)})", f"{merge}({{s}}, {{d}})")


def of_one_column(args: Args) -> tuple[Accumulator, ...]:
    x = f"CAST({args[0]} AS DOUBLE)"

    def parts(rows: str) -> Sequence[str]:
        where = f"FILTER (WHERE {rows})"
        return f"count({x}) {where}", f"avg({x}) {where}", f"var_pop({x}) {where} * count({x}) {where}"

    return (_accumulator(_ONE, parts),)


def _two(args: Args) -> tuple[Accumulator, ...]:
    x, y = f"CAST({args[0]} AS DOUBLE)", f"CAST({args[1]} AS DOUBLE)"

    def parts(rows: str) -> Sequence[str]:
        where = f"FILTER (WHERE {rows} AND {args[0]} IS NOT NULL AND {args[1]} IS NOT NULL)"
        n = f"count(*) {where}"
        return (
            n,
            f"avg({x}) {where}",
            f"avg({y}) {where}",
            f"var_pop({x}) {where} * {n}",
            f"var_pop({y}) {where} * {n}",
            f"covar_pop({y}, {x}) {where} * {n}",
        )

    return (_accumulator(_TWO, parts),)


def spread_of(a: str, *, sample: bool) -> str:
    """The variance from the accumulator `a`, of a sample or of a population; 0 for less than two rows."""
    rows = f"(({a}).pn - 1)" if sample else f"({a}).pn"
    return f"CASE WHEN coalesce(({a}).pn, 0) < 2 THEN 0e0 ELSE greatest(({a}).psxx, 0e0) / {rows} END"


def _variance(accs: Sequence[str], _: Args) -> str:
    return spread_of(accs[0], sample=True)


def _correlation(accs: Sequence[str], _: Args) -> str:
    a = accs[0]
    spread = f"sqrt(greatest(({a}).psxx, 0e0)) * sqrt(greatest(({a}).psyy, 0e0))"
    inside = f"greatest(-1e0, least(1e0, ({a}).psxy / ({spread})))"
    return f"CASE WHEN ({a}).pn > 1 AND {spread} > 0 THEN {inside} ELSE CAST('NaN' AS DOUBLE) END"


for _type in ("INT", "BIGINT", "DOUBLE"):
    aggregate(
        f"STDDEV_SAMPLE({_type}) -> DOUBLE",
        accumulators=of_one_column,
        answer=lambda accs, a: f"sqrt({_variance(accs, a)})",
        retractable=True,
        on_tables=True,
        doc="The standard deviation of a sample.",
    )
    aggregate(
        f"STDDEV_SAMP({_type}) -> DOUBLE",
        accumulators=of_one_column,
        answer=_variance,
        retractable=True,
        on_tables=True,
        deprecated=True,
        doc="The variance of a sample, under a name that promises its root; STDDEV_SAMPLE has that.",
    )
    aggregate(
        f"CORRELATION({_type}, {_type}) -> DOUBLE",
        accumulators=_two,
        answer=_correlation,
        retractable=True,
        on_tables=True,
        doc="Pearson's correlation of two columns, over the rows where neither is NULL; NaN where it has none.",
    )
