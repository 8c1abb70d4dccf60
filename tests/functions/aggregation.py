"""Runs an aggregate call as the aggregation operator does: delta, gathered state, merge, answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from ssql.functions import install
from ssql.functions.api import Accumulator, AggregateCall
from ssql.functions.udf import to_arrow, to_python
from ssql.types import BIGINT, INTEGER, SqlType

Row = tuple[int, int, tuple[Any, ...]]
"""Group, +1 or -1, arguments."""


def connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


class Group:
    """The accumulators of many groups, fed with deltas."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, call: AggregateCall, types: Sequence[SqlType]) -> None:
        self.connection = connection
        self.call = call
        self.types = types
        self.accumulators: tuple[Accumulator, ...] = call.render([f"delta.a{i}" for i in range(len(types))])
        self.schema = pa.schema(
            [pa.field("k", pa.int32()), *(pa.field(f"s{i}", a.type.arrow) for i, a in enumerate(self.accumulators))]
        )
        self.state = self.schema.empty_table()
        install(connection, call.udfs)

    def feed(self, rows: Sequence[Row]) -> None:
        """Merge one delta."""
        delta = pa.table(
            {
                "k": to_arrow([r[0] for r in rows], INTEGER),
                "_diff": pa.array([r[1] for r in rows], pa.int8()),
                "_seq": to_arrow(list(range(len(rows))), BIGINT),
                **{f"a{i}": to_arrow([r[2][i] for r in rows], t) for i, t in enumerate(self.types)},
            }
        )
        columns = ", ".join(f"{a.delta} AS d{i}" for i, a in enumerate(self.accumulators))
        merged = ", ".join(f"{_merge(a, i)} AS s{i}" for i, a in enumerate(self.accumulators))
        self.connection.register("delta", delta)
        self.connection.register("state", self.state)
        touched = self.connection.execute(
            f"WITH d AS (SELECT k, {columns} FROM delta GROUP BY k)"
            f" SELECT d.k, {merged} FROM d LEFT JOIN state s USING (k)"
        ).to_arrow_table()
        assert touched.schema.types == self.schema.types, "an accumulator's type is not what it says"
        rest = self.connection.execute("SELECT s.* FROM state s ANTI JOIN delta USING (k)").to_arrow_table()
        self.state = pa.concat_tables([touched.cast(self.schema), rest.cast(self.schema)]).combine_chunks()

    def join(self, other: Group) -> None:
        """Merge the states of `other`, as session windows do that grow together."""
        merged = ", ".join(_merge(a, i, f"t.s{i}") + f" AS s{i}" for i, a in enumerate(self.accumulators))
        self.connection.register("state", self.state)
        self.connection.register("other", other.state)
        joined = self.connection.execute(
            f"SELECT k, {merged} FROM state s FULL JOIN other t USING (k)"
        ).to_arrow_table()
        self.state = joined.cast(self.schema).combine_chunks()

    def answers(self) -> dict[int, Any]:
        """The answer of each group."""
        self.connection.register("state", self.state)
        answer = self.call.result([f"state.s{i}" for i in range(len(self.accumulators))])
        table = self.connection.execute(f"SELECT k, {answer} AS r FROM state").to_arrow_table().combine_chunks()
        assert table.schema.field("r").type == self.call.result_type.arrow, table.schema.field("r").type
        column = table.column("r")
        return dict(zip(table.column("k").to_pylist(), to_python(column.chunk(0)) if len(table) else [], strict=True))


def _merge(accumulator: Accumulator, index: int, delta: str | None = None) -> str:
    return accumulator.merge.replace("{s}", f"s.s{index}").replace("{d}", delta or f"d.d{index}")


def one_pass(
    connection: duckdb.DuckDBPyConnection, call: AggregateCall, types: Sequence[SqlType], rows: Sequence[Row]
) -> dict[int, Any]:
    group = Group(connection, call, types)
    group.feed(rows)
    return group.answers()
