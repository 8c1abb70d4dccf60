"""EMIT FINAL against Kafka Streams' own procedure, row by row, for any cut into epochs."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.test_session_aggregate import Model as Sessions
from tests.runtime.windows import Out, Row, Running, cuts, epochs, histories


@dataclass
class TimeWindows:
    """KStreamWindowAggregate that emits on close; what its store has dropped by then is lost."""

    size: int
    advance: int
    grace: int
    kept: dict[tuple[int, int, str], list[int]] = field(default_factory=dict)
    time: int = -(1 << 62)
    newest: int = -(1 << 62)
    out: list[Out] = field(default_factory=list)
    missed: set[tuple[int, int]] = field(default_factory=set)

    def row(self, number: int, key: str, time: int, event: dict[int, int]) -> None:
        self.time = max(self.time, time)
        event[number] = time
        for start in range(0, time + 1, self.advance):
            end = start + self.size
            if end > time and end + self.grace > self.time:
                self.kept.setdefault((end, start, key), []).append(number)
                self.newest = max(self.newest, start)
        for window in sorted(w for w in self.kept if w[0] + self.grace <= self.time):
            end, start, name = window
            numbers = self.kept.pop(window)
            if start >= self.newest - self.size - self.grace:
                self.out.append((name, start, end, len(numbers), max(event[n] for n in numbers), 1))
            else:
                self.missed.add((start, end))


shapes = st.sampled_from([("TUMBLING", 5, 5, 0), ("TUMBLING", 2, 2, 1), ("HOPPING", 5, 2, 1), ("HOPPING", 10, 5, 20)])


@settings(max_examples=60, deadline=None)
@given(history=histories, shape=shapes, cut=cuts)
def test_time_windows(history: list[Row], shape: tuple[str, int, int, int], cut: set[int]) -> None:
    kind, size, advance, grace = shape
    by = f", ADVANCE BY {advance} MILLISECONDS" if kind == "HOPPING" else ""
    given_grace = f", GRACE PERIOD {grace} MILLISECONDS" if grace else ""  # by default there is none
    query = Running(
        f"SELECT K, WINDOWSTART, WINDOWEND, COUNT(*) FROM R WINDOW {kind} (SIZE {size} MILLISECONDS{by}{given_grace}) "
        "GROUP BY K EMIT FINAL;"
    )
    model, event = TimeWindows(size, advance, grace), {}  # type: ignore[var-annotated]
    for number, (key, time) in enumerate(history):
        model.row(number, key, time, event)
    got = [row for epoch in epochs(history, cut) for row in query.epoch(epoch)]
    query.close()
    assert got == model.out
    missed = {r.window for r in query.rejects.late if r.reason.startswith("time jumped")}
    assert missed == model.missed


@settings(max_examples=60, deadline=None)
@given(history=histories, gap=st.integers(1, 8), grace=st.integers(0, 20), cut=cuts)
def test_sessions(history: list[Row], gap: int, grace: int, cut: set[int]) -> None:
    query = Running(
        f"SELECT K, WINDOWSTART, WINDOWEND, COUNT(*) FROM R WINDOW SESSION ({gap} MILLISECONDS, GRACE PERIOD {grace} "
        "MILLISECONDS) GROUP BY K HAVING COUNT(*) > 1 EMIT FINAL;"
    )
    model, closed, expected = Sessions(gap, grace), -(1 << 62), []
    for number, (key, time) in enumerate(history):
        model.row(number, key, time)
        ended = [s for s in model.kept if closed <= s[2] < model.time - gap - grace]
        for name, start, end in sorted(ended, key=lambda s: (s[2], s[1], s[0])):
            rows = len(model.kept[name, start, end])
            expected += [(name, start, end, rows, end, 1)] if rows > 1 else []
        closed = model.time - gap - grace
    got = [row for epoch in epochs(history, cut) for row in query.epoch(epoch)]
    query.close()
    assert got == expected
