"""Functions over arrays. NULL is an element like others, unless it says otherwise."""

from __future__ import annotations

from typing import Any

from ssql.functions import lists
from ssql.functions.casts import cast
from ssql.functions.literals import text_literal
from ssql.functions.registry import Args, scalar
from ssql.types import STRING, Array

_A = "array"

scalar(
    "ARRAY_LENGTH(ARRAY<T>) -> INT",
    duckdb="CAST(len({0}) AS INTEGER)",
    category=_A,
    doc="How many elements an array has.",
    examples={"ARRAY_LENGTH(ARRAY[1, NULL])": "2"},
)
scalar(
    "ARRAY_CONTAINS(ARRAY<T>, T) -> BOOLEAN",
    duckdb="CASE WHEN {0} IS NULL THEN FALSE ELSE list_position({0}, {1}) IS NOT NULL END",
    category=_A,
    doc="Whether a value is in an array.",
    examples={"ARRAY_CONTAINS(ARRAY[1, 2], 2)": "true", "ARRAY_CONTAINS(ARRAY['a'], 'b')": "false"},
)
scalar(
    "ARRAY_CONCAT(ARRAY<T>, ARRAY<T>) -> ARRAY<T>",
    duckdb="CASE WHEN {0} IS NULL THEN {1} ELSE list_concat({args}) END",
    category=_A,
    doc="The elements of both arrays; NULL only if both are.",
    examples={"ARRAY_CONCAT(ARRAY[1], ARRAY[1, 2])": "[1, 1, 2]"},
)
scalar(
    "ARRAY_DISTINCT(ARRAY<T>) -> ARRAY<T>",
    vectorised=lists.distinct,
    category=_A,
    doc="The different elements, in the order of their first places.",
    examples={"ARRAY_DISTINCT(ARRAY[2, NULL, 2, 1, NULL])": "[2, null, 1]"},
)
scalar(
    "ARRAY_UNION(ARRAY<T>, ARRAY<T>) -> ARRAY<T>",
    duckdb=lambda a: _distinct_of(
        f"CASE WHEN {a[0]} IS NOT NULL AND {a[1]} IS NOT NULL THEN list_concat({a[0]}, {a[1]}) END", a
    ),
    category=_A,
    doc="The different elements of both arrays, in the order of their first places; NULL if an array is.",
    examples={"ARRAY_UNION(ARRAY[0, 0, 1], ARRAY[1, -2])": "[0, 1, -2]"},
)


def _distinct_of(sql: str, args: Args) -> str:
    return Args((sql,), (args.result,), args.result).call("distinct", lists.distinct)


def _except(left: list[Any], right: list[Any]) -> list[Any]:
    return _kept(left, right, wanted=False)


def _intersect(left: list[Any], right: list[Any]) -> list[Any]:
    return _kept(left, right, wanted=True)


def _kept(left: list[Any], right: list[Any], *, wanted: bool) -> list[Any]:
    other = set(map(lists.hashable, right))
    return list({k: v for v in left if ((k := lists.hashable(v)) in other) is wanted}.values())


scalar(
    "ARRAY_EXCEPT(ARRAY<T>, ARRAY<T>) -> ARRAY<T>",
    python=_except,
    category=_A,
    doc="The different elements of the first array that are not in the second; NULL if an array is.",
    examples={"ARRAY_EXCEPT(ARRAY[0, 0, 1, -1], ARRAY[1, -2])": "[0, -1]"},
)
scalar(
    "ARRAY_INTERSECT(ARRAY<T>, ARRAY<T>) -> ARRAY<T>",
    python=_intersect,
    category=_A,
    doc="The different elements of the first array that are in the second too; NULL if an array is.",
    examples={"ARRAY_INTERSECT(ARRAY['b', 'a', 'b'], ARRAY['a', 'b'])": "[b, a]"},
)
scalar(
    "ARRAY_REMOVE(ARRAY<T>, T) -> ARRAY<T>",
    duckdb="list_filter({0}, lambda _x: _x IS DISTINCT FROM {1})",
    category=_A,
    doc="The array without the elements that equal a value.",
    examples={"ARRAY_REMOVE(ARRAY[1, 2, NULL, 1], 1)": "[2, null]"},
)
scalar("ARRAY_MAX(ARRAY<T>) -> T", duckdb="list_max({0})", category=_A, doc="The largest element that is not NULL.",
       examples={"ARRAY_MAX(ARRAY[1, NULL, 3])": "3"})  # fmt: skip
