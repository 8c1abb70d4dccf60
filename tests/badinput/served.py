"""A real server over the real engine, on a thread of its own, for tests that just send requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestServer

from ssql.engine.engine import LocalEngine
from ssql.server.app import make_app

WAIT_S = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    @property
    def error(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


class Served:
    """Runs until `close`, which ends the engine too."""

    def __init__(self, engine: LocalEngine) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-server", daemon=True)
        self._thread.start()
        self._server = TestServer(make_app(engine))
        self._do(self._server.start_server())

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """The answer; of one that was accepted only that it was: a push query's would not end."""
        connection = http.client.HTTPConnection(str(self._server.host), self._server.port, timeout=WAIT_S)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode() if answer.status != 200 else "")
        finally:
            connection.close()

    def ksql(self, sql: str) -> Answer:
        return self.post("/ksql", {"ksql": sql})

    def query(self, sql: str) -> Answer:
        return self.post("/query-stream", {"sql": sql})

    def answers(self) -> bool:
        """Whether the server still carries out a statement and a query."""
        return self.ksql("SHOW STREAMS;").status == self.query("SELECT * FROM totals;").status == 200

    def close(self) -> None:
        self._do(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()
