"""Table functions: a list, each element of which becomes a row."""

from __future__ import annotations

from itertools import product
from typing import Any

from ssql.functions.registry import Args, table_function
from ssql.functions.udf import by_row

table_function("EXPLODE(ARRAY<T>) -> T", duckdb="{0}", doc="One row for each element of an array; none for NULL or [].")


def _cube(columns: list[Any]) -> list[list[Any]]:
    """All ways to keep or blank out the values; a NULL has only one."""
    choices = [(None,) if v is None else (None, v) for v in columns]
    return [list(row) for row in product(*choices)]


def _cube_explode(args: Args) -> str:
    from ssql.functions.udf import define
    from ssql.types import Array

    rows = Array(args.result)
    name = define("cube_explode", by_row(_cube, rows), [args.type(0)], rows)
    return f"{name}({args[0]})"


table_function(
    "CUBE_EXPLODE(ARRAY<T>) -> ARRAY<T>",
    duckdb=_cube_explode,
    doc="One row for each way to replace some of an array's values by NULL.",
)
