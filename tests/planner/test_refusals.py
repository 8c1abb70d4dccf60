"""What ksqlDB refuses and ssql could carry out: refused by default, planned with the option `extensions`."""

from __future__ import annotations

import pytest

from ssql.errors import FormatError, InvalidStatement, RefusedAsInKsqldb, SqlError, SsqlError, UnknownInExpression
from ssql.formats.api import FormatSpec
from ssql.planner.options import DEFAULTS, Options
from ssql.planner.relation import KeyWindow
from tests.planner.harness import Catalog, analysed, catalog, planned

ROWS = FormatSpec("DELIMITED")


def relations() -> Catalog:
    """The usual sources, some whose values are in other formats, and three tables that refer to each other."""
    found = catalog()
    found.stream("K", "ID INT KEY, V INT").stream("K2", "ID INT KEY, W INT").table("KT", "ID INT PRIMARY KEY, V INT")
    for name in ("K", "K2", "KT"):
        relation = found.relations[name]
        found.relations[name] = type(relation)(**{**vars(relation), "value_format": FormatSpec("KAFKA")})
    found.stream("CSV", "ID INT KEY, NAME STRING, V INT, D DOUBLE")
    found.relations["CSV"] = type(relation)(**{**vars(found.relations["CSV"]), "value_format": ROWS})
    found.table("A", "ID INT PRIMARY KEY, B_ID INT, C_ID INT").table("B", "ID INT PRIMARY KEY, X INT")
    return found.table("C", "ID INT PRIMARY KEY, Y INT")


