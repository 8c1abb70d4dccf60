"""Tumbling and hopping windows with grace: late rows decided row by row, whatever the cut into epochs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given

from tests.oracle.checks import LONG, QUICK, same_table, windowed_key
from tests.oracle.history import Cut, History, cuts, histories
from tests.oracle.replay import Replay
from tests.oracle.running import ran

S = 1000


@dataclass(frozen=True)
class Case:
    """Statements that fill the windowed table `o`; the rows that go into windows (size, advance, grace in ms), and the
    answer over the table `windowed`: key, start, end, values."""

    sql: str
    rows: str
    size_ms: int
    advance_ms: int
    grace_ms: int
    oracle: str
    one: bool = False


ROWS = "SELECT seq, ts, g, k, v FROM s WHERE g IS NOT NULL"

CASES = {
    "tumbling": Case(
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, SUM(v) AS s FROM s "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY g;",
        ROWS, 10 * S, 10 * S, 5 * S,
        "SELECT g, ws, we, count(*), coalesce(sum(v), 0) FROM windowed GROUP BY ALL",
    ),
    "no grace": Case(
        "CREATE TABLE o AS SELECT g, COLLECT_LIST(v) AS a, MIN(v) AS b FROM s "
        "WINDOW TUMBLING (SIZE 4 SECONDS, GRACE PERIOD 0 SECONDS) GROUP BY g;",
        ROWS, 4 * S, 4 * S, 0,
        "SELECT g, ws, we, list(v ORDER BY seq), min(v) FROM windowed GROUP BY ALL",
    ),
    "hopping": Case(
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n, COUNT_DISTINCT(v) AS c, LATEST_BY_OFFSET(v) AS l FROM s "
        "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 4 SECONDS, GRACE PERIOD 3 SECONDS) GROUP BY g;",
        ROWS, 10 * S, 4 * S, 3 * S,
        "SELECT g, ws, we, count(*), count(DISTINCT v), arg_max(v, seq) FROM windowed GROUP BY ALL",
    ),
    "bounds, filter and having": Case(
        "CREATE TABLE o AS SELECT g, WINDOWSTART AS a, COUNT(*) AS n FROM s "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 10 SECONDS) WHERE v > 0 GROUP BY g HAVING COUNT(*) < 3;",
        f"{ROWS} AND v > 0", 10 * S, 10 * S, 10 * S,
        "SELECT g, ws, we, ws, count(*) FROM windowed GROUP BY ALL HAVING count(*) < 3",
    ),
    "over a stream of a stream": Case(
        "CREATE STREAM m AS SELECT k, g, v FROM s WHERE v >= 0;"
        "CREATE TABLE o AS SELECT g, COUNT(*) AS n FROM m "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 2 SECONDS) GROUP BY g;",
        f"{ROWS} AND v >= 0", 10 * S, 10 * S, 2 * S,
        "SELECT g, ws, we, count(*) FROM windowed GROUP BY ALL",
        one=True,
    ),
    "over joined rows": Case(
        "CREATE TABLE o AS SELECT t.g AS g, COUNT(*) AS n, SUM(v + w) AS s FROM s JOIN t ON s.k = t.k "
        "WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) WHERE t.w IS NOT NULL AND v IS NOT NULL "
        "GROUP BY t.g;",
        "SELECT seq, ts, tg AS g, v, w FROM sj WHERE there AND w IS NOT NULL AND v IS NOT NULL AND tg IS NOT NULL",
        10 * S, 10 * S, 5 * S,
        "SELECT g, ws, we, count(*), sum(v + w) FROM windowed GROUP BY ALL",
    ),
}  # fmt: skip


def check(case: Case, history: History, cut: Cut) -> None:
    replay = Replay(history, cut)
    late = replay.in_windows(case.rows, case.size_ms, case.advance_ms, case.grace_ms)
    with ran(history, cut, case.sql) as run:
        same_table(run, replay, "o", case.oracle, key_of=windowed_key)
        reported = [(x.fields["TOPIC"], x.fields["WINDOW_START"]) for x in run.records("_ssql_default__late")]
    assert sorted(start for _, start in reported) == sorted(start for _, start in late)


@pytest.mark.parametrize("name", CASES)
def test_windows(name: str) -> None:
    case = CASES[name]

    @QUICK
    @given(histories("s", "t", partitions=1 if case.one else None), cuts())
    def holds(history: History, cut: Cut) -> None:
        check(case, history, cut)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_windows_at_length(name: str) -> None:
    case = CASES[name]

    @LONG
    @given(histories("s", "t", partitions=1 if case.one else None, max_size=60), cuts())
    def holds(history: History, cut: Cut) -> None:
        check(case, history, cut)

    holds()
