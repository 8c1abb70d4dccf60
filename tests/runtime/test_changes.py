"""Kernels over keyed changes, against plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql import kernels
from ssql.runtime import arrangement as arrangement_module
from ssql.runtime.arrangement import Arrangement, Layout
from ssql.runtime.changes import as_of, group_rows, last_changes, upserts_as_changes
from ssql.runtime.delta import Delta, delta_schema

ROWS = pa.schema([("k", pa.string()), ("v", pa.int64())])
keys = st.sampled_from([None, "a", "b", "c", "ä"])


@pytest.fixture(params=["numpy", "compiled", "colliding"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of grouping, and hashes that collide."""
    if request.param == "numpy":
        monkeypatch.setattr(kernels, "_loaded", {})
    else:
        kernels.warm_up()
    if request.param == "colliding":
        real = arrangement_module.hash_columns
        monkeypatch.setattr(arrangement_module, "hash_columns", lambda columns: real(columns) % np.uint64(2))


def delta(rows: list[tuple[str | None, int]], seqs: list[int], diffs: list[int] | None = None) -> Delta:
    columns = [pa.array([r[0] for r in rows], pa.string()), pa.array([r[1] for r in rows], pa.int64())]
    signs = [1] * len(rows) if diffs is None else diffs
    return Delta.of(columns, delta_schema(ROWS), [s * 10 for s in seqs], signs, seqs)


def rows_of(changes: Delta) -> list[tuple[object, ...]]:
    return [(r["k"], r["v"], r["_diff"], r["_seq"]) for r in changes.batch.to_pylist()]


together = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)


@pytest.mark.usefixtures("_way")
@together
@given(values=st.lists(st.tuples(keys, st.integers(0, 2)), max_size=30))
def test_rows_are_grouped_by_value(values: list[tuple[str | None, int]]) -> None:
    columns = [pa.array([v[0] for v in values], pa.string()), pa.array([v[1] for v in values], pa.int64())]
    groups = group_rows(columns, len(values))
    for i, left in enumerate(values):
        for j, right in enumerate(values):
            assert (groups.ids[i] == groups.ids[j]) == (left == right)
        before = [j for j in range(i) if values[j] == left]
        assert groups.previous[i] == (before[-1] if before else -1)
        after = [j for j in range(len(values)) if values[j] == left]
        assert (groups.first[groups.ids[i]], groups.last[groups.ids[i]]) == (after[0], after[-1])


@pytest.mark.usefixtures("_way")
@together
@given(
    stored=st.dictionaries(keys, st.integers(0, 9)),
    upserts=st.lists(st.tuples(keys, st.integers(0, 9), st.booleans()), max_size=20),
)
def test_upserts_become_old_and_new_rows(
    stored: dict[str | None, int], upserts: list[tuple[str | None, int, bool]]
) -> None:
    table = Arrangement(Layout(ROWS, ("k",), ("k",)))
    arrays = [pa.array(list(stored), pa.string()), pa.array(list(stored.values()), pa.int64())]
    table.apply(pa.RecordBatch.from_arrays(arrays, schema=ROWS))
    rows = delta([(k, v) for k, v, _ in upserts], list(range(len(upserts))))
    live = np.array([there for *_, there in upserts], np.bool_)
    changes, last, last_live = upserts_as_changes(rows, live, ("k",), table.current, ROWS.names)

    expected, model = [], dict(stored)
    for seq, (key, value, there) in enumerate(upserts):
        if key in model:
            expected.append((key, model.pop(key), -1, seq))
        if there:
            expected.append((key, value, 1, seq))
            model[key] = value
    assert rows_of(changes) == expected
    table.apply(last.batch.select(ROWS.names), last_live)
    assert {r["k"]: r["v"] for r in table.current.scan().to_pylist()} == model


@pytest.mark.usefixtures("_way")
@together
@given(
    left=st.lists(st.tuples(keys, st.integers(0, 20)), max_size=20),
    right=st.lists(st.tuples(keys, st.integers(0, 20)), max_size=20),
)
def test_as_of_finds_the_last_change_at_or_before(
    left: list[tuple[str | None, int]], right: list[tuple[str | None, int]]
) -> None:
    left, right = sorted(left, key=lambda r: r[1]), sorted(right, key=lambda r: r[1])
    found = as_of(
        [pa.array([k for k, _ in left], pa.string())],
        np.array([s for _, s in left], np.int64),
        [pa.array([k for k, _ in right], pa.string())],
        np.array([s for _, s in right], np.int64),
    )
    for (key, seq), at in zip(left, found.tolist(), strict=True):
        matches = [i for i, (other, place) in enumerate(right) if other == key and place <= seq]
        assert at == (matches[-1] if matches else -1)


@pytest.mark.usefixtures("_way")
def test_the_last_change_of_each_key_decides() -> None:
    rows = [("a", 1), ("a", 1), ("b", 2), ("a", 3), ("b", 2)]
    last, live = last_changes(delta(rows, [0, 1, 1, 1, 2], [1, -1, 1, 1, -1]), ("k",))
    assert rows_of(last) == [("a", 3, 1, 1), ("b", 2, -1, 2)]
    assert live.tolist() == [True, False]