def refusal(sql: str, options: Options = DEFAULTS) -> SsqlError:
    with pytest.raises(SsqlError) as caught:
        planned(sql, relations(), options)
    return caught.value


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        # formats
        ("SELECT * FROM K JOIN K2 WITHIN 1 DAY ON K.ID = K2.ID EMIT CHANGES;",
         "Source(s) K, K2 are using the 'KAFKA' value format. This format does not yet support JOIN."),
        ("SELECT * FROM S JOIN K2 AS X WITHIN 1 DAY ON S.ID = X.ID EMIT CHANGES;",
         "Source(s) X are using the 'KAFKA' value format. This format does not yet support JOIN."),
        ("CREATE STREAM O AS SELECT * FROM S JOIN KT ON S.ID = KT.ID;",
         "Source(s) KT are using the 'KAFKA' value format. This format does not yet support JOIN."),
        ("CREATE TABLE O AS SELECT V, COUNT(*) FROM K GROUP BY V;",
         "Source(s) K are using the 'KAFKA' value format. This format does not yet support GROUP BY."),
        # sources that come twice
        ("SELECT * FROM S A JOIN S B WITHIN 1 DAY ON A.ID = B.V EMIT CHANGES;",
         "Can not join 'S' to 'S': self joins are not yet supported."),
        ("CREATE STREAM O AS SELECT * FROM S JOIN T X ON S.ID = X.ID JOIN T Y ON S.V = Y.ID;",
         "N-way joins do not support multiple occurrences of the same source. Source: 'T'."),
        # foreign keys
        ("CREATE TABLE O AS SELECT * FROM A JOIN B ON A.ID = B.ID JOIN C ON A.C_ID = C.ID;",
         "Invalid join condition: foreign-key table-table joins are not supported as part of n-way joins. "
         "Got A.C_ID = C.ID."),
        ("CREATE TABLE O AS SELECT * FROM A JOIN B ON A.B_ID = B.ID JOIN C ON C.ID = A.C_ID;",
         "Invalid join condition: foreign-key table-table joins are not supported as part of n-way joins. "
         "Got C.ID = A.C_ID."),
        # aggregates over tables
        ("CREATE TABLE O AS SELECT NAME, MIN(V) FROM T GROUP BY NAME;",
         "The aggregation function MIN cannot be applied to a table source, only to a stream source."),
        ("SELECT NAME, SUM(V), MAX(V), TOPK(V, 2), MAX(V) + 1 FROM T GROUP BY NAME EMIT CHANGES;",
         "The aggregation functions MAX and TOPK cannot be applied to a table source, only to a stream source."),
        ("SELECT NAME, COUNT(*) FROM T GROUP BY NAME HAVING EARLIEST_BY_OFFSET(V) > 1 EMIT CHANGES;",
         "The aggregation function EARLIEST_BY_OFFSET cannot be applied to a table source, only to a stream source."),
        # states that the value format cannot hold
        *(
            (f"CREATE TABLE O AS SELECT NAME, {call} AS X FROM CSV GROUP BY NAME;",
             "One of the functions used in the statement has an intermediate type that the value format can not "
             "handle. Please remove the function or change the format.")
            for call in ("AVG(V)", "CORRELATION(V, D)", "STDDEV_SAMPLE(V)", "LATEST_BY_OFFSET(V)", "COUNT_DISTINCT(V)")
        ),
        # bounds of windows
        ("SELECT NAME, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 DAY) GROUP BY NAME HAVING WINDOWSTART > 5 EMIT CHANGES;",
         "Window bounds column WINDOWSTART can only be used in the SELECT clause of windowed aggregations and can not "
         "be passed to aggregate functions."),
    ],
)  # fmt: skip
def test_what_ksqldb_refuses_is_refused_and_can_be_had(sql: str, message: str) -> None:
    error = refusal(sql)
    assert isinstance(error, RefusedAsInKsqldb)
    assert error.message.startswith(message)
    assert error.span is not None
    assert "sql.extensions" in str(error.hint)
    assert planned(sql, relations(), Options(extensions=True)).steps


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE STREAM O AS SELECT ID, V + 1 AS V FROM K PARTITION BY ID;",
        "CREATE TABLE O AS SELECT * FROM A JOIN B ON A.B_ID = B.ID;",
        "CREATE TABLE O AS SELECT * FROM A JOIN B ON A.ID = B.ID JOIN C ON A.ID = C.ID;",
        "CREATE TABLE O AS SELECT NAME, COUNT(*), SUM(V), AVG(V), COLLECT_LIST(V) AS L FROM T GROUP BY NAME;",
        "CREATE TABLE O AS SELECT NAME, COUNT(*), SUM(V), MIN(D), MAX(NAME) FROM CSV GROUP BY NAME;",
        # what ksqlDB has not is not refused as it would be there
        "CREATE TABLE O AS SELECT NAME, MEDIAN(V) FROM T GROUP BY NAME;",
        "CREATE TABLE O AS SELECT NAME, COUNT(DISTINCT V) FROM T GROUP BY NAME;",
        "SELECT MAX(C) AS M FROM (SELECT NAME, COUNT(*) AS C FROM T GROUP BY NAME) Q EMIT CHANGES;",
        "SELECT MIN(M) FROM (SELECT NAME, MAX(V) AS M FROM T GROUP BY NAME) Q EMIT CHANGES;",
    ],
)
def test_what_ksqldb_takes_or_has_not_is_planned(sql: str) -> None:
    assert planned(sql, relations(), DEFAULTS).steps


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        ("SELECT NAME, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 DAY) WHERE WINDOWEND < 5 GROUP BY NAME EMIT CHANGES;",
         UnknownInExpression, "Error in WHERE expression: Unknown column WINDOWEND."),
        ("SELECT NAME, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 DAY) WHERE MIN(WINDOWSTART) < 5 GROUP BY NAME "
         "EMIT CHANGES;", UnknownInExpression, "Error in WHERE expression: Unknown column WINDOWSTART."),
        ("SELECT S.NAME, COUNT(*), WINDOWEND FROM S JOIN T ON S.ID = T.ID WINDOW TUMBLING (SIZE 1 DAY) GROUP BY S.NAME "
         "EMIT CHANGES;", SqlError, "SELECT column 'WINDOWEND' cannot be resolved."),
        ("CREATE TABLE O AS SELECT NAME, WINDOWSTART, COUNT(*) FROM S GROUP BY WINDOWSTART;",
         InvalidStatement, "Reserved column name in select: `WINDOWSTART`. Please remove or alias the column."),
        # functions that make rows, whatever their arguments
        ("CREATE TABLE O AS SELECT NAME, EXPLODE(M), COUNT(*) FROM S GROUP BY NAME;",
         InvalidStatement, "Table functions cannot be used with aggregations."),
        ("SELECT NAME, 1 + EXPLODE(A) AS X FROM S GROUP BY NAME EMIT CHANGES;",
         InvalidStatement, "Table functions cannot be used with aggregations."),
        # qualifiers are looked at first
        ("SELECT * FROM S JOIN T ON ID = X.ID EMIT CHANGES;", SqlError,
         "'X' is not a valid stream/table name or alias."),
        ("SELECT NOPE, X.ID FROM S WHERE NOPE = 1 EMIT CHANGES;", SqlError,
         "'X' is not a valid stream/table name or alias."),
        # keys of joins
        ("CREATE STREAM O AS SELECT * FROM S L JOIN S3 R WITHIN 1 DAY ON L.M = R.M;", FormatError,
         "Key column name: `L_M`. Column type: MAP<STRING, INTEGER>."),
        ("CREATE STREAM O AS SELECT * FROM S L JOIN S3 R WITHIN 1 DAY ON STRUCT(F := L.M) = STRUCT(F := R.M);",
         FormatError, "Key column name: `KSQL_COL_0`. Column type: STRUCT<`F` MAP<STRING, INTEGER>>."),
    ],
)  # fmt: skip
def test_what_nothing_allows(sql: str, kind: type[SsqlError], message: str) -> None:
    with pytest.raises(kind) as caught:
        planned(sql, relations().stream("S3", "ID INT KEY, M MAP<STRING, INT>"), DEFAULTS)
    assert message in caught.value.message
    assert caught.value.span is not None


