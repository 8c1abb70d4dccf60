"""EXPLAIN of the usual query shapes, as golden files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ssql.planner.explain import explain_text
from tests.planner.harness import planned

QUERIES = {
    "filter_project": "CREATE STREAM O AS SELECT ID, UCASE(NAME) AS N, V + 1 FROM S WHERE V > 2;",
    "push_all": "SELECT * FROM S EMIT CHANGES LIMIT 3;",
    "group_stream": "CREATE TABLE O AS SELECT NAME, COUNT(*) FROM S WHERE V > 0 GROUP BY NAME HAVING COUNT(*) > 1;",
    "group_table": "CREATE TABLE O AS SELECT NAME, SUM(V) AS TOTAL FROM T GROUP BY NAME;",
    "group_again": "CREATE TABLE O AS SELECT NAME, MAX(V) AS TOP FROM T GROUP BY NAME;",
    "group_distinct": "CREATE TABLE O AS SELECT NAME, COUNT_DISTINCT(V) AS N FROM S GROUP BY NAME;",
    "hopping": (
        "CREATE TABLE O AS SELECT NAME, COUNT(*) AS C, WINDOWSTART AS WS FROM S "
        "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 SECONDS, GRACE PERIOD 1 SECOND) GROUP BY NAME;"
    ),
    "stream_table": "CREATE STREAM O AS SELECT S.V, S.NAME, T.NAME FROM S LEFT JOIN T ON S.V = T.ID WHERE S.V > 1;",
    "table_table": "CREATE TABLE O AS SELECT ROWKEY, T.V, T2.W FROM T FULL JOIN T2 ON T.ID = T2.ID;",
    "partition_by": "CREATE STREAM O AS SELECT * FROM S2 PARTITION BY ABS(W);",
    "explode": "CREATE STREAM O AS SELECT ID, EXPLODE(A) AS E FROM S;",
    "subquery": (
        "SELECT C, COUNT(*) AS N FROM (SELECT NAME, COUNT(*) AS C FROM S GROUP BY NAME) G GROUP BY C EMIT CHANGES;"
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_explain(name: str, golden: Callable[[str, str], None]) -> None:
    golden(name, f"{QUERIES[name]}\n\n{explain_text(planned(QUERIES[name]))}")


@pytest.mark.parametrize("name", QUERIES)
def test_step_ids_are_the_same_for_the_same_query(name: str) -> None:
    assert planned(QUERIES[name]) == planned(QUERIES[name])
