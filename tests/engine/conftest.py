"""An engine on a log of its own, and the ways that tests talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ssql.config import Config
from ssql.engine.api import Entity, PullResult, PushQuery, Session
from ssql.engine.engine import LocalEngine
from ssql.errors import SsqlError
from ssql.log.embedded import EmbeddedLog

WAIT_S = 20.0


class Bench:
    """An engine over a directory; `reopen` closes it and opens it again on what it left."""

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        self.config = Config().with_values(settings)
        self.session = Session(properties={"auto.offset.reset": "earliest"})
        self.engine = LocalEngine(self.config, EmbeddedLog(path))

    def reopen(self) -> None:
        self.engine.close()
        self.engine = LocalEngine(self.config, EmbeddedLog(self.path))

    def run(self, sql: str) -> list[Entity]:
        return self.engine.execute(sql, self.session)

    def one(self, sql: str) -> Entity:
        (entity,) = self.run(sql)
        return entity

    def fails(self, sql: str) -> SsqlError:
        """The error of a script that must fail, its place checked to be in the text."""
        with pytest.raises(SsqlError) as caught:
            self.run(sql)
        error = caught.value
        assert error.text == sql
        assert error.span is None or 0 <= error.span.start < error.span.end <= len(sql)
        assert error.statement is not None
        return error

    def marked(self, error: SsqlError) -> str:
        """The text that the error points at."""
        assert error.text is not None
        assert error.span is not None
        return error.text[error.span.start : error.span.end]

    def settle(self) -> None:
        assert self.engine.caught_up(WAIT_S)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a pull query, sorted."""
        self.settle()
        result = self.engine.query(sql, self.session)
        assert isinstance(result, PullResult)
        return sorted((tuple(r.values()) for r in result.rows.to_pylist()), key=repr)

    def push(self, sql: str) -> PushQuery:
        query = self.engine.query(sql, self.session)
        assert not isinstance(query, PullResult)
        return query

    def topic(self, name: str, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        """Keys and values of a topic's partition."""
        batch = self.engine._log.read(name, partition, 0, 10_000).batch
        return list(zip(batch.column("key").to_pylist(), batch.column("value").to_pylist(), strict=True))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes an engine with settings, as `make(**{"max.push.queries": 1})`."""
    made: list[Bench] = []

    def build(**settings: object) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield build
    for bench in made:
        bench.engine.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()
