"""Windowed queries over one stream, planned and run in epochs, and what every model of them shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pyarrow as pa
from hypothesis import strategies as st

from ssql.planner.relation import Relation
from ssql.planner.steps import QueryPlan
from ssql.runtime.dataflow import Query
from ssql.runtime.delta import Delta, delta_schema
from ssql.runtime.rejects import Rejects
from ssql.runtime.statement import Session
from tests.planner.harness import Catalog, planned

SOURCE = Catalog().stream("R", "K STRING KEY, N BIGINT")

Row = tuple[str, int]  # key, time; the row's value is its number
Out = tuple[object, ...]

histories = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60)), min_size=1, max_size=25)
cuts = st.sets(st.integers(1, 24))
EACH = set(range(1, 25))


def epochs(history: Sequence[Row], cut: set[int]) -> list[list[tuple[int, Row]]]:
    numbered = list(enumerate(history))
    ends = sorted({c for c in cut if c < len(history)} | {len(history)})
    return [numbered[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@cache
def _plan(sql: str) -> QueryPlan:
    return planned(sql, SOURCE)


class Running:
    """One query; its state goes through a commit after every epoch."""

    def __init__(self, sql: str) -> None:
        self._session = Session()
        self.rejects = Rejects()
        self._query = Query(_plan(sql), self._session, self.rejects, durable=False)
        relation: Relation = SOURCE.relations["R"]
        (scan,) = self._query.scans
        self._schema, self._name, self._columns = delta_schema(scan.schema), relation.name, scan.schema.names

    def epoch(self, rows: list[tuple[int, Row]]) -> list[Out]:
        """The rows that an epoch yields: columns, time, sign."""
        given = {"K": pa.array([k for _, (k, _) in rows]), "N": pa.array([n for n, _ in rows], pa.int64())}
        times, ones = [t for _, (_, t) in rows], [1] * len(rows)
        columns = [given[c] for c in self._columns]
        out = self._query.run({self._name: Delta.of(columns, self._schema, times, ones, [n for n, _ in rows])})
        for _, arrangement in self._query.states():
            arrangement.commit()
        return [tuple(v for k, v in r.items() if k != "_seq") for r in out.batch.to_pylist()]

    def late(self) -> list[int | None]:
        return [r.seq for r in self.rejects.late]

    def close(self) -> None:
        self._query.close()
        self._session.close()
