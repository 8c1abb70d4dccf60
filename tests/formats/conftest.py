from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ssql import kernels
from ssql.log.embedded import EmbeddedLog
from ssql.schemas.embedded import EmbeddedRegistry


@pytest.fixture(scope="session")
def warm() -> None:
    """The compiled kernels, loaded (seconds at the very first time, then from numba's cache)."""
    kernels.warm_up()
    assert kernels.ready()


@pytest.fixture
def schemas(tmp_path: Path) -> Iterator[EmbeddedRegistry]:
    """A schema registry of its own, in a log of its own."""
    log = EmbeddedLog(tmp_path)
    yield EmbeddedRegistry(log, "test_")
    log.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRegistry]:
    """A schema registry that the examples of property tests share."""
    log = EmbeddedLog(tmp_path_factory.mktemp("log"))
    yield EmbeddedRegistry(log, "test_")
    log.close()