def test_topics_of_different_sizes_do_not_join() -> None:
    options = Options(partitions={"s": 2, "s2": 2, "t": 3, "a": 2, "b": 3, "c": 3}.get)
    sizes = (
        "Can't join `{0}` with `{1}` since the number of partitions don't match. `{0}` partitions = 2; "
        "`{1}` partitions = 3. Please repartition either one so that the number of partitions match."
    )
    error = refusal("SELECT * FROM S JOIN T X ON S.ID = X.ID EMIT CHANGES;", options)
    assert error.message == sizes.format("S", "X")
    several = "SELECT * FROM S JOIN S2 WITHIN 1 DAY ON S.ID = S2.ID JOIN T ON S.ID = T.ID EMIT CHANGES;"
    assert refusal(several, options).message == sizes.format("S", "T")
    # A foreign key is looked up wherever it is.
    assert planned("SELECT * FROM A JOIN B ON A.B_ID = B.ID EMIT CHANGES;", relations(), options).steps
    unknown = Options(partitions={"s": 2}.get)
    assert planned("SELECT * FROM S JOIN T ON S.ID = T.ID EMIT CHANGES;", relations(), unknown).steps


def test_a_streams_key_need_not_be_selected() -> None:
    optional = Options(keys_optional=True)
    sql = "CREATE STREAM O AS SELECT {} FROM S;"
    assert str(analysed(sql.format("NAME"), relations(), optional).schema) == "`NAME` STRING"
    assert str(analysed(sql.format("NAME, ID"), relations(), optional).schema) == "`ID` INTEGER KEY, `NAME` STRING"
    with pytest.raises(InvalidStatement, match="Key missing from projection"):
        analysed("CREATE TABLE O AS SELECT V FROM T;", relations(), optional)


def test_a_join_of_windows_gives_the_bounds_of_both_sides() -> None:
    window = KeyWindow("TUMBLING", 1000)
    found = Catalog().stream("L", "K INT KEY, V INT", window=window).stream("R", "K INT KEY, W INT", window=window)
    sql = "CREATE STREAM O AS SELECT * FROM L JOIN R WITHIN 1 DAY ON L.K = R.K;"
    assert analysed(sql, found).schema.names == (
        *("L_K", "L_WINDOWSTART", "L_WINDOWEND", "L_V"),
        *("R_K", "R_WINDOWSTART", "R_WINDOWEND", "R_W"),
    )


def test_windows_of_different_sizes_join_only_where_the_keys_have_registered_schemas() -> None:
    found = Catalog()
    for name, kind, size in (("L", "HOPPING", 5000), ("R", "TUMBLING", 2000)):
        found.stream(name, "K INT KEY, V INT", window=KeyWindow(kind, size))  # type: ignore[arg-type]
    sql = "CREATE STREAM O AS SELECT L.K, L.V, R.V FROM L JOIN R WITHIN 1 DAY ON L.K = R.K;"
    with pytest.raises(InvalidStatement, match="Implicit repartitioning of windowed sources is not supported"):
        analysed(sql, found)
    for name, relation in list(found.relations.items()):
        found.relations[name] = type(relation)(**{**vars(relation), "key_format": FormatSpec("JSON_SR")})
    assert analysed(sql, found).window == KeyWindow("HOPPING", 5000)
