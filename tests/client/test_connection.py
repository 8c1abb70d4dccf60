"""Statements, queries and rows, over every kind of connection."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ssql.engine.engine import LocalEngine
from ssql.errors import (
    AssertionNotMet,
    BadParameter,
    ColumnNotFound,
    ConnectionClosed,
    EndpointNotFound,
    NotOneRow,
    ParameterUnknown,
    SourceNotFound,
    SyntaxSqlError,
)

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM orders (customer STRING KEY, item STRING, price DOUBLE)
        WITH (KAFKA_TOPIC = 'orders', PARTITIONS = 1, VALUE_FORMAT = 'JSON');
    CREATE TABLE spent AS SELECT customer, COUNT(*) AS orders, SUM(price) AS total FROM orders GROUP BY customer;
"""


@pytest.fixture
def shop(db: Any, engine: LocalEngine) -> Any:
    """A connection with some orders."""
    db.execute(DEFINITIONS)
    rows = [
        {"customer": "ada", "item": "tea", "price": 4.5},
        {"customer": "ada", "item": "cake", "price": 3.25},
        {"customer": "bob", "item": "tea", "price": 4.5},
    ]
    assert all(ack.ok for ack in db.insert("orders", rows))
    assert engine.caught_up(10)
    return db


def test_statements_answer_with_entities(db: Any) -> None:
    entities = db.execute(DEFINITIONS)
    assert [e["@type"] for e in entities] == ["currentStatus", "currentStatus"]
    assert db.tables() == ["SPENT"]
    assert "ORDERS" in db.streams()
    assert [f["name"] for f in db.describe("orders")["fields"]] == ["CUSTOMER", "ITEM", "PRICE"]


def test_an_answer_is_a_table_of_arrow_and_rows_with_names(shop: Any) -> None:
    answer = shop.query("SELECT * FROM spent;")
    assert answer.columns == ("CUSTOMER", "ORDERS", "TOTAL")
    assert answer.arrow().schema.types == [pa.string(), pa.int64(), pa.float64()]
    assert sorted(answer) == [("ada", 2, 7.75), ("bob", 1, 4.5)]
    assert len(answer) == 2
    row = shop.query("SELECT * FROM spent WHERE customer = 'ada';").one()
    assert (row.total, row["TOTAL"], row[2]) == (7.75, 7.75, 7.75)
    assert row.asdict() == {"CUSTOMER": "ada", "ORDERS": 2, "TOTAL": 7.75}
    with pytest.raises(AttributeError, match="totl"):
        _ = row.totl


def test_an_answer_without_rows_has_its_columns(shop: Any) -> None:
    answer = shop.query("SELECT * FROM spent WHERE customer = 'eve';")
    assert (answer.columns, answer.rows()) == (("CUSTOMER", "ORDERS", "TOTAL"), [])
    with pytest.raises(NotOneRow, match="0 rows"):
        answer.one()


def test_an_answer_as_a_frame_of_pandas(shop: Any) -> None:
    pytest.importorskip("pandas")
    frame = shop.query("SELECT * FROM spent;").df()
    assert frame.set_index("CUSTOMER")["TOTAL"].to_dict() == {"ada": 7.75, "bob": 4.5}


HOSTILE = [
    "it's",
    "'; DROP TABLE spent; --",
    "?",
    "$customer",
    "${customer}",
    "$${customer}",
    "\\",
    "\\'",
    "--",
    "/*",
    '"',
    "`",
    "line\nbreak",
    "",
    "ünïcödé 木",
]


def test_a_value_can_never_become_more_than_a_value(db: Any, engine: LocalEngine) -> None:
    db.execute(DEFINITIONS + "DEFINE customer = 'eve';")
    assert [a.error for a in db.insert("orders", [{"customer": c, "price": 1.0} for c in HOSTILE])] == [None] * len(
        HOSTILE
    )
    for customer in HOSTILE:
        db.execute("INSERT INTO orders (customer, price) VALUES (?, ?);", [customer, 2.0])
    assert engine.caught_up(10)
    for customer in HOSTILE:
        by_place = db.query("SELECT customer, total FROM spent WHERE customer = ?;", [customer])
        by_name = db.query("SELECT customer, total FROM spent WHERE customer = $customer;", {"customer": customer})
        assert by_place.rows() == by_name.rows() == [(customer, 3.0)]
    assert db.tables() == ["SPENT"]