scalar("ARRAY_MIN(ARRAY<T>) -> T", duckdb="list_min({0})", category=_A, doc="The smallest element that is not NULL.",
       examples={"ARRAY_MIN(ARRAY['b', 'a'])": "a"})  # fmt: skip


def _sort(a: Args) -> str:
    up, down = (f"list_sort({a[0]}, '{d}', 'NULLS LAST')" for d in ("ASC", "DESC"))
    direction = text_literal(a[1])
    if direction is None:
        word = f"upper({a[1]})"
        return (
            f"CASE WHEN {word} IN ('ASC', 'ASCENDING') THEN {up} WHEN {word} IN ('DESC', 'DESCENDING') THEN {down} END"
        )
    known = {"ASC": up, "ASCENDING": up, "DESC": down, "DESCENDING": down}
    return known.get(direction.upper(), f"CAST(NULL AS {a.result.duckdb})")


_SORT = "The array in ascending order, or in descending order ('DESC'); NULLs come last."
scalar(
    "ARRAY_SORT(ARRAY<T>) -> ARRAY<T>",
    duckdb="list_sort({0}, 'ASC', 'NULLS LAST')",
    category=_A,
    doc=_SORT,
    examples={"ARRAY_SORT(ARRAY[3, NULL, 1])": "[1, 3, null]", "ARRAY_SORT(ARRAY[3, 1], 'desc')": "[3, 1]"},
)
scalar("ARRAY_SORT(ARRAY<T>, STRING) -> ARRAY<T>", duckdb=_sort, category=_A, doc=_SORT)


def _join(a: Args) -> str:
    array = a.type(0)
    text = cast("_x", array.element if isinstance(array, Array) else STRING, STRING)
    delimiter = a[1] if len(a) > 1 else "','"
    return f"array_to_string(list_transform({a[0]}, lambda _x: coalesce({text}, 'null')), {delimiter})"


_JOIN = "The elements as text, with a delimiter (',' if none is given) between them."
scalar(
    "ARRAY_JOIN(ARRAY<T>) -> STRING",
    duckdb=_join,
    category=_A,
    doc=_JOIN,
    examples={"ARRAY_JOIN(ARRAY[TRUE, NULL])": "true,null", "ARRAY_JOIN(ARRAY['a', 'b'], '; ')": "a; b"},
)
scalar("ARRAY_JOIN(ARRAY<T>, STRING) -> STRING", duckdb=_join, category=_A, doc=_JOIN)
scalar(
    "SLICE(ARRAY<T>, INT, INT) -> ARRAY<T>",
    duckdb="CASE WHEN coalesce({1}, 1) >= 1 AND coalesce({2}, len({0})) BETWEEN coalesce({1}, 1) - 1 AND len({0})"
    " THEN ({0})[coalesce({1}, 1):coalesce({2}, len({0}))] END",
    category=_A,
    doc="The elements from one position to another, both included; NULL if there are not so many.",
    examples={"SLICE(ARRAY[1, 2, 3, 4], 2, 3)": "[2, 3]", "SLICE(ARRAY[1], 1, 2)": "NULL"},
)


def _series(start: int, end: int, step: int | None = None) -> list[int]:
    by = step if step is not None else 1 if end >= start else -1
    if by == 0 or (end - start) * by < 0:
        raise ValueError("the step leads away from the end")
    return list(range(start, end + (1 if by > 0 else -1), by))


_SERIES = "All numbers from one to another, in steps of 1 (or -1), or in steps of one's own."
for _type in ("INT", "BIGINT"):
    scalar(
        f"GENERATE_SERIES({_type}, {_type}) -> ARRAY<{_type}>",
        python=_series,
        category=_A,
        doc=_SERIES,
        examples={"GENERATE_SERIES(1, 3)": "[1, 2, 3]", "GENERATE_SERIES(1, -2, -2)": "[1, -1]"}
        if _type == "INT"
        else {},
    )
    scalar(f"GENERATE_SERIES({_type}, {_type}, INT) -> ARRAY<{_type}>", python=_series, category=_A, doc=_SERIES)
