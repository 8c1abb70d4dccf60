"""A server process that is killed and started again, and what it has got done so far as the log tells."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ssql.log.api import Log
from ssql.planner.system_streams import internal_topic
from ssql.runtime.frontier import Frontier

SSQL = str(Path(sys.executable).with_name("ssql"))
START_S = 60.0


class Gone(Exception):
    """The server was killed before it answered."""


class Server:
    """`ssql server` as a process of its own. What it says goes to a file, the last lines of it into assertions."""

    def __init__(self, arguments: list[str], said: Path) -> None:
        self._said = said
        self._answers = threading.Event()
        self._url: str | None = None
        self._process = subprocess.Popen(
            [SSQL, "server", "--listen", "127.0.0.1:0", *arguments], stderr=subprocess.PIPE, text=True
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines, self._said.open("a") as said:
            for line in lines:
                said.write(line)
                if "is ready at" in line:
                    self._url = line.split()[-1]
                    self._answers.set()
        self._answers.set()

    def alive(self) -> None:
        """Raises where the server ended without having been killed."""
        code = self._process.poll()
        assert code in (None, -signal.SIGKILL), f"the server ended with {code}:\n{self._said.read_text()[-4000:]}"

    def ready(self) -> str:
        """The address, once statements are answered. Raises `Gone` where it is killed before."""
        assert self._answers.wait(START_S), f"the server does not start:\n{self._said.read_text()[-4000:]}"
        if self._url is None:
            self._process.wait()
            self.alive()
            raise Gone
        return self._url

    def ask(self, path: str, body: Mapping[str, Any]) -> list[Any]:
        """The answer of a POST: its JSON lines, or the one JSON value. Raises `Gone`."""
        connection = http.client.HTTPConnection(urlsplit(self.ready()).netloc, timeout=START_S)
        with closing(connection):
            try:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read().decode()
            except (ConnectionError, http.client.HTTPException):
                self._process.wait(START_S)
                self.alive()
                raise Gone from None
        answer = [json.loads(line) for line in text.splitlines()]
        assert response.status == 200 or "already exists" in text, text
        return answer

    def kill(self) -> None:
        """SIGKILL, and not a word before."""
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """SIGTERM: it is to end by itself."""
        self._process.terminate()
        self._end()
        assert self._process.returncode == 0, self._said.read_text()[-4000:]

    def _end(self) -> None:
        self._process.wait(START_S)
        self._listener.join()


class Progress:
    """Follows the commits of a service's worker by its frontier's topic."""

    def __init__(self, log: Log, service_id: str) -> None:
        self._log = log
        self._topic = internal_topic(service_id, "frontier")
        log.create_topic(self._topic, config={"cleanup.policy": "delete", "retention.ms": "-1"})
        self._reader = log.reader()
        self._reader.assign(self._topic, 0, 0)
        self.commits = 0
        self.frontier = Frontier()

    def look(self, timeout_ms: float) -> None:
        """Read on; waits for the next commit if there is none."""
        for fetch in self._reader.poll(1000, timeout_ms):
            if fetch.batch.num_rows:
                self.commits += fetch.batch.num_rows
                self.frontier = msgspec.json.decode(fetch.batch.column("value")[-1].as_py(), type=Frontier)

    def has_seen(self, ends: Mapping[str, int], queries: int) -> bool:
        """Whether all queries run in one dataflow, and have processed these topics up to these offsets."""
        flows = self.frontier.dataflows
        if flows.keys() != {"main"} or len(flows["main"].queries) != queries:
            return False
        at = {topic: offset for topic, _, offset in flows["main"].positions}
        return all(at[topic] >= end for topic, end in ends.items())

    def wait(self, ends: Mapping[str, int], queries: int, server: Server, timeout_s: float = 120.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.has_seen(ends, queries):
            assert time.monotonic() < deadline, f"it does not catch up: {self.frontier}, wanted {ends}"
            server.alive()
            self.look(200.0)

    def close(self) -> None:
        self._reader.close()


def end_of(log: Log, topic: str) -> int:
    """The offset after the last record of a topic's partition 0; what lies behind it is no record."""
    begin, end = log.bounds(topic, 0)
    for back in (4, 64, end):
        fetch = log.read(topic, 0, max(begin, end - back), end)
        if fetch.batch.num_rows:
            return int(fetch.batch.column("offset")[-1].as_py()) + 1
    return begin


def spin(seconds: float) -> None:
    """Let a fraction of a commit go by: finer than any timer."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def rows_of(answer: list[Any]) -> Iterator[list[Any]]:
    """The rows of a /query-stream answer."""
    return (line for line in answer if isinstance(line, list))
