"""A server with some streams and tables, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssql.config import Config
from ssql.engine.api import Session
from ssql.engine.engine import LocalEngine
from ssql.log.embedded import EmbeddedLog
from tests.badinput.served import Served

SOURCES = """
    CREATE STREAM orders (id STRING KEY, item STRING, amount INT, price DOUBLE, at TIMESTAMP, tags ARRAY<STRING>)
        WITH (kafka_topic='orders', value_format='JSON', partitions=1);
    CREATE TABLE items (item STRING PRIMARY KEY, name STRING, price DECIMAL(10, 2))
        WITH (kafka_topic='items', value_format='JSON', partitions=1);
    CREATE TABLE totals AS SELECT item, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY item;
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    path: Path = tmp_path_factory.mktemp("badinput")
    opened = LocalEngine(Config(), EmbeddedLog(path))
    opened.execute(SOURCES, Session())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def served(engine: LocalEngine) -> Iterator[Served]:
    server = Served(engine)
    yield server
    server.close()
