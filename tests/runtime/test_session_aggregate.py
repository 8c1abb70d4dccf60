"""Sessions against Kafka Streams' own procedure, row by row, for any cut into epochs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssql.runtime.changes import session_changes
from ssql.runtime.delta import Delta, delta_schema
from tests.runtime.windows import EACH, Out, Row, Running, cuts, epochs, histories

shapes = st.tuples(st.integers(0, 8), st.sampled_from([0, 3, 20, 1000]))


@dataclass
class Model:
    """KStreamSessionWindowAggregate: a list of row numbers is kept for each session."""

    gap: int
    grace: int
    kept: dict[tuple[str, int, int], list[int]] = field(default_factory=dict)
    time: int = -(1 << 62)
    out: list[Out] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    def row(self, number: int, key: str, time: int) -> None:
        forgotten = self.time - self.gap - self.grace
        self.time = max(self.time, time)
        near = sorted(
            (
                s
                for s in self.kept
                if s[0] == key and s[2] >= max(time - self.gap, forgotten) and s[1] <= time + self.gap
            ),
            key=lambda s: s[2],
        )
        low, high = min([time, *(s[1] for s in near)]), max([time, *(s[2] for s in near)])
        if high < self.time - self.grace - self.gap:
            self.late.append(number)
            return
        numbers: list[int] = []
        for session in near:
            old = self.kept.pop(session)
            self.out.append(self.shown(session, old, -1))
            numbers += old
        self.kept[key, low, high] = [*numbers, number]
        self.out.append(self.shown((key, low, high), [*numbers, number], 1))

    @staticmethod
    def shown(session: tuple[str, int, int], numbers: list[int], sign: int) -> Out:
        odd = len({n % 3 for n in numbers})
        return (*session, len(numbers), numbers, odd, max(numbers), session[2], sign)


def sql(gap: int, grace: int) -> str:
    return (
        "SELECT K, WINDOWSTART, WINDOWEND, COUNT(*), COLLECT_LIST(N), COUNT_DISTINCT(N % 3), LATEST_BY_OFFSET(N) "
        f"FROM R WINDOW SESSION ({gap} MILLISECONDS, GRACE PERIOD {grace} MILLISECONDS) GROUP BY K EMIT CHANGES;"
    )


def modelled(history: list[Row], gap: int, grace: int) -> Model:
    model = Model(gap, grace)
    for number, (key, time) in enumerate(history):
        model.row(number, key, time)
    return model


@settings(max_examples=40, deadline=None)
@given(history=histories, shape=shapes)
def test_row_by_row_the_changelog_is_that_of_kafka_streams(history: list[Row], shape: tuple[int, int]) -> None:
    gap, grace = shape[0] + 1, shape[1]
    query, model = Running(sql(gap, grace)), modelled(history, gap, grace)
    got = [row for epoch in epochs(history, EACH) for row in query.epoch(epoch)]
    query.close()
    assert got == model.out
    assert query.late() == model.late


@settings(max_examples=80, deadline=None)
@given(history=histories, shape=shapes, cut=cuts)
@example(history=[("a", 0), ("a", 20), ("a", 10)], shape=(9, 1000), cut=set())  # a row joins two of its own epoch
@example(history=[("a", 0), ("a", 20), ("a", 10)], shape=(9, 1000), cut={2})  # ... and two of the state
@example(history=[("a", 0), ("a", 60), ("a", 5)], shape=(5, 0), cut=set())  # late
def test_any_cut_gives_the_same_sessions(history: list[Row], shape: tuple[int, int], cut: set[int]) -> None:
    gap, grace = shape[0] + 1, shape[1]
    query, model = Running(sql(gap, grace)), modelled(history, gap, grace)
    held: dict[Out, Out] = {}
    for epoch in epochs(history, cut):
        for *row, _, sign in query.epoch(epoch):
            row[4] = sorted(row[4])  # type: ignore[call-overload]
            session = tuple(row[:3])
            if sign > 0:
                held[session] = tuple(row)
            else:
                assert held.pop(session) == tuple(row)
    query.close()
    expected = {s: (*s, len(n), sorted(n), len({x % 3 for x in n}), max(n)) for s, n in model.kept.items()}
    assert held == expected
    assert query.late() == model.late


def test_a_session_that_stays_goes_before_it_comes_again() -> None:
    schema = delta_schema(pa.schema([("K", pa.string()), ("WINDOWSTART", pa.int64()), ("WINDOWEND", pa.int64())]))
    rows = [("a", 0, 9, -1), ("a", 0, 9, 1), ("b", 5, 5, -1), ("b", 5, 5, 1), ("c", 1, 2, -1), ("c", 1, 4, 1)]
    columns = [pa.array(c) for c in list(zip(*rows, strict=True))[:3]]
    delta = Delta.of(columns, schema, [0] * 6, [r[3] for r in rows], np.arange(6))
    changes, live = session_changes(delta, ("K", "WINDOWSTART", "WINDOWEND"))
    assert changes.seq.tolist() == [0, 1, 3, 4, 5]
    assert live.tolist() == [False, True, True, False, True]
