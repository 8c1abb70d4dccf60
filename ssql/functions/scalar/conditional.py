"""Functions that choose among their arguments."""

from __future__ import annotations

from ssql.functions.registry import scalar

scalar(
    "AS_VALUE(T) -> T",
    duckdb="{0}",
    category="key",
    doc="A key column as a value, so that it is also written into the value of the record.",
    examples={"AS_VALUE(7)": "7"},
)
scalar(
    "COALESCE(T, T...) -> T",
    duckdb="coalesce({args})",
    category="conditional",
    doc="The first argument that is not NULL.",
    examples={"COALESCE(NULL, 2, 3)": "2", "COALESCE(NULL, 'a')": "a"},
)
scalar(
    "IFNULL(T, T) -> T",
    duckdb="coalesce({args})",
    category="conditional",
    doc="The first argument, or the second where the first is NULL.",
    examples={"IFNULL(NULL, 'b')": "b"},
)
scalar(
    "NULLIF(T, T) -> T",
    duckdb="nullif({args})",
    category="conditional",
    doc="NULL where both arguments are equal, else the first.",
    examples={"NULLIF(3, 3)": "NULL", "NULLIF('a', 'b')": "a"},
)
