"""What a query is refused for: the message, and the place."""

from __future__ import annotations

import pytest

from ssql.errors import (
    AmbiguousColumn,
    ColumnNotFound,
    FunctionNotFound,
    NoSuchSignature,
    NotSupportedYet,
    SourceNotFound,
    SqlError,
    TypeMismatch,
)
from ssql.planner.options import DEFAULTS
from tests.planner.harness import planned

STREAM = "CREATE STREAM O AS SELECT "
TABLE = "CREATE TABLE O AS SELECT "


def refusal(sql: str) -> tuple[SqlError, str]:
    """The error, and the text that it points at."""
    with pytest.raises(SqlError) as caught:
        planned(sql, options=DEFAULTS)
    span = caught.value.span
    return caught.value, "" if span is None else sql[span.start : span.end]


@pytest.mark.parametrize(
    ("sql", "kind", "place", "hint"),
    [
        ("SELECT NAMEX FROM S EMIT CHANGES;", ColumnNotFound, "NAMEX", "NAME"),
        ("SELECT S.NAMEX FROM S EMIT CHANGES;", ColumnNotFound, "S.NAMEX", None),
        ("SELECT * FROM SS EMIT CHANGES;", SourceNotFound, "SS", "S"),
        ("SELECT NAME FROM S JOIN T ON S.ID = T.ID EMIT CHANGES;", AmbiguousColumn, "NAME", None),
        ("SELECT UCAS(NAME) FROM S EMIT CHANGES;", FunctionNotFound, "UCAS(NAME)", "UCASE"),
        ("SELECT UCASE(V) FROM S EMIT CHANGES;", NoSuchSignature, "UCASE(V)", None),
        ("SELECT ST->H FROM S EMIT CHANGES;", SqlError, "H", None),
        ("SELECT V->H FROM S EMIT CHANGES;", TypeMismatch, "V->H", None),
        ("SELECT V[1] FROM S EMIT CHANGES;", TypeMismatch, "V[1]", None),
        ("SELECT V + NAME FROM S EMIT CHANGES;", TypeMismatch, "V + NAME", "CAST"),
        ("SELECT ID FROM S WHERE NAME = 5 EMIT CHANGES;", TypeMismatch, "NAME = 5", "CAST"),
        ("SELECT TRANSFORM(A, X => X + NAME) FROM S EMIT CHANGES;", TypeMismatch, "X + NAME", "CAST"),
        ("SELECT ID FROM S WHERE ROWTIME > 'soon' EMIT CHANGES;", TypeMismatch, "'soon'", "2020"),
    ],
)
def test_errors_show_the_place_and_what_to_do(sql: str, kind: type[SqlError], place: str, hint: str | None) -> None:
    error, found = refusal(sql)
    assert isinstance(error, kind)
    assert found == place
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (STREAM + "NAME FROM S;", "The query used to build `O` must include the key column ID in its projection"),
        (STREAM + "ID, ID AS K, V FROM S;", "contains a key column (`ID`) more than once, aliased as: ID and K."),
        (STREAM + "ID FROM S;", "The projection contains no value columns."),
        (STREAM + "ID, NULL AS X FROM S;", "Can't infer a type of null."),
        (STREAM + "ID, ROWTIME FROM S;", "Reserved column name in select: `ROWTIME`."),
        (STREAM + "ID, V AS ROWTIME FROM S;", "`ROWTIME` is a reserved column name."),
        (STREAM + "ID, V, V FROM S;", "Duplicate value columns found in schema: `V` INTEGER"),
        (STREAM + "ID, V FROM T;", "Your SELECT query produces a TABLE."),
        (TABLE + "ID, V FROM S;", "Your SELECT query produces a STREAM."),
        (STREAM + "ID, V FROM S LIMIT 1;", "CREATE STREAM AS SELECT statements don't support LIMIT clause."),
        (STREAM + "X.* FROM S;", "'X' is not a valid stream/table name or alias."),
        (STREAM + "ID, V FROM S WHERE V;", "Should evaluate to boolean but is V (INTEGER) instead."),
        (STREAM + "ID, V FROM S WHERE V >= 'a';",
         "Cannot compare V (INTEGER) to 'a' (STRING) with GREATER_THAN_OR_EQUAL."),
        (STREAM + "ID, M < M AS X FROM S;", "Cannot compare M (MAP<STRING, INTEGER>) to M (MAP<STRING, INTEGER>)"),
        (STREAM + "ID, V FROM S WHERE V = NULL;", "Comparison with NULL not supported: INTEGER = NULL"),
        (STREAM + "ID, TRUE + 1.5 AS X FROM S;", "(true + 1.5). Unsupported arithmetic types. BOOLEAN DECIMAL"),
        (STREAM + "ID, V + NULL AS X FROM S;", "(V + null). Arithmetic on types INTEGER and null are not supported."),
        (STREAM + "ID, V FROM S WHERE V IN (10, TRUE);", "operator does not exist: INTEGER = BOOLEAN (true)"),
        (STREAM + "ID, MAP('a' := 1, 'b' := 'x') AS X FROM S;", 'invalid input syntax for type INTEGER: "x".'),
        (STREAM + "ID, CAST(NAME AS ARRAY<INT>) AS X FROM S;", "Invalid Select: Cast of STRING to ARRAY<INTEGER>"),
        (STREAM + "ID, CASE WHEN TRUE THEN NULL END AS X FROM S;", "All case branches have NULL type"),
        (STREAM + "ID, V FROM S WHERE V LIKE 'a';", "The column type for Like condition must be VARCHAR."),
        # grouping
        (TABLE + "NAME, V, COUNT(*) FROM S GROUP BY NAME;",
         "Non-aggregate SELECT expression(s) not part of GROUP BY: V"),
        (TABLE + "V * SUM(ID) FROM S GROUP BY NAME;", "not part of GROUP BY: (V * SUM(ID))"),
        (TABLE + "COUNT(*) FROM S GROUP BY NAME, V;", "must include the grouping expressions NAME and V"),
        (TABLE + "NAME, NAME AS N, COUNT(*) FROM S GROUP BY NAME;", "a key column more than once: `NAME` and `N`."),
        (TABLE + "COUNT(*) FROM S;", "does not support aggregate function [COUNT(ROWTIME)] without a GROUP BY"),
        (TABLE + "NAME FROM S GROUP BY NAME;", "GROUP BY requires aggregate functions in either"),
        (TABLE + "SUM(COUNT(*)) FROM S GROUP BY NAME;", "Aggregate functions can not be nested: SUM(COUNT())"),
        (TABLE + "COUNT(*) FROM S GROUP BY SUM(V);", "GROUP BY does not support aggregate functions: SUM is"),
        (TABLE + "NAME, EXPLODE(A), COUNT(*) FROM S GROUP BY NAME;",
         "Table functions cannot be used with aggregations."),
        (TABLE + "ID, EXPLODE(ARRAY[V]) FROM T;", "Table source is not supported with table functions"),
        (STREAM + "* FROM S WINDOW TUMBLING (SIZE 1 DAY);", "WINDOW clause requires a GROUP BY clause."),
        (TABLE + "NAME, MIN(WINDOWSTART) FROM S WINDOW TUMBLING (SIZE 1 DAY) GROUP BY NAME;",
         "Window bounds column WINDOWSTART can only be used in the SELECT clause of windowed aggregations"),
        (TABLE + "COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 DAY) GROUP BY WINDOWSTART;",
         "Window bounds column WINDOWSTART can only be used in the SELECT clause of windowed aggregations"),
        (TABLE + "NAME, COUNT(*) FROM S GROUP BY NAME EMIT FINAL;", "EMIT FINAL is only supported for windowed"),
        # partition by
        (STREAM + "NAME, V FROM S PARTITION BY ABS(V);", "must include the partitioning expression ABS(S.V) in its"),
        (STREAM + "NAME FROM S PARTITION BY NULL, ID;", "Cannot PARTITION BY multiple columns including NULL"),
        (TABLE + "* FROM T PARTITION BY V;", "PARTITION BY clause is not supported for tables"),
        # joins
        (STREAM + "S.V FROM S JOIN T ON S.ID = T.ID;",
         "must include the join expressions S.ID or T.ID in its projection"),
        (TABLE + "T.V, W FROM T FULL JOIN T2 ON T.ID = T2.ID;", "ROWKEY was added as a synthetic key column"),
        (TABLE + "T.V, W FROM T JOIN T2 ON T.V = T2.ID;", "Primary key column missing in projection."),
        (STREAM + "* FROM S JOIN T ON S.ID = T.V;", "require to join on the table's primary key. Got S.ID = T.V."),
        (STREAM + "* FROM S JOIN T ON S.NAME = T.ID;", "types don't match. Got S.NAME{STRING} = T.ID{INTEGER}."),
        (STREAM + "* FROM S FULL JOIN T ON S.ID = T.ID;", "full-outer join not supported for stream-table join."),
        (STREAM + "* FROM T JOIN S ON S.ID = T.ID;", "table-stream joins are not supported; only stream-table joins."),
        (STREAM + "* FROM S JOIN T ON S.ID = 0;", "Invalid comparison expression '0' in join '(S.ID = 0)'."),
        (STREAM + "* FROM S JOIN T ON X.ID = T.ID;", "'X' is not a valid stream/table name or alias."),
        (STREAM + "* FROM S JOIN S2 ON S.ID = S2.ID;", "Stream-Stream joins must have a WITHIN clause specified."),
        (STREAM + "* FROM S A JOIN T A ON A.ID = A.ID;", "do not support multiple occurrences of the same source."),
        (TABLE + "* FROM T JOIN T2 ON T.ID = T2.W;", "types don't match."),
        # inserting
        ("INSERT INTO T SELECT * FROM S;", "INSERT INTO can only be used to insert into a stream. T is a table."),
        ("INSERT INTO S2 SELECT ID, NAME FROM S;", "Result schema is `ID` INTEGER KEY, `NAME` STRING\nSink schema is"),
    ],
)  # fmt: skip
def test_refusals_read_as_in_ksqldb(sql: str, message: str) -> None:
    error, _ = refusal(sql)
    assert message in error.message


