"""Generated queries in full SQL say what plain DuckDB says over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.conftest import Bench
from tests.engine.test_full_sql import ask, fill, in_order, oracle

#: The columns of each relation, in order; all have K.
RELATIONS = {
    "orders": {"k": "text", "id": "number", "amount": "number"},
    "totals": {"k": "text", "n": "number", "total": "number"},
    "doubled": {"k": "text", "id": "number", "twice": "number"},
    "people": {"k": "text", "name": "text"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = fill(Bench(tmp_path_factory.mktemp("generated")))
    yield made
    made.engine.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with oracle() as connection:
        yield connection


Columns = dict[str, str]


class Writer:
    """Draws a query; aliases are new each time, so that names are never ambiguous."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.aliases = 0

    def one_of(self, *values: str) -> str:
        return self.draw(st.sampled_from(values))

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def name(self, name: str) -> str:
        return self.one_of(name, name.upper(), f'"{name.upper()}"')

    def alias(self) -> str:
        self.aliases += 1
        return f"x{self.aliases}"

    def source(self, depth: int) -> tuple[str, str, Columns]:
        """Text for FROM, its alias, its columns."""
        alias = self.alias()
        if depth > 0 and self.chance():
            inner, columns = self.select(depth - 1)
            return f"({inner}) AS {alias}", alias, columns
        relation = self.one_of(*RELATIONS)
        return f"{self.name(relation)} {self.one_of('', 'AS ')}{alias}", alias, RELATIONS[relation]

    def value(self, columns: Columns, kind: str) -> str:
        fitting = [c for c, k in columns.items() if k == kind]
        if not fitting:
            return "7" if kind == "number" else "'b'"
        column = self.one_of(*fitting)
        if kind == "number":
            return self.one_of(column, f"{column} + 1", f"{column} / 2", f"abs({column})", f"coalesce({column}, -1)")
        return self.one_of(
            column, f"upper({column})", f"{column} || 'z'", f"left({column}, 1)", f"coalesce({column}, '')"
        )

    def condition(self, columns: Columns, depth: int) -> str:
        number, text = (self.value(columns, kind) for kind in ("number", "text"))
        options = [
            f"{number} > 2",
            f"{text} <> 'a'",
            f"{number} IS NULL",
            f"{text} IN ('a', 'b', 'Ann')",
            f"NOT {number} < 20",
        ]
        options.append(f"({text}, {number}) > ('a', 5)")
        if depth > 0:
            inner = self.one_of(*RELATIONS)
            options.append(f"{text} IN (SELECT k FROM {self.name(inner)})")
            options.append(f"{number} >= (SELECT COUNT(*) FROM {inner})")
        return self.one_of(*options)

    def select(self, depth: int) -> tuple[str, Columns]:
        """A query with its columns, all of which have names of their own."""
        text, alias, columns = self.source(depth)
        visible = {f"{alias}.{c}": k for c, k in columns.items()}
        star = self.one_of("*", f"{alias}.*")
        if depth > 0 and self.chance():
            other, other_alias, other_columns = self.source(depth - 1)
            number, more = self.value(visible, "number"), {f"{other_alias}.{c}": k for c, k in other_columns.items()}
            text += f" {self.one_of('', 'LEFT ', 'FULL ')}JOIN {other} ON {number} = {self.value(more, 'number')}"
            visible |= more
            star = f"{alias}.*"
        where = f" WHERE {self.condition(visible, depth)}" if self.chance() else ""
        if self.chance():
            return f"SELECT {star} FROM {text}{where}", dict(columns)
        if self.chance():
            key = self.value(visible, "text")
            total = f"{self.one_of('SUM', 'MAX', 'COUNT')}({self.value(visible, 'number')})"
            return f"SELECT {key} AS g, {total} AS s FROM {text}{where} GROUP BY {key}", {"g": "text", "s": "number"}
        a, b = self.value(visible, "text"), self.value(visible, "number")
        return f"SELECT {self.one_of('', 'DISTINCT ')}{a} AS p, {b} AS q FROM {text}{where}", {
            "p": "text",
            "q": "number",
        }


@st.composite
def queries(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    text, columns = writer.select(2)
    if writer.chance():  # a name that hides a relation
        name = writer.one_of(*RELATIONS, "fresh")
        text = f"WITH {name} AS ({text}) SELECT * FROM {writer.name(name)}"
    if writer.chance():
        other, _ = writer.select(1)
        text = f"SELECT COUNT(*) AS c FROM ({text}) l UNION ALL SELECT COUNT(*) FROM ({other}) r"
        columns = {"c": "number"}
    if writer.chance():
        text = f"SELECT * FROM ({text}) last ORDER BY {', '.join(columns)} LIMIT 3"
    return text


@given(queries())
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
def test_generated(bench: Bench, plain: duckdb.DuckDBPyConnection, sql: str) -> None:
    # The clause makes it a query that ksqlDB's dialect has not.
    full = f"WITH one AS (SELECT 1) SELECT * FROM ({sql}) whole"
    expected = plain.execute(full).to_arrow_table()
    assert comparable(ask(bench, full).rows) == comparable(expected)


def comparable(table: pa.Table) -> list[str]:
    """The rows in an order of their own; sums are DECIMAL in Arrow where DuckDB has HUGEINT."""
    return sorted(repr([int(v) if isinstance(v, Decimal) else v for v in row]) for row in in_order(table))
