"""What a query yields: names, types, keys, kind."""

from __future__ import annotations

import pytest

from ssql.planner.relation import HeaderColumn, KeyWindow
from tests.planner.harness import Catalog, analysed, catalog

STREAM = "CREATE STREAM O AS "
TABLE = "CREATE TABLE O AS "


@pytest.mark.parametrize(
    ("sql", "schema"),
    [
        (STREAM + "SELECT ID, NAME AS N FROM S", "`ID` INTEGER KEY, `N` STRING"),
        (STREAM + "SELECT NAME, ID AS K FROM S", "`K` INTEGER KEY, `NAME` STRING"),
        (STREAM + "SELECT ID, AS_VALUE(ID) AS COPY FROM S", "`ID` INTEGER KEY, `COPY` INTEGER"),
        (STREAM + "SELECT * FROM S2", "`ID` INTEGER KEY, `NAME` STRING, `W` BIGINT"),
        (STREAM + "SELECT S2.* FROM S2", "`ID` INTEGER KEY, `NAME` STRING, `W` BIGINT"),
        # generated names
        (STREAM + "SELECT ID, V + 1, ABS(V) FROM S", "`ID` INTEGER KEY, `KSQL_COL_0` INTEGER, `KSQL_COL_1` INTEGER"),
        (STREAM + "SELECT ID, ST->F, ST->F + 1 FROM S", "`ID` INTEGER KEY, `F` INTEGER, `KSQL_COL_0` INTEGER"),
        (STREAM + "SELECT ID, ST->F, ST->F FROM S", "`ID` INTEGER KEY, `F` INTEGER, `F_1` INTEGER"),
        (STREAM + "SELECT ID, ST->* FROM S", "`ID` INTEGER KEY, `F` INTEGER, `G` STRING"),
        # types
        (STREAM + "SELECT ID, 1 AS A, 3000000000 AS B, 1.50 AS C, 1e3 AS D, 'x' AS E, TRUE AS F FROM S",
         "`ID` INTEGER KEY, `A` INTEGER, `B` BIGINT, `C` DECIMAL(3, 2), `D` DOUBLE, `E` STRING, `F` BOOLEAN"),
        (STREAM + "SELECT ID, V + W AS X FROM (SELECT S.ID AS ID, S.V, T2.W FROM S JOIN T2 ON S.ID = T2.ID) Q",
         "`ID` INTEGER KEY, `X` BIGINT"),
        (STREAM + "SELECT ID, V + 1.5 AS X, V + D AS Y FROM S", "`ID` INTEGER KEY, `X` DECIMAL(12, 1), `Y` DOUBLE"),
        (STREAM + "SELECT ID, ARRAY[1, '2e1', V] AS X FROM S", "`ID` INTEGER KEY, `X` ARRAY<DECIMAL(10, 0)>"),
        (STREAM + "SELECT ID, ARRAY['a', 1] AS X FROM S", "`ID` INTEGER KEY, `X` ARRAY<STRING>"),
        (STREAM + "SELECT ID, CASE WHEN TRUE THEN NULL WHEN FALSE THEN 1 ELSE 1.5 END AS X FROM S",
         "`ID` INTEGER KEY, `X` DECIMAL(11, 1)"),
        # grouping: keys in the order of GROUP BY
        (TABLE + "SELECT COUNT(*) AS C, V, NAME FROM S GROUP BY NAME, V",
         "`NAME` STRING KEY, `V` INTEGER KEY, `C` BIGINT"),
        (TABLE + "SELECT NAME AS K, AS_VALUE(NAME) AS V, COUNT(*) FROM S GROUP BY NAME",
         "`K` STRING KEY, `V` STRING, `KSQL_COL_0` BIGINT"),
        (TABLE + "SELECT LEN(NAME), COUNT(*) FROM S GROUP BY LEN(NAME)",
         "`KSQL_COL_0` INTEGER KEY, `KSQL_COL_1` BIGINT"),
        (TABLE + "SELECT 1 AS K, SUM(V) AS T FROM S GROUP BY 1", "`K` INTEGER KEY, `T` INTEGER"),
        (TABLE + "SELECT ST->G, COUNT(*) AS C FROM S GROUP BY ST->G", "`G` STRING KEY, `C` BIGINT"),
        # joins
        (STREAM + "SELECT S.ID, V, W FROM S JOIN T2 ON S.ID = T2.ID", "`S_ID` INTEGER KEY, `V` INTEGER, `W` BIGINT"),
        (STREAM + "SELECT T2.ID AS K, S.NAME FROM S JOIN T2 ON S.ID = T2.ID", "`K` INTEGER KEY, `S_NAME` STRING"),
        (STREAM + "SELECT * FROM S2 A JOIN T2 B ON A.ID = B.ID",
         "`A_ID` INTEGER KEY, `A_NAME` STRING, `A_W` BIGINT, `B_ID` INTEGER, `B_NAME` STRING, `B_W` BIGINT"),
        (TABLE + "SELECT * FROM T JOIN T2 ON T.ID = T2.ID",
         "`T_ID` INTEGER KEY, `T_NAME` STRING, `T_V` INTEGER, `T2_ID` INTEGER, `T2_NAME` STRING, `T2_W` BIGINT"),
        (TABLE + "SELECT ROWKEY AS K, T.V FROM T FULL JOIN T2 ON T.ID = T2.ID", "`K` INTEGER KEY, `V` INTEGER"),
        (TABLE + "SELECT T.ID, W FROM T JOIN T2 ON T.V = T2.ID", "`T_ID` INTEGER KEY, `W` BIGINT"),
        # partition by
        (STREAM + "SELECT * FROM S2 PARTITION BY NAME", "`NAME` STRING KEY, `W` BIGINT, `ID` INTEGER"),
        (STREAM + "SELECT * FROM S2 PARTITION BY ABS(W)",
         "`KSQL_COL_0` BIGINT KEY, `NAME` STRING, `W` BIGINT, `ID` INTEGER"),
        (STREAM + "SELECT W, NAME, ID FROM S2 PARTITION BY ID, NAME",
         "`ID` INTEGER KEY, `NAME` STRING KEY, `W` BIGINT"),
        (STREAM + "SELECT W + 1, NAME FROM S2 PARTITION BY W + 1", "`KSQL_COL_0` BIGINT KEY, `NAME` STRING"),
        (STREAM + "SELECT ID, NAME FROM S2 PARTITION BY NULL", "`ID` INTEGER, `NAME` STRING"),
        # windows: of a join `*` gives the bounds of each side
        (STREAM + "SELECT * FROM W A JOIN W B WITHIN 1 SECOND ON A.K = B.K",
         "`A_K` STRING KEY, `A_WINDOWSTART` BIGINT, `A_WINDOWEND` BIGINT, `A_V` INTEGER, "
         "`B_K` STRING, `B_WINDOWSTART` BIGINT, `B_WINDOWEND` BIGINT, `B_V` INTEGER"),
        (STREAM + "SELECT * FROM W", "`K` STRING KEY, `V` INTEGER"),
        # readers: any order; what tells rows apart is marked
        ("SELECT NAME, ID FROM S EMIT CHANGES", "`NAME` STRING, `ID` INTEGER KEY"),
        ("SELECT * FROM W EMIT CHANGES",
         "`K` STRING KEY, `WINDOWSTART` BIGINT KEY, `WINDOWEND` BIGINT KEY, `V` INTEGER"),
        ("SELECT ROWTIME FROM S EMIT CHANGES", "`ROWTIME` BIGINT"),
        ("SELECT COUNT(*) FROM S GROUP BY NAME EMIT CHANGES", "`KSQL_COL_0` BIGINT"),
    ],
)  # fmt: skip
def test_result_columns(sql: str, schema: str) -> None:
    assert str(analysed(sql + ";").schema) == schema


