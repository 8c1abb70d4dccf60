"""What the tests of `ssql test` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssql.testing.arrivals import RERUNS, Arrival
from ssql.testing.rerun import Judge, Result
from ssql.testing.script import Source, SqlTest, tests_of

ORDERS = """
CREATE STREAM orders (id INT KEY, item STRING, qty INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
CREATE TABLE sold AS SELECT item, COUNT(*) AS n, SUM(qty) AS total FROM orders GROUP BY item EMIT CHANGES;
INSERT INTO orders (ROWTIME, id, item, qty) VALUES (1, 1, 'tea', 3), (2, 2, 'jam', 4), (3, 3, 'tea', 5);
"""


def sql_test(text: str) -> SqlTest:
    """The one test of a text."""
    [test] = tests_of(Source("a.sql", text), "a")
    return test


def result_of(text: str, *, reruns: Sequence[Arrival] = (), seed: int = 1) -> Result:
    """One test carried out; as it is written, unless `reruns` says more."""
    return Judge(seed, reruns=reruns)(sql_test(text))


def passes(text: str, **more: Any) -> None:
    failure = result_of(text, **more).failure
    assert failure is None, f"{failure.run} {failure.place}: {failure.message}\n{failure.detail}"


def fails(text: str, **more: Any) -> str:
    """What a test that must fail says."""
    failure = result_of(text, **more).failure
    assert failure is not None
    return f"{failure.place}: {failure.message}\n{failure.detail}".rstrip()


ALL = RERUNS
