"""A Kafka Connect server for tests: as much of its REST API as ssql asks for, with the connectors in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

PLUGINS = [
    {"class": "org.example.FileSource", "type": "source", "version": "1.0"},
    {"class": "org.example.FileSink", "type": "sink", "version": "2.1"},
]


@dataclass
class ConnectServer:
    """What the server holds; a test may change it."""

    url: str = ""
    connectors: dict[str, dict[str, str]] = field(default_factory=dict)
    #: state of a connector and of its tasks, where it is not that all run
    states: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    topics: dict[str, list[str]] = field(default_factory=dict)
    #: what every request is answered with, where it is set
    failing: tuple[int, dict[str, Any]] | None = None
    #: paths that are answered with 500
    broken: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def answer(self, method: str, path: list[str], body: Any) -> tuple[int, Any]:
        match method, path:
            case "GET", ["connectors"]:
                return 200, list(self.connectors)
            case "POST", ["connectors"]:
                self.connectors[body["name"]] = body["config"]
                return 201, self._info(body["name"])
            case "GET", ["connector-plugins"]:
                return 200, PLUGINS
            case "PUT", ["connector-plugins", name, "config", "validate"]:
                if name not in {p["class"] for p in PLUGINS}:
                    return 500, {"error_code": 500, "message": f"Failed to find any class that implements {name}"}
                wrong = [] if body.get("file") else ["Missing required configuration", "It has no default"]
                return 200, {
                    "configs": [
                        {"value": {"name": "file", "errors": wrong}},
                        {"value": {"name": "name", "errors": []}},
                    ]
                }
            case method, ["connectors", name, *rest] if name in self.connectors:
                return self._one(method, name, rest)
        return 404, {"error_code": 404, "message": f"Connector {path[1]} not found"}

    def _one(self, method: str, name: str, rest: list[str]) -> tuple[int, Any]:
        if method == "DELETE":
            del self.connectors[name]
            return 204, None
        if rest == ["status"]:
            state, tasks = self.states.get(name, ("RUNNING", ["RUNNING"]))
            running = [{"id": i, "state": s, "worker_id": "w:1"} for i, s in enumerate(tasks)]
            return 200, {"name": name, "connector": {"state": state, "worker_id": "w:1"}, "tasks": running}
        if rest == ["topics"]:
            return 200, {name: {"topics": self.topics.get(name, [])}}
        return 200, self._info(name)

    def _info(self, name: str) -> dict[str, Any]:
        config = self.connectors[name]
        kind = "sink" if config["connector.class"].endswith("Sink") else "source"
        return {"name": name, "config": config, "tasks": [{"connector": name, "task": 0}], "type": kind}


@contextmanager
def connect_server() -> Iterator[ConnectServer]:
    """A running server on a free port."""
    held = ConnectServer()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            held.requests.append((self.command, self.path, self.headers.get("Authorization")))
            path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if held.failing is not None:
                status, content = held.failing
            elif self.path in held.broken:
                status, content = 500, {"error_code": 500, "message": "it broke"}
            else:
                status, content = held.answer(self.command, path, body)
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
