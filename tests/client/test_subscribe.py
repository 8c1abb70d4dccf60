"""Subscriptions, over every kind of connection."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ssql.engine.engine import LocalEngine
from ssql.errors import SsqlError, TokenRefused

DEFINITIONS = """
    SET 'auto.offset.reset' = 'earliest';
    CREATE STREAM orders (customer STRING KEY, price DOUBLE)
        WITH (KAFKA_TOPIC = 'orders', PARTITIONS = 1, VALUE_FORMAT = 'JSON');
    CREATE TABLE spent AS SELECT customer, SUM(price) AS total FROM orders GROUP BY customer;
"""
SPENT = "SELECT * FROM spent"


@pytest.fixture
def shop(db: Any) -> Any:
    db.execute(DEFINITIONS)
    return db


def order(db: Any, engine: LocalEngine, customer: str, price: float) -> None:
    assert all(ack.ok for ack in db.insert("orders", [{"customer": customer, "price": price}]))
    assert engine.caught_up(10)


def with_rows(subscription: Any) -> Any:
    """The next delta that has rows."""
    return next(delta for delta in subscription if len(delta))


def test_what_is_there_and_then_what_changes(shop: Any, engine: LocalEngine) -> None:
    order(shop, engine, "ada", 1)
    with shop.subscribe(SPENT) as subscription:
        first = with_rows(subscription)
        assert first.snapshot
        assert first.keys == ("CUSTOMER",)
        assert list(first) == [(1, "ada", 1.0)]
        assert first.rows.schema.types == [pa.int8(), pa.string(), pa.float64()]
        assert subscription.token == first.token
        order(shop, engine, "ada", 2)
        second = with_rows(subscription)
        assert not second.snapshot
        assert [(row._diff, row.customer, row.total) for row in second] == [(1, "ada", 3.0)]
        assert sum(second.frontier.values()) > sum(first.frontier.values())


def test_every_change_has_its_old_row(shop: Any, engine: LocalEngine) -> None:
    order(shop, engine, "ada", 1)
    with shop.subscribe(SPENT, changes="every", snapshot=False) as subscription:
        next(subscription)
        order(shop, engine, "ada", 2)
        assert list(with_rows(subscription)) == [(-1, "ada", 1.0), (1, "ada", 3.0)]


def test_a_token_goes_on_where_it_was(shop: Any, engine: LocalEngine) -> None:
    order(shop, engine, "ada", 1)
    with shop.subscribe(SPENT) as subscription:
        token = with_rows(subscription).token
    order(shop, engine, "bob", 2)
    with shop.subscribe(SPENT, after=token) as subscription:
        assert list(with_rows(subscription)) == [(1, "bob", 2.0)]
    with pytest.raises(TokenRefused), shop.subscribe(SPENT, after="nonsense") as subscription:
        next(subscription)


def test_parameters_of_a_subscription(shop: Any, engine: LocalEngine) -> None:
    order(shop, engine, "it's", 1)
    order(shop, engine, "bob", 2)
    with shop.subscribe("SELECT total FROM spent WHERE customer = ?", ["it's"]) as subscription:
        assert [row.total for row in with_rows(subscription)] == [1.0]


def test_a_wrong_query_is_refused_at_once(shop: Any) -> None:
    with pytest.raises(SsqlError, match="TOTL"), shop.subscribe("SELECT totl FROM spent") as subscription:
        next(subscription)


def test_a_closed_subscription_has_no_more(shop: Any, engine: LocalEngine) -> None:
    order(shop, engine, "ada", 1)
    subscription = shop.subscribe(SPENT)
    next(subscription)
    subscription.close()
    subscription.close()
    assert list(subscription) == []
