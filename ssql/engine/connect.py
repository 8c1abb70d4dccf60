"""A client of Kafka Connect's REST API: the calls that ssql's statements need, each a request and its JSON answer.

It waits, so it is called in a thread. What Connect answers is handed on as it is.
"""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from ssql.config import CONNECT_TIMEOUT_MS, CONNECT_URL, CONNECT_USER, Config
from ssql.errors import ConnectFailed, ConnectNotConfigured


class ConnectClient:
    """The Connect server that the settings name; a connection a call."""

    def __init__(self, config: Config) -> None:
        """
        Raises:
            ConnectNotConfigured: where the settings name none.
        """
        url = config[CONNECT_URL]
        if not url:
            raise ConnectNotConfigured
        parts = urlsplit(url if "//" in url else f"http://{url}")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._timeout_s = config[CONNECT_TIMEOUT_MS] / 1000
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if config[CONNECT_USER]:
            token = base64.b64encode(config[CONNECT_USER].encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def connectors(self) -> list[str]:
        """The names of all connectors."""
        return [str(name) for name in self._ask("GET", "connectors")]

    def describe(self, name: str) -> dict[str, Any]:
        """name, config, tasks and type of a connector."""
        return dict(self._ask("GET", "connectors", name))

    def status(self, name: str) -> dict[str, Any]:
        """The states of a connector and of its tasks."""
        return dict(self._ask("GET", "connectors", name, "status"))

    def topics(self, name: str) -> list[str]:
        """The topics that a connector has used."""
        found: dict[str, Any] = self._ask("GET", "connectors", name, "topics")
        return [str(topic) for topic in found.get(name, {}).get("topics", ())]

    def plugins(self) -> list[dict[str, Any]]:
        """class, type and version of the connectors that are installed."""
        return list(self._ask("GET", "connector-plugins"))

    def check(self, connector_class: str, config: Mapping[str, str]) -> list[str]:
        """What is wrong with a connector's configuration."""
        answer = self._ask("PUT", "connector-plugins", connector_class, "config", "validate", body=config)
        values = [c.get("value") or {} for c in answer.get("configs", ())]
        return [f"{v.get('name')} - {'. '.join(map(str, v['errors']))}" for v in values if v.get("errors")]

    def create(self, name: str, config: Mapping[str, str]) -> dict[str, Any]:
        """The new connector, as `describe` has it."""
        return dict(self._ask("POST", "connectors", body={"name": name, "config": config}))

    def delete(self, name: str) -> None:
        self._ask("DELETE", "connectors", name)

    def _ask(self, method: str, *path: str, body: object = None) -> Any:
        """
        Raises:
            ConnectFailed: with Connect's own reason, or why there is no answer.
        """
        where = "/".join([self._path, *(quote(part, safe="") for part in path)])
        try:
            with closing(self._kind(self._host, timeout=self._timeout_s)) as connection:
                connection.request(method, where, None if body is None else msgspec.json.encode(body), self._headers)
                response = connection.getresponse()
                status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as trouble:
            reason = (getattr(trouble, "strerror", None) or str(trouble) or type(trouble).__name__).lower()
            raise ConnectFailed(f"could not reach {self._host}: {reason}") from None
        try:
            answer = msgspec.json.decode(text) if text else {}
        except msgspec.DecodeError:
            answer = None
        if status >= 400 or answer is None:
            said = answer.get("message") if isinstance(answer, dict) else None
            raise ConnectFailed(str(said or f"{self._host} answered {status}"), status if status >= 400 else 500)
        return answer
