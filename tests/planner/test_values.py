"""INSERT VALUES: constants in the types of their columns."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from ssql.errors import SqlError
from ssql.planner.values import plan_values
from ssql.sql.parser import parse_statement
from ssql.sql.statements import InsertValues
from ssql.sql.type_syntax import parse_schema
from tests.planner.harness import run_sql


def inserted(columns: str, *rows: str) -> list[tuple[Any, ...]]:
    statement = parse_statement(f"INSERT INTO X VALUES {', '.join(rows)};")
    assert isinstance(statement, InsertValues)
    schema = parse_schema(columns)
    planned = plan_values("X", schema.columns, statement.rows)
    table = run_sql(planned.sql, planned.udfs)
    assert table.schema.names == list(schema.names)
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("INT", "5", 5),
        ("INT", "'5'", 5),
        ("INT", "2 + 3", 5),
        ("INT", "NULL", None),
        ("BIGINT", "5", 5),
        ("DOUBLE", "5", 5.0),
        ("DOUBLE", "'1.5'", 1.5),
        ("DECIMAL(6, 2)", "1.5", Decimal("1.50")),
        ("DECIMAL(6, 2)", "'1.5'", Decimal("1.50")),
        ("STRING", "'it''s'", "it's"),
        ("STRING", "5", "5"),
        ("STRING", "UCASE('x')", "X"),
        ("BOOLEAN", "'t'", True),
        ("DATE", "'2020-02-03'", date(2020, 2, 3)),
        ("TIME", "'01:02:03'", time(1, 2, 3)),
        ("TIMESTAMP", "'2020-02-03T04:05:06.007'", datetime(2020, 2, 3, 4, 5, 6, 7000)),
        ("BYTES", "'AQI='", b"\x01\x02"),
        ("ARRAY<BIGINT>", "ARRAY[1, '2', NULL]", [1, 2, None]),
        ("MAP<STRING, DOUBLE>", "MAP('a' := 1)", [("a", 1.0)]),
        ("STRUCT<F INT, G STRING>", "STRUCT(F := 1, G := 'x')", {"F": 1, "G": "x"}),
        ("STRUCT<F INT, G STRING>", "STRUCT(G := 'x')", {"F": None, "G": "x"}),
    ],
)
def test_values(kind: str, written: str, value: object) -> None:
    assert inserted(f"C {kind}", f"({written})") == [(value,)]


def test_rows_keep_their_order() -> None:
    assert inserted("A INT, B STRING", "(1, 'x')", "(2, NULL)", "(3, 'z')") == [(1, "x"), (2, None), (3, "z")]


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("INT", "'x'", "Failed to insert values into 'X'. Expected type INTEGER for field `C` but got STRING(x)"),
        ("INT", "1.5", "Expected type INTEGER for field `C` but got DECIMAL(1.5)"),
        ("INT", "ARRAY[1, 2]", "Expected type INTEGER for field `C` but got ARRAY(ARRAY[1, 2])"),
        ("DATE", "'soon'", "Expected type DATE for field `C` but got STRING(soon). Date format must be yyyy-mm-dd"),
        ("TIME", "'soon'", "but got STRING(soon). Time format must be hh:mm:ss[.S]"),
        ("TIMESTAMP", "'soon'", "but got STRING(soon). Timestamp format must be yyyy-mm-ddThh:mm:ss[.S]"),
        ("BIGINT", "5000000000.5", "Expected type BIGINT for field `C` but got DECIMAL(5000000000.5)"),
        ("INT", "FOO", "VALUES column 'FOO' cannot be resolved."),
        ("INT", "FOO.BAR", "'FOO' is not a valid stream/table name or alias."),
        ("INT", "1, 'b'", "Expected number columns and values to match: [C], [1, 'b']"),
        ("INT", "COUNT(*)", "does not support aggregate functions"),
    ],
)
def test_refusals(kind: str, written: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        inserted(f"C {kind}", f"({written})")
    assert message in caught.value.message