@pytest.mark.parametrize(
    ("sql", "what"),
    [("SELECT DISTINCT NAME FROM S EMIT CHANGES;", "DISTINCT")],
)
def test_what_is_understood_and_not_run_yet(sql: str, what: str) -> None:
    error, _ = refusal(sql)
    assert isinstance(error, NotSupportedYet)
    assert what in error.message


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT\n NAMEX FROM S EMIT CHANGES;", "Line: 2, Col: 2: SELECT column 'NAMEX' cannot be resolved."),
        ("SELECT S.NAMEX FROM S EMIT CHANGES;", "Line: 1, Col: 8: SELECT column 'S.NAMEX' cannot be resolved."),
        ("SELECT ID FROM S WHERE X = 1 EMIT CHANGES;", "Line: 1, Col: 24: WHERE column 'X' cannot be resolved."),
        ("SELECT ID FROM S JOIN T ON S.X = T.ID EMIT CHANGES;",
         "Line: 1, Col: 28: JOIN ON column 'S.X' cannot be resolved."),
        ("SELECT COUNT(*) FROM S GROUP BY X EMIT CHANGES;",
         "Line: 1, Col: 33: GROUP BY column 'X' cannot be resolved."),
        ("SELECT ID, COUNT(*) FROM S GROUP BY ID HAVING X > 1 EMIT CHANGES;",
         "Line: 1, Col: 47: HAVING column 'X' cannot be resolved."),
        ("SELECT ID FROM S PARTITION BY X EMIT CHANGES;",
         "Line: 1, Col: 31: PARTITION BY column 'X' cannot be resolved. 'X' must be a column in the source schema "
         "since PARTITION BY is applied on the input."),
        ("SELECT NAME FROM S JOIN T ON S.ID = T.ID EMIT CHANGES;",
         "Exception while preparing statement: Line: 1, Col: 8: Column 'NAME' is ambiguous. "
         "Could be S.NAME or T.NAME."),
        ("SELECT * FROM NONE EMIT CHANGES;", "Exception while preparing statement: NONE does not exist."),
        ("SELECT X.ID FROM S EMIT CHANGES;",
         "Failed to prepare statement: 'X' is not a valid stream/table name or alias."),
        ("SELECT CAST(ID AS NOPE) FROM S EMIT CHANGES;",
         "Failed to prepare statement: Cannot resolve unknown type: NOPE"),
    ],
)  # fmt: skip
def test_messages_over_http_are_ksqldbs_with_step_and_place(sql: str, message: str) -> None:
    error, _ = refusal(sql)
    assert error.within(sql).ksql_message == message
