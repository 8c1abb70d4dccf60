"""Filters, projections and re-keying of streams: the records that come out are the rows that go in, computed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given

from tests.oracle.checks import LONG, QUICK, KeyOf, int_key, same_stream, text_key
from tests.oracle.history import Cut, History, cuts, histories
from tests.oracle.replay import Replay
from tests.oracle.running import ran


@dataclass(frozen=True)
class Case:
    """Statements that fill the stream `o`, and its records: time, key, then values, in order."""

    sql: str
    oracle: str
    key_of: KeyOf = text_key


CASES = {
    "everything": Case("CREATE STREAM o AS SELECT * FROM s;", "SELECT ts, k, g, v, d FROM s ORDER BY seq"),
    "filter": Case(
        "CREATE STREAM o AS SELECT k, v FROM s WHERE v > 2 AND g <> 'x';",
        "SELECT ts, k, v FROM s WHERE v > 2 AND g <> 'x' ORDER BY seq",
    ),
    "filter that keeps nulls": Case(
        "CREATE STREAM o AS SELECT k, g FROM s WHERE g IS NULL OR v IN (1, 2, 3) OR v BETWEEN 7 AND 9;",
        "SELECT ts, k, g FROM s WHERE g IS NULL OR v IN (1, 2, 3) OR v BETWEEN 7 AND 9 ORDER BY seq",
    ),
    "a comparison with null is false": Case(
        "CREATE STREAM o AS SELECT k, v FROM s WHERE NOT (v = 1);",
        "SELECT ts, k, v FROM s WHERE NOT coalesce(v = 1, FALSE) ORDER BY seq",
    ),
    "expressions": Case(
        "CREATE STREAM o AS SELECT k, v * 2 + 1 AS a, v / 2 AS b, v % 3 AS c, d * v AS e, UCASE(g) || '!' AS f, "
        "CASE WHEN v < 0 THEN 'neg' WHEN v IS NULL THEN 'none' ELSE 'pos' END AS h, COALESCE(g, k) AS i, "
        "CAST(v AS STRING) AS j, ROWTIME / 1000 AS t FROM s;",
        "SELECT ts, k, v * 2 + 1, CAST(trunc(v / 2) AS INT), v % 3, d * v, upper(g) || '!', "
        "CASE WHEN v < 0 THEN 'neg' WHEN v IS NULL THEN 'none' ELSE 'pos' END, coalesce(g, k), "
        "CAST(v AS VARCHAR), ts // 1000 FROM s ORDER BY seq",
    ),
    "partition by a number": Case(
        "CREATE STREAM o AS SELECT v, k, g FROM s WHERE v IS NOT NULL PARTITION BY v;",
        "SELECT ts, v, k, g FROM s WHERE v IS NOT NULL ORDER BY seq",
        int_key,
    ),
    "partition by an expression": Case(
        "CREATE STREAM o AS SELECT UCASE(g) AS kk, k AS was, v FROM s WHERE g IS NOT NULL PARTITION BY UCASE(g);",
        "SELECT ts, upper(g), k, v FROM s WHERE g IS NOT NULL ORDER BY seq",
    ),
    "a stream of a stream": Case(
        "CREATE STREAM m AS SELECT k, v + 1 AS w, g FROM s WHERE v > 0;"
        "CREATE STREAM o AS SELECT k, w * 10 AS x FROM m WHERE g = 'x' OR w > 4;",
        "SELECT ts, k, (v + 1) * 10 FROM s WHERE v > 0 AND (g = 'x' OR v + 1 > 4) ORDER BY seq",
    ),
    "a stream of a re-keyed stream": Case(
        "CREATE STREAM m AS SELECT g, k AS was, v FROM s WHERE g IS NOT NULL PARTITION BY g;"
        "CREATE STREAM o AS SELECT g, was, v - 1 AS w FROM m WHERE v >= 0;",
        "SELECT ts, g, k, v - 1 FROM s WHERE g IS NOT NULL AND v >= 0 ORDER BY seq",
    ),
}


def check(case: Case, history: History, cut: Cut) -> None:
    replay = Replay(history, cut)
    with ran(history, cut, case.sql) as run:
        same_stream(run, replay, history, "o", case.oracle, key_of=case.key_of)


@pytest.mark.parametrize("name", CASES)
@QUICK
@given(histories("s"), cuts())
def test_records_are_the_computed_rows(name: str, history: History, cut: Cut) -> None:
    check(CASES[name], history, cut)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@LONG
@given(histories("s", max_size=60), cuts())
def test_records_are_the_computed_rows_at_length(name: str, history: History, cut: Cut) -> None:
    check(CASES[name], history, cut)


TWICE = (
    "CREATE STREAM o (k STRING KEY, v INT, src STRING) WITH (kafka_topic='O', value_format='JSON', partitions={n});"
    "INSERT INTO o SELECT k, v, 's' AS src FROM s WHERE v > 0; INSERT INTO o SELECT k, v * 2 AS v, 'r' AS src FROM r;"
)


@QUICK
@given(histories("s", "r"), cuts())
def test_two_queries_fill_one_stream(history: History, cut: Cut) -> None:
    replay = Replay(history, cut)
    with ran(history, cut, TWICE.format(n=history.partitions)) as run:
        for src, oracle in (("s", "SELECT ts, k, v, 's' FROM s WHERE v > 0"), ("r", "SELECT ts, k, v * 2, 'r' FROM r")):
            found = [x for x in run.records("O") if x.fields["SRC"] == src]
            expected = replay.rows(f"{oracle} ORDER BY seq")
            if history.partitions > 1:
                found.sort(key=repr)
            rows = [(x.time, (x.key or b"").decode(), *x.fields.values()) for x in found]
            assert sorted(rows, key=repr) == sorted(expected, key=repr)
            if history.partitions == 1:
                assert rows == expected
