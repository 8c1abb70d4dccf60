"""Stream-stream joins against a row-at-a-time model, for any cut into epochs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ssql.planner.steps import StreamStreamJoin as Step
from ssql.runtime.delta import Delta, delta_schema
from ssql.runtime.operators.base import Context
from ssql.runtime.operators.stream_stream_join import DEFAULT_GRACE_MS, StreamStreamJoin
from ssql.runtime.rejects import Rejects
from ssql.runtime.statement import Session
from ssql.types import BIGINT, STRING, Column, schema

LEFT = schema(Column("L.K", STRING), Column("L.V", BIGINT))
RIGHT = schema(Column("R.K", STRING), Column("R.V", BIGINT))
OUT = schema(*LEFT.columns, *RIGHT.columns)

Row = tuple[str, str | None, int]  # side, key, time; the row's value is its number

rows = st.lists(
    st.tuples(st.sampled_from("LR"), st.sampled_from(["a", "b", None]), st.integers(0, 40)), min_size=1, max_size=25
)
shapes = st.tuples(
    st.sampled_from(["INNER", "LEFT", "RIGHT", "FULL"]),
    st.integers(0, 10),
    st.integers(0, 10),
    st.sampled_from([None, 0, 5]),
)


@dataclass
class Model:
    """Kafka Streams' join, a row at a time."""

    kind: str
    before: int
    after: int
    grace: int | None
    kept: dict[str, list[tuple[str, int, int]]] = field(default_factory=lambda: {"L": [], "R": []})
    time: dict[str, int] = field(default_factory=lambda: {"L": -(1 << 62), "R": -(1 << 62)})
    open: list[tuple[str, str, int, int]] = field(default_factory=list)
    out: list[tuple[object, ...]] = field(default_factory=list)

    def outer(self, side: str) -> bool:
        return self.kind == "FULL" or self.kind == {"L": "LEFT", "R": "RIGHT"}[side]

    def emit(self, side: str, mine: tuple[str, int, int], other: tuple[str, int, int] | None) -> None:
        left, right = (mine, other) if side == "L" else (other, mine)
        time = max(r[1] for r in (left, right) if r is not None)
        pair = [(r[0], r[2]) if r is not None else (None, None) for r in (left, right)]
        self.out.append((*pair[0], *pair[1], time))

    def row(self, side: str, key: str | None, time: int, number: int) -> None:
        if key is None:
            return
        other = "R" if side == "L" else "L"
        back, ahead = (self.before, self.after) if side == "L" else (self.after, self.before)
        shared_before = max(self.time.values())
        shared = max(shared_before, time)
        for item in sorted(self.open, key=lambda o: (o[2], o[3])):
            s, k, t, n = item
            reach = self.after if s == "L" else self.before
            if self.grace is not None and t + reach + self.grace < shared:
                self.open.remove(item)
                self.emit(s, (k, t, n), None)
        grace = DEFAULT_GRACE_MS if self.grace is None else self.grace
        floor = self.time[other] - (self.before + self.after + grace)
        found = [r for r in self.kept[other] if r[0] == key and -back <= r[1] - time <= ahead and r[1] > floor]
        for match in sorted(found, key=lambda r: (r[1], r[2])):
            self.emit(side, (key, time, number), match)
            self.open = [o for o in self.open if (o[0], o[3]) != (other, match[2])]
        if not found and self.outer(side):
            if self.grace is None or time + ahead < shared:
                self.emit(side, (key, time, number), None)
            else:
                self.open.append((side, key, time, number))
        self.kept[side].append((key, time, number))
        self.time[side] = max(self.time[side], time)


def delta(side: str, epoch: list[tuple[int, Row]]) -> Delta:
    mine = [(n, key, time) for n, (s, key, time) in epoch if s == side]
    columns = [pa.array([k for _, k, _ in mine], pa.string()), pa.array([n for n, *_ in mine], pa.int64())]
    where = delta_schema(LEFT if side == "L" else RIGHT)
    return Delta.of(columns, where, [t for *_, t in mine], [1] * len(mine), [n for n, *_ in mine])


@settings(max_examples=300, deadline=None)
@given(history=rows, shape=shapes, cuts=st.sets(st.integers(1, 24)))
def test_any_cut_gives_what_row_by_row_gives(
    history: list[Row], shape: tuple[str, int, int, int | None], cuts: set[int]
) -> None:
    kind, before, after, grace = shape
    step = Step("join", ("l", "r"), OUT, ("L.K",), ("R.K",), kind, before, after, grace)  # type: ignore[arg-type]
    session = Session()
    context = Context("Q", (delta_schema(LEFT), delta_schema(RIGHT)), session, Rejects())
    join = StreamStreamJoin(step, context)
    model = Model(kind, before, after, grace)
    got: list[tuple[object, ...]] = []
    numbered = list(enumerate(history))
    ends = sorted({c for c in cuts if c < len(history)} | {len(history)})
    for start, end in zip([0, *ends], ends, strict=False):
        epoch = numbered[start:end]
        out = join.on_deltas(delta("L", epoch), delta("R", epoch))
        got += [tuple(r[n] for n in (*OUT.names, "_time")) for r in out.batch.to_pylist()]
        for arrangement in join.arrangements().values():
            arrangement.commit()
    for number, (side, key, time) in numbered:
        model.row(side, key, time, number)
    session.close()
    assert got == model.out