VALUES = {
    "b": True,
    "i": -5,
    "l": -(2**62),
    "x": 1e300,
    "d": Decimal("-12.50"),
    "s": "text",
    "y": b"\x00\xff",
    "dt": date(2020, 1, 31),
    "t": time(23, 59, 58, 123000),
    "ts": datetime(2020, 1, 31, 23, 59, 58, 123000),
    "a": [1, -2],
    "m": {"k": 1.5},
}
TYPED = """
    CREATE STREAM typed (b BOOLEAN, i INT, l BIGINT, x DOUBLE, d DECIMAL(6, 2), s STRING, y BYTES, dt DATE, t TIME,
                         ts TIMESTAMP, a ARRAY<INT>, m MAP<STRING, DOUBLE>)
        WITH (KAFKA_TOPIC = 'typed', PARTITIONS = 1, VALUE_FORMAT = 'JSON');
"""


def test_a_value_comes_back_as_it_went_in(db: Any) -> None:
    db.execute(TYPED)
    marks = ", ".join(f"${name}" for name in VALUES)
    db.execute(f"INSERT INTO typed ({', '.join(VALUES)}) VALUES ({marks});", VALUES)
    (ack,) = db.insert("typed", [VALUES])
    assert ack.ok
    first, second = db.query("SELECT * FROM typed;")
    assert dict(zip(VALUES, first, strict=True)) == VALUES
    assert second == first


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("a", "m", "y")])
def test_a_value_is_found_by_what_it_is(db: Any, name: str) -> None:
    db.execute(TYPED)
    db.insert("typed", [VALUES, {}])
    assert db.query(f"SELECT s FROM typed WHERE {name} = ?;", [VALUES[name]]).rows() == [("text",)]


