"""Functions that take lambdas. DuckDB's take one parameter, or two of which one is the element.

A lambda over a map's entries has a parameter for the key and one for the value: it runs over the list of entries,
and its parameters are bound one by one with `list_transform` over a list of one element.
"""

from __future__ import annotations

import re

from ssql.errors import InternalError
from ssql.functions.registry import Args, scalar

_L = "lambda"
_HEAD = re.compile(r'\s*lambda\s+((?:"(?:[^"]|"")*"|\w+)(?:\s*,\s*(?:"(?:[^"]|"")*"|\w+))*)\s*:\s*', re.DOTALL)
_NAME = re.compile(r'"(?:[^"]|"")*"|\w+')
_ENTRY = "_entry"


def taken_apart(sql: str) -> tuple[list[str], str]:
    """Parameters and body of "lambda a, b: body"."""
    head = _HEAD.match(sql)
    if head is None:
        raise InternalError("a lambda does not begin with its parameters")
    return _NAME.findall(head[1]), sql[head.end() :]


def _with(parameter: str, value: str, body: str) -> str:
    """`body`, in which `parameter` stands for `value`."""
    return f"list_transform([{value}], lambda {parameter}: {body})[1]"


def _over_entries(sql: str) -> str:
    """The body of a lambda (k, v) over an entry named `_entry`."""
    if not sql.startswith("lambda"):
        return sql  # a placeholder
    (key, value), body = taken_apart(sql)
    return _with(key, f"{_ENTRY}.key", _with(value, f"{_ENTRY}.value", body))


scalar(
    "FILTER(ARRAY<T>, LAMBDA(T) => BOOLEAN) -> ARRAY<T>",
    duckdb="list_filter({0}, {1})",
    category=_L,
    doc="The elements of an array, or the entries of a map, for which the lambda is true.",
    examples={
        "FILTER(ARRAY[1, 4, 2], x => x > 1)": "[4, 2]",
        "FILTER(MAP('a' := 1, 'b' := 2), (k, v) => v > 1)": "{b=2}",
    },
)
scalar(
    "FILTER(MAP<K, V>, LAMBDA(K, V) => BOOLEAN) -> MAP<K, V>",
    duckdb=lambda a: f"map_from_entries(list_filter(map_entries({a[0]}), lambda {_ENTRY}: {_over_entries(a[1])}))",
    category=_L,
    doc="The entries of a map for which the lambda is true.",
)
scalar(
    "TRANSFORM(ARRAY<T>, LAMBDA(T) => R) -> ARRAY<R>",
    duckdb="list_transform({0}, {1})",
    category=_L,
    doc="What a lambda makes of each element of an array; with two lambdas, of each key and each value of a map.",
    examples={
        "TRANSFORM(ARRAY[1, 4], x => x * 2)": "[2, 8]",
        "TRANSFORM(MAP('a' := 1), (k, v) => UCASE(k), (k, v) => v + 1)": "{A=2}",
    },
)


def _transform_map(a: Args) -> str:
    pair = f"struct_pack(k := {_over_entries(a[1])}, v := {_over_entries(a[2])})"
    return f"map_from_entries(list_transform(map_entries({a[0]}), lambda {_ENTRY}: {pair}))"


scalar(
    "TRANSFORM(MAP<K, V>, LAMBDA(K, V) => R, LAMBDA(K, V) => T) -> MAP<R, T>",
    duckdb=_transform_map,
    category=_L,
    doc="What two lambdas make of each key and each value of a map.",
)


def _reduce(items: str, start: str, step: str) -> str:
    return f"CASE WHEN {items} IS NULL OR {start} IS NULL THEN {start} ELSE list_reduce({items}, {step}, {start}) END"


def _reduce_map(a: Args) -> str:
    step = a[2]
    if step.startswith("lambda"):
        (state, key, value), body = taken_apart(step)
        inner = _with(key, f"{_ENTRY}.key", _with(value, f"{_ENTRY}.value", body))
        step = f"lambda {state}, {_ENTRY}: {inner}"
    return _reduce(f"map_entries({a[0]})", a[1], step)


_REDUCE = "An array's elements (or a map's entries), folded into a start value one by one with a lambda."
scalar(
    "REDUCE(ARRAY<T>, S, LAMBDA(S, T) => S) -> S",
    duckdb=lambda a: _reduce(a[0], a[1], a[2]),
    category=_L,
    doc=_REDUCE,
    examples={
        "REDUCE(ARRAY[1, 2, 3], 10, (s, x) => s + x)": "16",
        "REDUCE(MAP('a' := 1, 'b' := 2), 10, (s, k, v) => s - v)": "7",
    },
)
scalar("REDUCE(MAP<K, V>, S, LAMBDA(S, K, V) => S) -> S", duckdb=_reduce_map, category=_L, doc=_REDUCE)
