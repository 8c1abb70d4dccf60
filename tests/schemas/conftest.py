from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ssql.log.embedded import EmbeddedLog
from ssql.schemas.confluent import ConfluentRegistry
from ssql.schemas.embedded import EmbeddedRegistry
from tests.support.schema_registry import RegistryServer, registry_server


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path)
    yield log
    log.close()


@pytest.fixture
def embedded(log: EmbeddedLog) -> EmbeddedRegistry:
    return EmbeddedRegistry(log, "test_")


@pytest.fixture
def server(embedded: EmbeddedRegistry) -> Iterator[RegistryServer]:
    with registry_server(embedded) as running:
        yield running


@pytest.fixture
def confluent(server: RegistryServer) -> Iterator[ConfluentRegistry]:
    with closing(ConfluentRegistry(server.url, {"max.retries": 0})) as registry:
        yield registry
