"""Joins: streams with the table as it was at each row's place, and tables with tables from either side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tests.oracle.checks import LONG, QUICK, int_key, same_stream, same_table
from tests.oracle.history import Cut, History, cuts, histories
from tests.oracle.replay import Replay
from tests.oracle.running import ran

#: Statements that fill the stream `o`; its records: time, key, values.
STREAM_TABLE = {
    "inner": (
        "CREATE STREAM o AS SELECT s.k AS k, v, w, t.g AS tg FROM s JOIN t ON s.k = t.k;",
        "SELECT ts, k, v, w, tg FROM sj WHERE there ORDER BY seq",
    ),
    "left": (
        "CREATE STREAM o AS SELECT s.k AS k, v, w, t.k AS tk FROM s LEFT JOIN t ON s.k = t.k;",
        "SELECT ts, k, v, w, CASE WHEN there THEN k END FROM sj ORDER BY seq",
    ),
    "filtered after": (
        "CREATE STREAM o AS SELECT s.k AS k, v + w AS x FROM s JOIN t ON s.k = t.k WHERE t.g = 'x' OR w > v;",
        "SELECT ts, k, v + w FROM sj WHERE there AND (tg = 'x' OR w > v) ORDER BY seq",
    ),
}

#: A table that another query makes moves once an epoch: with an epoch a row it is joined as of the same place too.
WITH_DERIVED = (
    "CREATE TABLE m AS SELECT k, w * 10 AS w10 FROM t WHERE w > 2;"
    "CREATE STREAM o AS SELECT s.k AS k, v, w10 FROM s LEFT JOIN m ON s.k = m.k;",
    "SELECT ts, k, v, CASE WHEN w > 2 THEN w * 10 END FROM sj ORDER BY seq",
)

#: Kinds of join of `t` and `u` that fill the table `o`; its rows: key, w, x.
TABLE_TABLE = {
    "inner": ("t JOIN u ON t.k = u.k", "t JOIN u ON t.k = u.k", "t.k"),
    "left": ("t LEFT JOIN u ON t.k = u.k", "t LEFT JOIN u ON t.k = u.k", "t.k"),
    "right": ("t RIGHT JOIN u ON t.k = u.k", "t RIGHT JOIN u ON t.k = u.k", "u.k"),
    "full": ("t FULL JOIN u ON t.k = u.k", "t FULL JOIN u ON t.k = u.k", "coalesce(t.k, u.k)"),
}


def check_stream(name: str, history: History, cut: Cut) -> None:
    sql, oracle = STREAM_TABLE[name]
    replay = Replay(history, cut)
    with ran(history, cut, sql) as run:
        same_stream(run, replay, history, "o", oracle)


def check_tables(name: str, history: History, cut: Cut) -> None:
    source, oracle, key = TABLE_TABLE[name]
    shown = "ROWKEY" if name == "full" else f"{key} AS k"
    replay = Replay(history, cut)
    with ran(history, cut, f"CREATE TABLE o AS SELECT {shown}, w, x FROM {source};") as run:
        same_table(run, replay, "o", f"SELECT {key}, w, x FROM {oracle}")


def check_groups_of_joined(history: History, cut: Cut) -> None:
    sql = (
        "CREATE TABLE o AS SELECT t.g AS g, COUNT(*) AS n, SUM(v) AS a, SUM(w) AS b FROM s JOIN t ON s.k = t.k "
        "GROUP BY t.g;"
        "CREATE TABLE p AS SELECT x, COUNT(*) AS n, SUM(w) AS b FROM t JOIN u ON t.k = u.k GROUP BY x "
        "HAVING COUNT(*) > 0;"
    )
    replay = Replay(history, cut)
    with ran(history, cut, sql) as run:
        same_table(
            run, replay, "o",
            "SELECT tg, count(*), coalesce(sum(v), 0), coalesce(sum(w), 0) FROM sj WHERE tg IS NOT NULL GROUP BY tg",
        )  # fmt: skip
        same_table(
            run, replay, "p",
            "SELECT x, count(*), coalesce(sum(w), 0) FROM t JOIN u ON t.k = u.k WHERE x IS NOT NULL GROUP BY x",
            key_of=int_key,
        )  # fmt: skip


@pytest.mark.parametrize("name", STREAM_TABLE)
@QUICK
@given(histories("s", "t"), cuts())
def test_a_stream_sees_the_table_as_it_was(name: str, history: History, cut: Cut) -> None:
    check_stream(name, history, cut)


def check_derived(history: History, cut: Cut) -> None:
    sql, oracle = WITH_DERIVED
    cut = replace(cut, max_rows=1)
    replay = Replay(history, cut)
    with ran(history, cut, sql) as run:
        same_stream(run, replay, history, "o", oracle)


@QUICK
@given(histories("s", "t"), cuts(before=False))
def test_a_stream_sees_what_a_query_makes_of_a_table(history: History, cut: Cut) -> None:
    check_derived(history, cut)


@QUICK
@given(histories("s", "t", ordered=True), cuts())
def test_a_query_that_catches_up_on_a_derived_table(history: History, cut: Cut) -> None:
    check_derived(history, cut)


@pytest.mark.parametrize("name", TABLE_TABLE)
@QUICK
@given(histories("t", "u"), cuts())
def test_tables_are_joined_from_either_side(name: str, history: History, cut: Cut) -> None:
    check_tables(name, history, cut)


@QUICK
@given(histories("s", "t", "u"), cuts())
def test_groups_of_joined_rows(history: History, cut: Cut) -> None:
    check_groups_of_joined(history, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAM_TABLE)
@LONG
@given(histories("s", "t", max_size=60), cuts())
def test_a_stream_sees_the_table_as_it_was_at_length(name: str, history: History, cut: Cut) -> None:
    check_stream(name, history, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE_TABLE)
@LONG
@given(histories("t", "u", max_size=60), cuts())
def test_tables_are_joined_from_either_side_at_length(name: str, history: History, cut: Cut) -> None:
    check_tables(name, history, cut)


@pytest.mark.slow
@LONG
@given(histories("s", "t", "u", max_size=60), cuts())
def test_groups_of_joined_rows_at_length(history: History, cut: Cut) -> None:
    check_groups_of_joined(history, cut)


@pytest.mark.slow
@LONG
@given(histories("s", "t", max_size=60), cuts(before=False))
def test_a_stream_sees_what_a_query_makes_of_a_table_at_length(history: History, cut: Cut) -> None:
    check_derived(history, cut)


@pytest.mark.slow
@LONG
@given(histories("s", "t", ordered=True, max_size=60), cuts())
def test_a_query_that_catches_up_on_a_derived_table_at_length(history: History, cut: Cut) -> None:
    check_derived(history, cut)
