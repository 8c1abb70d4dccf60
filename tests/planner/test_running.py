"""Real SQL, planned, its statements run by DuckDB over small tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planner.harness import Catalog, Flow, catalog, planned


def values(sql: str, *, careful: bool = False, **sources: Any) -> list[tuple[Any, ...]]:
    return Flow(planned(sql), careful=careful).values(**sources)


BOTH = pytest.mark.parametrize("careful", [False, True], ids=["plain", "careful"])


@BOTH
def test_filter_and_projection(careful: bool) -> None:
    rows = [{"ID": 1, "NAME": "a", "V": 3}, {"ID": 2, "NAME": "b", "V": 1}, {"ID": 3, "NAME": None, "V": None}]
    sql = "SELECT NAME, V + 1 AS W FROM S WHERE V > 2 EMIT CHANGES;"
    assert values(sql, careful=careful, S=rows) == [("a", 4)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("V = 3", [1]),
        ("V <> 3", [2]),
        ("NOT (V = 3)", [2, 3]),  # a comparison with NULL is FALSE
        ("V IS NULL", [3]),
        ("V IS NOT NULL", [1, 2]),
        ("V IS DISTINCT FROM 3", [2, 3]),
        ("V IS NOT DISTINCT FROM 3", [1]),
        ("V IS DISTINCT FROM NULL", [1, 2]),
        ("V IN (3, 4)", [1]),
        ("V NOT IN (3, 4)", [2, 3]),
        ("V IN ('3', 4)", [1]),
        ("V BETWEEN 1 AND 2", [2]),
        ("NAME LIKE 'a%'", [1]),
        ("NAME LIKE 'x!%' ESCAPE '!'", [2]),
        ("NAME NOT LIKE 'a%'", [2, 3]),
        ("V = 3 OR NAME = 'x%'", [1, 2]),
        ("V > 1.5 AND D < 10", [1]),
        ("CASE WHEN V = 3 THEN TRUE ELSE FALSE END", [1]),
        ("CASE V WHEN 3 THEN 'y' ELSE 'n' END = 'y'", [1]),
        ("ROWTIME < '1970-01-01T00:00:00.002'", [1, 2]),
        ("ROWTIME >= '1970'", [1, 2, 3]),
        ("A[1] = 7", [1]),
        ("A[-1] = 8", [1]),
        ("M['k'] = 5", [1]),
        ("ST->F = 9", [1]),
        ("ARRAY[V, 1] = ARRAY[3, 1]", [1]),
        ("CAST(V AS STRING) = '3'", [1]),
        ("ST = STRUCT(F := 9, G := 'g')", [1]),
        ("REDUCE(A, 0, (S, X) => S + X) = 15", [1]),
        ("ARRAY_LENGTH(FILTER(A, V => V > 7)) = 1", [1]),  # the parameter, not the column
    ],
)
@BOTH
def test_conditions(condition: str, ids: list[int], careful: bool) -> None:
    rows = [
        {"ID": 1, "NAME": "ab", "V": 3, "D": 1.0, "A": [7, 8], "M": [("k", 5)], "ST": {"F": 9, "G": "g"}, "_time": 0},
        {"ID": 2, "NAME": "x%", "V": 1, "D": 99.0, "A": [], "_time": 1},
        {"ID": 3, "_time": 2},
    ]
    found = values(f"SELECT ID FROM S WHERE {condition} EMIT CHANGES;", careful=careful, S=rows)
    assert [row[0] for row in found] == ids


@BOTH
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("V / 2", 1),
        ("V % 2", 1),
        ("-V", -3),
        ("NAME + '!'", "ab!"),
        ("NAME || '!' || 1", "ab!1"),
        ("MAP('a' := V, 'b' := 2)", [("a", 3), ("b", 2)]),
        ("MAP('a' := V, NAME := 2, 'ab' := 4)", [("a", 3), ("ab", 4)]),
        ("MAP(1 := V, V := 2, 1 := 4)", [(1, 4), (3, 2)]),
        ("MAP(CAST(NULL AS STRING) := V, NAME := 2)", [("null", 3), ("ab", 2)]),
        ("MAP(NULL := V, 'a' := NULL)", [("null", 3), ("a", None)]),
        ("ARRAY[V, NULL]", [3, None]),
        ("STRUCT(X := V, Y := NAME)", {"X": 3, "Y": "ab"}),
        ("CASE WHEN V > 100 THEN 1 END", None),
        ("CAST('12' AS INT) + V", 15),
        ("TRANSFORM(A, X => X + V)", [10, 11]),
        ("TRANSFORM(M, (K, W) => UCASE(K), (K, W) => W * 2)", [("K", 10)]),
        ("TIMESTAMPADD(SECONDS, 1, FROM_UNIXTIME(0)) = '1970-01-01T00:00:01'", True),
    ],
)
def test_expressions(expression: str, value: object, careful: bool) -> None:
    row = {"ID": 1, "NAME": "ab", "V": 3, "A": [7, 8], "M": [("k", 5)]}
    assert values(f"SELECT {expression} AS X FROM S EMIT CHANGES;", careful=careful, S=[row]) == [(value,)]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("CAST(NAME AS INT)", 'cannot read "ab" as INTEGER'),
        ("CAST(NAME AS DATE)", 'cannot read "ab" as DATE'),
        ("V / ID", "division by zero"),
        ("V % ID", "division by zero"),
        ("10 / (ID + 0)", "division by zero"),
        ("EXTRACTJSONFIELD(NAME, '$')", '"ab" is not JSON'),
    ],
)
def test_what_cannot_be_computed_raises_in_the_plain_form_and_is_null_in_the_careful_one(
    expression: str, reason: str
) -> None:
    sql = f"SELECT {expression} AS X FROM S EMIT CHANGES;"
    row = {"ID": 0, "NAME": "ab", "V": 3}
    assert values(sql, careful=True, S=[row]) == [(None,)]
    with pytest.raises(Exception, match=reason):
        values(sql, careful=False, S=[row])
    assert values(sql, careful=False, S=[{"ID": None, "NAME": None, "V": 3}]) == [(None,)]


def test_an_expression_that_fails_on_a_row_gives_null_there_in_the_careful_form() -> None:
    # DuckDB's map() raises for a key that is null, and no number stands for it.
    sql = "SELECT ID, MAP(V := 1) AS M, NAME FROM S EMIT CHANGES;"
    rows = [{"ID": 1, "NAME": "b", "V": 1}, {"ID": 2, "NAME": "a", "V": None}]
    flow = Flow(planned(sql), careful=True)
    assert flow.values(S=rows) == [(1, [(1, 1)], "b"), (2, None, "a")]
    with pytest.raises(Exception, match="Map keys can not be NULL"):
        Flow(planned(sql)).values(S=rows)


def test_group_by_counts_what_comes_and_retracts_the_old_row_first() -> None:
    flow = Flow(planned("CREATE TABLE O AS SELECT NAME, COUNT(*) AS C, SUM(V) AS T FROM S GROUP BY NAME;"))
    assert flow.values(S=[{"NAME": "a", "V": 1}, {"NAME": None, "V": 9}]) == [("a", 1, 1)]
    assert flow.values(S=[{"NAME": "a", "V": 5}]) == [("-", "a", 1, 1), ("a", 2, 6)]


def test_group_by_over_a_table_takes_rows_back_and_keeps_the_empty_group() -> None:
    flow = Flow(planned("CREATE TABLE O AS SELECT NAME, COUNT(*) AS C, SUM(V) AS T FROM T GROUP BY NAME;"))
    assert flow.values(T=[{"ID": 1, "NAME": "a", "V": 4}]) == [("a", 1, 4)]
    moved = [{"ID": 1, "NAME": "a", "V": 4, "_diff": -1, "_seq": 0}, {"ID": 1, "NAME": "b", "V": 4, "_seq": 1}]
    assert flow.values(T=moved) == [("-", "a", 1, 4), ("a", 0, 0), ("b", 1, 4)]


def test_aggregates_that_cannot_take_rows_back_are_computed_again() -> None:
    flow = Flow(planned("CREATE TABLE O AS SELECT NAME, MAX(V) AS M, COUNT_DISTINCT(V) AS N FROM T GROUP BY NAME;"))
    rows = [{"ID": i, "NAME": "a", "V": v} for i, v in enumerate([4, 9, 4])]
    assert flow.values(T=rows) == [("a", 9, 2)]
    assert flow.values(T=[{**rows[1], "_diff": -1}]) == [("-", "a", 9, 2), ("a", 4, 1)]


def test_count_distinct_counts_each_value_once() -> None:
    flow = Flow(planned("CREATE TABLE O AS SELECT NAME, COUNT(DISTINCT V) AS N FROM S GROUP BY NAME;"))
    assert flow.values(S=[{"NAME": "a", "V": v} for v in (1, 2, 1, None)]) == [("a", 2)]
    assert flow.values(S=[{"NAME": "a", "V": v} for v in (2, 3)]) == [("-", "a", 2), ("a", 3)]


def test_having_is_a_filter_over_the_groups() -> None:
    flow = Flow(planned("CREATE TABLE O AS SELECT NAME, COUNT(*) AS C FROM S GROUP BY NAME HAVING SUM(V) > 10;"))
    assert flow.values(S=[{"NAME": "a", "V": 4}]) == []
    assert flow.values(S=[{"NAME": "a", "V": 9}]) == [("a", 2)]
    assert flow.values(S=[{"NAME": "a", "V": -9}]) == [("-", "a", 2)]


def test_grouping_by_expressions_and_aggregates_in_expressions() -> None:
    sql = "CREATE TABLE O AS SELECT V % 2 AS ODD, NAME, SUM(V) * 2 + COUNT(*) AS X FROM S GROUP BY V % 2, NAME;"
    rows = [{"NAME": "a", "V": v} for v in (1, 2, 3)]
    assert sorted(Flow(planned(sql)).values(S=rows)) == [(0, "a", 5), (1, "a", 10)]


def test_one_group_of_all_rows() -> None:
    flow = Flow(planned("SELECT COUNT(*) AS C, MAX(V) AS M FROM S EMIT CHANGES;"))
    assert flow.values(S=[{"V": 4}, {"V": 2}]) == [(2, 4)]
    assert flow.values(S=[{"V": 7}]) == [("-", 2, 4), (3, 7)]


def test_tumbling_and_hopping_windows() -> None:
    tumbling = (
        "CREATE TABLE O AS SELECT NAME, COUNT(*) AS C, WINDOWEND - WINDOWSTART AS L FROM S "
        "WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY NAME;"
    )
    rows = [{"NAME": "a", "_time": t} for t in (0, 9999, 10000)]
    assert sorted(values(tumbling, S=rows)) == [("a", 1, 10000, 10000, 20000), ("a", 2, 10000, 0, 10000)]
    hopping = (
        "CREATE TABLE O AS SELECT NAME, COUNT(*) AS C FROM S "
        "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 SECONDS, GRACE PERIOD 0 SECONDS) GROUP BY NAME;"
    )
    rows = [{"NAME": "a", "_time": t} for t in (7000, 12000, 2000)]
    assert sorted(values(hopping, S=rows)) == [("a", 1, 0, 10000), ("a", 1, 10000, 20000), ("a", 2, 5000, 15000)]


def test_stream_table_join_keeps_the_left_rows_it_should() -> None:
    rows = {"T": [{"ID": 1, "NAME": "one", "V": 10}], "S": [{"ID": 1, "V": 5}, {"ID": 2, "V": 6}, {"V": 7}]}
    inner = "CREATE STREAM O AS SELECT S.ID, S.V + T.V AS X, T.NAME FROM S JOIN T ON S.ID = T.ID;"
    assert values(inner, **rows) == [(1, 15, "one")]
    left = "CREATE STREAM O AS SELECT S.ID, T.NAME FROM S LEFT JOIN T ON T.ID = S.ID;"
    assert values(left, **rows) == [(1, "one"), (2, None)]
    expression = "CREATE STREAM O AS SELECT T.ID, S.V, T.NAME FROM S JOIN T ON S.V - 4 = T.ID WHERE T.V = 10;"
    assert values(expression, **rows) == [(1, 5, "one")]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("INNER", [(2, "b", 20)]),
        ("LEFT", [(1, "a", None), (2, "b", 20)]),
        ("RIGHT", [(2, "b", 20), (3, None, 30)]),
        ("FULL OUTER", [(1, "a", None), (2, "b", 20), (3, None, 30)]),
    ],
)
def test_table_table_joins(kind: str, expected: list[tuple[Any, ...]]) -> None:
    key = "ROWKEY" if kind == "FULL OUTER" else "T2.ID" if kind == "RIGHT" else "T.ID"
    sql = f"CREATE TABLE O AS SELECT {key} AS K, T.NAME, T2.W FROM T {kind} JOIN T2 ON T.ID = T2.ID;"
    rows = {"T": [{"ID": 1, "NAME": "a"}, {"ID": 2, "NAME": "b"}], "T2": [{"ID": 2, "W": 20}, {"ID": 3, "W": 30}]}
    assert sorted(values(sql, **rows)) == expected


def test_joins_of_three() -> None:
    sql = (
        "CREATE STREAM O AS SELECT S.ID, T.V, T2.W FROM S JOIN T ON S.ID = T.ID LEFT JOIN T2 ON S.V = T2.ID "
        "PARTITION BY S.ID;"
    )
    rows = {"S": [{"ID": 1, "V": 2}], "T": [{"ID": 1, "V": 10}], "T2": [{"ID": 2, "W": 20}]}
    assert values(sql, **rows) == [(1, 10, 20)]


@BOTH
def test_explode_zips_lists_and_drops_rows_without_elements(careful: bool) -> None:
    sql = "CREATE STREAM O AS SELECT ID, EXPLODE(A) AS X, EXPLODE(ARRAY['p', 'q', 'r']) AS Y FROM S;"
    assert values(sql, careful=careful, S=[{"ID": 1, "A": [7, 8]}]) == [(1, 7, "p"), (1, 8, "q"), (1, None, "r")]
    one = "CREATE STREAM O AS SELECT ID, EXPLODE(A) + 1 AS X FROM S WHERE ID > 1;"
    rows = [{"ID": 1, "A": [1]}, {"ID": 2, "A": []}, {"ID": 3}, {"ID": 4, "A": [5, None]}]
    assert values(one, careful=careful, S=rows) == [(4, 6), (4, None)]


def test_partition_by_makes_another_key() -> None:
    sql = "CREATE STREAM O AS SELECT UCASE(NAME) AS K, V FROM S PARTITION BY UCASE(NAME);"
    assert values(sql, S=[{"ID": 1, "NAME": "a", "V": 1}, {"ID": 2, "V": 2}]) == [("A", 1), (None, 2)]


def test_an_aggregate_over_an_aggregate_follows_retractions() -> None:
    flow = Flow(
        planned(
            "SELECT C, COUNT(*) AS N FROM (SELECT NAME, COUNT(*) AS C FROM S GROUP BY NAME) G GROUP BY C EMIT CHANGES;"
        )
    )
    assert flow.values(S=[{"NAME": "a"}, {"NAME": "b"}]) == [(1, 2)]
    assert sorted(flow.values(S=[{"NAME": "a"}]), key=str) == [("-", 1, 2), (1, 1), (2, 1)]


def test_the_highest_of_the_groups_survives_a_subquery_that_does_not_select_its_key() -> None:
    flow = Flow(planned("SELECT MAX(C) AS M FROM (SELECT COUNT(*) AS C FROM S GROUP BY NAME) G EMIT CHANGES;"))
    assert flow.values(S=[{"NAME": "a"}, {"NAME": "b"}, {"NAME": "a"}]) == [(2,)]
    assert flow.values(S=[{"NAME": "b"}, {"NAME": "b"}]) == [("-", 2), (3,)]


def test_a_subquery_in_a_join() -> None:
    sql = "SELECT S.ID, G.N FROM S JOIN (SELECT ID, COUNT(*) AS N FROM S2 GROUP BY ID) G ON S.ID = G.ID EMIT CHANGES;"
    assert values(sql, S2=[{"ID": 1}, {"ID": 1}], S=[{"ID": 1}, {"ID": 2}]) == [(1, 2)]


def test_insert_into_converts_to_the_target() -> None:
    relations = catalog().stream("TARGET", "ID INT KEY, X DOUBLE, Y STRING")
    flow = Flow(planned("INSERT INTO TARGET SELECT ID, V AS X, NAME AS Y FROM S;", relations))
    assert flow.values(S=[{"ID": 1, "V": 2, "NAME": "n"}]) == [(1, 2.0, "n")]


def test_rowtime_of_each_side_of_a_join() -> None:
    sql = "SELECT S.ROWTIME AS A, T.ROWTIME AS B FROM S JOIN T ON S.ID = T.ID EMIT CHANGES;"
    assert values(sql, S=[{"ID": 1, "_time": 50}], T=[{"ID": 1, "_time": 20}]) == [(50, 20)]


def test_windowed_source_keeps_its_bounds() -> None:
    row = {"K": "k", "V": 1, "WINDOWSTART": 0, "WINDOWEND": 1000}
    assert values("CREATE STREAM O AS SELECT K, V FROM W WHERE WINDOWSTART < 5;", W=[row]) == [("k", 1, 0, 1000)]
    assert values("SELECT * FROM W EMIT CHANGES;", W=[row]) == [("k", 0, 1000, 1)]


def test_only_what_is_read_is_scanned_of_a_stream_and_all_of_a_table() -> None:
    stream = planned("SELECT NAME FROM S WHERE V > 1 EMIT CHANGES;")
    assert stream.steps[0].schema.names == ("NAME", "V")
    table = planned("SELECT NAME FROM T EMIT CHANGES;")
    assert table.steps[0].schema.names == ("ID", "NAME", "V")
    join = planned("SELECT S.ID FROM S JOIN T ON S.ID = T.ID EMIT CHANGES;")
    assert join.steps[0].schema.names == ("ID",)
    assert planned("SELECT ROWPARTITION, ROWOFFSET FROM S EMIT CHANGES;").steps[0].schema.names == (
        "ROWPARTITION",
        "ROWOFFSET",
    )


def test_names_with_case_points_and_quotes() -> None:
    relations = (
        Catalog().stream("L", '`with.dot` INT KEY, `A"b` STRING').table("R", "`with.dot` INT PRIMARY KEY, Z INT")
    )
    sql = 'SELECT L.`A"b`, R.Z FROM L JOIN R ON L.`with.dot` = R.`with.dot` EMIT CHANGES;'
    rows = {"L": [{"with.dot": 1, 'A"b': "x"}], "R": [{"with.dot": 1, "Z": 5}]}
    assert Flow(planned(sql, relations)).values(**rows) == [("x", 5)]
