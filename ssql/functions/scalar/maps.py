"""Functions over maps."""

from __future__ import annotations

from typing import Any

from ssql.functions.registry import Args, scalar

_M = "map"

scalar("MAP_KEYS(MAP<STRING, T>) -> ARRAY<STRING>", duckdb="map_keys({0})", category=_M, doc="The keys of a map.",
       examples={"MAP_KEYS(MAP('a' := 1, 'b' := 2))": "[a, b]"})  # fmt: skip
scalar("MAP_VALUES(MAP<STRING, T>) -> ARRAY<T>", duckdb="map_values({0})", category=_M, doc="The values of a map.",
       examples={"MAP_VALUES(MAP('a' := 1, 'b' := 2))": "[1, 2]"})  # fmt: skip
scalar(
    "MAP_UNION(MAP<STRING, T>, MAP<STRING, T>) -> MAP<STRING, T>",
    duckdb="map_concat({args})",
    category=_M,
    doc="The entries of both maps; where both have a key, the second's counts. NULL only if both are.",
    examples={"MAP_UNION(MAP('a' := 1, 'b' := 2), MAP('a' := 3))": "{a=3, b=2}"},
)


def _as_map(keys: list[str], values: list[Any]) -> list[tuple[str, Any]]:
    held = {"null" if k is None else k: (values[i] if i < len(values) else None) for i, k in enumerate(keys)}
    return list(held.items())


scalar(
    "AS_MAP(ARRAY<STRING>, ARRAY<T>) -> MAP<STRING, T>",
    python=_as_map,
    category=_M,
    doc="A map from an array of keys and an array of their values.",
    examples={"AS_MAP(ARRAY['a', 'b'], ARRAY[1, 2])": "{a=1, b=2}"},
)


def _entries(a: Args) -> str:
    entries = f'list_transform(map_entries({a[0]}), lambda _x: struct_pack("K" := _x.key, "V" := _x.value))'
    flag = a[1].strip().upper()
    if flag in ("TRUE", "FALSE"):
        return f"list_sort({entries})" if flag == "TRUE" else entries
    return f"CASE WHEN {a[1]} THEN list_sort({entries}) ELSE {entries} END"


scalar(
    "ENTRIES(MAP<STRING, T>, BOOLEAN) -> ARRAY<STRUCT<K STRING, V T>>",
    duckdb=_entries,
    category=_M,
    doc="The entries of a map as an array of STRUCT(K, V), sorted by key if the second argument is TRUE.",
    examples={"ENTRIES(MAP('b' := 1, 'a' := 2), TRUE)": "[Struct{K=a,V=2}, Struct{K=b,V=1}]"},
)
