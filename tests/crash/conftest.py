"""Runs that nothing befalls, and settings under which more happens in a short story."""

from __future__ import annotations

import pytest

from ssql.runtime import frontier, state
from ssql.runtime.worker import flows
from tests.crash.scenario import Results, Run


@pytest.fixture(autouse=True)
def _eventful(monkeypatch: pytest.MonkeyPatch) -> None:
    """State is written whole, and topics of our own are cut off, every few commits; nobody waits long to try again."""
    monkeypatch.setattr(state, "MIN_REWRITE_BYTES", 6000)
    monkeypatch.setattr(frontier, "KEPT_RECORDS", 16)
    monkeypatch.setattr(flows, "RETRY_S", (0.0, 0.02))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The story in one life."""
    return Run(tmp_path_factory.mktemp("undisturbed")).go()


@pytest.fixture(scope="session")
def finest(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The story in one life, an epoch a row: every change that a key goes through is seen."""
    return Run(tmp_path_factory.mktemp("finest"), batch_rows=1).go()