def test_times_with_a_zone_are_taken_to_utc(db: Any) -> None:
    db.execute(TYPED)
    noon = datetime(2020, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    db.execute("INSERT INTO typed (ts) VALUES (?);", [noon])
    db.insert("typed", [{"ts": noon}, {"ts": noon.astimezone(UTC)}])
    assert [row.ts for row in db.query("SELECT ts FROM typed;")] == [datetime(2020, 1, 1, 12)] * 3


def test_a_query_takes_no_property_of_the_parameters_with_it(shop: Any) -> None:
    shop.query("SELECT * FROM spent WHERE customer = ?;", ["ada"])
    shop.execute("DEFINE who = 'ada';")
    assert len(shop.query("SELECT * FROM spent WHERE customer = '${who}';")) == 1


def test_variables_are_text(shop: Any) -> None:
    shop.execute("DEFINE mine = 'kept';")
    shop.execute("CREATE STREAM ${name} WITH (KAFKA_TOPIC = '${name}') AS SELECT * FROM orders;", name="copy")
    assert "COPY" in shop.streams()
    assert (shop.session.variables, shop.session.properties) == ({"MINE": "kept"}, {"auto.offset.reset": "earliest"})
    shop.execute("UNDEFINE mine; UNSET 'auto.offset.reset';")
    assert (shop.session.variables, shop.session.properties) == ({}, {})
    with pytest.raises(BadParameter, match="parameters, or variables"):
        shop.execute("DROP STREAM ${name}", [], name="copy")


def test_an_error_has_its_class_place_and_hint(shop: Any) -> None:
    with pytest.raises(SyntaxSqlError) as refused:
        shop.query("SELECT *\n  FROM WHERE;")
    assert (refused.value.position.line, refused.value.position.column) == (2, 8)
    assert "LINE 2:   FROM WHERE;\n               ^^^^^" in refused.value.render()
    with pytest.raises(SourceNotFound):
        shop.query("SELECT * FROM spend;")
    with pytest.raises(ColumnNotFound):
        shop.query("SELECT totl FROM spent;")


def test_what_was_carried_out_before_an_error_is_told(shop: Any) -> None:
    with pytest.raises(AssertionNotMet) as refused:
        shop.execute("DROP TABLE spent; ASSERT TOPIC nothing TIMEOUT 0 SECONDS;")
    assert [e["@type"] for e in refused.value.entities] == ["currentStatus"]
    assert shop.tables() == []


def test_a_script_that_will_be_refused_leaves_nothing_behind(shop: Any) -> None:
    with pytest.raises(SourceNotFound) as refused:
        shop.execute("DROP TABLE spent; DROP TABLE spent;")
    assert refused.value.entities == []
    assert shop.tables() == ["SPENT"]


def test_a_row_that_does_not_fit_is_refused_and_the_others_are_there(shop: Any, engine: LocalEngine) -> None:
    rows = [
        {"customer": "eve", "price": price, **more}
        for price, more in ((1, {}), (2, {"prise": 2}), (4, {}), ("x", {}), (8, {}))
    ]
    acks = shop.insert("orders", rows)
    assert [(a.seq, a.ok) for a in acks] == [(0, True), (1, False), (2, True), (3, False), (4, True)]
    assert isinstance(acks[1].error, ColumnNotFound)
    assert engine.caught_up(10)
    assert shop.query("SELECT total FROM spent WHERE customer = 'eve';").one().total == 13
    with pytest.raises(SourceNotFound):
        shop.insert("nowhere", rows)
    assert shop.insert("orders", []) == []


def test_an_endpoint_is_called_with_values(shop: Any) -> None:
    shop.execute(
        "CREATE ENDPOINT `Totals` ($c STRING, $least DECIMAL(6, 2) DEFAULT NULL) AS"
        " SELECT customer, total FROM spent WHERE customer = $c AND ($least IS NULL OR total > $least);"
        "CREATE ENDPOINT typed ($d DATE, $t TIME, $at TIMESTAMP, $b BOOLEAN, $x DOUBLE, $n BIGINT) AS"
        " SELECT $d AS d, $t AS t, $at AS at, $b AS b, $x AS x, $n AS n FROM spent LIMIT 1;"
        "CREATE ENDPOINT followed AS SELECT * FROM orders WHERE price > $p EMIT CHANGES;"
    )
    assert shop.call("Totals", c="ada", least=Decimal("7.5")).rows() == [("ada", 7.75)]
    assert shop.call("Totals", c="ada", least=8).rows() == []
    assert shop.call("Totals", c="bob", least=None).one().total == 4.5
    assert shop.call("Totals", c="' OR 1 = 1 --").rows() == []
    values = {
        "d": date(2024, 2, 29), "t": time(23, 59, 58, 7000), "at": datetime(2024, 1, 2, 3, 4, 5, 6000), "b": True,
        "x": -1e300, "n": 5,
    }  # fmt: skip
    assert shop.call("typed", **values).one().asdict() == {name.upper(): value for name, value in values.items()}
    with pytest.raises(ParameterUnknown):
        shop.call("Totals", c="ada", most=1)
    with pytest.raises(EndpointNotFound):
        shop.call("nowhere/else?")
    with pytest.raises(BadParameter, match="followed"):
        shop.call("followed", p=1)
    with pytest.raises(BadParameter):
        shop.call("Totals", c=b"ada")


@pytest.mark.parametrize("form", ["table", "batch", "reader", "pandas"])
def test_rows_in_the_form_of_arrow(shop: Any, engine: LocalEngine, form: str) -> None:
    rows: Any = pa.table({"customer": ["eve", "eve"], "price": [1.0, 2.0]})
    if form == "batch":
        (rows,) = rows.to_batches()
    elif form == "reader":
        rows = pa.RecordBatchReader.from_batches(rows.schema, (b for b in rows.to_batches(max_chunksize=1)))
    elif form == "pandas":
        pytest.importorskip("pandas")
        rows = rows.to_pandas()
    assert [a.ok for a in shop.insert("orders", rows)] == [True, True]
    assert engine.caught_up(10)
    assert shop.query("SELECT total FROM spent WHERE customer = 'eve';").one().total == 3


def test_a_row_in_the_form_of_arrow_that_does_not_fit_is_refused(shop: Any, engine: LocalEngine) -> None:
    first = pa.record_batch({"Customer": ["eve", "eve"], "price": ["1.5", "cheap"]})
    rows = pa.Table.from_batches([first, first.slice(0, 1)])
    acks = shop.insert("orders", rows)
    assert [(a.seq, a.ok) for a in acks] == [(0, True), (1, False), (2, True)]
    assert "cheap" in str(acks[1].error)
    assert engine.caught_up(10)
    assert shop.query("SELECT total FROM spent WHERE customer = 'eve';").one().total == 3
    with pytest.raises(SourceNotFound):
        shop.insert("nowhere", rows)
    with pytest.raises(ColumnNotFound):
        shop.insert("orders", pa.table({"prise": [1]}))


def test_a_query_without_an_end_is_no_answer(shop: Any) -> None:
    with pytest.raises(Exception, match=r"EMIT|end"):
        shop.query("SELECT * FROM spent EMIT CHANGES;")


def test_a_closed_connection_says_so(shop: Any) -> None:
    shop.close()
    shop.close()
    with pytest.raises(ConnectionClosed):
        shop.query("SELECT * FROM spent;")
