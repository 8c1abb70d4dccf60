from __future__ import annotations

import threading
import time

import pytest

from ssql.errors import RegistryUnavailable
from ssql.schemas import background
from ssql.schemas.api import Definition
from ssql.schemas.background import BackgroundRegistry
from ssql.schemas.embedded import EmbeddedRegistry

INT = Definition("AVRO", '"int"')


class Slow:
    """A registry that answers when it may; it counts how often it is asked for an id."""

    def __init__(self, registry: EmbeddedRegistry) -> None:
        self._registry = registry
        self.may = threading.Event()
        self.asked = 0

    def by_id(self, schema_id: int) -> Definition | None:
        self.asked += 1
        assert self.may.wait(20)
        return self._registry.by_id(schema_id)


def test_an_answer_that_is_late_is_there_the_next_time(embedded: EmbeddedRegistry) -> None:
    number = embedded.register("a", INT)
    slow = Slow(embedded)
    registry = BackgroundRegistry(slow, patience_s=0.01)  # type: ignore[arg-type]
    begin = time.monotonic()
    for _ in range(3):
        with pytest.raises(RegistryUnavailable, match="has not answered yet"):
            registry.by_id(number)
    assert time.monotonic() - begin < 5
    slow.may.set()
    registry = BackgroundRegistry(slow)  # type: ignore[arg-type]
    assert registry.by_id(number) == registry.by_id(number) == INT
    assert slow.asked == 2  # by each of the two once


def test_what_is_not_there_is_asked_for_again_after_a_while(
    embedded: EmbeddedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(embedded)
    slow.may.set()
    registry = BackgroundRegistry(slow)  # type: ignore[arg-type]
    assert registry.by_id(1) is None
    assert embedded.register("a", INT) == 1
    assert registry.by_id(1) is None
    assert slow.asked == 1
    moved = time.monotonic() + background.KEEP_S
    monkeypatch.setattr(background.time, "monotonic", lambda: moved)
    assert registry.by_id(1) == INT


def test_all_other_calls_are_passed_on(embedded: EmbeddedRegistry) -> None:
    registry = BackgroundRegistry(embedded)
    assert registry.register("a", INT) == 1
    latest = registry.latest("a")
    assert latest == registry.lookup("a", INT) == registry.version("a", 1) == embedded.latest("a")
    assert registry.subjects() == ["a"]
    assert registry.check_compatibility("a", Definition("AVRO", '"boolean"')) == (
        "the value was INTEGER and would be BOOLEAN",
    )
    registry.delete_subject("a")
    assert registry.latest("a") is None
