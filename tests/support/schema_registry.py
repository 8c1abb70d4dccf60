"""A schema registry over HTTP for tests: as much of Confluent's REST API as its client needs, over the embedded one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from ssql.errors import SsqlError
from ssql.schemas.api import Definition, Reference, Registered
from ssql.schemas.embedded import EmbeddedRegistry


def _definition(body: dict[str, Any]) -> Definition:
    references = tuple(Reference(r["name"], r["subject"], r["version"]) for r in body.get("references") or ())
    return Definition(body.get("schemaType", "AVRO"), body["schema"], references)


def _content(definition: Definition) -> dict[str, Any]:
    return {
        "schema": definition.text,
        "schemaType": definition.type,
        "references": [{"name": r.name, "subject": r.subject, "version": r.version} for r in definition.references],
    }


def _registered(found: Registered) -> dict[str, Any]:
    return {"subject": found.subject, "version": found.version, "id": found.id, **_content(found.definition)}


class _Handler(BaseHTTPRequestHandler):
    registry: EmbeddedRegistry
    failing: int | None = None

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        try:
            status, content = (self.failing, {}) if self.failing else self._route(method, path, body)
        except SsqlError as bad:
            status, content = 422, {"error_code": 42201, "message": bad.message}
        data = json.dumps(content if content is not None else {"error_code": 40401, "message": "not found"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, method: str, path: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        registry = self.registry
        if method == "GET" and path == ["subjects"]:
            return 200, registry.subjects()
        if method == "GET" and path[:2] == ["schemas", "ids"]:
            found = registry.by_id(int(path[2]))
            return (200, _content(found)) if found else (404, None)
        if path[0] == "compatibility":
            problems = registry.check_compatibility(path[2], _definition(body))
            return (200, {"is_compatible": not problems}) if registry.latest(path[2]) else (404, None)
        if path[0] != "subjects":  # newer clients ask for more, and do without
            return 404, None
        subject = path[1]
        if method == "DELETE":
            if registry.latest(subject) is None:
                return 404, None
            registry.delete_subject(subject)
            return 200, [1]
        if method == "POST" and path[2:] == ["versions"]:
            definition = _definition(body)
            problems = registry.check_compatibility(subject, definition)
            if problems:
                return 409, {"error_code": 409, "message": "; ".join(problems)}
            number = registry.register(subject, definition)
            return 200, {"id": number}
        if method == "POST":
            at = registry.lookup(subject, _definition(body))
            return (200, _registered(at)) if at else (404, None)
        held = registry.latest(subject) if path[3] == "latest" else registry.version(subject, int(path[3]))
        return (200, _registered(held)) if held else (404, None)

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
        """Nothing: tests are quiet."""


class RegistryServer:
    """A running server; `failing`: the status that everything is answered with."""

    def __init__(self, url: str, handler: type[_Handler]) -> None:
        self.url = url
        self._handler = handler

    def fail(self, status: int | None) -> None:
        self._handler.failing = status


@contextmanager
def registry_server(registry: EmbeddedRegistry) -> Iterator[RegistryServer]:
    """Serves a registry on a free port of this machine."""
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield RegistryServer(f"http://127.0.0.1:{server.server_port}", handler)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
