"""One suite over every way to an engine: in this process and over HTTP, blocking and awaited."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ssql
from ssql.client import Connection
from ssql.config import DATA_DIR, Config
from ssql.engine.engine import LocalEngine
from tests.cli.fake import serving


class Awaited:
    """An AsyncConnection, or a subscription of one, with blocking methods: each runs in the loop until it is done."""

    def __init__(self, awaited: Any, runner: asyncio.Runner) -> None:
        self._awaited, self._runner = awaited, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._awaited, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            if inspect.iscoroutine(answer):
                return self._runner.run(answer)
            return Awaited(answer, self._runner)

        return call

    def __enter__(self) -> Awaited:
        self._runner.run(self._awaited.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._awaited.__aexit__(None, None, None))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        async def following() -> Any:
            return await self._awaited.__anext__()

        try:
            return self._runner.run(following())
        except StopAsyncIteration:
            raise StopIteration from None


#: Opens a connection to what it is given, and closes it.
Opened = Callable[..., Any]


@contextlib.contextmanager
def blocking(target: Any, **options: Any) -> Iterator[Connection]:
    with ssql.connect(target, **options) as connection:
        yield connection


@contextlib.contextmanager
def awaited(target: Any, **options: Any) -> Iterator[Any]:
    with asyncio.Runner() as runner:

        async def made() -> Any:
            return ssql.connect_async(target, **options)

        with Awaited(runner.run(made()), runner) as connection:
            yield connection


KINDS: dict[str, Opened] = {"blocking": blocking, "awaited": awaited}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with contextlib.closing(LocalEngine(Config({DATA_DIR.key: str(tmp_path / "data")}))) as opened:
        yield opened


@pytest.fixture(params=[f"{place}, {kind}" for place in ("here", "server") for kind in KINDS])
def db(request: pytest.FixtureRequest, engine: LocalEngine) -> Iterator[Any]:
    """A connection to `engine`, directly or through a server."""
    place, _, kind = request.param.partition(", ")
    with contextlib.ExitStack() as stack:
        target: Any = engine if place == "here" else stack.enter_context(serving(engine))
        yield stack.enter_context(KINDS[kind](target))
