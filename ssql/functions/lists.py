"""Vectorised kernels over Arrow list columns: distinct elements in order, multisets, removal of single elements."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import isnan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssql.functions.udf import to_arrow, to_python
from ssql.types import SqlType


def hashable(value: Any) -> Hashable:
    """A value of `udf.to_python` as one that is equal to another exactly when SQL's values are.

    NaN equals itself; maps are equal whatever their order.
    """
    if isinstance(value, list):
        if value and all(isinstance(p, tuple) for p in value):
            return ("map", frozenset((hashable(k), hashable(v)) for k, v in value))
        return ("list", *map(hashable, value))
    if isinstance(value, dict):
        return ("struct", *((k, hashable(v)) for k, v in value.items()))
    if isinstance(value, float) and isnan(value):
        return "NaN"
    return value  # type: ignore[no-any-return]


def distinct(column: pa.Array) -> pa.Array:
    """Each list without the elements that came before in it (NULL is one of them)."""
    lists, lengths, values = _taken_apart(column)
    if len(values) == 0:
        return column
    parents = np.repeat(np.arange(len(lengths)), lengths)
    first = np.zeros(len(values), dtype=bool)
    codes = _codes(values)
    _, at = np.unique(parents.astype(np.int64) * (int(codes.max()) + 1) + codes, return_index=True)
    first[at] = True
    counts = np.bincount(parents[first], minlength=len(lengths))
    return _put_together(values.filter(pa.array(first)), counts, lists)


def _codes(values: pa.Array) -> Any:
    """A number for each element, equal for equal ones."""
    if pa.types.is_nested(values.type) or pa.types.is_floating(values.type):
        known: dict[Hashable, int] = {}
        return np.fromiter(
            (known.setdefault(hashable(v), len(known)) for v in to_python(values)), np.int64, len(values)
        )
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _taken_apart(column: pa.Array) -> tuple[pa.Array, Any, pa.Array]:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return column, lengths, pc.list_flatten(column)


def _put_together(values: pa.Array, counts: Any, like: pa.Array) -> pa.Array:
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    mask = pc.is_null(like) if like.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=like.type, mask=mask)


def multiset(result: SqlType) -> Callable[[pa.Array], pa.Array]:
    """Sums up lists of STRUCT(v, n) by v, in order of first appearance; elements that come to 0 are left out."""

    def combine(column: pa.Array) -> pa.Array:
        return to_arrow([None if e is None else _summed(e) for e in to_python(column)], result)

    return combine


def _summed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[Hashable, dict[str, Any]] = {}
    for entry in entries:
        key = hashable(entry["v"])
        if key in found:
            found[key]["n"] += entry["n"]
        else:
            found[key] = dict(entry)
    return [e for e in found.values() if e["n"] != 0]


def settle(result: SqlType, *, forget: bool = False) -> Callable[[pa.Array], pa.Array]:
    """Takes each `removed` element out of `added` (the last equal one), in STRUCT(added, removed).

    Removals that match nothing are kept (what they take back may come with an earlier state), unless `forget`.
    """

    def combine(column: pa.Array) -> pa.Array:
        settled = [None if e is None else _settled(e["added"], e["removed"]) for e in to_python(column)]
        if forget:
            settled = [None if e is None else e | {"removed": []} for e in settled]
        return to_arrow(settled, result)

    return combine


def _settled(added: list[Any], removed: list[Any]) -> dict[str, list[Any]]:
    if not removed:
        return {"added": added, "removed": removed}
    pending: dict[Hashable, int] = {}
    for value in removed:
        key = hashable(value)
        pending[key] = pending.get(key, 0) + 1
    kept = []
    for value in reversed(added):
        key = hashable(value)
        if pending.get(key, 0) > 0:
            pending[key] -= 1
        else:
            kept.append(value)
    left = []
    for value in removed:
        key = hashable(value)
        if pending.get(key, 0) > 0:
            pending[key] -= 1
            left.append(value)
    return {"added": kept[::-1], "removed": left}
