"""A server over an engine whose answers a test sets, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pyarrow as pa
from aiohttp import web

from ssql.engine.api import Engine, PullResult
from ssql.server.app import make_app
from ssql.server.auth import Credentials
from tests.server.fake import COLUMNS


def pulled(*rows: tuple[object, ...]) -> PullResult:
    """The answer of a pull query with a STRING key and a BIGINT."""
    arrays = [pa.array([row[i] for row in rows], column.type.arrow) for i, column in enumerate(COLUMNS)]
    return PullResult("pull_1", COLUMNS, pa.table(arrays, names=[c.name for c in COLUMNS]))


@contextlib.contextmanager
def serving(engine: Engine, port: int = 0, credentials: Credentials | None = None) -> Iterator[str]:
    """The URL of a real server over the engine, on a free port where none is given."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    url: list[str] = []

    async def start() -> web.AppRunner:
        runner = web.AppRunner(make_app(engine, credentials=credentials), handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        url.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield url[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
