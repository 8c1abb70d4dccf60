"""What Tab offers at which place, from a catalog that is given; and how the catalog is kept."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from ssql_cli.backend import Backend
from ssql_cli.catalog import Catalog, Names
from ssql_cli.completion import SqlCompleter

from ssql.errors import ServerUnavailable

NAMES = Names(
    streams=("ORDERS", "CLICKS"),
    tables=("SPENT",),
    columns={"ORDERS": ("CUSTOMER", "PRICE"), "CLICKS": ("PAGE",), "SPENT": ("CUSTOMER", "TOTAL")},
    topics=("orders", "clicks-raw"),
    queries=("CTAS_SPENT_1",),
    properties=("auto.offset.reset",),
)


def offered(before: str, after: str = "") -> list[str]:
    completer = SqlCompleter(lambda: NAMES)
    completer.prepare()
    document = Document(before + after, len(before))
    return [c.text for c in completer.get_completions(document, CompleteEvent(completion_requested=True))]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("SELECT * FROM ", ["ORDERS", "CLICKS", "SPENT"]),
        ("select * from or", ["orders"]),
        ("SELECT * FROM orders o JOIN s", ["spent"]),
        ("SELECT * FROM orders o WHERE o.", ["CUSTOMER", "PRICE"]),
        ("SELECT 1; SELECT * FROM spent WHERE TOT", ["TOTAL"]),
        ("SELECT * FROM orders WHERE ", ["CUSTOMER", "PRICE"]),
        ("DROP TABLE ", ["SPENT"]),
        ("DROP STREAM C", ["CLICKS"]),
        ("TERMINATE CT", ["CTAS_SPENT_1"]),
        ("PRINT '", ["orders", "clicks-raw"]),
        ("SET 'auto", ["auto.offset.reset"]),
        ("SET 'auto.offset.reset' = '", ["earliest", "latest"]),
        ("CREATE STREAM x (a INT) WITH (KAFKA_TOPIC = 'cl", ["clicks-raw"]),
        ("CREATE STREAM x (a INT) WITH (KAFKA_TOPIC = 'x', VALUE_FORMAT='A", ["AVRO"]),
        ("CREATE STREAM x (a INT) WITH (KAFKA_TOPIC = 'x', PARTI", ["PARTITIONS"]),
        ("CREATE TABLE x WITH (FORMAT='JSON') AS SELECT * FROM orders WHERE PR", ["PRICE"]),
        ("SELECT * FROM orders EMIT ", ["CHANGES", "FINAL"]),
        ("select * from orders window t", ["tumbling"]),
        ("SHOW T", ["TABLES", "TOPICS", "TYPES"]),
        ("DROP S", ["STREAM"]),
        ("PAUSE ", ["CTAS_SPENT_1", "ALL"]),
        ("\\wat", ["\\watch"]),
        ("\\h cr", ["create"]),
        ("\\d SP", ["SPENT"]),
        ("\\dq ", ["CTAS_SPENT_1"]),
        ("\\pset format mark", ["markdown"]),
    ],
)
def test_what_can_stand_there_is_offered(before: str, expected: list[str]) -> None:
    assert offered(before) == expected or offered(before)[: len(expected)] == expected


def test_columns_are_known_from_what_follows_the_cursor() -> None:
    assert offered("SELECT PR", " FROM orders;")[0] == "PRICE"


def test_nothing_is_offered_behind_a_finished_statement() -> None:
    assert offered("SELECT 1;") == []


def test_completion_does_not_wait_for_a_backend_that_does_not_answer() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Slow:
        def execute(self, text: str) -> list[dict[str, Any]]:
            asked.set()
            assert go_on.wait(20)
            name = "T" if "TABLES" in text else "S"
            return [{"sourceDescriptions": [{"name": name, "fields": [{"name": "X"}]}]}]

    catalog = Catalog(lambda: cast("Backend", Slow()))
    completer = SqlCompleter(lambda: catalog.names)
    catalog.refresh()
    assert asked.wait(20)
    document = Document("SELECT * FROM ")
    assert list(completer.get_completions(document, CompleteEvent())) == []
    go_on.set()
    assert catalog.wait(20)
    assert [c.text for c in completer.get_completions(document, CompleteEvent())] == ["S", "T"]


def test_a_backend_that_fails_leaves_what_was_known() -> None:
    class Away:
        def execute(self, text: str) -> list[dict[str, Any]]:
            raise ServerUnavailable("there", "no answer")

    for backend in (None, Away()):
        catalog = Catalog(lambda backend=backend: cast("Backend", backend))  # type: ignore[misc]
        catalog.names = NAMES
        catalog.refresh()
        assert catalog.wait(20)
        assert catalog.names is NAMES


def test_names_that_are_old_are_asked_for_again() -> None:
    class Here:
        def execute(self, text: str) -> list[dict[str, Any]]:
            return []

    catalog = Catalog(lambda: cast("Backend", Here()))
    catalog.names = NAMES
    catalog.refresh(older_than_s=3600.0)
    assert catalog.wait(20)
    assert catalog.names != NAMES
    catalog.names = NAMES
    catalog.refresh(older_than_s=3600.0)
    assert catalog.wait(20)
    assert catalog.names is NAMES
