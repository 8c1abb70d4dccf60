"""The net effect of changes, and the rows of one key out of them: of a few rows, and by columns."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssql.engine.subscriptions import few
from ssql.engine.subscriptions.net import net_changes
from ssql.engine.subscriptions.wanted import Index, Wanted

Row = tuple[Any, ...]

KEYS = st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from([0, 1, None]))
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), st.sampled_from(["x", "y", None])),
    "double": (pa.float64(), st.sampled_from([0.0, 1.5, math.nan, None])),
    "list": (pa.list_(pa.int64()), st.sampled_from([[1], [1, None], [], None])),
}
SMALL = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[16, -1], ids=["a few", "by columns"])
def _few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few, "FEW", request.param)


@st.composite
def histories(draw: st.DrawFn) -> tuple[pa.RecordBatch, dict[Row, Row], dict[Row, Row]]:
    """Changes of a table, its rows before, and those after."""
    of, values = draw(st.sampled_from(list(VALUES.values())))
    before = draw(st.dictionaries(KEYS, values.map(lambda v: (v,)), max_size=3))
    now, changes = dict(before), []
    for key, value in draw(st.lists(st.tuples(KEYS, st.none() | values.map(lambda v: (v,))), max_size=6)):
        if key in now:
            changes.append((*key, *now.pop(key), -1))
        if value is not None:
            now[key] = value
            changes.append((*key, *value, 1))
    columns = zip(*changes, strict=True) if changes else [(), (), (), ()]
    types = [pa.string(), pa.int32(), of, pa.int8()]
    arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["k", "n", "v", "_diff"]), before, now


def rows_of(batch: pa.RecordBatch) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def same(a: object, b: object) -> bool:
    return repr(a) == repr(b)  # NaN is NaN


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("upserts", [True, False])
@SMALL
@given(history=histories())
def test_net_changes_lead_from_before_to_after(upserts: bool, history: Any) -> None:
    changes, before, after = history
    net = rows_of(net_changes(changes, ["k", "n"], upserts=upserts))
    expected: list[Row] = []
    last = {row[:2]: place for place, row in enumerate(rows_of(changes))}
    for key in sorted(last, key=last.__getitem__):
        old, new = before.get(key), after.get(key)
        if same(old, new):
            continue
        if old is not None and (new is None or not upserts):
            expected.append((*key, *old, -1))
        if new is not None:
            expected.append((*key, *new, 1))
    assert same(net, expected)


@pytest.mark.usefixtures("_few")
@SMALL
@given(history=histories(), key=KEYS.filter(lambda key: None not in key))
def test_the_rows_of_a_key_are_those_that_are_equal(history: Any, key: Row) -> None:
    changes, _, _ = history
    for names, wanted in ((("k",), key[:1]), (("k", "n"), key)):
        arrays = [pa.array([value], changes.schema.field(n).type) for n, value in zip(names, wanted, strict=True)]
        row = Wanted(pa.RecordBatch.from_arrays(arrays, names=list(names)), ".mark")
        found = row.rows(changes, Index(changes, names))
        expected = [r for r in rows_of(changes) if r[: len(wanted)] == wanted]
        assert same([] if found is None else rows_of(found), expected)


@pytest.mark.usefixtures("_few")
def test_another_key_of_the_same_hash_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Index, "places", lambda self, _: self._order)
    changes = pa.RecordBatch.from_pydict({"k": ["a", "b", "a", "c"], "v": [1, 2, 3, 4]})
    for key, expected in (("a", [("a", 1), ("a", 3)]), ("c", [("c", 4)]), ("d", None)):
        row = Wanted(pa.RecordBatch.from_pydict({"k": [key]}), ".mark")
        index = Index(changes, ("k",))
        index._order.sort()
        found = row.rows(changes, index)
        assert (None if found is None else rows_of(found)) == expected
