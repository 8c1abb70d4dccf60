"""Prepared statements over swapped batches."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from ssql.planner.steps import Statement
from ssql.runtime.statement import Session

TEXT = pa.schema([("v", pa.string())])
NUMBER = pa.schema([("n", pa.int32())])


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session()
    yield made
    made.close()


def texts(*values: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, pa.string())], schema=TEXT)


def test_each_run_reads_the_batch_that_it_is_given(session: Session) -> None:
    prepared = session.prepare(Statement("SELECT length(v)::INTEGER AS n FROM delta"), {"delta": TEXT}, NUMBER)
    assert prepared.run(delta=texts("a", "bcd")).column(0).to_pylist() == [1, 3]
    assert prepared.run(delta=texts()).column(0).to_pylist() == []
    assert prepared.run(delta=texts(None, "ab")).column(0).to_pylist() == [None, 2]


def test_the_careful_form_names_what_failed(session: Session) -> None:
    plain = "SELECT CAST(v AS INTEGER) AS n FROM delta"
    careful = (
        "SELECT TRY(CAST(v AS INTEGER)) AS n, "
        "CASE WHEN TRY(CAST(v AS INTEGER)) IS NULL AND v IS NOT NULL THEN 'n' END AS _failed FROM delta"
    )
    prepared = session.prepare(Statement(plain, careful), {"delta": TEXT}, NUMBER)
    with pytest.raises(duckdb.Error):
        prepared.run(delta=texts("1", "x"))
    rows, failed = prepared.run_careful(delta=texts("1", "x"))
    assert rows.column(0).to_pylist() == [1, None]
    assert failed.to_pylist() == [None, "n"]


def test_a_constant_that_fails_at_prepare_fails_on_rows(session: Session) -> None:
    # The map is folded, and refused, before any row is seen.
    plain = "SELECT map(['a', 'a'], [1, 2])['a'] AS n FROM delta"
    prepared = session.prepare(Statement(plain, f"SELECT TRY(n) AS n, NULL::VARCHAR AS _failed FROM ({plain})"),
                               {"delta": TEXT}, NUMBER)  # fmt: skip
    with pytest.raises(duckdb.Error):
        prepared.run(delta=texts("1"))


def test_slices_of_structs_are_read_from_where_they_begin(session: Session) -> None:
    schema = pa.schema([("s", pa.struct([("f", pa.int32())]))])
    whole = pa.RecordBatch.from_arrays([pa.array([{"f": n} for n in range(5)], schema[0].type)], schema=schema)
    prepared = session.prepare(Statement("SELECT s.f AS n FROM delta"), {"delta": schema}, NUMBER)
    assert prepared.run(delta=whole.slice(2, 2)).column(0).to_pylist() == [2, 3]
