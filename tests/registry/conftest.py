"""A real registry for this folder's tests, and engines on Kafka that work with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from ssql.config import Config
from ssql.engine.api import PullResult, Session
from ssql.engine.engine import LocalEngine
from ssql.log.kafka import KafkaLog
from tests.support import apicurio, java

WAIT_S = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kafka)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a registry, one for all tests."""
    java.need(apicurio.missing())
    with apicurio.Registry.running() as registry:
        yield registry.url


@pytest.fixture
def mortal() -> Iterator[apicurio.Registry]:
    """A registry of the test's own, that may be stopped."""
    java.need(apicurio.missing())
    with apicurio.Registry.running() as registry:
        yield registry


@pytest.fixture
def client(url: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": url}) as client:
        yield client


class Bench:
    """An engine on Kafka with a registry; its names are its own."""

    def __init__(self, kafka: str, url: str) -> None:
        self.name = uuid.uuid4().hex[:8]
        self._kafka = kafka
        self._config = Config().with_values({"schema.registry.url": url, "service.id": f"{self.name}_"})
        self._session = Session({"auto.offset.reset": "earliest"})
        self.engine = self._open()

    def _open(self) -> LocalEngine:
        return LocalEngine(self._config, KafkaLog(self._kafka, timeout_s=20.0))

    def topic(self, name: str) -> str:
        return f"{name}-{self.name}"

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()

    def run(self, sql: str) -> None:
        self.engine.execute(sql, self._session)

    def pulled(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a pull query as they are now, sorted."""
        found = self.engine.query(sql, self._session)
        assert isinstance(found, PullResult)
        return sorted((tuple(row.values()) for row in found.rows.to_pylist()), key=repr)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """The rows once all is processed."""
        assert self.engine.caught_up(WAIT_S)
        return self.pulled(sql)


@pytest.fixture
def make(kafka: str) -> Iterator[Callable[[str], Bench]]:
    """Makes an engine with the registry at a URL."""
    made: list[Bench] = []

    def build(url: str) -> Bench:
        made.append(Bench(kafka, url))
        return made[-1]

    yield build
    for bench in made:
        bench.engine.close()


@pytest.fixture
def bench(make: Callable[[str], Bench], url: str) -> Bench:
    return make(url)