def test_generated_names_go_around_what_a_source_uses() -> None:
    relations = Catalog().stream("X", "K INT KEY, KSQL_COL_0 INT, KSQL_COL_2 INT")
    found = analysed("SELECT ABS(K), ABS(K), ABS(K) FROM X EMIT CHANGES;", relations)
    assert found.schema.names == ("KSQL_COL_1", "KSQL_COL_3", "KSQL_COL_4")


def test_the_synthetic_key_goes_around_columns_named_rowkey() -> None:
    relations = Catalog().table("A", "ROWKEY INT PRIMARY KEY, V INT").table("B", "ROWKEY INT PRIMARY KEY, W INT")
    found = analysed("CREATE TABLE O AS SELECT ROWKEY_1, V, W FROM A FULL JOIN B ON A.ROWKEY = B.ROWKEY;", relations)
    assert str(found.schema) == "`ROWKEY_1` INTEGER KEY, `V` INTEGER, `W` INTEGER"


def test_star_gives_header_columns_last() -> None:
    columns = "K INT KEY, H ARRAY<STRUCT<KEY STRING, VALUE BYTES>>, V INT"
    relations = Catalog().stream("X", columns, headers=(HeaderColumn("H"),))
    assert analysed("CREATE STREAM O AS SELECT * FROM X;", relations).schema.names == ("K", "V", "H")


def test_kinds_windows_and_lifetimes() -> None:
    stream = analysed("CREATE STREAM O AS SELECT * FROM S;")
    assert (stream.kind, stream.window, stream.reads) == ("STREAM", None, ("S",))
    table = analysed("CREATE TABLE O AS SELECT ID, V FROM T;")
    assert (table.kind, table.window) == ("TABLE", None)
    sql = "CREATE TABLE O AS SELECT NAME, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY NAME;"
    windowed = analysed(sql)
    assert windowed.window == KeyWindow("TUMBLING", 3_600_000)
    assert windowed.lifetime_ms == 82_800_000  # a day from the start
    kept = "WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 3 DAYS, GRACE PERIOD 0 SECONDS)"
    assert analysed(sql.replace("WINDOW TUMBLING (SIZE 1 HOUR)", kept)).lifetime_ms == 255_600_000
    carried = analysed("CREATE STREAM O AS SELECT * FROM W;")
    assert carried.window == catalog().relations["W"].window
    assert analysed("SELECT * FROM S LEFT JOIN T ON S.ID = T.ID EMIT CHANGES LIMIT 3;").reads == ("S", "T")
