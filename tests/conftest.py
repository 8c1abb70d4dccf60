"""Fixtures that more than one area uses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """What runs in the background has Ctrl-C switched off, and so have all whom it starts: here it is tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of a Kafka broker: SSQL_TEST_KAFKA, else one that is started for this run.

    Where neither is possible the test is skipped; under CI or SSQL_REQUIRE_KAFKA it fails instead.
    """
    given = os.environ.get("SSQL_TEST_KAFKA")
    if given:
        yield given
        return
    from tests.support import java, kafka_broker

    java.need(kafka_broker.missing())
    with kafka_broker.Broker.running() as broker:
        yield broker.bootstrap
