"""Joins: the key of the result, windows, and the steps that they become."""

from __future__ import annotations

import pytest

from ssql.errors import SqlError
from ssql.planner import steps as s
from ssql.planner.relation import KeyWindow
from tests.planner.harness import Catalog, Flow, analysed, catalog, planned


def test_the_key_of_a_right_join_is_there_without_a_left_row() -> None:
    sql = "CREATE TABLE O AS SELECT T.ID AS K, T.NAME, T2.W FROM T RIGHT JOIN T2 ON T.ID = T2.ID;"
    rows = {"T": [{"ID": 2, "NAME": "b"}], "T2": [{"ID": 2, "W": 20}, {"ID": 3, "W": 30}]}
    assert sorted(Flow(planned(sql)).values(**rows), key=str) == [(2, "b", 20), (3, None, 30)]


def test_the_key_of_a_left_join_is_there_without_a_right_row_also_when_joined_on() -> None:
    relations = catalog().table("T3", "ID INT PRIMARY KEY, X INT")
    sql = (
        "CREATE TABLE O AS SELECT T2.ID AS K, T.NAME, T2.W, X FROM T LEFT JOIN T2 ON T.ID = T2.ID "
        "JOIN T3 ON T2.ID = T3.ID;"
    )
    rows = {"T": [{"ID": 1, "NAME": "a"}], "T3": [{"ID": 1, "X": 9}]}
    assert Flow(planned(sql, relations)).values(**rows) == [(1, "a", None, 9)]


def test_streams_join_within_a_time() -> None:
    sql = (
        "CREATE STREAM O AS SELECT S.ID, V, W FROM S LEFT JOIN S2 WITHIN (1 SECOND, 2 SECONDS) GRACE PERIOD 3 SECONDS "
        "ON S.V = S2.ID PARTITION BY S.ID;"
    )
    plan = planned(sql)
    (join,) = [step for step in plan.steps if isinstance(step, s.StreamStreamJoin)]
    assert (join.kind, join.before_ms, join.after_ms, join.grace_ms) == ("LEFT", 1000, 2000, 3000)
    assert (join.left_keys, join.right_keys) == (("S.V",), ("S2.ID",))
    exchanged = [step.keys for step in plan.steps if isinstance(step, s.Exchange)]
    assert exchanged == [("S.V",), ("S.ID",)]  # the right side is together by its key already


def windowed(left: KeyWindow | None, right: KeyWindow | None) -> Catalog:
    relations = Catalog().stream("A", "K INT KEY, V INT", window=left)
    return relations.stream("B", "K INT KEY, W INT", window=right)


TUMBLING, HOPPING = KeyWindow("TUMBLING", 1000), KeyWindow("HOPPING", 1000)
SESSION = KeyWindow("SESSION", None)
JOINED = "CREATE STREAM O AS SELECT A.K, V, W FROM A JOIN B WITHIN 1 HOUR ON A.K = B.K;"


@pytest.mark.parametrize(
    ("left", "right", "keys"),
    [
        (TUMBLING, TUMBLING, ("A.K", "A.WINDOWSTART")),
        (TUMBLING, HOPPING, ("A.K", "A.WINDOWSTART")),
        (SESSION, SESSION, ("A.K", "A.WINDOWSTART", "A.WINDOWEND")),
    ],
)
def test_windowed_streams_join_on_their_windows_too(left: KeyWindow, right: KeyWindow, keys: tuple[str, ...]) -> None:
    relations = windowed(left, right)
    assert analysed(JOINED, relations).window == left
    plan = planned(JOINED, relations)
    (join,) = [step for step in plan.steps if isinstance(step, s.StreamStreamJoin)]
    assert join.left_keys == keys
    assert plan.steps[-1].schema.names == ("A_K", "V", "W", "WINDOWSTART", "WINDOWEND")


@pytest.mark.parametrize(
    ("left", "right", "condition", "message"),
    [
        (
            TUMBLING,
            None,
            "A.K = B.K",
            "Can not join windowed source to non-windowed source.\n`A` is TUMBLING windowed\n",
        ),
        (
            SESSION,
            TUMBLING,
            "A.K = B.K",
            "Incompatible windowed sources.\nLeft source: SESSION\nRight source: TUMBLING",
        ),
        (TUMBLING, TUMBLING, "A.V = B.K", "Implicit repartitioning of windowed sources is not supported."),
        (TUMBLING, KeyWindow("TUMBLING", 5), "A.K = B.K", "Implicit repartitioning of windowed sources"),
    ],
)
def test_windows_that_do_not_go_together(
    left: KeyWindow | None, right: KeyWindow | None, condition: str, message: str
) -> None:
    with pytest.raises(SqlError) as caught:
        analysed(JOINED.replace("A.K = B.K", condition), windowed(left, right))
    assert message in caught.value.message


def test_a_table_joined_on_another_column_of_the_left_keeps_the_left_key() -> None:
    sql = "CREATE TABLE O AS SELECT T.ID, T.V, W FROM T LEFT JOIN T2 ON T.V = T2.ID;"
    rows = {"T": [{"ID": 1, "V": 7}, {"ID": 2, "V": 7}, {"ID": 3}], "T2": [{"ID": 7, "W": 70}]}
    assert sorted(Flow(planned(sql)).values(**rows)) == [(1, 7, 70), (2, 7, 70), (3, None, None)]
