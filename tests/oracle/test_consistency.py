"""What readers see while rows flow: one prefix of the inputs in all tables, changes that add up to what is pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given

from ssql.engine.api import PushQuery
from ssql.log.api import RECORD_SCHEMA
from tests.oracle.checks import LONG, QUICK
from tests.oracle.history import Cut, History, cuts, histories
from tests.oracle.running import Run, opened

TRANSFERS = (
    "CREATE STREAM moves (id STRING KEY, src STRING, dst STRING, cents INT) "
    "WITH (kafka_topic='moves', value_format='JSON', partitions=2);"
    "CREATE TABLE debits AS SELECT src, SUM(cents) AS total, COUNT(*) AS n FROM moves GROUP BY src;"
    "CREATE TABLE credits AS SELECT dst, SUM(cents) AS total, COUNT(*) AS n FROM moves GROUP BY dst;"
    "CREATE STREAM legs AS SELECT id, src, dst, cents FROM moves WHERE cents > 50;"
    "CREATE TABLE large_debits AS SELECT src, SUM(cents) AS total FROM legs GROUP BY src;"
    "CREATE TABLE large_credits AS SELECT dst, SUM(cents) AS total FROM legs GROUP BY dst;"
)


def moves(first: int, rows: int) -> pa.RecordBatch:
    """Transfers between ten accounts, numbered on from `first`."""
    values = [
        b'{"SRC":"a%d","DST":"a%d","CENTS":%d}' % (n % 10, n * 7 % 10, n * 13 % 101) for n in range(first, first + rows)
    ]
    keys = [b"%d" % n for n in range(first, first + rows)]
    times = pa.array(range(first, first + rows), pa.int64())
    headers = pa.nulls(rows, RECORD_SCHEMA.field("headers").type)
    columns = [pa.array(keys, pa.binary()), pa.array(values, pa.binary()), times, headers]
    return pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA)


@pytest.mark.parametrize(("max_rows", "rows"), [(7, 200), (1000, 20_000)])
def test_no_cut_shows_money_that_is_not_there(tmp_path: Path, max_rows: int, rows: int) -> None:
    """Cuts are taken while rows flow: whatever left one account has reached another in every one of them."""
    run = Run(tmp_path, 2, max_rows)
    try:
        run.execute(TRANSFERS)
        for first in range(0, rows, rows // 10):
            batch, half = moves(first, rows // 10), rows // 20
            run.log.append("moves", batch.slice(0, half), 0)
            run.log.append("moves", batch.slice(half), 1)
        seen: set[int] = set()
        while rows not in seen:
            tables = {n: t.scan() for n, t in run.worker.cut().tables.items()}
            total = {n: pc.sum(t.column("TOTAL")).as_py() or 0 for n, t in tables.items()}
            counts = [pc.sum(tables[n].column("N")).as_py() or 0 for n in ("DEBITS", "CREDITS")]
            assert total["DEBITS"] == total["CREDITS"]
            assert total["LARGE_DEBITS"] == total["LARGE_CREDITS"]
            assert counts[0] == counts[1]
            seen.add(counts[0])
        assert len(seen) > 3, "hardly any epoch was seen"
        assert run.pull("SELECT SUM(total) AS t FROM debits;") == [(sum(n * 13 % 101 for n in range(rows)),)]
    finally:
        run.close()


TABLES = {
    "groups": ("CREATE TABLE o AS SELECT g, COUNT(*) AS n, SUM(v) AS s FROM s GROUP BY g;", 1),
    "having": ("CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM s GROUP BY g HAVING SUM(v) % 2 = 0;", 1),
    "a filtered table": ("CREATE TABLE o AS SELECT k, w FROM t WHERE w > 2;", 1),
    "joined tables": ("CREATE TABLE o AS SELECT t.k AS k, w, x FROM t JOIN u ON t.k = u.k;", 1),
    "windows": (
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM s "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY g;",
        3,
    ),
}


def accumulated(query: PushQuery, keys: int) -> list[tuple[Any, ...]]:
    """What the changes so far add up to: the last row of each key that was not deleted since."""
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    while (batch := query.take(timeout_s=0.0)) is not None and batch.num_rows:
        for row in batch.to_pylist():
            *values, diff = row.values()
            if diff > 0:
                rows[tuple(values[:keys])] = tuple(values)
            else:
                assert rows.pop(tuple(values[:keys]), None) is not None, "a row went that was not there"
    assert query.error is None
    return sorted(rows.values(), key=repr)


def check_push(name: str, history: History, cut: Cut) -> None:
    """A reader of the table, one of the same query that leaves no table, and one that comes when all is over."""
    sql, keys = TABLES[name]
    select = sql[sql.index("SELECT") : -1]
    with opened(history, cut) as run:
        before, after = cut.of(history.changes)
        run.feed(before)
        run.execute(sql)
        readers = [run.push("SELECT * FROM o EMIT CHANGES;"), run.push(f"{select} EMIT CHANGES;")]
        for part in after:
            run.feed(part)
            run.settle()
        readers.append(run.push("SELECT * FROM o EMIT CHANGES;"))
        run.settle()
        pulled = sorted(run.pull("SELECT * FROM o;"), key=repr)
        whole = [accumulated(r, keys) for r in (readers[0], readers[2])]
        assert whole == [pulled, pulled]
        if name != "windows":  # the bounds are not selected
            assert accumulated(readers[1], keys) == pulled
        for reader in readers:
            reader.close()


@pytest.mark.parametrize("name", TABLES)
@QUICK
@given(histories("s", "t", "u"), cuts(dies=False))
def test_changes_add_up_to_what_is_pulled(name: str, history: History, cut: Cut) -> None:
    check_push(name, history, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@LONG
@given(histories("s", "t", "u", max_size=60), cuts(dies=False))
def test_changes_add_up_to_what_is_pulled_at_length(name: str, history: History, cut: Cut) -> None:
    check_push(name, history, cut)
