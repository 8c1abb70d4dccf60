"""Arrangements against a plain dictionary, also where all keys share a few hashes."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql.runtime import arrangement as module
from ssql.runtime import points
from ssql.runtime.arrangement import Arrangement, Layout, Run, View, make_run
from ssql.runtime.hashing import hash_columns, hash_values

SCHEMA = pa.schema([("k", pa.string()), ("n", pa.int64()), ("v", pa.int64())])
BY_KEY = Layout(SCHEMA, ("k",), ("k",))
BY_KEY_AND_NUMBER = Layout(SCHEMA, ("k",), ("k", "n"))

keys = st.sampled_from([None, "", "a", "b", "c", "dd", "é", "longer than eight bytes"])
changes = st.lists(st.tuples(keys, st.integers(0, 3), st.integers(0, 99), st.booleans()), max_size=12)
histories = st.lists(changes, max_size=8)


@pytest.fixture(params=["spread", "colliding"])
def _hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "colliding":
        real = module.hash_columns
        monkeypatch.setattr(module, "hash_columns", lambda columns: real(columns) % np.uint64(2))
        monkeypatch.setattr(points, "hash_values", lambda values: hash_values(values) % 2)


def batch(rows: list[tuple[str | None, int, int]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def rows_of(found: pa.RecordBatch) -> list[tuple[object, ...]]:
    return sorted((tuple(r.values()) for r in found.to_pylist()), key=repr)


def row_at(run: Run, row: int) -> tuple[object, ...]:
    return tuple(run.batch.slice(row, 1).to_pylist()[0].values())


def model_rows(model: dict[object, tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(model.values(), key=repr)


@pytest.mark.usefixtures("_hashes")
@pytest.mark.parametrize("layout", [BY_KEY, BY_KEY_AND_NUMBER], ids=["unique", "many a key"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(history=histories)
def test_the_newest_row_of_each_identity_is_there(layout: Layout, history: list[list[tuple[object, ...]]]) -> None:
    arrangement = Arrangement(layout)
    model: dict[object, tuple[object, ...]] = {}
    views: list[tuple[View, list[tuple[object, ...]]]] = []
    for change in history:
        last = {}
        for key, number, value, live in change:
            last[(key,) if layout is BY_KEY else (key, number)] = ((key, number, value), live)
        arrangement.apply(batch([r for r, _ in last.values()]), np.array([live for _, live in last.values()], np.bool_))
        for identity, (row, live) in last.items():
            if live:
                model[identity] = row
            else:
                model.pop(identity, None)
        views.append((arrangement.current, model_rows(model)))
    for view, expected in views:  # an older view shows what was there when it was taken
        assert rows_of(view.scan()) == expected
    asked = [None, "a", "b", "nobody", "a", ""]
    found = arrangement.current.gather([pa.array(asked, pa.string())])
    expected = [sorted((r for i, r in model.items() if i[0] == key), key=repr) for key in asked]
    got = [rows_of(found.rows.take(pa.array(np.flatnonzero(found.query == i)))) for i in range(len(asked))]
    assert got == expected
    for key, there in zip(asked, expected, strict=True):
        places = points.rows_of(arrangement.current, (key,)) if key is not None else None
        if places is not None:
            assert [row_at(run, row) for run, row in places] == there
        else:
            assert key is None or sum(map(len, arrangement.current.runs)) > points.FEW
    wanted = [(k, n) if layout is BY_KEY_AND_NUMBER else (k,) for k in asked for n in (0, 2, 7)]
    columns = [pa.array(c, f.type) for c, f in zip(zip(*wanted, strict=True), SCHEMA, strict=False)]
    found = arrangement.current.find(columns)
    assert [(q, tuple(r.values())) for q, r in zip(found.query.tolist(), found.rows.to_pylist(), strict=True)] == [
        (place, model[identity]) for place, identity in enumerate(wanted) if identity in model
    ]


@pytest.mark.usefixtures("_hashes")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(history=histories)
def test_compaction_changes_nothing_that_can_be_seen(history: list[list[tuple[object, ...]]]) -> None:
    arrangement = Arrangement(BY_KEY)
    for change in history:
        last = {key: ((key, number, value), live) for key, number, value, live in change}
        arrangement.apply(batch([r for r, _ in last.values()]), np.array([live for _, live in last.values()], np.bool_))
    before = rows_of(arrangement.current.scan())
    run = arrangement.compact()
    assert rows_of(arrangement.current.scan()) == before
    assert rows_of(run.batch) == before
    assert run.live.all()


def test_rollback_goes_back_to_the_last_commit() -> None:
    arrangement = Arrangement(BY_KEY)
    arrangement.apply(batch([("a", 1, 1)]))
    arrangement.commit()
    arrangement.apply(batch([("a", 2, 2), ("b", 1, 1)]))
    arrangement.rollback()
    assert rows_of(arrangement.current.scan()) == [("a", 1, 1)]
    assert arrangement.pending == []


def test_rows_at_or_below_the_horizon_are_gone_and_freed() -> None:
    arrangement = Arrangement(Layout(SCHEMA, ("k",), ("k", "n"), expires="n"))
    arrangement.apply(batch([("a", n, n) for n in range(10)]))
    arrangement.expire(6)
    assert [r[1] for r in rows_of(arrangement.current.scan())] == [7, 8, 9]
    assert rows_of(arrangement.current.gather([pa.array(["a"])]).rows) == [("a", 7, 7), ("a", 8, 8), ("a", 9, 9)]
    arrangement.expire(3)  # never goes back
    assert arrangement.current.horizon == 6
    arrangement.apply(batch([("a", n, n) for n in range(10, 20)]))
    assert sum(len(r) for r in arrangement.current.runs) == 13


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_a_row_has_the_hash_of_its_values(rows: list[tuple[str, int]]) -> None:
    rows += [("", -1), ("long " * 1000, 0)]
    texts, numbers = (pa.array(column) for column in zip(*rows, strict=True))
    for columns in ([texts], [numbers], [texts, numbers], [numbers, texts, numbers]):
        values = zip(*(column.to_pylist() for column in columns), strict=True)
        assert hash_columns(columns).tolist() == [hash_values(row) for row in values]
    small = pa.array([-(2**31), -1, 0, 2**31 - 1], pa.int32())
    assert hash_columns([small]).tolist() == [hash_values([n]) for n in small.to_pylist()]


def test_a_row_that_has_expired_is_not_found_by_its_key() -> None:
    arrangement = Arrangement(Layout(SCHEMA, ("k",), ("k", "n"), expires="v"))
    arrangement.apply(batch([("a", 2, 20), ("a", 1, 10)]))
    arrangement.apply(batch([("a", 3, 15)]))
    for horizon, there in ((5, [1, 2, 3]), (10, [2, 3]), (19, [2]), (20, [])):
        arrangement.expire(horizon)
        places = points.rows_of(arrangement.current, ("a",))
        assert places is not None
        assert [row_at(run, row)[1] for run, row in places] == there


def test_the_number_of_runs_grows_with_the_logarithm_of_the_rows() -> None:
    arrangement = Arrangement(BY_KEY)
    for number in range(1000):
        arrangement.apply(batch([(str(number), number, number)]))
    assert len(arrangement.current.runs) <= 11
    assert arrangement.current.rows == 1000


def test_one_group_without_key_columns() -> None:
    arrangement = Arrangement(Layout(SCHEMA, (), ()))
    arrangement.apply(batch([("a", 1, 1)]))
    arrangement.apply(batch([("b", 2, 2)]))
    found = arrangement.current.gather([], 1)
    assert rows_of(found.rows) == [("b", 2, 2)]


def test_a_run_keeps_rows_of_equal_hash_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hash_columns", lambda columns: np.zeros(len(columns[0]), np.uint64))
    rows = [(k, n, 0) for k, n in itertools.product("abcd", range(2))]
    run = make_run(BY_KEY_AND_NUMBER, batch(rows), np.ones(len(rows), np.bool_))
    arrangement = Arrangement(BY_KEY_AND_NUMBER)
    arrangement.restore(run)
    arrangement.apply(batch([("c", 1, 7)]))
    found = arrangement.current.gather([pa.array(["c", "a"])])
    assert rows_of(found.rows) == [("a", 0, 0), ("a", 1, 0), ("c", 0, 0), ("c", 1, 7)]
